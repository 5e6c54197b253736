// How a student learned: what its run wrote of itself along the way.
#pragma once
#include <cstdint>
#include <map>
#include <string>

namespace rum::experiment {
struct TrainingCurve {
  std::map<int64_t, double> valid_loss;  // by optimizer step, nats a token
  double epochs = 0;                     // rounds over its targets at the end
};
// Of a run's metrics.jsonl; lines that a crash damaged are passed over, as wherever it is read.
TrainingCurve read_training(const std::string& run_folder);
}  // namespace rum::experiment
