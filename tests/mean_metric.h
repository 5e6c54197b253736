// The simplest metric, for tests of significance by hand: the mean over sentences of rows (value, 1).
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/metric.h"

namespace rum {
class MeanMetric : public metrics::Metric {
 public:
  std::string name() const override { return "mean"; }
  std::string settings() const override { return ""; }
  std::vector<std::string> columns() const override { return {"value", "one"}; }
  void count(std::span<const std::string_view>, std::span<const std::string_view>,
             std::span<double>) const override {}
  double score(std::span<const double> sum) const override { return sum[1] > 0 ? sum[0] / sum[1] : 0; }
  Json::Object fields(std::span<const double> sum) const override { return {{"score", score(sum)}}; }
};
inline metrics::Rows mean_rows(const std::vector<double>& values) {
  metrics::Rows out{2, {}};
  for (const double v : values) out.values.insert(out.values.end(), {v, 1});
  return out;
}
}  // namespace rum
