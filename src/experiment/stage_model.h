// The weights that a training stage leaves, by kind: "last", after the last step, and "best" on validation.
#pragma once
#include <memory>
#include <string>

#include "pipeline/stage.h"
#include "run/environment.h"
#include "run/run.h"

namespace rum::experiment {
inline std::string weights_file(const std::string& run, const std::string& kind) {
  return run + "/" + kind + ".safetensors";
}
inline std::string model_file(const StageContext& x, const std::string& input,
                              const std::string& kind = "last") {
  return weights_file(x.input(input) + "/run", kind);
}
inline std::unique_ptr<LoadedRun> load_model(const StageContext& x, const std::string& input,
                                             const std::string& kind = "last") {
  return load_run(model_file(x, input, kind), pick_device("auto"));
}
}  // namespace rum::experiment
