#include "experiment/gap.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/mean.h"

namespace rum::experiment {
namespace {
std::optional<double> share_of(double gap, double closed) {
  if (std::abs(gap) <= 1e-12) return {};
  return closed / gap;
}
}  // namespace

bool GapClosed::sign_is_uncertain() const {
  return gap_sign_flips > 0 || (interval && (std::isinf(interval->first) || std::isinf(interval->second)));
}
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

std::pair<double, double> fieller_interval(const Bootstrap& human, const Bootstrap& generated,
                                           const Bootstrap& remedy) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const Bootstrap gap = minus(human, generated), closed = minus(remedy, generated);
  const std::optional<double> of_means = share_of(gap.score, closed.score);
  RUM_CHECK(of_means, "gap closed: there is no gap between scores of {} and {}", human.score,
            generated.score);
  const double share = *of_means;
  const auto holds_0 = [](const Effect& e) { return e.low <= 0 && 0 <= e.high; };
  const auto inside = [&](double s) { return holds_0(effect(minus(closed, gap, s))); };
  const auto end = [&](double in, double out) {
    for (int i = 0; i < 40; ++i) {
      const double middle = (in + out) / 2;
      (inside(middle) ? in : out) = middle;
    }
    return in;
  };
  const bool with_0 = share == 0 || inside(0);
  if (holds_0(effect(gap))) {
    if (with_0) return {-kInfinity, kInfinity};
    const double near = end(share, 0);
    return share > 0 ? std::pair(near, kInfinity) : std::pair(-kInfinity, near);
  }
  // 0 itself is tried first where it lies on the way.
  const auto outwards = [&](double sign) {
    double from = share;
    if (sign * share < 0) {
      if (!with_0) return end(share, 0);
      from = 0;
    }
    for (double step = std::max(1.0, std::abs(share)); step < 1e12; step *= 2)
      if (!inside(from + sign * step)) return end(from, from + sign * step);
    return sign * kInfinity;
  };
  return {outwards(-1), outwards(1)};
}
}  // namespace rum::experiment
