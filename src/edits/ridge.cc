#include "edits/ridge.h"

#include <cmath>

#include "base/error.h"
#include "base/mean.h"

namespace rum::edits {
namespace {
// Solves A x = b for a symmetric positive definite A (n x n), by Cholesky's A = L L'.
std::vector<double> solve(std::vector<double> a, std::vector<double> b) {
  const size_t n = b.size();
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j <= i; ++j) {
      double sum = a[i * n + j];
      for (size_t k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
      if (i == j)
        a[i * n + i] = std::sqrt(sum);
      else
        a[i * n + j] = sum / a[j * n + j];
    }
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < i; ++k) b[i] -= a[i * n + k] * b[k];
    b[i] /= a[i * n + i];
  }
  for (size_t i = n; i-- > 0;) {
    for (size_t k = i + 1; k < n; ++k) b[i] -= a[k * n + i] * b[k];
    b[i] /= a[i * n + i];
  }
  return b;
}
double standardised(const Ridge& r, size_t feature, double value) {
  if (r.deviations[feature] == 0) return 0;
  return (value - r.means[feature]) / r.deviations[feature];
}
}  // namespace

Ridge fit_ridge(std::span<const std::vector<double>> features, std::span<const double> quality,
                double penalty) {
  const size_t m = features.size(), n = quality.size();
  RUM_CHECK(m > 0 && n >= m + 2,
            "ridge regression: {} features and {} lines; at least two more lines are needed", m, n);
  RUM_CHECK(penalty > 0, "ridge regression: a penalty of {}; expected above 0", penalty);
  Ridge out;
  for (size_t j = 0; j < m; ++j) {
    RUM_CHECK(features[j].size() == n, "ridge regression: feature {} has {} lines, the quality {}", j + 1,
              features[j].size(), n);
    out.means.push_back(mean(features[j]));
    double squares = 0;
    for (const double v : features[j]) squares += (v - out.means[j]) * (v - out.means[j]);
    RUM_CHECK(std::isfinite(squares), "ridge regression: feature {} has a number that is not finite", j + 1);
    out.deviations.push_back(std::sqrt(squares / static_cast<double>(n)));
  }
  out.intercept = mean(quality);
  RUM_CHECK(std::isfinite(out.intercept), "ridge regression: a quality that is not finite");
  std::vector<double> products(m * m), targets(m), row(m);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < m; ++j) row[j] = standardised(out, j, features[j][i]);
    for (size_t j = 0; j < m; ++j) {
      targets[j] += row[j] * (quality[i] - out.intercept) / static_cast<double>(n);
      for (size_t k = 0; k < m; ++k) products[j * m + k] += row[j] * row[k] / static_cast<double>(n);
    }
  }
  for (size_t j = 0; j < m; ++j) products[j * m + j] += penalty;
  out.weights = solve(std::move(products), std::move(targets));
  return out;
}

std::vector<double> predict(const Ridge& r, std::span<const std::vector<double>> features) {
  RUM_CHECK(features.size() == r.weights.size(), "ridge regression: fitted on {} features, given {}",
            r.weights.size(), features.size());
  std::vector<double> out(features[0].size(), r.intercept);
  for (size_t j = 0; j < features.size(); ++j) {
    RUM_CHECK(features[j].size() == out.size(), "ridge regression: features of {} and {} lines", out.size(),
              features[j].size());
    for (size_t i = 0; i < out.size(); ++i) out[i] += r.weights[j] * standardised(r, j, features[j][i]);
  }
  return out;
}
}  // namespace rum::edits
