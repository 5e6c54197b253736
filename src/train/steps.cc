// Steps as they are taken, and what came of them: on a GPU that is known later.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/error.h"
#include "train/state.h"

namespace rum {
// Queues the step. On a GPU its outcome is known later.
void Trainer::State::take_step(const std::vector<Packed>& micro_batches) {
  std::vector<Batch> batches;
  for (const Packed& p : micro_batches) {
    const bool ours = !p.ids.empty();
    batches.push_back(ours ? upload(p) : Batch());
    batches.back().total_weight = p.total_weight;
    tokens += p.used;
  }
  try {
    step.run(batches, static_cast<uint32_t>(done), learning_rate(config.schedule, done, config.steps));
  } catch (const OutOfMemory& e) {
    batches.clear();
    throw OutOfMemory(fmt::format("{} at step {} with batch.tokens = {}; {}", e.what(), done, config.tokens,
                                  smaller_batch()));
  }
  const Loader& loader = task->loader();
  target_tokens += loader.target_tokens(done + 1) - loader.target_tokens(done);
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
    skipped_in_a_row = 0;
  else
    skip(s);
  if (log && (s.step % config.log_every == 0 || s.step == config.steps))
    log->step(s, static_cast<double>(learning_rate(config.schedule, s.step - 1, config.steps)),
              task->loader().epoch(s.step), config.steps);
}
// The update has left weights and moments alone. The offending gradient can be named only as long as no later
// step has overwritten the gradients.
void Trainer::State::skip(const StepOutcome& s) {
  std::string where;
  for (const ParameterBlock::Entry& e : params.entries()) {
    if (!in_flight.empty() || !where.empty()) break;
    const Tensor g = e.part_of(params.grads()).to(DeviceKind::cpu);
    for (int64_t i = 0; i < g.size() && where.empty(); ++i)
      if (!std::isfinite(g.at(i))) where = fmt::format(", first in the gradient of {}", e.name);
  }
  if (log) log->skipped(s, where);
  if (++skipped_in_a_row < 3) return;
  fail(fmt::format("three steps in a row were not finite, up to step {}: stopped; {}", s.step,
                   way_back(s.step - skipped_in_a_row)));
}

// After an OutOfMemory: half as many tokens, and half of that, until a batch fits.
std::string Trainer::State::smaller_batch() {
  step.arena().clear();
  for (int64_t n = config.tokens / 2; n >= 16; n /= 2) {
    try {
      const Batch batch = upload(task->largest_batch(n));
      step.gradients({&batch, 1}, adamw.inputs(0, 0, 1, config.seed));
      return fmt::format("batch.tokens = {} fits (with batch.micro_batches = {} for the same step)", n,
                         config.tokens / n * config.micro_batches);
    } catch (const OutOfMemory&) {
      step.arena().clear();
    }
  }
  return "not even a small batch fits: make the model smaller";
}

Estimate Trainer::estimate() {
  State& s = *state_;
  const Loader& loader = s.task->loader();
  for (const std::string& note : s.task->notes) s.progress.line(note);
  const int64_t steps = s.config.steps, tokens = s.config.tokens * s.config.micro_batches;
  const int64_t tries = std::min<int64_t>(tokens > 100'000 ? 3 : 12, steps);  // long steps vary little
  if (tokens > 100'000) s.progress.line(fmt::format("trying {} steps of {} tokens", tries, tokens));
  const int64_t warm = std::min<int64_t>(2, tries - 1);  // steps that settle the memory are not timed
  double begin = 0;
  int64_t tokens_before = 0;
  for (int64_t i = 0; i < tries; ++i) {
    if (i == warm) {
      begin = seconds_now();
      tokens_before = s.tokens;
    }
    s.take_step(loader.at(i, s.mine()));
    s.read_outcomes(0);
  }
  const double seconds = seconds_now() - begin;
  const int64_t done = s.start ? s.start->step : 0;
  // master, gradient and two moments in f32, and the bf16 copy where there is one
  const double each = s.params.shadow() ? 18 : 16;
  return {.parameters = s.params.numbers(),
          .steps = steps,
          .done = done,
          .epochs = loader.epoch(steps),
          .bytes = static_cast<double>(s.step.arena().reserved()) +
                   each * static_cast<double>(s.params.master().size()) +
                   static_cast<double>(s.task->frozen_bytes()),
          .tokens_per_second = static_cast<double>(s.tokens - tokens_before) / seconds,
          .seconds = seconds / static_cast<double>(tries - warm) * static_cast<double>(steps - done)};
}
}  // namespace rum
