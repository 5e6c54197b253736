// Texts that commands read: one a line, or one column of tab-separated lines.
#pragma once
#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/reader.h"

namespace rum {
inline std::string shown(const std::string& path) { return path == "-" ? "standard input" : path; }

// The lines of "FILE", "FILE.gz", "FILE.xz" or "-" (standard input); with ":N" after it, column N of each
// line of a TSV, counted from 1.
class Lines {
 public:
  explicit Lines(const std::string& given)
      : given_(given),
        column_(column_of(given)),
        reader_(path_of(given, column_), kLongest) {}
  // False at the end. `there`: whether the line has the column; if not, `line` is empty.
  bool next(std::string_view& line, bool& there) {
    there = true;
    if (!reader_.next(line)) return false;
    for (size_t i = 1; i <= column_ && there; ++i) {
      const size_t tab = line.find('\t');
      there = i == column_ || tab != std::string_view::npos;
      line = i == column_ ? line.substr(0, tab) : there ? line.substr(tab + 1) : std::string_view();
    }
    return true;
  }
  // The same where every line must have the column: FileError.
  bool next(std::string_view& line) {
    bool there = true;
    if (!next(line, there)) return false;
    if (!there) throw FileError(fmt::format("{}: line {} has no such column", given_, reader_.line()));
    return true;
  }
  [[noreturn]] void refuse_empty() const {
    throw FileError(shown(reader_.path()) + ": no line in it; expected one sentence a line");
  }

 private:
  static constexpr size_t kLongest = size_t{1} << 28;  // bytes of a line
  static size_t column_of(const std::string& given) {
    const size_t colon = given.rfind(':');
    if (colon == std::string::npos || colon + 1 == given.size() || given.size() - colon > 4 ||
        given.find_first_not_of("0123456789", colon + 1) != std::string::npos ||
        std::filesystem::exists(given))
      return 0;
    const size_t column = std::stoul(given.substr(colon + 1));
    RUM_CHECK(column > 0, "{}: columns are counted from 1", given);
    return column;
  }
  static std::string path_of(const std::string& given, size_t column) {
    return column == 0 ? given : given.substr(0, given.rfind(':'));
  }
  std::string given_;
  size_t column_;
  LineReader reader_;
};

// All of them; FileError when there is no line at all.
inline std::vector<std::optional<std::string>> read_columns(const std::string& given) {
  std::vector<std::optional<std::string>> out;
  Lines lines(given);
  bool there = true;
  for (std::string_view line; lines.next(line, there);)
    there ? out.emplace_back(std::string(line)) : out.emplace_back();
  if (out.empty()) lines.refuse_empty();
  return out;
}
inline std::vector<std::string> read_lines(const std::string& given) {
  std::vector<std::string> out;
  Lines lines(given);
  for (std::string_view line; lines.next(line);) out.emplace_back(line);
  if (out.empty()) lines.refuse_empty();
  return out;
}
}  // namespace rum
