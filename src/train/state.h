// What a training run is made of, shared by the loop (trainer.cc), its folder (keep.cc), and its evaluations
// and end (finish.cc). Nothing else includes this.
#pragma once
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "run/environment.h"
#include "run/folder.h"
#include "train/log.h"
#include "train/step.h"
#include "train/task.h"
#include "train/trainer.h"

namespace rum {
struct Trainer::State {
  RunConfig config;
  std::unique_ptr<Task> task;
  Progress& progress;
  bool resuming;
  DeviceKind device;
  RunFolder folder;
  ParameterBlock& params;
  AdamW adamw;
  Step step;
  std::optional<TrainingLog> log;  // once the folder is open

  // What the next step depends on besides the weights; all of it is in a checkpoint.
  int64_t done = 0, best_step = 0, stale = 0, skipped = 0;
  double best_loss = std::numeric_limits<double>::infinity();    // of validation, at best_step
  double best_score = -std::numeric_limits<double>::infinity();  // the highest of all evaluations
  int64_t best_score_step = 0;
  double last_loss = 0;
  int64_t tokens = 0;      // trained on, in this process
  struct InFlight {        // a step whose outcome the host does not know yet
    int64_t step, tokens;  // `tokens` after it
    Readback outcome;
  };
  std::deque<InFlight> in_flight;

  State(RunConfig c, std::unique_ptr<Task> t, Progress& p, bool resume)
      : config(std::move(c)),
        task(std::move(t)),
        progress(p),
        resuming(resume),
        device(pick_device(config.device)),
        folder{config.folder},
        params(task->params),
        adamw(materialised(), config.adamw),
        step(
            params, adamw, [this](const Batch& b) { return task->loss(b); }, config.seed) {
    settle_steps();
    check_config(config);
  }
  ParameterBlock& materialised() {
    params.materialise(device, config.dtype, config.seed);
    return params;
  }

  // trainer.cc
  void settle_steps();
  void introduce();
  void take_step(const std::vector<Packed>& micro_batches);
  void read_outcomes(size_t leave);  // of the steps in flight, oldest first, all but the newest `leave`
  void read_outcome(const StepOutcome&);
  void skip(const StepOutcome&);
  std::string smaller_batch();
  bool save_due(int64_t s) const { return s % config.save_every == 0 || s == config.steps; }

  // keep.cc
  void open_folder();
  void restore(Checkpoint);
  void save_checkpoint();
  std::vector<int64_t> scheduled_saves() const;  // not those of a run that was stopped; newest first

  // finish.cc
  bool better(const Evaluation&) const;           // than the best so far, by train.best
  bool worse_than_best(const Evaluation&) const;  // the same for weights that are no step's
  bool evaluate();                                // true: nothing has improved for long enough to stop
  std::string finish();                     // chooses and writes the model; the lines that close the run
  std::vector<int64_t> last_saves() const;  // those that are averaged
  void average_weights(const std::vector<int64_t>& steps);
};
}  // namespace rum
