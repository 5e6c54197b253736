// Command-line flags of one command. options.cc is the one file that includes CLI11.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rum {
// Of every --json: to_json (text/json.h) writes it so.
constexpr const char* kJsonHelp =
    "one JSON object, numbers in full; what is undefined is null, what is infinite \"inf\" or \"-inf\"";

// Of every --explain.
constexpr const char* kExplainHelp = "define a measure or a significance test, and exit";

// The names of a list that separates them by commas or spaces.
std::vector<std::string> listed(std::string_view list);

// What the environment variable holds that --key-from names. Error, by its name and without its value: it is
// not set, or no header of HTTP can carry it.
std::string key_from(const std::string& variable);

class Flags {
 public:
  // E.g. "translate", "Translates lines with a trained model."
  Flags(const char* command, const char* about);
  ~Flags();
  // name: "--beam" or "--output,-o"; without dashes ("run") a positional argument. The variable's
  // value is the default. An empty text is refused.
  Flags& add(const char* name, std::string& value, const std::string& help, bool required = false);
  Flags& add(const char* name, std::vector<std::string>& value, const std::string& help,
             bool required = false);
  Flags& add(const char* name, int64_t& value, const std::string& help, int64_t low = INT64_MIN,
             int64_t high = INT64_MAX);
  Flags& add(const char* name, float& value, const std::string& help, float low = -1e30f, float high = 1e30f);
  Flags& add(const char* name, double& value, const std::string& help, double low = -1e300,
             double high = 1e300);
  Flags& add(const char* name, bool& value, const std::string& help);
  Flags& text(const char* name, std::string& value, const std::string& help,
              bool required = false);  // as add(), but it may be empty
  Flags& choice(const char* name, std::string& value, const std::string& help,
                std::vector<std::string> allowed, bool required = false);
  Flags& footer(const std::string& text);  // at the end of --help
  // Nothing: continue. A number: exit with it (0 after --help, 2 after a wrong flag, which was reported).
  std::optional<int> parse(int argc, char** argv);
  bool given(const char* name) const;  // was this flag on the command line?
  // Error, "--NAME needs WHAT": one of these flags is on the command line where nothing would read it.
  void need(bool there, std::string_view what, std::initializer_list<const char*> names) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};
}  // namespace rum
