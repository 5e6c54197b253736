// Files of one sentence a line, as commands read them: plain, .gz, .xz, a column of tab-separated lines, or
// standard input.
#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/reader.h"

namespace rum {
inline std::string shown_path(const std::string& path) { return path == "-" ? "standard input" : path; }

// column: which one to take, from 1, of a file whose first line has a tab; other files are read whole. 0:
// lines as they are, and a tab is refused. FileError: no line at all, a line without this column.
inline std::vector<std::string> read_lines(const std::string& path, int64_t column) {
  std::vector<std::string> out;
  LineReader reader(path);
  bool columns = false;
  for (std::string_view line; reader.next(line);) {
    const bool tab = line.find('\t') != std::string_view::npos;
    if (tab && column == 0)
      throw FileError(
          fmt::format("{}: line {} has a tab; expected one sentence a line (--column 1 takes the "
                      "first column)",
                      shown_path(path), reader.line()));
    if (reader.line() == 1) columns = tab;
    for (int64_t skip = columns ? column - 1 : 0; skip > 0; --skip) {
      const size_t end = line.find('\t');
      if (end == std::string_view::npos)
        throw FileError(fmt::format("{}: line {} has {} columns, expected at least {} (--column)",
                                    shown_path(path), reader.line(), column - skip, column));
      line.remove_prefix(end + 1);
    }
    out.emplace_back(columns ? line.substr(0, line.find('\t')) : line);
  }
  if (out.empty()) throw FileError(shown_path(path) + ": no line in it; expected one sentence a line");
  return out;
}
// FileError that names both files and their numbers of lines, unless they are the same.
inline void check_same_lines(const std::string& path, size_t lines, const std::string& other,
                             size_t expected) {
  if (lines != expected)
    throw FileError(fmt::format("{} has {} lines, {} has {}; expected the same number", shown_path(path),
                                lines, shown_path(other), expected));
}
}  // namespace rum
