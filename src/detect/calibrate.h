// From scores to probabilities. Platt's curve suits few texts, isotonic regression many; both are fitted on
// scores that the detector gave to texts it had not seen (folds.h).
#pragma once
#include <vector>

#include "detect/evaluate.h"

namespace rum::detect {
// p = 1 / (1 + exp(a s + b)), of least cross-entropy (`objective`, a sum in nats) against the targets
// (N1 + 1) / (N1 + 2) and 1 / (N0 + 2) (Platt 1999). a is negative where machines score higher.
struct Platt {
  double a = 0, b = 0, objective = 0;
  double operator()(double score) const;
};
Platt fit_platt(const Scores&);  // BadScores as check(); an infinite score is an Error
// Least squares among all curves that do not fall; straight lines between the distinct scores, flat outside.
struct Isotonic {
  std::vector<double> scores, values;
  double operator()(double score) const;
};
Isotonic fit_isotonic(const Scores&);
}  // namespace rum::detect
