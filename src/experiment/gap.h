// The share of the gap between human and generated text that a remedy closes: (R - G) / (H - G), a ratio of
// means, from replicates in which all three arms have the same draws.
#pragma once
#include <cstdint>
#include <optional>
#include <utility>

#include "experiment/statistics.h"

namespace rum::experiment {
struct GapClosed {
  std::optional<double> share;  // nullopt if |H - G| is at most 1e-12
  // 95 %, none without a share. After Fieller (1954): the shares s for which (R - G) - s (H - G) may be 0,
  // that is, 0 lies in its effect(), which allows for few seeds, as percentiles of the replicates' shares do
  // not. So 0 lies inside just when it lies in the interval of R - G, whose effect() this is at s = 0. An end
  // is infinite where there is no bound: if 0 lies in the interval of the gap H - G, then both are if it lies
  // in that of R - G too, else the end beyond the share. (There the shares beyond some bound on the other
  // side of 0 are possible as well, with the gap's opposite sign: they are left out.)
  std::optional<std::pair<double, double>> interval;
  // Replicates in which H - G has the opposite sign. If there are many, the gap itself is uncertain and the
  // closed share is meaningless.
  int64_t gap_sign_flips = 0;
  bool sign_is_uncertain() const;  // by these, or by an interval without a bound
};
// Error: arms that differ in seeds or replicates, fewer than 100 of these.
GapClosed gap_closed(const Bootstrap& human, const Bootstrap& generated, const Bootstrap& remedy);
}  // namespace rum::experiment
