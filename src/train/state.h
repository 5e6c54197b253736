// What a training run is made of: shared by its beginning (beginning.cc), the loop (trainer.cc), its steps
// (steps.cc), its folder (checkpointing.cc), and its evaluations and end (model_selection.cc). Nothing
// else includes this.
#pragma once
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "parallel/ranks.h"
#include "run/environment.h"
#include "run/folder.h"
#include "train/log.h"
#include "train/step.h"
#include "train/task.h"
#include "train/trainer.h"

namespace rum {
enum class AfterStep : uint8_t { next, finished, interrupted };

struct Trainer::State {
  RunConfig config;
  Progress& progress;
  bool resuming;
  Ranks& ranks;
  DeviceKind device;
  RunFolder folder;
  int64_t asked_steps = 0, asked_tokens = 0;  // of the config, what train.epochs has cut short; 0: nothing
  std::optional<FileLock> alone;              // one process at a time trains in the folder
  std::optional<Checkpoint> start;            // where a resumed run continues; until open_folder()
  std::unique_ptr<RunTask> task;
  ParameterBlock& params;
  AdamW adamw;
  Step step;
  std::optional<TrainingLog> log;  // of rank 0, once the folder is open
  Stop stop;                       // has anybody asked to stop?

  // In every checkpoint, beside the weights:
  int64_t done = 0;              // steps
  int64_t evaluated = 0;         // the last step whose weights were evaluated
  int64_t best_step = 0;         // that of the best evaluation, by train.best; 0: none yet
  int64_t stale = 0;             // evaluations since then
  int64_t skipped_in_a_row = 0;  // steps that were not finite, up to and with the last one
  double best_loss = std::numeric_limits<double>::infinity();    // of validation, at best_step
  double best_score = -std::numeric_limits<double>::infinity();  // the highest of all evaluations
  int64_t best_score_step = 0;
  int64_t target_tokens = 0;  // that had a loss so far, in all processes that continued the run
  // Since this start:
  int64_t tokens = 0;  // that all ranks have trained on
  double last_loss = 0;
  std::vector<int64_t> last_steps;   // of a finished run, newest first: see Outcome
  std::optional<double> final_loss;  // of validation, of the finished model
  struct InFlight {                  // a step whose outcome the host does not know yet
    int64_t step, tokens;            // `tokens` after it
    Readback outcome;
  };
  std::deque<InFlight> in_flight;

  State(RunConfig c, Progress& p, bool resume, Purpose purpose, Ranks& r)
      : config(std::move(c)),
        progress(p),
        resuming(resume),
        ranks(r),
        device(agreed_device(config.device, r)),
        folder{config.folder},
        start(resume ? std::optional(take_over(purpose)) : std::nullopt),
        task(make_task(config, resume, p)),
        params(task->params),
        adamw(materialised(), config.adamw),
        step(
            params, adamw, [this](const Batch& b) { return task->loss(b); }, config.seed, config.parts, r) {
    resolve_steps();
    check_config(config);
    RUM_CHECK(!start || start->step <= config.steps,
              "{} is already at step {}, beyond train.steps = {}: ask for more steps, or start another run",
              folder.path, start->step, config.steps);
  }
  ParameterBlock& materialised() {
    params.materialise(device, config.dtype, config.seed);
    return params;
  }

  // trainer.cc
  AfterStep train();
  AfterStep before_steps();
  AfterStep after_step();
  Outcome outcome(bool finished) const;
  std::string saved_after(const std::exception&, bool trained);
  bool save_due(int64_t s) const { return s % config.save_every == 0 || s == config.steps; }
  // Has nothing improved for so long that the run is finished before its last step?
  bool out_of_patience() const { return config.patience > 0 && stale >= config.patience; }

  // beginning.cc
  void resolve_steps();
  void check_ranks() const;
  Mine mine() const;
  void introduce();

  // steps.cc
  void take_step(const std::vector<Packed>& micro_batches);
  void read_outcomes(size_t leave);  // of the steps in flight, oldest first, all but the newest `leave`
  void read_outcome(const StepOutcome&);
  void skip(const StepOutcome&);
  std::string smaller_batch();

  // checkpointing.cc
  Checkpoint take_over(Purpose);
  void follow_epochs(const RunConfig& then, const Checkpoint&);  // of a resumed run
  void open_folder();
  void open_files(const std::string& from);
  void restore(Checkpoint);
  void remove_finished_model();
  void save_checkpoint();
  void check_finite(const Checkpoint&) const;
  std::string way_back(int64_t last_finite) const;
  std::vector<int64_t> scheduled_saves() const;  // not those of a run that was stopped; newest first

  // model_selection.cc
  bool better(const Evaluation&) const;           // than the best so far, by train.best
  bool worse_than_best(const Evaluation&) const;  // the same for weights that belong to no step
  bool evaluation_due() const;
  std::string chosen_by() const;  // train.best for people: "loss", "BLEU"
  bool evaluate();  // true: nothing has improved for long enough to stop; Interrupted: it is still due
  void note_best(int64_t step, const Evaluation&);
  void find_best_again();
  struct Chosen {               // what becomes the model
    std::vector<int64_t> from;  // of these steps the mean
    Evaluation evaluation;
    // In words: "step 300", "mean of the last 5 checkpoints".
    std::string source() const;
  };
  std::string finish();  // chooses, writes and tests the model; the lines that close the run
  Chosen choose_model();
  void write_model(const Chosen&) const;
  std::string closing_lines(const Chosen&) const;  // but for the test's
  bool readable(int64_t step) const;               // does such a checkpoint exist? Says what is wrong with it
  std::vector<int64_t> last_saves() const;         // those that are averaged
  void average_weights(const std::vector<int64_t>& steps);  // params become those of these checkpoints
};
}  // namespace rum
