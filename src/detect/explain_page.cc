#include "detect/explain_page.h"

#include <algorithm>
#include <cmath>

#include "text/html.h"

namespace rum::detect {
namespace {
constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--paper:#fff;--ink:#1c1e21;--soft:#5c6370;--rule:#d9dce1;--shade:#f5f6f8;
--r0:#bfe6c3;--r1:#f4e39a;--r2:#f5b8a8;--r3:#d9c2f0;
--m1:#fbe6d8;--m2:#f8cfb2;--m3:#f4b386;--m4:#ef965a;--h1:#dfe9fa;--h2:#c1d5f5;--h3:#9dbdee;--h4:#78a3e6}
@media (prefers-color-scheme:dark){:root{--paper:#15171a;--ink:#eceef0;--soft:#9aa2ae;--rule:#343941;--shade:#1e2126;
--r0:#1f5a2c;--r1:#5f5210;--r2:#7a2a22;--r3:#53307a;
--m1:#33261d;--m2:#4d321f;--m3:#6b3f1e;--m4:#8a4c1b;--h1:#1b2636;--h2:#1f3353;--h3:#254475;--h4:#2b5698}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:52rem;padding:1.5rem 1rem 4rem;background:var(--paper);color:var(--ink);font:16px/1.6 Charter,Georgia,serif}
h1{font-size:1.6rem;line-height:1.2;margin:0 0 .4rem}h2{font-size:1.15rem;margin:2.4rem 0 .6rem;border-bottom:1px solid var(--rule)}h3{font-size:1rem;margin:1.4rem 0 .3rem}
.soft,.legend{color:var(--soft);font:.85rem/1.6 system-ui,sans-serif}.legend span{color:var(--ink);padding:0 .4em;margin-right:.3em;border-radius:.2em;white-space:nowrap}
.text{white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.9;margin:.5rem 0}.text span{border-radius:.2em;padding:.1em 0}.text .end{font:.8rem system-ui,sans-serif;padding:.1em .4em;margin-left:.3em}
mark{color:inherit;background:var(--m3);border-radius:.2em}
.r0{background:var(--r0)}.r1{background:var(--r1)}.r2{background:var(--r2)}.r3{background:var(--r3)}
.m1{background:var(--m1)}.m2{background:var(--m2)}.m3{background:var(--m3)}.m4{background:var(--m4)}
.h1{background:var(--h1)}.h2{background:var(--h2)}.h3{background:var(--h3)}.h4{background:var(--h4)}
.scroll{overflow-x:auto}table{border-collapse:collapse;font:.85rem/1.4 system-ui,sans-serif;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .5rem;text-align:right;border-bottom:1px solid var(--rule)}th{color:var(--soft);font-weight:600}.left{text-align:left;overflow-wrap:anywhere}
.bars{width:100%;max-width:26rem}.bars td{white-space:nowrap}.bars .bar{width:60%;text-align:left}.bar i{display:block;height:.9em;border-radius:.2em;min-width:1px}
summary{cursor:pointer;color:var(--soft);font:.85rem system-ui,sans-serif;margin:.6rem 0}
@media (max-width:600px){body{padding:1rem .7rem 3rem}th,td{padding:.2rem .3rem}}
)";
constexpr const char* kRanks[] = {"rank 1 to 10", "to 100", "to 1000", "beyond"};

std::string page(const std::string& title, const std::string& body) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">\n<title>{0}</title>\n<style>{1}</style></head><body>\n"
      "<h1>{0}</h1>\n{2}</body></html>\n",
      title, kStyle, body);
}
std::string paragraphs(const std::string& lines) {
  std::string out;
  for (size_t begin = 0; begin < lines.size();) {
    const size_t end = lines.find('\n', begin);
    out += "<p class=\"soft\">" + escape_html(lines.substr(begin, end - begin)) + "</p>\n";
    begin = end + 1;
  }
  return out;
}
// The text shown when the pointer rests on a stretch.
std::string hover(const Stretch& s) {
  std::string out = fmt::format("adds {:+.4g}", s.adds);
  if (s.rank > 0) out += fmt::format(", rank {}, probability {:.4g}", s.rank, s.probability);
  return out;
}
std::string shown(const std::string& target, const Stretch& s, const std::string& colour) {
  if (s.begin == s.end)
    return fmt::format("<span class=\"end {}\" title=\"{}\">end</span>", colour, hover(s));
  const std::string text = escape_html(std::string_view(target).substr(s.begin, s.end - s.begin));
  if (s.rank == 0 && s.adds == 0) return text;
  return fmt::format("<span class=\"{}\" title=\"{}\">{}</span>", colour, hover(s), text);
}
// m1 to m4 towards machine, h1 to h4 towards human, relative to the strongest stretch.
std::string colour_of(double adds, double strongest) {
  const double share = std::abs(adds) / strongest;
  if (!(share > 0.02)) return "";
  const char* side = "m";
  if (adds < 0) side = "h";
  return fmt::format("{}{}", side, std::min(4, 1 + static_cast<int>(4 * share)));
}
double strongest_of(std::span<const Stretch> all) {
  double out = 0;
  for (const Stretch& s : all) out = std::max(out, std::abs(s.adds));
  return out;
}
std::string histogram(const Explained& e) {
  const auto counts = rank_histogram(e.explanation.parts);
  const auto all = static_cast<double>(e.explanation.parts.size());
  std::string out = "<table class=\"bars\">\n";
  for (size_t k = 0; k < counts.size(); ++k) {
    const double percent = 100 * static_cast<double>(counts[k]) / all;
    out += fmt::format(
        "<tr><td class=\"left\">{}</td><td class=\"bar\"><i class=\"r{}\" style=\"width:{:.1f}%\"></i></td>"
        "<td>{} ({:.0f} %)</td></tr>\n",
        kRanks[k], k, percent, counts[k], percent);
  }
  return out + "</table>\n";
}
std::string ranks(const Explained& e, std::span<const Stretch> all) {
  std::string out = "<h3>How likely the model held each token</h3>\n<p class=\"legend\">";
  for (int k = 0; k < 4; ++k) out += fmt::format("<span class=\"r{}\">{}</span> ", k, kRanks[k]);
  out += "</p>\n<p class=\"text\">";
  for (const Stretch& s : all) {
    std::string colour;
    if (s.rank > 0) colour = fmt::format("r{}", rank_class(s.rank));
    out += shown(e.text.target, s, colour);
  }
  return out + "</p>\n" + histogram(e);
}
std::string contributions(const Explained& e, std::span<const Stretch> all) {
  std::string out =
      "<h3>What each part adds to the score</h3>\n<p class=\"legend\"><span class=\"m4\">machine</span> "
      "<span class=\"m1\">slightly</span> <span class=\"h1\">slightly</span> <span class=\"h4\">person</span>"
      "</p>\n<p class=\"text\">";
  const double strongest = strongest_of(all);
  for (const Stretch& s : all) out += shown(e.text.target, s, colour_of(s.adds, strongest));
  return out + "</p>\n";
}
std::string features(const Explained& e) {
  if (e.explanation.features.empty()) return "";
  std::string out =
      "<h3>The n-grams that add the most</h3>\n<div class=\"scroll\"><table>\n<tr><th>adds</th><th>times</th>"
      "<th class=\"left\">n-gram</th></tr>\n";
  for (const Feature& f : strongest(e.explanation.features, 10))
    out += fmt::format("<tr><td>{:+.4f}</td><td>{}</td><td class=\"left\">{}</td></tr>\n", f.adds, f.times,
                       escape_html(to_json(Json(f.name))));
  return out + "</table></div>\n";
}
std::string numbers(const Explained& e, std::span<const Stretch> all) {
  std::string out =
      "<details><summary>All parts in numbers</summary><div class=\"scroll\"><table>\n<tr><th>adds</th>"
      "<th>rank</th><th>probability</th><th class=\"left\">text</th></tr>\n";
  for (const Stretch& s : all) {
    if (s.rank == 0 && s.adds == 0) continue;
    std::string rank = "<td></td><td></td>", text = "end";
    if (s.rank > 0) rank = fmt::format("<td>{}</td><td>{:.4g}</td>", s.rank, s.probability);
    if (s.begin < s.end) text = to_json(Json(e.text.target.substr(s.begin, s.end - s.begin)));
    out += fmt::format("<tr><td>{:+.6g}</td>{}<td class=\"left\">{}</td></tr>\n", s.adds, rank,
                       escape_html(text));
  }
  return out + "</table></div></details>\n";
}
std::string section(const Calibration& c, const Explained& e) {
  const std::vector<Stretch> all = stretches(e.text.target, e.explanation.parts);
  std::string out = fmt::format("<h2>Text {}</h2>\n", escape_html(e.text.id));
  out += paragraphs(sum_told(e) + told(c, e.verdict));
  if (has_ranks(e.explanation.parts)) out += ranks(e, all);
  return out + contributions(e, all) + features(e) + numbers(e, all);
}

std::string marked(const Calibration& c, const Windowed& w) {
  std::string out = "<p class=\"text\">";
  const std::string& target = w.text.target;
  size_t at = 0;
  for (const auto& [begin, end] : machine_parts(c, w.windows)) {
    out += escape_html(std::string_view(target).substr(at, begin - at)) + "<mark>" +
           escape_html(std::string_view(target).substr(begin, end - begin)) + "</mark>";
    at = end;
  }
  return out + escape_html(std::string_view(target).substr(at)) + "</p>\n";
}
std::string section(const Calibration& c, const Windowed& w) {
  std::string out = fmt::format("<h2>Text {}</h2>\n", escape_html(w.text.id));
  out += paragraphs(parts_told(c, w.windows)) + marked(c, w) +
         "<div class=\"scroll\"><table>\n<tr><th>from</th><th>to</th><th>score</th><th>probability</th>"
         "<th class=\"left\">it says</th><th class=\"left\">begins</th></tr>\n";
  for (const Window& x : w.windows) {
    std::string probability, row;
    if (x.verdict.probability) probability = fmt::format("{:.3f}", *x.verdict.probability);
    if (looks_machine(c, x.verdict)) row = " class=\"m2\"";
    out += fmt::format(
        "<tr{}><td>{}</td><td>{}</td><td>{:.4f}</td><td>{}</td><td class=\"left\">{}</td>"
        "<td class=\"left\">{}</td></tr>\n",
        row, x.first, x.last, x.score, probability, answer(c, x.verdict),
        escape_html(beginning(w.text.target, x)));
  }
  return out + "</table></div>\n";
}
template <class Each>
std::string sections(const std::string& title, const Calibration& c, std::span<const Each> all) {
  std::string body;
  for (const Each& one : all) body += section(c, one);
  return page(title, body);
}
}  // namespace

std::string explanation_page(const Calibration& c, std::span<const Explained> all) {
  return sections("What the detector sees", c, all);
}
std::string windows_page(const Calibration& c, std::span<const Windowed> all) {
  return sections("Which part looks machine-written", c, all);
}
}  // namespace rum::detect
