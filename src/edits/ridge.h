// A learned score: ridge regression (Hoerl and Kennard 1970) of a measured quality on other scores, fitted on
// judge-set pairs, whose human targets allow the quality to be measured.
#pragma once
#include <span>
#include <vector>

namespace rum::edits {
struct Ridge {
  std::vector<double> means, deviations;  // of each feature, in the data it was fitted to
  std::vector<double> weights;            // of the standardised features
  double intercept = 0;
};
// features[j][i]: score j of line i. Minimises mean (y - prediction)^2 + penalty |weights|^2 over
// standardised features; a constant feature gets the weight 0. Error: no features, lists of different length,
// fewer lines than features + 2, a number that is not finite, a penalty not above 0.
Ridge fit_ridge(std::span<const std::vector<double>> features, std::span<const double> quality,
                double penalty = 1e-3);
std::vector<double> predict(const Ridge&, std::span<const std::vector<double>> features);
}  // namespace rum::edits
