#include "detect/explain_page.h"

#include <algorithm>
#include <cmath>

#include "page/page.h"
#include "text/html.h"

namespace rum::detect {
namespace {
// What a page of explanations has beside the style of all pages: m1 to m4 towards machine, p1 to p4 towards
// person, and the bars of a histogram.
constexpr const char* kStyle = R"(<style>
.m1{background:color-mix(in srgb,var(--c1) 12%,transparent)}.m2{background:color-mix(in srgb,var(--c1) 22%,transparent)}
.m3,mark{background:color-mix(in srgb,var(--c1) 32%,transparent)}.m4{background:color-mix(in srgb,var(--c1) 42%,transparent)}
.p1{background:color-mix(in srgb,var(--c0) 12%,transparent)}.p2{background:color-mix(in srgb,var(--c0) 22%,transparent)}
.p3{background:color-mix(in srgb,var(--c0) 32%,transparent)}.p4{background:color-mix(in srgb,var(--c0) 42%,transparent)}
mark{color:inherit;text-decoration:none}td:has(>i){width:60%}td i{display:block;height:.9em;min-width:1px;border-radius:.2em}
.end{font:.8rem system-ui,sans-serif}
</style>)";
constexpr const char* kRanks[] = {"rank 1 to 10", "to 100", "to 1000", "beyond"};
constexpr const char* kRankShades[] = {"h0", "h1", "h4", "h5"};  // of the shades of probabilities

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
    return fmt::format(" <span class=\"end {}\" title=\"{}\">end</span>", colour, hover(s));
  const std::string text = escape_html(std::string_view(target).substr(s.begin, s.end - s.begin));
  if (s.rank == 0 && s.adds == 0) return text;
  return fmt::format("<span class=\"{}\" title=\"{}\">{}</span>", colour, hover(s), text);
}
// Relative to the strongest stretch.
std::string colour_of(double adds, double strongest) {
  const double share = std::abs(adds) / strongest;
  if (!(share > 0.02)) return "";
  return fmt::format("{}{}", adds < 0 ? "p" : "m", std::min(4, 1 + static_cast<int>(4 * share)));
}
double strongest_of(std::span<const Stretch> all) {
  double out = 0;
  for (const Stretch& s : all) out = std::max(out, std::abs(s.adds));
  return out;
}
void histogram(page::Page& page, const Explained& e) {
  const auto counts = rank_histogram(e.explanation.parts);
  const auto all = static_cast<double>(e.explanation.parts.size());
  page::Table t{"How many tokens have which rank.", "", {{"rank"}, {""}, {"tokens"}}};
  for (size_t k = 0; k < counts.size(); ++k) {
    const double percent = 100 * static_cast<double>(counts[k]) / all;
    t.rows.push_back({kRanks[k],
                      fmt::format("<i class=\"{}\" style=\"width:{:.1f}%\"></i>", kRankShades[k], percent),
                      fmt::format("{} ({:.0f} %)", counts[k], percent)});
  }
  page.table(t);
}
void ranks(page::Page& page, const Explained& e, std::span<const Stretch> all) {
  std::string out = "<h3>How likely the model held each token</h3>\n<p class=\"tokens\">";
  for (size_t k = 0; k < std::size(kRanks); ++k)
    out += fmt::format("<span class=\"{}\">{}</span> ", kRankShades[k], kRanks[k]);
  out += "</p>\n<p class=\"tokens\">";
  for (const Stretch& s : all) {
    std::string colour;
    if (s.rank > 0) colour = kRankShades[rank_class(s.rank)];
    out += shown(e.text.target, s, colour);
  }
  page.put(out + "</p>\n");
  histogram(page, e);
}
void contributions(page::Page& page, const Explained& e, std::span<const Stretch> all) {
  std::string out =
      "<h3>What each part adds to the score</h3>\n<p class=\"tokens\"><span class=\"m4\">machine</span> "
      "<span class=\"m1\">slightly</span> <span class=\"p1\">slightly</span> <span class=\"p4\">person</span>"
      "</p>\n<p class=\"tokens\">";
  const double strongest = strongest_of(all);
  for (const Stretch& s : all) out += shown(e.text.target, s, colour_of(s.adds, strongest));
  page.put(out + "</p>\n");
}
void features(page::Page& page, const Explained& e) {
  if (e.explanation.features.empty()) return;
  page::Table t{"The n-grams that add the most.", "", {{"n-gram"}, {"adds"}, {"times"}}};
  for (const Feature& f : strongest(e.explanation.features, 10))
    t.rows.push_back(
        {escape_html(to_json(Json(f.name))), fmt::format("{:+.4f}", f.adds), fmt::format("{}", f.times)});
  page.table(t);
}
void numbers(page::Page& page, const Explained& e, std::span<const Stretch> all) {
  page::Table t{"All parts in numbers.", "", {{"text"}, {"adds"}, {"rank"}, {"probability"}}};
  for (const Stretch& s : all) {
    if (s.rank == 0 && s.adds == 0) continue;
    std::string rank, probability, text = "end";
    if (s.rank > 0) rank = fmt::format("{}", s.rank), probability = fmt::format("{:.4g}", s.probability);
    if (s.begin < s.end) text = to_json(Json(e.text.target.substr(s.begin, s.end - s.begin)));
    t.rows.push_back({escape_html(text), fmt::format("{:+.6g}", s.adds), rank, probability});
  }
  page.put("<details><summary class=\"soft\">All parts in numbers</summary>");
  page.table(t);
  page.put("</details>\n");
}
void show(page::Page& page, const Calibration& c, const Explained& e) {
  const std::vector<Stretch> all = stretches(e.text.target, e.explanation.parts);
  page.put(paragraphs(sum_told(e) + told(c, e.verdict)));
  if (has_ranks(e.explanation.parts)) ranks(page, e, all);
  contributions(page, e, all);
  features(page, e);
  numbers(page, e, all);
}

