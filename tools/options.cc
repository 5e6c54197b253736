#include "tools/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "base/number.h"
#include "base/say.h"
#include "base/terminal.h"

namespace rum {
std::vector<std::string> listed(std::string_view list) {
  constexpr std::string_view kBetween = ", \t\n";
  std::vector<std::string> out;
  for (size_t at = 0, end; (at = list.find_first_not_of(kBetween, at)) != std::string_view::npos; at = end) {
    end = std::min(list.find_first_of(kBetween, at), list.size());
    out.emplace_back(list.substr(at, end - at));
  }
  return out;
}

std::string key_from(const std::string& variable) {
  const char* const value = std::getenv(variable.c_str());
  RUM_CHECK(value != nullptr, "--key-from {}: that environment variable is not set", variable);
  const std::string key = value;
  RUM_CHECK(!key.empty(), "--key-from {}: that environment variable is empty", variable);
  RUM_CHECK(std::none_of(key.begin(), key.end(), [](unsigned char c) { return c <= ' ' || c == 0x7F; }),
            "--key-from {0}: the key there holds a space or a control character, such as the end of a line, "
            "which no request can carry: set {0} to the key alone",
            variable);
  return key;
}

struct Flags::State {
  CLI::App app;
  State(const char* command, const char* about) : app(about, std::string("ruminate ") + command) {
    app.option_defaults()->always_capture_default();
  }
};
namespace {
// What a variable of the shell that is not set leaves behind must not pass for a flag that was not given.
CLI::Validator not_empty() {
  return CLI::Validator(
      [](const std::string& given) { return given.empty() ? "expected a value, found an empty text" : ""; },
      "");
}
}  // namespace
Flags::Flags(const char* command, const char* about) : state_(std::make_unique<State>(command, about)) {}
Flags::~Flags() = default;
Flags& Flags::add(const char* name, std::string& value, const std::string& help, bool required) {
  state_->app.add_option(name, value, help)->required(required)->check(not_empty());
  return *this;
}
Flags& Flags::text(const char* name, std::string& value, const std::string& help, bool required) {
  state_->app.add_option(name, value, help)->required(required);
  return *this;
}
Flags& Flags::add(const char* name, std::vector<std::string>& value, const std::string& help, bool required) {
  state_->app.add_option(name, value, help)->required(required)->check(not_empty());
  return *this;
}
namespace {
// "from 1 to 10", "of at least 1", "": only what someone has set is named.
template <class T>
std::string bounds(T low, T high, bool has_low, bool has_high) {
  const auto shown = [](T v) {
    if constexpr (std::is_floating_point_v<T>) return fmt::format("{:g}", v);
    return fmt::format("{}", v);
  };
  if (has_low && has_high) return fmt::format(" from {} to {}", shown(low), shown(high));
  if (has_low) return " of at least " + shown(low);
  return has_high ? " of at most " + shown(high) : "";
}
std::string shown(const std::string& given) { return given.empty() ? "an empty text" : given; }
CLI::Validator number(double low, double high) {
  const bool has_low = low > -1e30, has_high = high < 1e30;
  return CLI::Validator(
      [=](std::string& text) -> std::string {
        const auto x = number_in<double>(text);
        if (x && std::isfinite(*x) && (!has_low || *x >= low) && (!has_high || *x <= high)) return "";
        return fmt::format("expected a number{}{}, found {}", x ? "" : " such as 2.5",
                           bounds(low, high, has_low, has_high), shown(text));
      },
      "");
}
// "1e6" is a whole number, too.
CLI::Validator whole_number(int64_t low, int64_t high) {
  return CLI::Validator(
      [=](std::string& text) -> std::string {
        auto n = number_in<int64_t>(text);
        const auto x = number_in<double>(text);
        const bool whole = x && *x == std::floor(*x), too_large = whole && *x >= 0x1p63;
        if (!n && whole && std::abs(*x) < 0x1p63) {
          n = static_cast<int64_t>(*x);
          text = fmt::format("{}", *n);
        }
        if (n && *n >= low && *n <= high) return "";
        return fmt::format("expected a whole number{}, found {}",
                           bounds(low, high, low != INT64_MIN, too_large || high != INT64_MAX), shown(text));
      },
      "");
}
}  // namespace
Flags& Flags::add(const char* name, int64_t& value, const std::string& help, int64_t low, int64_t high) {
  state_->app.add_option(name, value, help)->transform(whole_number(low, high));
  return *this;
}
Flags& Flags::add(const char* name, float& value, const std::string& help, float low, float high) {
  state_->app.add_option(name, value, help)->transform(number(low, high));
  return *this;
}
Flags& Flags::add(const char* name, double& value, const std::string& help, double low, double high) {
  state_->app.add_option(name, value, help)->transform(number(low, high));
  return *this;
}
Flags& Flags::add(const char* name, bool& value, const std::string& help) {
  state_->app.add_flag(name, value, help);
  return *this;
}
Flags& Flags::choice(const char* name, std::string& value, const std::string& help,
                     std::vector<std::string> allowed, bool required) {
  const CLI::Validator one_of(
      [allowed](const std::string& text) {
        return std::find(allowed.begin(), allowed.end(), text) != allowed.end()
                   ? ""
                   : fmt::format("unknown \"{}\"{}", text, known_names(text, allowed));
      },
      fmt::format("{{{}}}", fmt::join(allowed, ",")));
  state_->app.add_option(name, value, help)->check(one_of)->required(required);
  return *this;
}
Flags& Flags::footer(const std::string& text) {
  state_->app.footer(text);
  return *this;
}
std::optional<int> Flags::parse(int argc, char** argv) try {
  // Where there are positional arguments, a flag takes one value each time: more of them would swallow those.
  const auto options = state_->app.get_options();
  if (std::any_of(options.begin(), options.end(), [](const CLI::Option* o) { return o->get_positional(); }))
    for (CLI::Option* o : options)
      if (!o->get_positional() && o->get_expected_max() > 1) o->allow_extra_args(false);
  state_->app.parse(argc, argv);
  return {};
} catch (const CLI::ParseError& e) {
  if (e.get_exit_code() == 0) {
    fmt::print("{}", wrapped(state_->app.help(), columns()));
    return 0;
  }
  std::string what = e.what(), hint;
  constexpr std::string_view kRepeated = ": At Most 1 required but received ";  // in CLI11's words
  if (const size_t at = what.find(kRepeated); at != std::string::npos)
    what.replace(at, kRepeated.size(), ": expected once, given this many times: ");
  std::vector<std::string> known;
  for (const CLI::Option* o : state_->app.get_options())
    for (const std::string& n : o->get_lnames()) known.push_back("--" + n);
  for (const std::string& wrong : state_->app.remaining())
    if (wrong.rfind("--", 0) == 0) {
      hint = did_you_mean(wrong, known);
      // What is unknown comes first: it may well be what was meant to be the option that is missing.
      if (e.get_name() == "RequiredError") what = wrong + " was not expected";
    }
  say("{}: {}{}\n`{} --help` lists the options.", state_->app.get_name(), what, hint, state_->app.get_name());
  return 2;
}
bool Flags::given(const char* name) const { return state_->app.count(name) > 0; }
void Flags::need(bool there, std::string_view what, std::initializer_list<const char*> names) const {
  for (const char* name : names) RUM_CHECK(there || !given(name), "{} needs {}", name, what);
}
}  // namespace rum
