// Operations that select: the best share of the targets, their order within an epoch, and how often and with
// what weight each is read, by the scores of stage_score.cc. None sees the pool's human targets.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "edits/filter.h"
#include "edits/operation.h"
#include "edits/order.h"
#include "edits/scores.h"
#include "edits/targets.h"
#include "edits/weigh.h"

namespace rum::edits {
namespace {
std::vector<double> scores(const StageContext& x, const TargetSet& t) {
  const std::string path = x.input("by") + "/scores.tsv";
  return scores_of(read_scores(path), t.ids, path);
}
// Rows of the targets, best first; within bins of source length if requested.
std::vector<int64_t> ranked(const StageContext& x, const TargetSet& t) {
  const std::vector<int64_t> lengths = source_lengths(t.texts);
  return best_first(scores(x, t), lengths, length_edges(lengths, x.parameters().whole("bins", 1)));
}

// A growing set at one of its sizes: the best `keep` of all targets.
void filter(const StageContext& x) {
  const TargetSet t = read_targets(x.input("targets"));
  const std::vector<int64_t> order = ranked(x, t), rows = kept(order, x.parameters().number("keep"));
  write_targets(x.folder, picked(t, rows));
  write_summary(x, fmt::format("{} of {} pairs kept", rows.size(), t.ids.size()),
                {{"kept", static_cast<int64_t>(rows.size())}, {"of", static_cast<int64_t>(t.ids.size())}});
}
// Students read the targets in this order in every epoch.
void order(const StageContext& x) {
  const TargetSet t = read_targets(x.input("targets"));
  std::vector<int64_t> rows = ranked(x, t);
  if (x.parameters().text("first") == "worst") std::reverse(rows.begin(), rows.end());
  TargetSet out = picked(t, rows);
  out.ordered = true;
  write_targets(x.folder, out);
}
// As many lines as before, drawn with probabilities by how human they look, each at most `most` times.
void resample(const StageContext& x) {
  const TargetSet t = read_targets(x.input("targets"));
  std::vector<double> log_odds = scores(x, t);  // of a human
  for (double& s : log_odds) s = -s;            // of a machine
  const JsonFields given = x.parameters();
  const std::vector<int64_t> times = edits::resample(
      resampling_weights(log_odds, given.number("temperature", 1), given.number("exponent", 10)),
      static_cast<int64_t>(t.ids.size()), given.whole("most", 3), x.seed());
  std::vector<int64_t> rows;
  int64_t distinct = 0;
  for (size_t i = 0; i < times.size(); ++i) {
    distinct += times[i] > 0;
    rows.insert(rows.end(), static_cast<size_t>(times[i]), static_cast<int64_t>(i));
  }
  write_targets(x.folder, picked(t, rows));
  write_summary(x, fmt::format("{} draws of {} different pairs", rows.size(), distinct),
                {{"draws", static_cast<int64_t>(rows.size())}, {"different", distinct}});
}
// Weights the loss of each line by its density ratio, capped.
void weigh(const StageContext& x) {
  TargetSet t = read_targets(x.input("targets"));
  const DensityRatioWeights w = density_ratio_weights(scores(x, t));
  t.weights.assign(w.weights.begin(), w.weights.end());
  write_targets(x.folder, t);
  write_summary(x,
                fmt::format("effective sample size {:.0f} of {}, {} ratios capped", w.effective_sample_size,
                            t.ids.size(), w.capped),
                {{"effective_sample_size", w.effective_sample_size}, {"capped", w.capped}});
}
// Leaves out lines that are hardly translated.
void drop_copies(const StageContext& x) {
  const TargetSet t = read_targets(x.input("targets"));
  write_targets(x.folder, picked(t, without_copies(t.texts, x.parameters().number("share", 0.5))));
}

using Key = OperationKey;
const OperationKey kBy{"by", Key::scores, true}, kBins{"bins", Key::whole, false, 1, 100};
const Operation kFilter("filter", 1, false, {kBy, kBins, {"keep", Key::number, true, 1e-6, 1}}, filter),
    kOrder("order", 1, false,
           {kBy,
            kBins,
            {.name = "first",
             .type = Key::choice,
             .required = true,
             .choices = {"best", "worst"},
             .arranges = true,
             .scatters = true}},
           order),
    kResample("resample", 2, false,
              {{.name = "by", .type = Key::scores, .required = true, .log_odds = true, .scatters = true},
               {"exponent", Key::number, false, 0, 100},
               {"temperature", Key::number, false, 1e-3, 1e3},
               {"most", Key::whole, false, 1, 1000}},
              resample),
    kWeigh("weigh", 1, false,
           {{.name = "by", .type = Key::scores, .required = true, .arranges = true, .log_odds = true}},
           weigh),
    kCopies("drop_copies", 1, false, {{"share", Key::number, false, 0, 1}}, drop_copies);
}  // namespace
}  // namespace rum::edits
