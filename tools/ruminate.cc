// The program: reads its first argument and calls one of tools/commands. Errors end here, in one line and
// exit status 1; so does output that did not arrive in full.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/say.h"
#include "base/terminal.h"
#include "run/environment.h"
#include "tools/command.h"

namespace rum {
namespace {
std::vector<const Command*>& commands() {
  static std::vector<const Command*> all;
  return all;
}
}  // namespace
Command::Command(const char* n, const char* h, int (*r)(int, char**)) : name(n), help(h), run(r) {
  commands().push_back(this);
  std::sort(commands().begin(), commands().end(),
            [](const Command* a, const Command* b) { return std::strcmp(a->name, b->name) < 0; });
}
std::span<const Command* const> Command::all() { return commands(); }

int run_verb(const char* command, std::span<const Verb> verbs, int argc, char** argv) {
  const std::string_view given = argc > 1 ? argv[1] : "";
  std::vector<std::string> names;
  std::string lines;
  for (const Verb& v : verbs) {
    if (given == v.name) return v.run(argc - 1, argv + 1);
    names.emplace_back(v.name);
    lines += fmt::format("  ruminate {} {:<10} {}\n", command, v.name, v.help);
  }
  const bool asked = given == "--help" || given == "-h";
  if (!given.empty() && !asked) {
    say("ruminate {}: no verb \"{}\"{}; `ruminate {} --help` lists them", command, given,
        did_you_mean(given, names), command);
    return 2;
  }
  for (const Command* c : commands())
    if (std::string_view(c->name) == command)
      lines = fmt::format("ruminate {}: {}\n\n", command, c->help) + lines;
  lines += fmt::format("\n`ruminate {} VERB --help` lists the options of a verb.\n", command);
  put(asked ? stdout : stderr, wrapped(lines, columns()));
  return asked ? 0 : 2;
}
}  // namespace rum

namespace {
using rum::Command;

// Where the caller closed standard input, output or error, no file that a command opens may take its place:
// what is printed would end in it. Writing to it still fails.
void keep_standard_files() {
  for (int file = 0; file <= 2; ++file)
    if (fcntl(file, F_GETFD) == -1 && errno == EBADF) open("/dev/null", file == 0 ? O_WRONLY : O_RDONLY);
}

void list(FILE* to) {
  std::string out =
      "ruminate: train small transformers from scratch, generate with them, measure corpora\n\n";
  for (const Command* c : Command::all()) out += fmt::format("  ruminate {:<11} {}\n", c->name, c->help);
  out +=
      "\n`ruminate COMMAND --help` lists the options of a command; `ruminate --version` names this build.\n";
  rum::put(to, rum::wrapped(out, rum::columns()));
}
// Exit status 0 means that all of the output has arrived.
int finish(const std::string& name, int status) {
  errno = 0;
  const bool flushed = std::fflush(stdout) == 0;
  if (flushed && !std::ferror(stdout)) return status;
  const std::string why = errno != 0 ? ": " + std::generic_category().message(errno) : "";
  rum::say("{}: standard output cannot be written{}", name, why);
  return status == 0 ? 1 : status;
}
int run(const Command& command, int argc, char** argv) {
  const std::string name = fmt::format("ruminate {}", command.name);
  try {
    return finish(name, command.run(argc, argv));
  } catch (const std::bad_alloc&) {
    std::fflush(stdout);
    rum::say("{}: out of memory: give it less at once, or close other programs", name);
    return 1;
  } catch (const std::exception& e) {
    std::fflush(stdout);
    const auto* system = dynamic_cast<const std::system_error*>(&e);  // fmt::print's
    if (std::ferror(stdout) && system != nullptr)
      rum::say("{}: standard output cannot be written: {}", name, system->code().message());
    else
      rum::say("{}: {}", name, e.what());
    return 1;
  }
}
}  // namespace

int main(int argc, char** argv) {
  keep_standard_files();
  rum::guard_terminals();
  std::signal(SIGXFSZ, SIG_IGN);  // beyond a limit on the size of files, writing fails with a message
  const std::string name = argc > 1 ? argv[1] : "";
  if (name.empty()) {
    list(stderr);
    return 2;
  }
  if (name == "--help" || name == "-h" || name == "help") {
    list(stdout);
    return finish("ruminate", 0);
  }
  if (name == "--version") {
    std::fputs(fmt::format("ruminate {}\n", rum::build_id()).c_str(), stdout);
    return finish("ruminate", 0);
  }
  std::vector<std::string> names;
  for (const Command* c : Command::all()) {
    if (name == c->name) return run(*c, argc - 1, argv + 1);
    names.emplace_back(c->name);
  }
  rum::say("ruminate: no command \"{}\"{}; `ruminate --help` lists them", name,
           rum::did_you_mean(name, names));
  return 2;
}
