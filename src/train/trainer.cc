// The training loop. Start at Trainer::run() and read down.
#include "train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/shell.h"
#include "base/threads.h"
#include "train/state.h"

namespace rum {
Trainer::Trainer(RunConfig c, Progress& p, bool resume, Purpose purpose) {
  check_config(c);
  set_threads(c.threads > 0 ? static_cast<int>(c.threads) : threads());
  state_ = std::make_unique<State>(std::move(c), p, resume, purpose);
}
Trainer::~Trainer() = default;

Outcome Trainer::run(const std::function<bool(int64_t)>& stop) {
  State& s = *state_;
  s.stop = [&] { return stop && stop(s.done); };
  s.open_folder();
  s.introduce();
  const int64_t first = s.done;
  Prefetch batches(s.task->loader(), first);
  const size_t late =
      s.device == DeviceKind::cpu ? 0 : 1;  // a GPU has its next step before we ask how it went
  bool finished = s.done >= s.config.steps, interrupted = false, trained = false;
  Outcome out;
  try {
    if (s.evaluation_due() && s.evaluate()) finished = true;  // the run was stopped in the middle of it
    while (!finished && !interrupted) {
      s.take_step(batches.next());
      finished = s.done >= s.config.steps;
      interrupted = s.stop();
      const bool evaluate = s.evaluation_due() && !interrupted;
      const bool save = finished || interrupted || s.save_due(s.done);
      if (!evaluate && !save) {
        s.read_outcomes(late);
        continue;
      }
      s.read_outcomes(0);
      s.log->pause();
      if (evaluate && s.evaluate()) finished = true;
      if (save || finished || s.best_step == s.done) s.save_checkpoint();
      s.log->go_on();
    }
    trained = true;
    out = {s.done, s.best_step, finished, s.last_loss, s.best_loss, ""};
    if (finished) {
      s.progress.line(fmt::format("trained {} steps in {}", s.done - first, duration(s.log->seconds())));
      out.results = s.finish();
    }
  } catch (const Interrupted&) {  // during an evaluation or the test: the next start repeats it
    if (!trained) s.save_checkpoint();
    out = {s.done, s.best_step, false, s.last_loss, s.best_loss, ""};
  } catch (const OutOfMemory& e) {
    if (!trained) {  // the step that failed has not touched the weights
      s.read_outcomes(0);
      s.save_checkpoint();
    }
    throw OutOfMemory(
        fmt::format("{}; step {} is saved: continue with `ruminate train --resume {}`, adding --set "
                    "batch.tokens=... to use less memory (in evaluation also eval.bleu_texts=0)",
                    e.what(), s.done, shell_quoted(s.folder.path)));
  }
  return out;
}

// train.target_tokens and train.epochs become a number of steps.
void Trainer::State::settle_steps() {
  const Loader& loader = task->loader();
  const int64_t asked = config.target_tokens > 0 ? 0 : config.steps;
  config.steps = config.schedule.steps = loader.steps();
  config.target_tokens = 0;
  if (config.steps >= asked) return;
  config.schedule.warmup = std::min(config.schedule.warmup, config.steps / 10);
  const double epochs =
      loader.epoch(config.steps) * static_cast<double>(asked) / static_cast<double>(config.steps);
  task->notes.push_back(fmt::format(
      "train.steps = {} would be {:.0f} epochs; train.epochs = {} makes it {} steps, with a warm-up of {}",
      asked, epochs, config.epochs, config.steps, config.schedule.warmup));
}

void Trainer::State::introduce() {
  for (const std::string& note : task->notes) progress.line(note);
  const std::string resumed = done > 0 ? fmt::format(", resumed at step {},", done) : "";
  progress.line(fmt::format(
      "{}: {} parameters, {} training {}, {} steps of {} tokens ({:.1f} epochs){} on {}", folder.path,
      params.numbers(), task->texts(), config.windows == Windows::documents ? "texts" : "windows",
      config.steps, config.tokens * config.micro_batches, task->loader().epoch(config.steps), resumed,
      Backend::of(device).describe()));
}

// Queues the step. On a GPU its outcome is known later.
void Trainer::State::take_step(const std::vector<Packed>& micro_batches) {
  std::vector<Batch> batches;
  for (const Packed& p : micro_batches) {
    batches.push_back(upload(p));
    tokens += p.used;
  }
  try {
    step.run(batches, static_cast<uint32_t>(done), learning_rate(config.schedule, done));
  } catch (const OutOfMemory& e) {
    batches.clear();
    throw OutOfMemory(fmt::format("{} at step {} with batch.tokens = {}; {}", e.what(), done, config.tokens,
                                  smaller_batch()));
  }
  ++done;
  in_flight.push_back({done, tokens, step.outcome()});
}

void Trainer::State::read_outcomes(size_t leave) {
  while (in_flight.size() > leave) {
    InFlight oldest = std::move(in_flight.front());
    in_flight.pop_front();
    const double norm = oldest.outcome.at(1);
    read_outcome({oldest.step, oldest.tokens, oldest.outcome.at(0), norm});
  }
}
void Trainer::State::read_outcome(const StepOutcome& s) {
  last_loss = s.loss;
  if (std::isfinite(s.norm) && std::isfinite(s.loss))
    skipped = 0;
  else
    skip(s);
  if (log && (s.step % config.log_every == 0 || s.step == config.steps))
    log->step(s, static_cast<double>(learning_rate(config.schedule, s.step - 1)),
              task->loader().epoch(s.step), config.steps);
}
// The update has left weights and moments alone. The offending gradient can be named only as long as no later
// step has overwritten the gradients.
void Trainer::State::skip(const StepOutcome& s) {
  std::string where;
  for (const ParameterBlock::Entry& e : params.entries()) {
    if (!in_flight.empty() || !where.empty()) break;
    const Tensor g = params.grads().rows(e.offset, e.offset + e.shape.size()).to(DeviceKind::cpu);
    for (int64_t i = 0; i < g.size() && where.empty(); ++i)
      if (!std::isfinite(g.at(i))) where = fmt::format(", first in the gradient of {}", e.name);
  }
  if (log) log->skipped(s, where);
  if (++skipped < 3) return;
  fail(fmt::format("three steps in a row were not finite, up to step {}: stopped; {}", s.step,
                   way_back(s.step - skipped)));
}

// After an OutOfMemory: half as many tokens, and half of that, until a batch fits.
std::string Trainer::State::smaller_batch() {
  step.arena().clear();
  for (int64_t n = config.tokens / 2; n >= 16; n /= 2) try {
      const Batch batch = upload(task->largest_batch(n));
      step.gradients({&batch, 1}, adamw.inputs(0, 0, 1, config.seed));
      return fmt::format("batch.tokens = {} fits (with batch.micro_batches = {} for the same step)", n,
                         config.tokens / n * config.micro_batches);
    } catch (const OutOfMemory&) {
      step.arena().clear();
    }
  return "not even a small batch fits: make the model smaller";
}

Estimate Trainer::estimate() {
  State& s = *state_;
  const Loader& loader = s.task->loader();
  for (const std::string& note : s.task->notes) s.progress.line(note);
  const int64_t steps = s.config.steps, tries = std::min<int64_t>(12, steps);
  const int64_t warm = std::min<int64_t>(2, tries - 1);  // steps that settle the memory are not timed
  double begin = 0;
  int64_t tokens_before = 0;
  for (int64_t i = 0; i < tries; ++i) {
    if (i == warm) {
      begin = seconds_now();
      tokens_before = s.tokens;
    }
    s.take_step(loader.at(i));
    s.read_outcomes(0);
  }
  const double seconds = seconds_now() - begin;
  return {.parameters = s.params.numbers(),
          .steps = steps,
          .epochs = loader.epoch(steps),
          .bytes = static_cast<double>(s.step.arena().reserved()) +
                   16.0 * static_cast<double>(s.params.master().size()),
          .seconds = seconds / static_cast<double>(tries - warm) * static_cast<double>(steps),
          .tokens_per_second = static_cast<double>(s.tokens - tokens_before) / seconds};
}
}  // namespace rum
