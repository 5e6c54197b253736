// The training loop.
#include "train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/threads.h"
#include "train/state.h"

namespace rum {
Trainer::Trainer(RunConfig c, Progress& p, bool resume) {
  check_config(c);
  set_threads(c.threads > 0 ? static_cast<int>(c.threads) : threads());
  state_ = std::make_unique<State>(std::move(c), p, resume);
}
Trainer::~Trainer() = default;

void Trainer::State::one_step(const std::vector<Packed>& packed) {
  std::vector<Batch> batches;
  int64_t tokens = 0;
  for (const Packed& p : packed) batches.push_back(upload(p)), tokens += p.used;
  try {
    step.run(batches, static_cast<uint32_t>(done), learning_rate(config.schedule, done));
  } catch (const OutOfMemory& e) {
    batches.clear();
    throw OutOfMemory(
        fmt::format("{} at step {} with batch.tokens = {}; {}", e.what(), done, config.tokens, what_fits()));
  }
  queued.push_back({++done, used += tokens, step.outcome()});
}
// Learns how the queued steps went, oldest first, but for the newest `late`: so a GPU has its next step
// before the host asks about the last one.
void Trainer::State::settle(size_t late,
                            const std::function<void(const Queued&, double loss, double norm)>& each) {
  while (queued.size() > late) {
    Queued q = std::move(queued.front());
    queued.pop_front();
    const double norm = q.outcome.at(1);
    last_loss = q.outcome.at(0);
    std::isfinite(norm) && std::isfinite(last_loss) ? void(skipped = 0) : skip(q.step, last_loss, norm);
    each(q, last_loss, norm);
  }
}
// The update has left weights and moments alone. Which gradient it was is known while no later step has
// written them.
void Trainer::State::skip(int64_t at, double loss, double norm) {
  std::string where;
  for (const ParameterBlock::Entry& e : params.entries()) {
    if (!queued.empty() || !where.empty()) break;
    const Tensor g = params.grads().rows(e.offset, e.offset + e.shape.size()).to(DeviceKind::cpu);
    for (int64_t i = 0; i < g.size() && where.empty(); ++i)
      if (!std::isfinite(g.at(i))) where = fmt::format(", first in the gradient of {}", e.name);
  }
  progress.line(
      fmt::format("step {}: loss {}, norm of the gradient {}{}; the step is skipped", at, loss, norm, where));
  note_metrics({{"step", at}, {"skipped", true}, {"loss", loss}, {"norm", norm}});
  if (++skipped < 3) return;
  const auto newest = newest_valid(folder.checkpoints());
  fail(fmt::format(
      "three steps in a row were not finite, up to step {}: stopped; the last good checkpoint is {}. A lower "
      "optimizer.learning_rate or more schedule.warmup usually helps",
      at, newest ? newest->path : "none"));
}

// After an OutOfMemory: tries smaller batches, of texts as long as they may be.
std::string Trainer::State::what_fits() {
  step.arena().clear();
  for (int64_t n = config.tokens / 2; n >= 16; n /= 2) try {
      RunConfig smaller = config;
      smaller.tokens = n, smaller.scored = std::min(config.scored, n);
      const int64_t length = std::min(config.model.context, n);
      const Example longest{std::vector<Token>(static_cast<size_t>(length)),
                            static_cast<int32_t>(model.encoder_decoder() ? length / 2 : 0)};
      std::vector<Example> texts{longest};
      while (fits(texts, batch_shape(smaller))) texts.push_back(longest);
      texts.pop_back();
      const Batch batch = upload(pack(texts, batch_shape(smaller)));
      step.gradients({&batch, 1}, adamw.inputs(0, 0, 1, config.seed));
      return fmt::format("batch.tokens = {} fits (with batch.micro_batches = {} for the same step)", n,
                         config.tokens / n * config.micro_batches);
    } catch (const OutOfMemory&) {
      step.arena().clear();
    }
  return "not even a small batch fits: make the model smaller";
}

Outcome Trainer::run(const std::function<bool(int64_t)>& stop) {
  State& s = *state_;
  const RunConfig& c = s.config;
  s.open_folder();
  const int64_t first = s.done;
  s.progress.line(fmt::format(
      "{}: {} parameters, {} training texts, {} steps of {} tokens ({:.1f} epochs){} on {}", s.folder.path,
      s.params.numbers(), s.plan.rows.size(), c.steps, c.tokens * c.micro_batches, s.loader->epoch(c.steps),
      first > 0 ? fmt::format(", resumed at step {},", first) : "", Backend::of(s.device).describe()));
  Prefetch ahead(*s.loader, first);
  double begin = seconds_now(), spent = 0, logged_at = begin;
  int64_t logged_tokens = 0;
  const auto log = [&](const State::Queued& q, double loss, double norm) {
    if (q.step % c.log_every != 0 && q.step < c.steps) return;
    const double now = seconds_now(),
                 rate = static_cast<double>(q.tokens - logged_tokens) / (now - logged_at),
                 left = (now - begin - spent) / static_cast<double>(q.step - first) *
                        static_cast<double>(c.steps - q.step),
                 lr = static_cast<double>(learning_rate(c.schedule, q.step - 1));
    s.progress.status(fmt::format("step {}/{}  loss {:.4f}  {:.0f} tokens/s  {} left", q.step, c.steps, loss,
                                  rate, duration(left)));
    s.note_metrics({{"step", q.step},
                    {"loss", loss},
                    {"learning_rate", lr},
                    {"norm", norm},
                    {"epoch", s.loader->epoch(q.step)},
                    {"tokens_per_second", rate}});
    const Scalar scalars[] = {{"loss/train", static_cast<float>(loss)},
                              {"optimizer/learning_rate", static_cast<float>(lr)},
                              {"optimizer/norm", static_cast<float>(norm)}};
    s.events->write(q.step, scalars);
    logged_at = now, logged_tokens = q.tokens;
  };
  const size_t late = s.device == DeviceKind::cpu ? 0 : 1;
  bool over = s.done >= c.steps, interrupted = false, trained = false;
  Outcome out;
  try {
    while (!over && !interrupted) {
      s.one_step(ahead.next());
      over = s.done >= c.steps;
      const bool asked = stop && stop(s.done), evaluated = s.done % c.eval_every == 0 || over;
      s.settle(asked || evaluated || s.scheduled(s.done) ? 0 : late, log);
      const double pause = seconds_now();
      if (evaluated) over = s.evaluate() || over;
      interrupted = asked && !over;
      if (s.scheduled(s.done) || s.best_step == s.done || over || interrupted) s.save_checkpoint();
      spent += seconds_now() - pause, logged_at += seconds_now() - pause;
    }
    trained = true;
    out = {s.done, over, s.last_loss, s.best_loss, ""};
    if (over) {
      s.progress.line(fmt::format("trained {} steps in {}", s.done - first, duration(seconds_now() - begin)));
      out.results = s.finish();
    }
  } catch (const OutOfMemory& e) {
    if (!trained) s.settle(0, log), s.save_checkpoint();  // the step that failed has not touched the weights
    throw OutOfMemory(
        fmt::format("{}; step {} is saved, `ruminate train --resume {}` goes on, with less memory by "
                    "--set batch.tokens=... (in evaluation also eval.bleu_texts=0)",
                    e.what(), s.done, s.folder.path));
  }
  return out;
}

Estimate Trainer::estimate() {
  State& s = *state_;
  Estimate e{
      .parameters = s.params.numbers(), .steps = s.config.steps, .epochs = s.loader->epoch(s.config.steps)};
  double begin = 0, tokens = 0;
  const int64_t tries = std::min<int64_t>(12, s.config.steps), warm = std::min<int64_t>(2, tries - 1);
  for (int64_t i = 0; i < tries; ++i) {
    if (i == warm) begin = seconds_now();
    for (const auto packed = s.loader->at(i); const Packed& p : packed)
      if (i >= warm) tokens += static_cast<double>(p.used);
    s.one_step(s.loader->at(i));
    s.settle(0, [](const auto&, double, double) {});  // waits for it
  }
  const double seconds = seconds_now() - begin;
  e.tokens_per_second = tokens / seconds;
  e.seconds = seconds / static_cast<double>(tries - warm) * static_cast<double>(e.steps);
  e.bytes =
      static_cast<double>(s.step.arena().reserved()) + 16.0 * static_cast<double>(s.params.master().size());
  return e;
}
}  // namespace rum
