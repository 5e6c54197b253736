#include "generate/choose.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace rum {
std::vector<double> utilities(const Metric& metric, std::span<const std::string> hypotheses) {
  const size_t n = hypotheses.size(), columns = metric.columns().size();
  const std::vector<std::string_view> all(hypotheses.begin(), hypotheses.end());
  std::vector<double> out(n * n), rows(n * columns);
  for (size_t j = 0; j < n; ++j) {
    metric.count(all, std::span(all).subspan(j, 1), rows);
    for (size_t i = 0; i < n; ++i)
      out[i * n + j] = metric.score(std::span(rows).subspan(i * columns, columns));
  }
  return out;
}

std::vector<double> mean_utilities(std::span<const double> utilities, Self self) {
  const auto n = static_cast<size_t>(std::llround(std::sqrt(static_cast<double>(utilities.size()))));
  const size_t others = self == Self::counted ? n : n - 1;
  RUM_CHECK(n * n == utilities.size() && n > 0 && others > 0,
            "utilities of {} hypotheses: too few to compare", n);
  std::vector<double> means;
  for (size_t i = 0; i < n; ++i) {
    double sum = 0;
    for (size_t j = 0; j < n; ++j) sum += utilities[i * n + j];
    if (self == Self::left_out) sum -= utilities[i * n + i];
    means.push_back(sum / static_cast<double>(others));
  }
  return means;
}

int64_t best(std::span<const double> scores) {
  RUM_CHECK(!scores.empty(), "choosing among no hypotheses");
  for (const double s : scores) RUM_CHECK(!std::isnan(s), "choosing: a hypothesis with the score NaN");
  const double most = *std::max_element(scores.begin(), scores.end());
  const auto near = [&](double s) { return s >= most - 1e-9; };
  return std::find_if(scores.begin(), scores.end(), near) - scores.begin();
}

int64_t choose_mbr(const Metric& metric, std::span<const std::string> hypotheses) {
  return best(mean_utilities(utilities(metric, hypotheses)));
}
}  // namespace rum
