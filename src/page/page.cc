#include "page/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/html.h"
#include "text/words.h"

namespace rum::page {
std::string html_document(const std::string& title, const std::string& body, const std::string& head) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">\n<title>{0}</title>\n<style>{1}</style>{2}"
      "</head><body>\n<h1>{0}</h1>\n{3}</body></html>\n",
      escape_html(title), kPageStyle, head, body);
}
namespace {
constexpr const char* kPercent = "\u00a0%";  // never separated from its number
std::string tip(const std::string& text) {
  if (text.empty()) return "";
  return fmt::format(" title=\"{}\"", escape_html(text));
}
std::string sources(const char* files) {
  std::string out;
  for (const std::string_view file : split_at_blanks(files))
    out += fmt::format(" <a href=\"{0}\">{0}</a>", file);
  return out;
}
// Do all rows have short names? Then their column need not be wide.
bool short_names(const Table& t) {
  constexpr size_t kShort = 16;  // bytes
  return std::ranges::all_of(t.rows,
                             [](const auto& row) { return row.size() == 1 || row[0].size() <= kShort; });
}
std::string row_html(const Table& t, const std::vector<std::string>& row) {
  if (row.size() == 1)
    return fmt::format("<tr><th class=\"over\" colspan=\"{}\">{}</th></tr>\n", t.head.size(), row[0]);
  std::string out = "<tr>";
  for (size_t i = 0; i < row.size(); ++i)
    out += fmt::format("<td data-label=\"{}\">{}</td>", escape_html(t.head[i].label), row[i]);
  return out + "</tr>\n";
}
}  // namespace

void Page::section(const std::string& title, const std::string& about) {
  if (sections_ > 0) put("</section>\n");
  ++sections_;
  put(fmt::format("<section><h2 id=\"section-{}\">{}</h2>\n", sections_, title));
  contents_ += fmt::format("<a href=\"#section-{}\">{}</a> ", sections_, title);
  if (!about.empty()) put("<p>" + about + "</p>\n");
}
void Page::table(const Table& t) {
  ++tables_;
  put(fmt::format(
      "<figure class=\"table{3}\" id=\"table-{0}\"><figcaption><b>Table {0}.</b> {1}{2}</figcaption>\n"
      "<div class=\"scroll\"><table><thead><tr>",
      tables_, t.caption, sources(t.data),
      std::string(short_names(t) ? " short" : "") + (t.words ? " words" : "")));
  for (const Head& h : t.head) put(fmt::format("<th{}>{}</th>", tip(h.tip), escape_html(h.label)));
  put("</tr></thead><tbody>\n");
  for (const auto& row : t.rows) put(row_html(t, row));
  put("</tbody></table></div></figure>\n");
}
void Page::figure(const std::vector<std::string>& charts, const std::string& caption, const char* data) {
  ++figures_;
  put(fmt::format("<figure id=\"figure-{}\"><div class=\"charts\">\n", figures_));
  for (const std::string& c : charts) put("<div>" + c + "</div>\n");
  put(fmt::format("</div><figcaption><b>Figure {}.</b> {}{}</figcaption></figure>\n", figures_, caption,
                  sources(data)));
}
std::string Page::html(const std::string& title, const std::string& top, const std::string& head) const {
  std::string body = top + "<nav>" + contents_ + "</nav>\n" + body_;
  if (sections_ > 0) body += "</section>\n";
  return html_document(title, body, head);
}

namespace {
std::string with_minus(std::string s) {  // fmt's hyphen as a minus sign; no sign before a zero
  if (s.find_first_of("123456789") == std::string::npos && (s[0] == '-' || s[0] == '+')) s.erase(0, 1);
  if (!s.empty() && s[0] == '-') s = "−" + s.substr(1);
  return s;
}
}  // namespace
std::string shown(double v, int digits) {
  if (!std::isfinite(v)) return "not defined";
  return with_minus(fmt::format("{:.{}f}", v, digits));
}
std::string signed_number(double v, int digits) {
  if (!std::isfinite(v)) return "not defined";
  return with_minus(fmt::format("{:+.{}f}", v, digits));
}
int digits_for(double v) {
  const double size = std::abs(v);
  if (size >= 1000) return 0;
  if (size >= 100) return 1;
  if (size >= 10) return 2;
  return 3;
}
int digits_for(double a, double b) { return std::min(digits_for(a), digits_for(b)); }
std::string measured(double v) { return shown(v, digits_for(v)); }
std::string percent(double share) { return shown(100 * share, 0) + kPercent; }
std::string relative(double from, double to) {
  if (!std::isfinite(from) || !std::isfinite(to) || !(from > 0)) return "";
  return signed_number(100 * (to / from - 1), 0) + kPercent;
}
std::string change(double from, double to, int digits, bool in_percent) {
  if (!std::isfinite(from) || !std::isfinite(to)) return "–";
  const std::string by = in_percent ? relative(from, to) : "";
  return fmt::format("{} → {}{}", shown(from, digits), shown(to, digits), by.empty() ? "" : ", " + by);
}
}  // namespace rum::page
