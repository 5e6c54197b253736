// The sections on chains of generations, and on where generated text helps or hurts: a map over who wrote it,
// how, and the size of the student.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "experiment/report_page.h"
#include "page/chart.h"

namespace rum::experiment {
namespace {
using Links = std::vector<const ArmResult*>;  // by generation, from 0 on
using Point = std::function<bool(const ArmResult&, page::ChartPoint&)>;

std::vector<std::pair<std::string, Links>> chains_of(const ExperimentResults& r) {
  std::vector<std::pair<std::string, Links>> out;
  const ArmResult* start = nullptr;
  for (const ArmResult& a : r.arms) {
    if (a.arm->chain.empty() || a.weights != "last") continue;
    if (a.arm->generation == 0) {
      start = &a;
      continue;
    }
    auto at = std::find_if(out.begin(), out.end(), [&](const auto& c) { return c.first == a.arm->chain; });
    if (at == out.end()) {
      at = out.insert(out.end(), {a.arm->chain, {}});
      if (start) at->second.push_back(start);
    }
    at->second.push_back(&a);
  }
  return out;
}
const TargetsResult* targets_of(const ExperimentResults& r, const ArmResult& a) {
  for (const TargetsResult& t : r.targets)
    if (t.name == a.arm->targets) return &t;
  return nullptr;
}
// The mean, minimum and maximum over seeds.
bool over_seeds(const std::vector<double>& values, page::ChartPoint& p) {
  if (values.empty() || !std::isfinite(spread(values).mean)) return false;
  const Spread s = spread(values);
  p.y = s.mean;
  p.low = s.low;
  p.high = s.high;
  return true;
}
// The first text that students of a chain wrote: beside it, human text of the same sources was measured. The
// human part of the pool that generation 0 learned from is measured nowhere.
const TargetsResult* first_written(const ExperimentResults& r) {
  const ArmResult* first = nullptr;
  for (const ArmResult& a : r.arms)
    if (!a.arm->chain.empty() && a.arm->generation > 0 && targets_of(r, a) &&
        (first == nullptr || a.arm->generation < first->arm->generation))
      first = &a;
  return first ? targets_of(r, *first) : nullptr;
}
// A measure of the text that a generation learns from; for diversity human text has one, too.
Point measure_point(const ExperimentResults& r, const std::vector<MeasureResult> TargetsResult::*list,
                    const std::string& measure) {
  return [&r, list, measure](const ArmResult& a, page::ChartPoint& p) {
    const bool human = !a.arm->chain.empty() && a.arm->generation == 0;
    const TargetsResult* t = human ? first_written(r) : targets_of(r, a);
    if (t == nullptr) return false;
    for (const MeasureResult& m : t->*list)
      if (m.measure == measure) return over_seeds(human ? m.human : m.values, p);
    return false;
  };
}
// Types are counted in samples whose size depends on the text, so they are relative to human text for the
// same sources.
Point share_of_human(const ExperimentResults& r, const std::string& measure) {
  return [&r, measure](const ArmResult& a, page::ChartPoint& p) {
    if (a.arm->generation == 0) return over_seeds({1}, p);
    const TargetsResult* t = targets_of(r, a);
    if (t == nullptr) return false;
    std::vector<double> shares;
    for (const MeasureResult& m : t->diversity)
      if (m.measure == measure)
        for (size_t s = 0; s < m.values.size(); ++s) shares.push_back(m.values[s] / m.human[s]);
    return over_seeds(shares, p);
  };
}
Point auroc_point(const ExperimentResults& r) {
  return [&r](const ArmResult& a, page::ChartPoint& p) {
    std::vector<double> values;
    for (const DetectorResult& d : r.tried)
      if (d.targets == a.arm->targets) values.push_back(d.auroc);
    return over_seeds(values, p);
  };
}
Point score_point(size_t m) {
  return [m](const ArmResult& a, page::ChartPoint& p) {
    p.y = a.scores[m].value;
    p.low = a.scores[m].low;
    p.high = a.scores[m].high;
    return true;
  };
}
struct Panel {
  std::string name, axis;
  int digits;
  Point point;
};
std::vector<Panel> panels_of(const ExperimentResults& r) {
  std::vector<Panel> out;
  for (size_t m = 0; m < kScores.size(); ++m)
    out.push_back({kScores[m], score_head(m).label, digits_of(kScores[m]), score_point(m)});
  out.push_back({"TER", "TER of the text against human", 3, measure_point(r, &TargetsResult::errors, "ter")});
  out.push_back(
      {"attested types", "attested types, share of human", 2, share_of_human(r, "attested_expected_types")});
  out.push_back({"MTLD", "MTLD of the text", 1, measure_point(r, &TargetsResult::diversity, "mtld")});
  out.push_back({"AUROC", "AUROC of the detector", 3, auroc_point(r)});
  return out;
}
std::string cell(const Panel& panel, const ArmResult& a) {
  page::ChartPoint p;
  if (!panel.point(a, p)) return "–";
  const std::string low = page::shown(p.low, panel.digits), high = page::shown(p.high, panel.digits);
  return page::shown(p.y, panel.digits) +
         (low == high ? "" : fmt::format("<br><small>[{}, {}]</small>", low, high));
}
}  // namespace

void put_chains(page::Page& page, const ExperimentResults& r) {
  const auto chains = chains_of(r);
  if (chains.empty()) return;
  page.section(
      "Chains of generations",
      "The pool is cut into equal parts. Generation 0 learns from human targets of the first; each one "
      "after it learns from what the one before made of the sources of the next part, some of which may "
      "be in earlier parts as well: instead of all earlier text or, in chains that accumulate, beside "
      "it.");
  page::Table t{
      "Students of each generation on the human test set with 95 % intervals; then the text that the "
      "generation before wrote for them: mean over seeds, the smallest and the largest. In the "
      "row of generation 0 it is human text, of the sources of the next part. Attested types: that the seed "
      "set has, as a share of those of human text of the same sources.",
      "results.csv scores.csv detectors.csv",
      {{"generation"}, {"pairs", "Seen by a student."}}};
  std::vector<std::string> charts;
  for (const Panel& panel : panels_of(r)) {
    page::LineChart chart{panel.name, "generation", panel.axis, {}};
    chart.apart = true;
    // the axis starts at chance
    if (panel.name == "AUROC") {
      chart.least = 0.5;
      chart.most = 1;
    }
    for (const auto& [name, links] : chains) {
      page::ChartLine line{name, {}};
      for (const ArmResult* a : links) {
        page::ChartPoint p{static_cast<double>(a->arm->generation), 0, 0, 0};
        if (panel.point(*a, p)) line.points.push_back(p);
      }
      if (!line.points.empty()) chart.lines.push_back(std::move(line));
    }
    if (chart.lines.empty()) continue;
    charts.push_back(page::svg(chart));
    t.head.push_back({panel.name, explained(panel.name)});
  }
  page.figure(
      charts,
      "Chains: students of each generation by the human test set (95 % intervals), and the text that "
      "the generation before wrote for them (smallest and largest of the seeds; at generation 0 human text "
      "of the sources of the next part).",
      "results.csv scores.csv detectors.csv");
  for (const auto& [name, links] : chains) {
    t.rows.push_back({escape_html(name)});
    for (const ArmResult* a : links) {
      t.rows.push_back({page::counted(a->arm->generation), page::counted(a->pool_pairs)});
      for (const Panel& panel : panels_of(r))
        if (std::any_of(t.head.begin(), t.head.end(),
                        [&](const page::Head& h) { return h.label == panel.name; }))
          t.rows.back().push_back(cell(panel, *a));
    }
  }
  page.table(t);
}

namespace {
// Arms with unchanged generated targets and students trained from scratch.
bool on_map(const ArmResult& a) {
  return !a.against.empty() && a.volume == 1 && a.weights == "last" && a.arm->targets != "human" &&
         a.arm->apply.empty() && a.arm->from.empty() && a.arm->chain.empty();
}
std::string map_cell(const ArmResult& a) {
  const Effect& bleu = a.to_real[0];
  std::string word = "undecided";
  const bool several = std::isfinite(bleu.seeds.sd);  // one seed gives no verdict
  if (several && bleu.low > 0) word = "<b>helps</b>";
  if (several && bleu.high < 0) word = "<b>hurts</b>";
  return fmt::format("{}<br>{}<br><small>NLL {}</small>", word, interval_text(bleu, digits_of("BLEU")),
                     interval_text(a.to_real[2], digits_of("NLL")));
}
}  // namespace

void put_map(page::Page& page, const ExperimentResults& r) {
  std::vector<std::string> students, targets;
  const auto note = [](std::vector<std::string>& list, const std::string& name) {
    if (std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
  };
  const auto recipe = [&](const ArmResult& a) { return recipe_of(*r.config, *a.arm); };
  for (const ArmResult& a : r.arms)
    if (on_map(a)) {
      note(students, recipe(a));
      note(targets, a.arm->targets);
    }
  if (students.size() < 2 || targets.size() < 2) return;
  page.section(
      "Where generated text helps",
      "Every cell is a kind of student that learned from targets of one generator, written one way: its "
      "difference in BLEU to students of the same kind with human targets, and whether the 95 % "
      "interval leaves a sign.");
  page::Table t{
      "Generated against human targets by who wrote them, how, and who learns (columns: recipes of "
      "students). TER: of the targets against human ones, lower is better.",
      "differences.csv results.csv",
      {{"targets"}, {"TER of the targets", explained("ter")}}};
  for (const std::string& s : students) t.head.push_back({s});
  for (const std::string& name : targets) {
    t.rows.push_back({escape_html(name), "–"});
    for (const std::string& s : students) {
      const auto a = std::find_if(r.arms.begin(), r.arms.end(), [&](const ArmResult& x) {
        return on_map(x) && x.arm->targets == name && recipe(x) == s;
      });
      if (a == r.arms.end()) {
        t.rows.back().push_back("–");
        continue;
      }
      page::ChartPoint p;
      if (measure_point(r, &TargetsResult::errors, "ter")(*a, p)) t.rows.back()[1] = page::shown(p.y, 3);
      t.rows.back().push_back(map_cell(*a));
    }
  }
  page.table(t);
}
}  // namespace rum::experiment
