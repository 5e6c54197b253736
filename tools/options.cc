#include "tools/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "base/error.h"

namespace rum {
struct Flags::State {
  CLI::App app;
  State(const char* command, const char* about) : app(about, std::string("ruminate ") + command) {
    app.option_defaults()->always_capture_default();
  }
};
Flags::Flags(const char* command, const char* about) : state_(std::make_unique<State>(command, about)) {}
Flags::~Flags() = default;
Flags& Flags::add(const char* name, std::string& value, const char* help, bool required) {
  state_->app.add_option(name, value, help)->required(required);
  return *this;
}
Flags& Flags::add(const char* name, std::vector<std::string>& value, const char* help, bool required) {
  state_->app.add_option(name, value, help)->required(required);
  return *this;
}
Flags& Flags::add(const char* name, int64_t& value, const char* help, int64_t low, int64_t high) {
  auto* o = state_->app.add_option(name, value, help);
  if (low != INT64_MIN || high != INT64_MAX) o->check(CLI::Range(low, high));
  return *this;
}
Flags& Flags::add(const char* name, float& value, const char* help, float low, float high) {
  auto* o = state_->app.add_option(name, value, help);
  if (low > -1e30f || high < 1e30f) o->check(CLI::Range(low, high));
  return *this;
}
Flags& Flags::add(const char* name, double& value, const char* help) {
  state_->app.add_option(name, value, help);
  return *this;
}
Flags& Flags::add(const char* name, bool& value, const char* help) {
  state_->app.add_flag(name, value, help);
  return *this;
}
Flags& Flags::choice(const char* name, std::string& value, const char* help,
                     std::vector<std::string> allowed) {
  state_->app.add_option(name, value, help)->check(CLI::IsMember(std::move(allowed)));
  return *this;
}
Flags& Flags::footer(const std::string& text) {
  state_->app.footer(text);
  return *this;
}
std::optional<int> Flags::parse(int argc, char** argv) try {
  state_->app.parse(argc, argv);
  return {};
} catch (const CLI::ParseError& e) {
  if (e.get_exit_code() == 0) return state_->app.exit(e);
  std::string hint;
  std::vector<std::string> known;
  for (const CLI::Option* o : state_->app.get_options())
    for (const std::string& n : o->get_lnames()) known.push_back("--" + n);
  for (const std::string& wrong : state_->app.remaining())
    if (wrong.rfind("--", 0) == 0) hint = did_you_mean(wrong, known);
  fmt::print(stderr, "{}: {}{}\n`{} --help` tells the flags.\n", state_->app.get_name(), e.what(), hint,
             state_->app.get_name());
  return 2;
}
bool Flags::given(const char* name) const { return state_->app.count(name) > 0; }
}  // namespace rum
