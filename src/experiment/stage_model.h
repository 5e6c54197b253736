// Loads the model that an earlier stage trained.
#pragma once
#include <memory>
#include <string>

#include "pipeline/stage.h"
#include "run/environment.h"
#include "run/run.h"

namespace rum::experiment {
inline std::string model_file(const StageContext& x, const std::string& input) {
  return x.input(input) + "/run/last.safetensors";
}
inline std::unique_ptr<LoadedRun> load_model(const StageContext& x, const std::string& input) {
  return load_run(model_file(x, input), pick_device("auto"));
}
}  // namespace rum::experiment
