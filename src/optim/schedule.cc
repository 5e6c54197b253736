#include "optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace rum {
float learning_rate(const Schedule& s, int64_t step, int64_t steps) {
  const double peak = static_cast<double>(s.peak), floor = static_cast<double>(s.floor);
  if (step < s.warmup)
    return static_cast<float>(peak * static_cast<double>(step + 1) / static_cast<double>(s.warmup));
  const double through = std::clamp(
      static_cast<double>(step - s.warmup) / static_cast<double>(std::max<int64_t>(steps - s.warmup, 1)), 0.0,
      1.0);
  double share = 1;
  if (s.decay == Decay::cosine) share = floor + (1 - floor) * (1 + std::cos(std::numbers::pi * through)) / 2;
  if (s.decay == Decay::linear) share = floor + (1 - floor) * (1 - through);
  if (s.decay == Decay::inverse_sqrt)
    share = std::sqrt(static_cast<double>(std::max<int64_t>(s.warmup, 1)) / static_cast<double>(step + 1));
  return static_cast<float>(peak * share);
}
}  // namespace rum
