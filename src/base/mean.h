// The mean, the quantiles and the spread of some numbers.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

namespace rum {
// The 97.5 % quantile of the normal distribution: a 95 % interval is the value, plus or minus so many errors.
inline constexpr double kNormal95 = 1.959963984540054;
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
// Of at least one number, in any order.
inline double median(std::vector<double> x) {
  std::ranges::sort(x);
  return quantile(x, 0.5);
}
// What brings numbers to mean 0 and deviation 1 (of n, not n - 1); constant ones become 0.
struct Standard {
  double mean = 0, deviation = 0;
  double operator()(double x) const { return deviation > 0 ? (x - mean) / deviation : 0; }
};
inline Standard standard(std::span<const double> x) {
  Standard s;
  const auto n = static_cast<double>(x.size());
  for (const double v : x) s.mean += v / n;
  for (const double v : x) s.deviation += (v - s.mean) * (v - s.mean) / n;
  s.deviation = std::sqrt(s.deviation);
  return s;
}
}  // namespace rum
