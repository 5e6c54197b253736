// A learned score: ridge regression (Hoerl and Kennard 1970) from other scores to a measured quality, fitted
// on judge-set pairs, which have human targets to measure it by.
#pragma once
#include <span>
#include <vector>

namespace rum::edits {
struct Ridge {
  std::vector<double> means, deviations;  // of each feature, on what it was fitted on
  std::vector<double> weights;            // of the standardised features
  double intercept = 0;
};
// features[j][i]: score j of line i. Minimises mean (y - prediction)^2 + penalty |weights|^2 over
// standardised features; a feature that never changes has the weight 0. Error: no features, lists of
// different length, fewer lines than features + 2, a number that is not finite, a penalty not above 0.
Ridge fit_ridge(std::span<const std::vector<double>> features, std::span<const double> quality,
                double penalty = 1e-3);
std::vector<double> predict(const Ridge&, std::span<const std::vector<double>> features);
}  // namespace rum::edits
