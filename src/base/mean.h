// The mean of some numbers: 0 / 0, which is NaN, when there are none.
#pragma once
#include <numeric>
#include <span>

namespace rum {
inline double mean(std::span<const double> x) {
  return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
}
}  // namespace rum
