// The texts that commands read: one per line, or one column of tab-separated lines.
#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/say.h"
#include "text/reader.h"

namespace rum {
// The lines of "FILE", plain or packed, or "-" (standard input); with ":N" after it, column N of each line of
// a TSV, counted from 1. In NFC, unless a measure must see them as they are.
class Lines {
 public:
  explicit Lines(const std::string& given, Form form = Form::nfc, BlankEnd end = BlankEnd::kept)
      : given_(given),
        form_(form),
        column_(column_of(given)),
        reader_(path_of(given, column_), kLongest, form, end) {}
  // False at the end. `there`: whether the line has the column; if not, `line` is empty.
  bool next(std::string_view& line, bool& there) {
    there = true;
    if (!reader_.next(line)) return false;
    if (column_ == 0) tabbed_ += line.find('\t') != std::string_view::npos;
    for (size_t i = 1; i <= column_ && there; ++i) {
      const size_t tab = line.find('\t');
      there = i == column_ || tab != std::string_view::npos;
      if (i == column_)
        line = line.substr(0, tab);
      else
        line = there ? line.substr(tab + 1) : std::string_view();
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
  // After the last line, of what is counted but may not be meant: tabs; where lines count as they stand, also
  // what would make them equal elsewhere.
  void warn() const {
    if (tabbed_ > 0)
      say("{}: {} of {} lines have a tab, and all of their columns count; {}:2 is the second column",
          reader_.path(), tabbed_, reader_.line(), given_);
    if (form_ == Form::nfc) return;
    if (reader_.recomposed() > 0)
      say("{}: {} of {} lines are not in Unicode's form NFC; they count as they stand, so as other "
          "text than the same in NFC",
          reader_.path(), reader_.recomposed(), reader_.line());
    if (reader_.had_mark())
      say("{}: the byte-order mark at its start is not text and is left out", reader_.path());
  }
  [[noreturn]] void refuse_empty() const {
    throw FileError(reader_.path() + ": no line in it; expected one sentence a line");
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
  Form form_;
  size_t column_;
  int64_t tabbed_ = 0;  // lines with a tab where no column is taken
  LineReader reader_;
};

// Error when standard input is named more than once among the files of a command, as a whole or by columns.
inline void refuse_second_reading(std::span<const std::string> files) {
  const auto standard = [](const std::string& f) {
    return f == "-" || f.starts_with("-:") || f == "/dev/stdin";
  };
  RUM_CHECK(std::count_if(files.begin(), files.end(), standard) <= 1,
            "standard input (-) can be read only once");
}
// Error when two of the files, given under one flag to be compared, are the same: a `what` is not compared
// with itself.
inline void refuse_same_file(std::span<const std::string> files, const char* flag, const char* what) {
  for (size_t i = 0; i < files.size(); ++i)
    for (size_t j = 0; j < i; ++j) {
      std::error_code none;
      if (files[i] == files[j] || std::filesystem::equivalent(files[i], files[j], none))
        fail(
            fmt::format("{}: {} and {} are the same file, and a {} is not compared with itself; name each {} "
                        "once",
                        flag, files[j], files[i], what, what));
    }
}
// FileError when two files that belong together have not as many lines.
inline void check_same_length(const std::string& path, size_t lines, const std::string& other,
                              size_t expected) {
  if (lines != expected)
    throw FileError(fmt::format("{} has {} lines, {} has {}; expected the same number", shown(path), lines,
                                shown(other), expected));
}
// All of them; FileError when there is no line at all.
inline std::vector<std::optional<std::string>> read_columns(const std::string& given, Form form = Form::nfc) {
  std::vector<std::optional<std::string>> out;
  Lines lines(given, form);
  bool there = true;
  for (std::string_view line; lines.next(line, there);)
    there ? out.emplace_back(std::string(line)) : out.emplace_back();
  if (out.empty()) lines.refuse_empty();
  lines.warn();
  return out;
}
inline std::vector<std::string> read_lines(const std::string& given, Form form = Form::nfc,
                                           BlankEnd end = BlankEnd::kept) {
  std::vector<std::string> out;
  Lines lines(given, form, end);
  for (std::string_view line; lines.next(line);) out.emplace_back(line);
  if (out.empty()) lines.refuse_empty();
  lines.warn();
  return out;
}
}  // namespace rum
