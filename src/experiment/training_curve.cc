#include "experiment/training_curve.h"

#include "run/metrics_file.h"

namespace rum::experiment {
TrainingCurve read_training(const std::string& run_folder) {
  TrainingCurve out;
  each_metrics_line({run_folder}, [&](const MetricsLine& line) {
    double loss = 0;
    if (const Json* v = line.json.find("valid_loss"); v && v->number(loss)) out.valid_loss[line.step] = loss;
    if (const Json* e = line.json.find("epoch")) e->number(out.epochs);
  });
  return out;
}
}  // namespace rum::experiment
