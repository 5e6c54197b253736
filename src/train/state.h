// What a training run is made of, shared by the loop (trainer.cc), what it keeps in its folder (keep.cc), and
// its evaluations and end (finish.cc). Nobody else includes this.
#pragma once
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "generate/translate.h"
#include "run/environment.h"
#include "run/folder.h"
#include "run/run.h"
#include "text/json.h"
#include "train/data.h"
#include "train/evaluate.h"
#include "train/events.h"
#include "train/step.h"
#include "train/trainer.h"

namespace rum {
struct Trainer::State {
  RunConfig config;
  Progress& progress;
  bool resuming;
  DeviceKind device;
  RunFolder folder;
  std::vector<Corpus> train;
  Corpus valid;
  std::unique_ptr<LoadedRun> from;  // until its weights are taken
  Tokenizer tokenizer;
  Plan plan;
  std::unique_ptr<Loader> loader;
  std::vector<Packed> validation;
  ParameterBlock params;
  Model model;
  AdamW adamw;
  Step step;
  std::unique_ptr<EventWriter> events;

  // What the next step depends on besides the weights; all of it is in a checkpoint.
  int64_t done = 0, best_step = 0, stale = 0, skipped = 0;
  double best_loss = std::numeric_limits<double>::infinity();   // of validation, at best_step
  double best_bleu = -std::numeric_limits<double>::infinity();  // the highest of all evaluations
  int64_t best_bleu_step = 0;
  double last_loss = 0;
  int64_t used = 0;        // tokens, in this process
  struct Queued {          // a step whose outcome the host does not know yet
    int64_t step, tokens;  // `used` after it
    Readback outcome;
  };
  std::deque<Queued> queued;

  State(RunConfig c, Progress& p, bool resume)
      : config(std::move(c)),
        progress(p),
        resuming(resume),
        device(pick_device(config.device)),
        folder{config.folder},
        train(training_corpora(config)),
        valid(read_corpus(config.valid, config.kind)),
        from(starting_run(config, resume)),
        tokenizer(run_tokenizer(config, train, from.get(), resume, p)),
        plan(training_plan(config, train)),
        model(config.model_kind, Params(params), model_config(config, tokenizer.size())),
        adamw(materialised(), config.adamw),
        step(
            params, adamw, [this](const Batch& b) { return model.loss(b).loss; }, config.seed) {
    const LoaderConfig lc{batch_shape(config), config.micro_batches, config.model.context,
                          config.target_tokens};
    loader =
        std::make_unique<Loader>(plan, train, tokenizer, lc, config.target_tokens > 0 ? 0 : config.steps);
    config.steps = config.schedule.steps = loader->steps(), config.target_tokens = 0;  // resolved
    check_config(config);
    validation = evaluation_batches(valid, tokenizer, lc.shape, config.eval_texts);
  }

  ParameterBlock& materialised() {
    params.materialise(device, config.dtype, config.seed);
    return params;
  }
  void open_folder();
  void restore(Checkpoint);
  void save_checkpoint();
  void one_step(const std::vector<Packed>&);
  void settle(size_t late, const std::function<void(const Queued&, double loss, double norm)>& each);
  void skip(int64_t step, double loss, double norm);
  std::string what_fits();
  bool evaluate();                                 // true: stop early
  std::optional<Judged> judge_validation() const;  // where there are pairs and eval.bleu_texts
  bool worse_than_best(double loss) const;         // the weights in the block, with this validation loss
  void note_metrics(Json::Object);
  bool scheduled(int64_t s) const { return s % config.save_every == 0 || s == config.steps; }
  std::string finish();
  void average_into_block(const std::vector<int64_t>& steps);
  std::vector<int64_t> averaged_steps() const;
};
}  // namespace rum
