// How targets differ: errors and lexical diversity against the human ones, and what they cost.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/mean.h"
#include "experiment/report_page.h"
#include "page/chart.h"

namespace rum::experiment {
namespace {
constexpr size_t kColumns = 7;              // measures per table, so that it fits on paper
constexpr const char* kScattered = "mtld";  // independent of length, so filtered targets can be compared
using Measures = std::vector<MeasureResult>;

const MeasureResult* find(const Measures& list, const std::string& measure) {
  const auto at =
      std::find_if(list.begin(), list.end(), [&](const MeasureResult& m) { return m.measure == measure; });
  return at == list.end() ? nullptr : &*at;
}
int digits_of_measure(const MeasureResult& m) { return page::digits_for(mean(m.values), mean(m.human)); }

// The measures in tables of equal width: first..last of the list.
std::vector<std::pair<size_t, size_t>> pieces(size_t n) {
  const size_t count = (n + kColumns - 1) / kColumns;
  std::vector<std::pair<size_t, size_t>> out;
  for (size_t i = 0; i < count; ++i) out.emplace_back(n * i / count, n * (i + 1) / count);
  return out;
}
page::Head head_of(const std::string& measure) { return {measure, explained(measure)}; }
std::string beside_human(const MeasureResult& m) {
  const int d = digits_of_measure(m);
  if (!std::isfinite(mean(m.human))) return page::shown(mean(m.values), d);
  const std::string by = page::relative(mean(m.human), mean(m.values));
  return fmt::format("{} → {}{}", page::shown(mean(m.human), d), page::shown(mean(m.values), d),
                     by.empty() ? "" : "<br><small>" + by + "</small>");
}
// "of 120", or "of 10 → 11" of the second human translation and of these targets: chances at the first
// seed.
std::string of_chances(const std::vector<double>& human, const std::vector<double>& own) {
  if (own.empty()) return "";
  const auto shown = [](const std::vector<double>& of) { return page::counted(std::llround(of[0])); };
  if (human.empty() || shown(human) == shown(own)) return "of " + shown(own);
  return fmt::format("of {} → {}", shown(human), shown(own));
}
std::string with_floor(const TargetsResult& t, const MeasureResult& m) {
  const MeasureResult* floor = find(t.floor, m.measure);
  std::string out =
      fmt::format("{} <small>{}</small>", page::measured(mean(m.values)), of_chances({}, m.chances));
  if (floor && std::isfinite(mean(floor->human))) {
    const int d = digits_of_measure(*floor);
    out += fmt::format("<br><small>{}<br>{}</small>",
                       page::change(mean(floor->human), mean(floor->values), d, !floor->few_chances()),
                       of_chances(floor->human_chances, floor->chances));
  }
  return out;
}
// A row of the tables: targets that are not human ones, and the names of those that are the same text in
// another order or with other weights.
struct Row {
  const TargetsResult* targets;
  std::string alike;
};
bool same(const Measures& a, const Measures& b) {
  const auto same_number = [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](const auto& x, const auto& y) {
    return x.measure == y.measure &&
           std::equal(x.values.begin(), x.values.end(), y.values.begin(), y.values.end(), same_number);
  });
}
std::vector<Row> rows_of(const ExperimentResults& r) {
  std::vector<Row> out;
  for (const TargetsResult& t : r.targets) {
    const ArmResult* arm = find_arm(r, t.name);
    if (arm && writers_of(*arm->arm).text == "human") continue;
    const auto at = std::find_if(out.begin(), out.end(), [&](const Row& row) {
      return row.targets->pairs == t.pairs && same(row.targets->errors, t.errors) &&
             same(row.targets->diversity, t.diversity);
    });
    if (at == out.end())
      out.push_back({&t, ""});
    else
      at->alike += (at->alike.empty() ? "" : "; ") + escape_html(t.name);
  }
  return out;
}
std::string name_of(const Row& row, const std::string& count) {
  return fmt::format("{} <small>({})</small>{}", escape_html(row.targets->name), count,
                     row.alike.empty() ? "" : "<br><small>the same text: " + row.alike + "</small>");
}

void error_tables(page::Page& page, const std::vector<Row>& rows) {
  const Measures& all = rows.front().targets->errors;
  for (const auto& [first, last] : pieces(all.size())) {
    page::Table t{
        "Errors of targets against the human target of the same sentence, means over seeds, lower is "
        "better (length_ratio: 1 is), and of how many chances of the first seed: words, numbers, names, "
        "negations, sentences, bits or bigrams. Below each: on the sentences that have two human "
        "translations, the second &rarr; these targets, both against the first, in percent where every seed "
        "has 30 chances. Targets that are human are the reference itself, which lowers the errors of "
        "mixtures with them. In brackets, of the first seed: all pairs compared, and those translated twice.",
        "results.csv",
        {{"targets"}}};
    for (size_t i = first; i < last; ++i) t.head.push_back(head_of(all[i].measure));
    for (const Row& row : rows) {
      const TargetsResult& x = *row.targets;
      t.rows.push_back({name_of(
          row, fmt::format("{} pairs, {} twice", page::counted(x.pairs), page::counted(x.doubled)))});
      for (size_t i = first; i < last; ++i) {
        const MeasureResult* m = find(x.errors, all[i].measure);
        t.rows.back().push_back(m ? with_floor(x, *m) : "–");
      }
    }
    page.table(t);
  }
}
void diversity_tables(page::Page& page, const std::vector<Row>& rows) {
  const Measures& all = rows.front().targets->diversity;
  for (const auto& [first, last] : pieces(all.size())) {
    page::Table t{
        "Lexical diversity of targets: human &rarr; these targets on the same sentences, and the change; "
        "means over seeds (pairs: of the first seed). Higher is more diverse, but for yule_k; tokens and "
        "unattested_types are no "
        "measures of it, and other counts and shares of types depend on the amount of text, but for those in "
        "equally many tokens (expected). Invented words raise every count of types that is not one of "
        "attested types. Where a sentence has several translations there is no human text to compare them "
        "with.",
        "results.csv",
        {{"targets"}}};
    for (size_t i = first; i < last; ++i) t.head.push_back(head_of(all[i].measure));
    for (const Row& row : rows) {
      const TargetsResult& x = *row.targets;
      t.rows.push_back({name_of(row, page::counted(x.pairs) + " pairs")});
      for (size_t i = first; i < last; ++i) {
        const MeasureResult* m = find(x.diversity, all[i].measure);
        t.rows.back().push_back(m ? beside_human(*m) : "–");
      }
    }
    page.table(t);
  }
}

// What operations reached; seeds with the same note share a line.
void notes(page::Page& page, const ExperimentResults& r) {
  std::vector<std::pair<std::string, std::string>> lines;  // note, seeds
  for (const TargetsResult& t : r.targets)
    for (const TargetsResult::Note& n : t.notes) {
      const std::string says =
          fmt::format("{}, {}: {}", escape_html(t.name), escape_html(n.operation), escape_html(n.says));
      const auto at =
          std::find_if(lines.begin(), lines.end(), [&](const auto& line) { return line.first == says; });
      if (at == lines.end())
        lines.emplace_back(says, fmt::format("{}", n.seed));
      else
        at->second += fmt::format(", {}", n.seed);
    }
  if (lines.empty()) return;
  page.put("<p>What the changed targets reached (seeds in brackets):</p><ul class=\"soft\">\n");
  for (const auto& [says, seeds] : lines) page.put(fmt::format("<li>{} ({})</li>\n", says, seeds));
  page.put("</ul>\n");
}
void costs(page::Page& page, const ExperimentResults& r) {
  std::vector<std::string> charts;
  for (const size_t m : {size_t{0}, size_t{2}}) {
    page::IntervalChart chart{
        kScores[m], fmt::format("difference in {} to human targets", kScores[m]), {}, {}};
    for (const ArmResult& a : r.arms)
      if (a.arm->group == "C" && !a.against.empty())
        chart.rows.push_back({a.name(), interval_text(a.to_real[m], digits_of(kScores[m])),
                              a.to_real[m].value, a.to_real[m].low, a.to_real[m].high,
                              group_key(*r.config, "C")});
    if (!chart.rows.empty()) charts.push_back(page::svg(chart));
  }
  if (!charts.empty())
    page.figure(
        charts,
        "What each mechanism costs: students of targets that were changed on purpose, against students "
        "of human targets; 95 % intervals.",
        "differences.csv");
}

// The diversity of an arm's targets; that of human targets is found in the measures of others, unless those
// have several translations of a sentence.
double diversity_of(const ExperimentResults& r, const ArmResult& a) {
  const std::string& name = a.arm->apply.empty() ? a.arm->targets : a.arm->name;
  const bool human = name == "human";
  double out = NAN;
  int64_t most = 0;
  for (const TargetsResult& t : r.targets) {
    const MeasureResult* m = find(t.diversity, kScattered);
    if (m == nullptr) continue;
    if (t.name == name) return mean(m->values);
    if (!human || t.pairs <= most || !std::isfinite(mean(m->human))) continue;
    most = t.pairs;
    out = mean(m->human);
  }
  return out;
}
void scatter(page::Page& page, const ExperimentResults& r) {
  page::ScatterChart chart{
      "Diversity of targets and quality of students", "MTLD of the targets", score_head(0).label, {}};
  for (const ArmResult& a : r.arms) {
    const double x = diversity_of(r, a);
    const bool alike = a.arm->from.empty() && recipe_of(*r.config, *a.arm) == r.config->student;
    if (alike && a.volume == 1 && a.weights == "last" && std::isfinite(x))
      chart.points.push_back({a.name(),
                              {x, a.scores[0].value, a.scores[0].low, a.scores[0].high},
                              group_key(*r.config, a.arm->group)});
  }
  if (chart.points.size() > 1)
    page.figure(
        {page::svg(chart)},
        "Lexical diversity of the targets (MTLD, which does not depend on their number) against BLEU of "
        "their students with its 95 % interval, all trained from scratch by one recipe. A colour and shape "
        "for each group of arms.",
        "results.csv scores.csv");
}
}  // namespace

void put_mechanisms(page::Page& page, const ExperimentResults& r) {
  if (r.targets.empty()) return;
  page.section("Mechanisms",
               "What differs between the targets, sentence by sentence against the human ones. Arms of human "
               "targets alone are left out.");
  if (const std::vector<Row> rows = rows_of(r); !rows.empty()) {
    error_tables(page, rows);
    diversity_tables(page, rows);
  }
  notes(page, r);
  costs(page, r);
  scatter(page, r);
}
}  // namespace rum::experiment
