#include "experiment/gap.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace rum::experiment {
namespace {
constexpr double kNoGap = 1e-12;

std::pair<double, double> fieller_interval(const Bootstrap& gap, const Bootstrap& closed) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double share = closed.score / gap.score;
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
}  // namespace

bool GapClosed::sign_is_uncertain() const {
  return gap_sign_flips > 0 || (interval && (std::isinf(interval->first) || std::isinf(interval->second)));
}
GapClosed gap_closed(const Bootstrap& human, const Bootstrap& generated, const Bootstrap& remedy) {
  const Bootstrap gap = minus(human, generated), closed = minus(remedy, generated);
  GapClosed out;
  if (std::abs(gap.score) <= kNoGap) return out;
  out.share = closed.score / gap.score;
  out.interval = fieller_interval(gap, closed);
  out.gap_sign_flips = std::count_if(gap.replicates.begin(), gap.replicates.end(), [&](double g) {
    return std::abs(g) > kNoGap && (g < 0) != (gap.score < 0);
  });
  return out;
}
}  // namespace rum::experiment
