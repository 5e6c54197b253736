// The mean and the quantiles of some numbers.
#pragma once
#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

namespace rum {
// 0 / 0, which is NaN, when there are none.
inline double mean(std::span<const double> x) {
  return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
}
// Linear between order statistics, of at least one number: p is a share, .5 gives the median.
template <class T>
double quantile(const std::vector<T>& sorted, double p) {
  const double at = p * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at), above = std::min(below + 1, sorted.size() - 1);
  const auto low = static_cast<double>(sorted[below]), high = static_cast<double>(sorted[above]);
  return low + (at - static_cast<double>(below)) * (high - low);
}
}  // namespace rum
