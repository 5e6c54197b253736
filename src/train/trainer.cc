// The training loop. Start at Trainer::run() and read down.
#include "train/trainer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/hash.h"
#include "base/shell.h"
#include "base/threads.h"
#include "train/state.h"

namespace rum {
namespace {
// Of several processes on a machine each takes its share of the processors, within what its launcher lets it use.
int thread_count(const RunConfig& c, const Ranks& ranks) {
  if (c.threads > 0) return static_cast<int>(c.threads);
  const int share = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)) / ranks.local_size();
  return ranks.local_size() == 1 ? threads() : std::min(threads(), std::max(share, 1));
}
}  // namespace

Trainer::Trainer(RunConfig c, Progress& p, bool resume, Purpose purpose, Ranks& ranks) {
  check_config(c);
  RUM_CHECK(c.parts % ranks.size() == 0,
            "{} processes cannot share a step of batch.parts = {}: set it to a multiple of {} that divides "
            "batch.micro_batches",
            ranks.size(), c.parts, ranks.size());
  set_threads(thread_count(c, ranks));
  state_ = std::make_unique<State>(std::move(c), p, resume, purpose, ranks);
  state_->check_ranks();
}
Trainer::~Trainer() = default;

Outcome Trainer::run(const std::function<bool(int64_t)>& stop) {
  State& s = *state_;
  s.stop = [&] { return stop && stop(s.done); };
  s.open_folder();
  s.introduce();
  const int64_t first = s.done;
  Prefetch batches(s.task->loader(), first, 4, s.mine());
  bool trained = false;
  Outcome out;
  const auto save = [&] {
    if (trained) return;
    s.read_outcomes(0);
    s.save_checkpoint();  // the step that failed has not touched the weights
  };
  const auto way_on = [&] {
    return fmt::format("step {} is saved: continue with `ruminate train --resume {}`", s.done,
                       shell_quoted(s.folder.path));
  };
  try {
    Turn turn = s.ranks.from_first(s.before_steps());
    while (turn == Turn::next) {
      s.take_step(batches.next());
      turn = s.ranks.from_first(s.after_step());
    }
    trained = true;
    out = {s.done, s.best_step, turn == Turn::finished, s.last_loss, s.best_loss, ""};
    if (out.finished && s.ranks.first()) {
      s.progress.line(fmt::format("trained {} steps in {}", s.done - first, duration(s.log->seconds())));
      out.results = s.finish();
    }
  } catch (const Interrupted&) {  // during the test: the next start repeats it
    out = {s.done, s.best_step, false, s.last_loss, s.best_loss, ""};
  } catch (const OutOfMemory& e) {
    if (!s.ranks.first()) throw;
    save();
    throw OutOfMemory(fmt::format(
        "{}; {}, adding --set batch.tokens=... to use less memory (in evaluation also eval.bleu_texts=0)",
        e.what(), way_on()));
  } catch (const RankFailed& e) {
    if (!s.ranks.first()) throw;
    save();
    throw RankFailed(fmt::format("{}; {}", e.what(), way_on()), e.silent);
  }
  out.finished = s.ranks.from_first(out.finished);
  return out;
}

// The run may have been stopped in the middle of an evaluation.
Turn Trainer::State::before_steps() try {
  if (!ranks.first()) return Turn::next;
  const bool enough = evaluation_due() && evaluate();
  if (enough || done >= config.steps) return Turn::finished;
  return Turn::next;
} catch (const Interrupted&) {  // the next start repeats it
  save_checkpoint();
  return Turn::interrupted;
}

// What rank 0 does between two steps, and decides for all.
Turn Trainer::State::after_step() try {
  const size_t late = device == DeviceKind::cpu ? 0 : 1;  // a GPU has its next step before we ask how it went
  bool finished = done >= config.steps;
  const bool interrupted = stop();
  const bool evaluate_now = evaluation_due() && !interrupted;
  const bool save = finished || interrupted || save_due(done);
  if (!ranks.first() || (!evaluate_now && !save)) {
    read_outcomes(late);
    return Turn::next;
  }
  read_outcomes(0);
  log->pause();
  if (evaluate_now && evaluate()) finished = true;
  if (save || finished || best_step == done) save_checkpoint();
  log->go_on();
  if (finished) return Turn::finished;
  return interrupted ? Turn::interrupted : Turn::next;
} catch (const Interrupted&) {  // during an evaluation
  save_checkpoint();
  return Turn::interrupted;
}

// What must be the same everywhere, or the processes would not do the same.
void Trainer::State::check_ranks() const {
  std::string all = build_id() + to_toml(config) + fmt::format("{}", start ? start->step : -1);
  for (const Fingerprint& f : task->fingerprints()) all += f.hash;
  ranks.check_same(hash64(all), "what it trains (build, config, texts, tokenizer or newest checkpoint)");
}
Mine Trainer::State::mine() const {
  return [this](int64_t micro_batch) {
    return ranks.computes(micro_batch / (config.micro_batches / config.parts));
  };
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
  const std::string shared = ranks.size() > 1 ? fmt::format(", in {} processes", ranks.size()) : "";
  progress.line(fmt::format(
      "{}: {} parameters, {} training {}, {} steps of {} tokens ({:.1f} epochs){} on {}{}", folder.path,
      params.numbers(), task->texts(), config.windows == Windows::documents ? "texts" : "windows",
      config.steps, config.tokens * config.micro_batches, task->loader().epoch(config.steps), resumed,
      Backend::of(device).describe(), shared));
}

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
    s.take_step(loader.at(i, s.mine()));
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
