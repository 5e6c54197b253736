#include "experiment/gap.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace rum::experiment {
namespace {
std::optional<double> share_of(double gap, double closed) {
  if (std::abs(gap) <= 1e-12) return {};
  return closed / gap;
}
double quantile(const std::vector<double>& sorted, double p) {  // linear between order statistics
  const double at = static_cast<double>(sorted.size() - 1) * p;
  const auto below = static_cast<size_t>(at), above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}
}  // namespace

GapClosed gap_closed(const Bootstrap& human, const Bootstrap& generated, const Bootstrap& remedy) {
  const size_t n = human.replicates.size();
  RUM_CHECK(generated.replicates.size() == n && remedy.replicates.size() == n,
            "gap closed: arms of {}, {} and {} replicates", n, generated.replicates.size(),
            remedy.replicates.size());
  const double gap = human.score - generated.score;
  GapClosed out;
  out.share = share_of(gap, remedy.score - generated.score);
  std::vector<double> defined;
  for (size_t b = 0; b < n; ++b) {
    const double g = human.replicates[b] - generated.replicates[b];
    out.replicates.push_back(share_of(g, remedy.replicates[b] - generated.replicates[b]));
    if (!out.replicates.back()) {
      ++out.undefined_replicates;
      continue;
    }
    defined.push_back(*out.replicates.back());
    out.gap_sign_flips += out.share && (g < 0) != (gap < 0);
  }
  std::sort(defined.begin(), defined.end());
  if (out.share && !defined.empty()) out.interval = {quantile(defined, .025), quantile(defined, .975)};
  return out;
}
}  // namespace rum::experiment
