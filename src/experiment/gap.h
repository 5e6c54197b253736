// The share of the gap between human and generated text that a remedy closes: (R - G) / (H - G), a ratio of
// means, with an interval from replicates in which all three arms have the same draws.
#pragma once
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "experiment/statistics.h"

namespace rum::experiment {
struct GapClosed {
  std::optional<double> share;                    // nullopt if |H - G| is at most 1e-12
  std::vector<std::optional<double>> replicates;  // likewise
  int64_t undefined_replicates = 0;
  std::optional<std::pair<double, double>> interval;  // 2.5 % and 97.5 % quantiles; none without a share
  // Replicates in which H - G has the opposite sign. If there are many, the gap itself is uncertain and the
  // closed share is meaningless.
  int64_t gap_sign_flips = 0;
};
// Error when the arms differ in the number of replicates.
GapClosed gap_closed(const Bootstrap& human, const Bootstrap& generated, const Bootstrap& remedy);
}  // namespace rum::experiment
