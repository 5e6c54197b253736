// Whether what ranked the pool can be trusted: each scorer's order beside the quality that is measured only
// now, and how well the detectors knew people from the generator on sources that they had not seen.
#pragma once
#include <string>
#include <vector>

#include "detect/evaluate.h"
#include "edits/validity.h"
#include "experiment/arms.h"
#include "pipeline/store.h"

namespace rum::experiment {
// The share of people's texts that may be flagged where a detector is judged by what it then finds.
inline constexpr double kFalseAlarms = 0.01;

struct RankingResult {
  std::string targets;                   // which were ranked: "self/greedy"
  int64_t pairs = 0;                     // of the first seed
  std::vector<edits::Validity> scorers;  // means over seeds; quality is sentence chrF to the human target
};
struct DetectorResult {
  std::string scorer, targets;
  int64_t seed = 1;
  double auroc = 0, low = 0, high = 0;
  detect::Scores log_odds;         // of the held-out texts; empty where the stage kept the AUROC alone
  std::string tried_on = "judge";  // the set of those texts
};
std::vector<RankingResult> rankings(const ExperimentGraph&, const Store&);
// Of the stages of detectors among these.
std::vector<DetectorResult> detectors(const ExperimentGraph&, const decltype(ExperimentGraph::scored)&,
                                      const Store&);
}  // namespace rum::experiment
