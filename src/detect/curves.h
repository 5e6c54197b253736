// Two curves from scores to probabilities; calibrate.h fits them.
#pragma once
#include <vector>

namespace rum::detect {
// p = 1 / (1 + exp(a s + b)); a is negative where machines score higher (Platt 1999).
struct Platt {
  double a = 0, b = 0, objective = 0;
  double operator()(double score) const;
};
// Piecewise linear between the distinct scores, constant outside; non-decreasing.
struct Isotonic {
  std::vector<double> scores, values;
  double operator()(double score) const;
};
}  // namespace rum::detect
