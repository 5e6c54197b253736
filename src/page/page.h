// A self-contained page of figures and tables: no request to any host. It numbers its figures and tables,
// follows the reader's light or dark mode, fits a phone, and prints.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "text/table.h"

namespace rum::page {
extern const char* const kPageStyle;  // the CSS of all pages

struct Head {                   // of a column
  std::string label, tip = "";  // plain text; tip: the label's tooltip
};
// Cells are HTML; a row of one cell is a heading for the rows below. The first column names its row.
struct Table {
  std::string caption;  // HTML, without a number
  const char* data;     // the files with these numbers, between blanks; "" if there is none
  std::vector<Head> head;
  std::vector<std::vector<std::string>> rows{};
  bool words = false;  // cells are words, not numbers
};
class Page {
 public:
  // Begins a section. about: HTML.
  void section(const std::string& title, const std::string& about = "");
  void put(const std::string& html) { body_ += html; }
  void table(const Table&);
  // One caption for several charts, side by side if there is room.
  void figure(const std::vector<std::string>& charts, const std::string& caption, const char* data);
  // top: shown above the contents; head: as in html_document()
  std::string html(const std::string& title, const std::string& top, const std::string& head = "") const;

 private:
  std::string body_, contents_;
  int sections_ = 0, figures_ = 0, tables_ = 0;
};

// A complete document in that style. head: more elements for <head>; title is plain text.
std::string html_document(const std::string& title, const std::string& body, const std::string& head = "");

// ---- numbers, with a real minus sign
std::string shown(double v, int digits = 1);
std::string measured(double v);  // to about four digits
using rum::counted;
std::string signed_number(double v, int digits);
std::string percent(double share);  // 46 %
// "7009 → 2147, −69 %", or without the percent
std::string change(double from, double to, int digits, bool in_percent = true);
std::string relative(double from, double to);  // "−69 %"; "" if that is meaningless
int digits_for(double v);                      // for about four significant digits
int digits_for(double a, double b);            // of the larger of the two
}  // namespace rum::page
