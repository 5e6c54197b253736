#include "experiment/report_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "experiment/chart.h"
#include "metrics/explain.h"

namespace rum {
namespace {
constexpr const char* kPercent = "\u00a0%";  // never parted from its number
std::string tip(const std::string& text) {
  if (text.empty()) return "";
  return fmt::format(" title=\"{}\"", escape_html(text));
}
std::string source(const char* file) {
  if (*file == '\0') return "";
  return fmt::format(" <a href=\"{0}\">{0}</a>", file);
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
      "<figure class=\"table\" id=\"table-{0}\"><figcaption><b>Table {0}.</b> {1}{2}</figcaption>\n"
      "<div class=\"scroll\"><table><thead><tr>",
      tables_, t.caption, source(t.data)));
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
                  source(data)));
}
std::string Page::html(const std::string& title, const std::string& top) const {
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">\n<title>{0}</title>\n<style>{1}</style>"
      "</head><body>\n<h1>{0}</h1>\n",
      escape_html(title), kReportStyle);
  out += top + "<nav>" + contents_ + "</nav>\n" + body_;
  if (sections_ > 0) out += "</section>\n";
  return out + "</body></html>\n";
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
std::string measured(double v) { return shown(v, digits_for(v)); }
std::string counted(int64_t n) {
  std::string out = fmt::format("{}", n);
  for (size_t at = out.size(); at > 3; at -= 3) out.insert(at - 3, 1, ',');
  return out;
}
std::string percent(double share) { return shown(100 * share, 0) + kPercent; }
std::string relative(double from, double to) {
  if (!std::isfinite(from) || !std::isfinite(to) || !(from > 0)) return "";
  return signed_number(100 * (to / from - 1), 0) + kPercent;
}
std::string change(double from, double to, int digits) {
  if (!std::isfinite(from) || !std::isfinite(to)) return "–";
  const std::string by = relative(from, to);
  return fmt::format("{} → {}{}", shown(from, digits), shown(to, digits), by.empty() ? "" : ", " + by);
}
int digits_of(const std::string& score) { return score == "NLL" ? 2 : 1; }
bool has_width(const Effect& e, int digits) {
  return std::isfinite(e.low) && std::isfinite(e.high) &&
         signed_number(e.low, digits) != signed_number(e.high, digits);
}
std::string interval(const Effect& e, int digits) {
  if (!has_width(e, digits)) return signed_number(e.value, digits);
  return fmt::format("{} [{}, {}]", signed_number(e.value, digits), signed_number(e.low, digits),
                     signed_number(e.high, digits));
}
std::string p_value(const Effect& e, int digits, double p) {
  if (!std::isfinite(p) || !has_width(e, digits)) return "–";
  if (p < 0.001) return "&lt; .001";
  if (p > 0.9995) return "1";
  return fmt::format("{:.3f}", p).substr(1);
}
std::string share_of_gap(const GapClosed& g) {
  if (!g.share || !g.interval) return "no gap";
  const std::string low = shown(100 * g.interval->first, 0), high = shown(100 * g.interval->second, 0);
  return percent(*g.share) + (low == high ? "" : fmt::format(" [{}, {}]", low, high)) +
         (g.gap_sign_flips > 0 ? "?" : "");
}
std::string verdict_html(Verdict v) {
  const char* sign = "?";
  if (v == Verdict::holds) sign = "✓";
  if (v == Verdict::does_not_hold) sign = "✗";
  std::string css = name(v);
  std::replace(css.begin(), css.end(), ' ', '_');
  return fmt::format("<span class=\"verdict {}\">{} {}</span>", css, sign, name(v));
}

std::string explained(const std::string& measure) {
  std::string key = measure;
  std::transform(key.begin(), key.end(), key.begin(), [](unsigned char c) { return std::tolower(c); });
  if (key == "nll") key = "log_likelihood";
  const size_t bar = key.rfind('_');  // "mattr_50" is a mattr
  std::string base = key;
  if (bar != std::string::npos && key.find_first_not_of("0123456789", bar + 1) == std::string::npos)
    base = key.substr(0, bar);
  for (const Explanation* e : Explanation::all())
    if (e->name == key || e->name == base) return explain(e->name);
  return "";
}
Head score_head(size_t score) {
  const char* way = kHigherIsBetter[score] ? "higher" : "lower";
  return {fmt::format("{}, {} is better", kScores[score], way), explained(kScores[score])};
}
std::string claim_sentence(const Claim& c) {
  return fmt::format("{} <small>({})</small>{}", escape_html(c.text), escape_html(c.id),
                     c.chosen_later ? " <i>chosen after looking</i>" : "");
}
namespace {
constexpr std::pair<const char*, const char*> kGroups[] = {{"A", "main"},
                                                           {"B", "fraction of real data"},
                                                           {"C", "mechanisms"},
                                                           {"D", "remedy 1: quality"},
                                                           {"E", "remedy 2: several generators"},
                                                           {"F", "remedy 3: detector"},
                                                           {"R", "stronger remedies"},
                                                           {"H", "fine-tuning"},
                                                           {"G", "beyond the paper"}};
}
int group_key(const std::string& group) {
  int key = 0;
  for (const auto& [letter, _] : kGroups) {
    if (group == letter) return key;
    ++key;
  }
  return key;
}
std::string group_name(const std::string& group) {
  for (const auto& [letter, says] : kGroups)
    if (group == letter) return fmt::format("{}, {}", letter, says);
  return group;
}
const ArmResult* find_arm(const ExperimentResults& r, const std::string& name) {
  for (const ArmResult& a : r.arms)
    if (a.arm->name == name && a.volume == 1 && a.model == "last") return &a;
  return nullptr;
}
}  // namespace rum