std::string marked(const Calibration& c, const Windowed& w) {
  std::string out = "<p class=\"tokens\">";
  const std::string& target = w.text.target;
  size_t at = 0;
  for (const auto& [begin, end] : machine_parts(c, w.windows)) {
    out += escape_html(std::string_view(target).substr(at, begin - at)) + "<mark>" +
           escape_html(std::string_view(target).substr(begin, end - begin)) + "</mark>";
    at = end;
  }
  return out + escape_html(std::string_view(target).substr(at)) + "</p>\n";
}
void show(page::Page& page, const Calibration& c, const Windowed& w) {
  page.put(paragraphs(parts_told(c, w.windows)) + marked(c, w));
  page::Table t{"The windows.", "", {{"begins"}, {"from"}, {"to"}, {"score"}, {"probability"}, {"it says"}}};
  for (const Window& x : w.windows) {
    std::string probability, says = answer(c, x.verdict);
    if (x.verdict.probability) probability = fmt::format("{:.3f}", *x.verdict.probability);
    if (looks_machine(c, x.verdict)) says = "<span class=\"m2\">" + says + "</span>";
    t.rows.push_back({escape_html(beginning(w.text.target, x)), fmt::format("{}", x.first),
                      fmt::format("{}", x.last), fmt::format("{:.4f}", x.score), probability, says});
  }
  page.table(t);
}
template <class Each>
std::string page_of(const std::string& title, const Calibration& c, std::span<const Each> all) {
  page::Page page;
  for (const Each& one : all) {
    page.section("Text " + escape_html(one.text.id));
    show(page, c, one);
  }
  return page.html(title, "", kStyle);
}
}  // namespace

std::string explanation_page(const Calibration& c, std::span<const Explained> all) {
  return page_of("What the detector sees", c, all);
}
std::string windows_page(const Calibration& c, std::span<const Windowed> all) {
  return page_of("Which part looks machine-written", c, all);
}
}  // namespace rum::detect
