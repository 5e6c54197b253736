#include "text/typed_lines.h"

#include <editline/readline.h>
#include <langinfo.h>
#include <sys/stat.h>
#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace rum {
namespace {
constexpr int kRemembered = 1000;  // lines

std::string history_path(const std::string& name) {
  const char *state = std::getenv("XDG_STATE_HOME"), *home = std::getenv("HOME");
  std::string folder;
  if (state != nullptr && *state == '/')
    folder = state;
  else if (home != nullptr && *home == '/')
    folder = std::string(home) + "/.local/state";
  if (folder.empty()) return "";
  std::error_code fault;
  std::filesystem::create_directories(folder + "/ruminate", fault);
  return fault ? "" : folder + "/ruminate/" + name;
}
}  // namespace

TypedLines::TypedLines(const std::string& name) : path_(history_path(name)) {
  std::setlocale(LC_CTYPE, "");
  if (std::string_view(nl_langinfo(CODESET)) != "UTF-8") std::setlocale(LC_CTYPE, "C.UTF-8");
  rl_instream = fdopen(dup(STDIN_FILENO), "r");  // the program's own streams are guarded (base/terminal.h)
  rl_outstream = fdopen(dup(STDERR_FILENO), "w");
  using_history();
  stifle_history(kRemembered);
  if (!path_.empty()) read_history(path_.c_str());
}
TypedLines::~TypedLines() {
  if (!path_.empty() && write_history(path_.c_str()) == 0) chmod(path_.c_str(), 0600);
  std::fclose(rl_instream);
  std::fclose(rl_outstream);
}
std::optional<std::string> TypedLines::next(const char* prompt) {
  char* const typed = readline(prompt);
  if (typed == nullptr) return {};
  std::string line = typed;
  std::free(typed);
  if (!line.empty()) add_history(line.c_str());
  return line;
}
}  // namespace rum
