// Two curves from scores to probabilities; calibrate.h fits them.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

namespace rum::detect {
// log(1 + exp(x)) for any x.
inline double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
// 1 / (1 + exp(-x)) for any x.
inline double logistic(double x) {
  const double e = std::exp(-std::abs(x));
  return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}
// p = 1 / (1 + exp(a s + b)); a is negative where machines score higher (Platt 1999).
struct Platt {
  double a = 0, b = 0, objective = 0;
  double operator()(double score) const { return logistic(log_odds(score)); }
  double log_odds(double score) const { return -(a * score + b); }
};
// Piecewise linear between the distinct scores, constant outside; non-decreasing.
struct Isotonic {
  std::vector<double> scores, values;
  double operator()(double score) const;
  double log_odds(double score) const;  // infinite where that is 0 or 1
};
}  // namespace rum::detect
