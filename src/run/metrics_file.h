// metrics.jsonl of a run: one JSON object for each logged step and each evaluation.
#pragma once
#include <cstdint>
#include <functional>
#include <string_view>

#include "run/folder.h"
#include "text/json.h"

namespace rum {
struct MetricsLine {
  int64_t step = 0;
  Json json;
  std::string_view text;  // without its end
};
// Each line in order; none when there is no file. Passes over damaged ones, as a crash or a full disk may
// leave them (no JSON object with a step, no end), and returns how many they are.
int64_t each_metrics_line(const RunFolder&, const std::function<void(const MetricsLine&)>&);
}  // namespace rum
