// How a student learned, from the log of its run.
#pragma once
#include <cstdint>
#include <map>
#include <string>

namespace rum::experiment {
struct TrainingCurve {
  std::map<int64_t, double> valid_loss;  // by optimizer step, nats per token
  double epochs = 0;                     // passes over its targets at the end
};
// Reads a run's metrics.jsonl; lines damaged by a crash are skipped, as elsewhere.
TrainingCurve read_training(const std::string& run_folder);
}  // namespace rum::experiment
