// What leaves a function is an Error, of which FileError, OutOfMemory and a few others (grep ": Error") are
// kinds; work that was asked to stop leaves by Interrupted (base/stop.h). Nothing calls exit() or abort().
#pragma once
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace rum {
// One sentence for the user: what was expected, what was found, what to do.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// The same about a file: its path first, then the line or byte.
struct FileError : Error {
  using Error::Error;
};
// The device's memory is used up; what was made before stays valid.
struct OutOfMemory : Error {
  using Error::Error;
};
[[noreturn]] void fail(const std::string& message);  // throws Error
// "; did you mean \"x\"?" for the nearest of `known`, or "" when none is near.
std::string did_you_mean(std::string_view wrong, std::span<const std::string> known);
// The same with the whole list: "; did you mean \"x\"? Known: x, y", or "; known: x, y" when none is near.
std::string known_names(std::string_view wrong, std::span<const std::string> known);
}  // namespace rum

// Formatted check for host code; empty for nvcc, since fmt does not compile there.
#ifndef __CUDACC__
#include <fmt/format.h>
#define RUM_CHECK(condition, ...) \
  (static_cast<bool>(condition) ? void() : ::rum::fail(::fmt::format(__VA_ARGS__)))
#endif
