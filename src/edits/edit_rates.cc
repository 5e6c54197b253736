#include "edits/edit_rates.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "metrics/metric.h"
#include "metrics/ter.h"

namespace rum::edits {
double EditRates::distance(const EditRates& o) const {
  return std::abs(insertions - o.insertions) + std::abs(deletions - o.deletions) +
         std::abs(substitutions - o.substitutions) + std::abs(shifts - o.shifts);
}
EditRates edit_rates(std::span<const std::string> translations, std::span<const std::string> references) {
  RUM_CHECK(translations.size() == references.size(), "edit rates: {} translations, {} references",
            translations.size(), references.size());
  if (references.empty()) return {};
  const std::vector<metrics::Reference> reference{{references.begin(), references.end()}};
  const std::vector<double> sum =
      metrics::count(*metrics::make_ter(), {translations.begin(), translations.end()}, reference).sum();
  const double words = std::max(sum[1], 1.0);
  return {sum[2] / words, sum[3] / words, sum[4] / words, sum[5] / words};
}
}  // namespace rum::edits
