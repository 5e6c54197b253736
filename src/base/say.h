// What a command says beside its results: notes, warnings, errors, on standard error. Where it cannot be
// written (closed, full, a terminal or the reader of a pipe gone) the work goes on: nobody reads it, and the
// results go elsewhere.
#pragma once
#include <fmt/format.h>

#include <cstdio>
#include <string_view>
#include <utility>

namespace rum {
// The text as it is, to standard error or output; on standard error it neither throws nor raises SIGPIPE.
void put(std::FILE* to, std::string_view text);
// A line on standard error, formatted as fmt::format does.
template <class... T>
void say(fmt::format_string<T...> line, T&&... values) {
  put(stderr, fmt::format(line, std::forward<T>(values)...) + '\n');
}
}  // namespace rum
