// Whether the scores that ranked the pool can be trusted: their validity, and detectors' ROC and calibration.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "detect/curves.h"
#include "experiment/report_page.h"
#include "page/chart.h"

namespace rum::experiment {
namespace {
using Stroke = page::ChartLine::Stroke;

std::string correlation(const std::optional<double>& r) {
  if (!r) return "–";
  return page::signed_number(*r, 2);
}
void validity_tables(page::Page& page, const RankingResult& r) {
  page::Table t{
      fmt::format("Validity of what ranks {} ({} pairs), means over seeds: Spearman&rsquo;s correlation with "
                  "a quality that it never saw (sentence chrF to the human target), and with what an order "
                  "should not follow. Ties: pairs that share their score with another.",
                  escape_html(r.targets), page::counted(r.pairs)),
      "validity.csv",
      {{"score"}, {"chrF to human, higher is better"}, {"source length"}, {"source rarity"}, {"ties"}}};
  page::Table u{
      fmt::format("Rank correlation between every two of these scores of {}.", escape_html(r.targets)),
      "validity.csv",
      {{"score"}}};
  for (const edits::Validity& v : r.scorers) {
    t.rows.push_back({escape_html(v.name), correlation(v.quality), correlation(v.length),
                      correlation(v.rarity), page::counted(v.tied)});
    u.head.push_back({v.name});
    u.rows.push_back({escape_html(v.name)});
    for (const auto& other : v.others) u.rows.back().push_back(correlation(other));
  }
  page.table(t);
  if (r.scorers.size() > 1) page.table(u);
}

// From (0, 0) to (1, 1): one point per threshold, thinned to about two hundred.
std::vector<page::ChartPoint> roc_line(const detect::Scores& s) {
  const size_t texts = s.human.size() + s.machine.size(), every = std::max<size_t>(1, texts / 200);
  std::vector<page::ChartPoint> out{{}};
  for (const detect::RocPoint& p : detect::roc(s)) {
    const auto flagged = static_cast<size_t>(p.humans + p.machines);
    if (flagged == 0 || ((flagged - 1) % every != 0 && flagged != texts)) continue;
    const double x = static_cast<double>(p.humans) / static_cast<double>(s.human.size()),
                 y = static_cast<double>(p.machines) / static_cast<double>(s.machine.size());
    out.push_back({x, y, y, y});
  }
  return out;
}
detect::Scores probabilities(detect::Scores log_odds) {
  for (auto* list : {&log_odds.human, &log_odds.machine})
    for (double& x : *list) x = detect::logistic(x);
  return log_odds;
}
page::ChartLine diagonal() { return {"", {{0, 0, 0, 0}, {1, 1, 1, 1}}, Stroke::reference}; }

void detector_figure(page::Page& page, const std::vector<DetectorResult>& detectors) {
  page::LineChart curve{
      "ROC", "false alarms: share of human texts flagged", "share of machine texts found", {diagonal()}},
      calibration{
          "Calibration", "predicted probability of a machine", "actual share of machine texts", {diagonal()}};
  std::vector<std::string> names;  // one colour each; each seed is a line
  for (const DetectorResult& d : detectors) {
    if (d.log_odds.human.empty() || d.log_odds.machine.empty()) continue;
    std::string name = fmt::format("{} of {}", d.scorer, d.targets);
    const auto at = std::find(names.begin(), names.end(), name);
    const int key = static_cast<int>(at - names.begin());
    if (at == names.end())
      names.push_back(name);
    else
      name.clear();
    curve.lines.push_back({name, roc_line(d.log_odds), Stroke::marked, key});
    page::ChartLine line{name, {}, Stroke::marked, key};
    for (const auto& bin : detect::reliability(probabilities(d.log_odds), 10).bins)
      if (bin.mean) line.points.push_back({*bin.mean, *bin.frequency, *bin.frequency, *bin.frequency});
    calibration.lines.push_back(std::move(line));
  }
  if (!names.empty())
    page.figure(
        {page::svg(curve), page::svg(calibration)},
        "Detectors on texts that they were not fitted on, one line per seed: ROC curves (further up and "
        "left is better), and calibration (ideally on the diagonal).",
        "detectors.csv");
}
std::string tpr_cell(const DetectorResult& d) {
  const auto at = detect::at_fpr(d.log_odds, kFalseAlarms);
  if (!at) return "–";
  return fmt::format("{:.3f} [{:.3f}, {:.3f}]", at->tpr, at->tpr_interval[0], at->tpr_interval[1]);
}
// Means over the seeds of one detector, with their standard deviation.
std::vector<std::string> mean_row(const std::vector<const DetectorResult*>& seeds) {
  const auto cell = [&](const std::vector<double>& values) -> std::string {
    if (values.size() < seeds.size()) return "–";
    const Spread s = spread(values);
    return fmt::format("<b>{:.3f}</b> <small>±{:.3f}</small>", s.mean, s.sd);
  };
  std::vector<double> auroc, tpr;
  for (const DetectorResult* d : seeds) {
    auroc.push_back(d->auroc);
    if (const auto at = detect::at_fpr(d->log_odds, kFalseAlarms)) tpr.push_back(at->tpr);
  }
  return {escape_html(seeds[0]->scorer),
          escape_html(seeds[0]->targets),
          fmt::format("mean of {}", seeds.size()),
          "",
          "",
          cell(auroc),
          cell(tpr)};
}
void detector_table(page::Page& page, const std::vector<DetectorResult>& detectors) {
  page::Table t{
      "How well detectors tell the generator from humans, on texts that they were not fitted on; after the "
      "seeds of each their mean and standard deviation.",
      "detectors.csv",
      {{"detector"},
       {"targets"},
       {"seed"},
       {"tried on",
        "A fifth of the judge set's sources, or the validation set if it learned from all of them."},
       {"texts"},
       {"AUROC [95 %], higher is better"},
       {fmt::format("TPR at {} FPR [95 %]", page::percent(kFalseAlarms)),
        fmt::format("Share of machine texts found by a threshold that flags at most {} of human ones; "
                    "none where these are fewer than {}.",
                    page::percent(kFalseAlarms), page::counted(std::llround(10 / kFalseAlarms)))}}};
  std::vector<const DetectorResult*> seeds;  // of one detector, which are neighbours
  for (size_t i = 0; i < detectors.size(); ++i) {
    const DetectorResult& d = detectors[i];
    const size_t texts = d.log_odds.human.size() + d.log_odds.machine.size();
    t.rows.push_back({escape_html(d.scorer), escape_html(d.targets), page::counted(d.seed),
                      d.tried_on == "valid" ? "validation set" : "judge set",
                      texts > 0 ? page::counted(static_cast<int64_t>(texts)) : "–",
                      fmt::format("{:.3f} [{:.3f}, {:.3f}]", d.auroc, d.low, d.high), tpr_cell(d)});
    seeds.push_back(&d);
    if (i + 1 < detectors.size() && detectors[i + 1].scorer == d.scorer &&
        detectors[i + 1].targets == d.targets)
      continue;
    if (seeds.size() > 1) t.rows.push_back(mean_row(seeds));
    seeds.clear();
  }
  page.table(t);
}
}  // namespace

void put_rankings(page::Page& page, const ExperimentResults& r) {
  if (r.rankings.empty() && r.detectors.empty()) return;
  page.section("What ranked the pool",
               "Scores by which remedies order, filter or weigh generated pairs. None of them saw the human "
               "targets of the pool, except an oracle.");
  for (const RankingResult& x : r.rankings) validity_tables(page, x);
  if (r.detectors.empty()) return;
  detector_table(page, r.detectors);
  detector_figure(page, r.detectors);
}
}  // namespace rum::experiment
