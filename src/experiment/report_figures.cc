// How students learned: training curves, more data, a fraction of real data.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "experiment/report_page.h"
#include "page/chart.h"

namespace rum::experiment {
namespace {
using Stroke = page::ChartLine::Stroke;

// Mean over seeds at the steps that all of them have, and at their last steps, which differ a little.
page::ChartLine training_line(const ArmResult& a) {
  std::map<int64_t, std::vector<double>> by_step;
  std::vector<double> ends, last;
  for (const TrainingCurve& c : a.curves) {
    if (c.valid_loss.empty()) continue;
    for (const auto& [step, loss] : c.valid_loss) by_step[step].push_back(loss);
    ends.push_back(static_cast<double>(c.valid_loss.rbegin()->first));
    last.push_back(c.valid_loss.rbegin()->second);
  }
  page::ChartLine line{a.name(), {}};
  if (ends.empty()) return line;
  const Spread end = spread(ends);
  const auto add = [&](double x, const std::vector<double>& losses) {
    const Spread s = spread(losses);
    line.points.push_back({x, s.mean, s.low, s.high});
  };
  for (const auto& [step, losses] : by_step)
    if (losses.size() == ends.size() && static_cast<double>(step) < end.low)
      add(static_cast<double>(step), losses);
  add(end.mean, last);
  return line;
}
bool whole(const ArmResult& a) { return a.volume == 1 && a.weights == "last"; }

// The group's lines in as many panels as it takes for each line to have a colour of its own, with the students
// of human targets in all of them.
void put_panels(const std::string& group, const page::ChartLine& human,
                const std::vector<page::ChartLine>& lines, std::vector<std::string>& charts) {
  const size_t most = page::kColours - (human.points.empty() ? 0 : 1),
               count = (lines.size() + most - 1) / most;
  for (size_t i = 0; i < count; ++i) {
    const std::string part = count > 1 ? fmt::format(" ({} of {})", i + 1, count) : "";
    page::LineChart chart{group_name(group) + part, "optimizer step", "validation NLL, nats a token", {}};
    if (!human.points.empty()) chart.lines.push_back(human);
    for (size_t l = lines.size() * i / count; l < lines.size() * (i + 1) / count; ++l)
      chart.lines.push_back(lines[l]);
    charts.push_back(page::svg(chart));
  }
}
void training_curves(page::Page& page, const ExperimentResults& r) {
  std::vector<std::pair<std::string, std::vector<page::ChartLine>>> groups;
  const ArmResult* human = nullptr;
  for (const ArmResult& a : r.arms)
    if (whole(a) && a.arm->targets == "human" && a.arm->apply.empty() && human == nullptr) human = &a;
  for (const ArmResult* arm : by_group(r)) {
    const ArmResult& a = *arm;
    page::ChartLine line = training_line(a);
    // Later generations look alike, and a generator that is judged as it is was trained on other text.
    if (a.arm->targets == "none" || !whole(a) || line.points.size() < 2 || a.arm->generation > 1) continue;
    if (groups.empty() || groups.back().first != a.arm->group) groups.push_back({a.arm->group, {}});
    if (&a != human) groups.back().second.push_back(std::move(line));
  }
  std::vector<std::string> charts;
  for (auto& [group, lines] : groups) {
    page::ChartLine all;
    if (human) all = training_line(*human);
    if (lines.empty()) std::swap(lines.emplace_back(), all);  // human targets alone
    put_panels(group, all, lines, charts);
  }
  if (charts.empty()) return;
  std::string caption =
      "Training curves: NLL of human validation text, lower is better; means over seeds, with the smallest "
      "and largest of them.";
  if (std::any_of(r.arms.begin(), r.arms.end(), [&](const ArmResult& a) {
        return r.config->recipes.at(recipe_of(*r.config, *a.arm)).average > 1;
      }))
    caption +=
        " They are of the weights of that step: students that are judged by a mean of their last weights are "
        "better than the end of their curve.";
  page.figure(charts, caption, "curves.csv");
}

void volumes(page::Page& page, const ExperimentResults& r) {
  std::vector<std::string> charts;
  for (size_t m = 0; m < kScores.size(); ++m) {
    page::LineChart chart{kScores[m], "pairs of the pool", score_head(m).label, {}};
    for (const Arm& arm : r.config->arms) {
      if (arm.volumes.size() < 2) continue;
      page::ChartLine line{arm.name, {}};
      for (const ArmResult& a : r.arms)
        if (a.arm == &arm && a.weights == "last")
          line.points.push_back({a.volume * static_cast<double>(r.config->data.pool_pairs), a.scores[m].value,
                                 a.scores[m].low, a.scores[m].high});
      std::sort(line.points.begin(), line.points.end(),
                [](const auto& a, const auto& b) { return a.x < b.x; });
      chart.lines.push_back(std::move(line));
    }
    if (!chart.lines.empty()) charts.push_back(page::svg(chart));
  }
  std::string equal_steps;
  for (const Arm& arm : r.config->arms)
    if (arm.volumes.size() > 1 && arm.equal_steps)
      equal_steps += (equal_steps.empty() ? "" : ", ") + escape_html(arm.name);
  if (!charts.empty())
    page.figure(
        charts,
        fmt::format("Learning curves over the volume of data: students that see a part of the pool, for "
                    "as many epochs each{}; 95 % intervals.",
                    equal_steps.empty() ? "" : " (for as many steps: " + equal_steps + ")"),
        "scores.csv");
}

// An arm as a point of a line; no name: of none.
struct Share {
  std::string line;
  double share = 0;
};
bool one_operation(const ArmResult& a) {
  const Arm& arm = *a.arm;
  return a.volume == 1 && arm.apply.size() == 1 && arm.student.empty() && arm.from.empty() &&
         arm.chain.empty() && arm.joined.empty();
}
// Of real data.
Share real_share(const ArmResult& a) {
  if (!one_operation(a)) return {};
  const AppliedOperation& o = a.arm->apply.front();
  Share f;
  std::string more;  // parameters besides the share make other mixtures, and other lines
  for (const auto& [key, value] : o.parameters)
    if (key == "share" || key == "real")
      value.number(f.share);
    else
      more += ", " + key;
  if (o.op == "subset" && a.arm->targets == "human") f.line = "human alone" + more;
  if (o.op == "mix") f.line = "mixed with " + a.arm->targets + more;
  if (!f.line.empty() && a.weights == "best") f.line += ", best weights";
  return f;
}
// Of the targets that a filter keeps: the sizes of a growing set.
Share kept_share(const ArmResult& a) {
  if (!one_operation(a) || a.weights != "last" || a.arm->apply.front().op != "filter") return {};
  const AppliedOperation& o = a.arm->apply.front();
  Share f;
  int64_t bins = 1;
  for (const auto& [key, value] : o.parameters) {
    if (key == "keep") value.number(f.share);
    if (key == "bins") value.whole(bins);
  }
  for (const auto& [_, scorer] : o.scores) f.line = fmt::format("{} by {}", a.arm->targets, scorer);
  if (bins > 1) f.line += fmt::format(", {} bins", bins);
  return f;
}
void by_share(page::Page& page, const ExperimentResults& r, Share (*share_of)(const ArmResult&),
              const std::string& title, const std::string& axis, const std::string& caption) {
  const Claim* first =
      r.config->claims.empty() ? nullptr : &r.config->claims.front();  // real against regurgitated
  std::vector<std::string> charts;
  std::set<double> shares;
  for (size_t m = 0; m < kScores.size(); ++m) {
    page::LineChart chart{fmt::format("{}, {}", title, kScores[m]), axis, score_head(m).label, {}, true};
    for (const ArmResult& a : r.arms) {
      const Share f = share_of(a);
      if (f.line.empty()) continue;
      auto at = std::find_if(chart.lines.begin(), chart.lines.end(),
                             [&](const page::ChartLine& l) { return l.name == f.line; });
      if (at == chart.lines.end()) at = chart.lines.insert(chart.lines.end(), {f.line, {}});
      at->points.push_back({f.share, a.scores[m].value, a.scores[m].low, a.scores[m].high});
      shares.insert(f.share);
    }
    for (page::ChartLine& l : chart.lines)
      std::sort(l.points.begin(), l.points.end(), [](const auto& a, const auto& b) { return a.x < b.x; });
    for (const ArmResult& a : r.arms)
      if (whole(a) && first && (a.arm->name == first->better || a.arm->name == first->worse))
        chart.lines.push_back(
            {a.arm->name, {{0, a.scores[m].value, a.scores[m].low, a.scores[m].high}}, Stroke::level});
    charts.push_back(page::svg(chart));
  }
  if (shares.size() < 2) return;
  page.figure(charts, caption + " Dashed: all of the pool; bands and bars are 95 % intervals.", "scores.csv");
}
}  // namespace

void put_learning(page::Page& page, const ExperimentResults& r) {
  page.section("How students learned");
  training_curves(page, r);
  volumes(page, r);
  by_share(
      page, r, real_share, "A fraction of real data", "share of the pool with human targets",
      "Students of a part of the pool with its human targets, alone or filled up with generated ones. At "
      "equal tokens alone means more epochs over less text; best weights are those that did best on the "
      "validation texts, by train.best of the recipe: loss or BLEU.");
  by_share(
      page, r, kept_share, "Growing sets", "share of the generated targets that is kept",
      "Students of the targets that a scorer ranks highest, or of as many at random, all for as many "
      "tokens. A remedy is worth what its curve lies above the random one: a claim over several sizes is "
      "about the mean of the differences at them.");
}
}  // namespace rum::experiment
