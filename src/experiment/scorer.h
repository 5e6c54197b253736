// The kinds of scorers: what a config may say of each, what its stage is given, and how it scores. A new one
// needs an entry in the table of stage_score.cc and its function.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "edits/targets.h"
#include "pipeline/stage.h"

namespace rum::experiment {
// The judge set's sources are cut into so many folds; what learns from that set is first tested on one of them.
inline constexpr int64_t kFolds = 5;
// Fewest sources of the judge set from which a quality is learned, with so many scores.
inline int64_t least_for_quality(size_t scores) {
  return std::max(2 * kFolds, static_cast<int64_t>(scores) + 4);
}
struct ScorerKind {
  enum Trait : unsigned {
    learns = 1,    // from the judge set
    asks = 2,      // the generator that wrote the targets for more: other texts, probabilities
    detector = 4,  // its scores are log odds of a human author
    feature = 8,   // a quality may be learned from it
  };
  const char* name;
  std::vector<double> (*score)(const StageContext&, const edits::TargetSet&);  // higher is better
  std::vector<std::string> inputs;  // of its stage, after "targets" and "split"; arms.cc makes them by name
  std::vector<std::string> keys;    // of its table in the config, besides `kind`
  unsigned traits = 0;

  bool is(Trait t) const { return (traits & t) != 0; }
  static const std::vector<ScorerKind>& all();
  static const ScorerKind& named(std::string_view name);  // Error that lists the known ones
};
}  // namespace rum::experiment
