// The tables that commands print: one place that knows how text, CSV, Markdown and LaTeX write them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/terminal.h"

namespace rum {
// The first row is the head; the first column names its row. A row of one cell is a heading of those below
// it, for people alone: CSV, which programs read, leaves it out.
struct TextTable {
  std::vector<std::vector<std::string>> rows;
};
constexpr const char* kFormatHelp =
    "how the table is written: for people, or for a paper, a spreadsheet, a page";
std::vector<std::string> table_formats();  // text, csv, md, latex
// With its last line end. Text: the first column to the left, the others to the right; a table wider than
// `width` characters continues below, its first column again. Error: another format.
std::string written(const TextTable&, std::string_view format = "text", size_t width = columns());
std::string csv_cell(const std::string&);  // in quotes where it must be (RFC 4180)
std::string counted(int64_t n);            // 20,000
}  // namespace rum
