// What a run reports while it trains: metrics.jsonl, TensorBoard's events, and the progress line.
#pragma once
#include <string>

#include "base/progress.h"
#include "run/folder.h"
#include "text/json.h"
#include "train/events.h"
#include "train/task.h"

namespace rum {
struct StepOutcome {
  int64_t step = 0;    // counted from 1
  int64_t tokens = 0;  // that all ranks have trained on since they started, this step's with them
  double loss = 0, norm = 0;
};
class TrainingLog {
 public:
  // Times steps from now on; `first` were done before. Opens an event file.
  TrainingLog(const RunFolder&, Progress&, int64_t first);
  void step(const StepOutcome&, double learning_rate, double epoch, int64_t steps);
  void skipped(const StepOutcome&, const std::string& where);
  void evaluation(int64_t step, const Evaluation&, const std::string& score_name);

  double seconds() const;  // since it was made
  // Time that is not training: between these two the clock of the steps stops.
  void pause();
  void go_on();

 private:
  void note(Json::Object line);
  RunFolder folder_;
  Progress& progress_;
  EventWriter events_;
  int64_t first_, logged_tokens_ = 0;
  double begin_, spent_ = 0, logged_at_, paused_at_ = 0;
};
struct Reached {
  int64_t step, evaluated;  // the last step, and the last whose weights were evaluated
};
// Leaves out what metrics.jsonl and samples.txt have of later steps and evaluations, which will be done
// again, and damaged lines of metrics.jsonl, which it says.
void cut_log(const RunFolder&, Reached, Progress&);
}  // namespace rum
