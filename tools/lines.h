// Texts that commands read: one a line, or one column of tab-separated lines.
#pragma once
#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "text/reader.h"

namespace rum {
inline std::string shown(const std::string& path) { return path == "-" ? "standard input" : path; }

// The lines of "FILE", "FILE.gz", "FILE.xz" or "-" (standard input); with ":N" after it, of column N of a
// TSV, counted from 1. A line may have fewer columns: none. FileError when there is no line at all.
inline std::vector<std::optional<std::string>> read_columns(const std::string& given) {
  std::string path = given;
  size_t column = 0;
  const size_t colon = given.rfind(':');
  if (colon != std::string::npos && colon + 1 < given.size() && given.size() - colon < 5 &&
      given.find_first_not_of("0123456789", colon + 1) == std::string::npos &&
      !std::filesystem::exists(given)) {
    path = given.substr(0, colon), column = std::stoul(given.substr(colon + 1));
    RUM_CHECK(column > 0, "{}: columns are counted from 1", given);
  }
  std::vector<std::optional<std::string>> out;
  LineReader reader(path, size_t{1} << 26);
  for (std::string_view line; reader.next(line);) {
    for (size_t i = 1; i < column && line.data() != nullptr; ++i) {
      const size_t tab = line.find('\t');
      line = tab == std::string_view::npos ? std::string_view() : line.substr(tab + 1);
    }
    if (column > 0 && line.data() != nullptr) line = line.substr(0, line.find('\t'));
    line.data() != nullptr ? out.emplace_back(line) : out.emplace_back();
  }
  if (out.empty()) throw FileError(shown(path) + ": no line in it; expected one sentence a line");
  return out;
}
// The same where every line must have the column.
inline std::vector<std::string> read_lines(const std::string& given) {
  std::vector<std::string> out;
  for (auto& line : read_columns(given)) {
    if (!line) throw FileError(fmt::format("{}: line {} has no such column", given, out.size() + 1));
    out.push_back(std::move(*line));
  }
  return out;
}
}  // namespace rum
