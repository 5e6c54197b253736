#include "edits/validity.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "detect/evaluate.h"
#include "edits/scores.h"

namespace rum::edits {
namespace {
bool all_equal(std::span<const double> x) {
  return std::all_of(x.begin(), x.end(), [&](double v) { return v == x[0]; });
}
std::optional<double> correlation(std::span<const double> x, std::span<const double> y) {
  if (all_equal(x) || all_equal(y)) return {};
  return detect::spearman(x, y);
}
}  // namespace

std::vector<Validity> validity(std::span<const NamedScores> scores, std::span<const double> quality,
                               std::span<const double> length, std::span<const double> rarity) {
  const size_t n = quality.size();
  RUM_CHECK(n >= 2, "validity: {} pairs; at least two are needed", n);
  const auto check = [&](const std::string& name, std::span<const double> values) {
    RUM_CHECK(values.size() == n, "validity: {} of {} pairs, but the quality of {}", name, values.size(), n);
    RUM_CHECK(std::none_of(values.begin(), values.end(), [](double v) { return std::isnan(v); }),
              "validity: {} is NaN for a pair", name);
  };
  check("quality", quality);
  check("length", length);
  check("rarity", rarity);
  for (const NamedScores& s : scores) check(s.name, s.values);
  std::vector<Validity> out;
  for (const NamedScores& s : scores) {
    Validity v{s.name,
               correlation(s.values, quality),
               correlation(s.values, length),
               correlation(s.values, rarity),
               tied(s.values),
               {}};
    for (const NamedScores& other : scores) v.others.push_back(correlation(s.values, other.values));
    out.push_back(std::move(v));
  }
  return out;
}
}  // namespace rum::edits
