// The training loop. Start at Trainer::run() and read down.
#include "train/trainer.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/shell.h"
#include "train/state.h"

namespace rum {
Outcome Trainer::run(const std::function<bool(int64_t)>& stop) {
  State& s = *state_;
  s.stop = [&] { return stop && stop(s.done); };
  s.open_folder();
  s.introduce();
  Outcome out;
  bool trained = false;
  try {
    const AfterStep last = s.train();
    trained = true;
    std::string results;
    if (last == AfterStep::finished && s.ranks.first()) results = s.finish();
    out = s.outcome(last == AfterStep::finished);
    out.results = results;
  } catch (const Interrupted&) {  // during the test: the next start repeats it
    out = s.outcome(false);
  } catch (const OutOfMemory& e) {
    if (!s.ranks.first()) throw;
    throw OutOfMemory(
        s.saved_after(e, trained) +
        ", adding --set batch.tokens=... to use less memory (in evaluation also eval.bleu_texts=0)");
  } catch (const RankFailed& e) {
    if (!s.ranks.first()) throw;
    throw RankFailed(s.saved_after(e, trained), e.silent);
  }
  try {
    out.finished = s.ranks.from_first(out.finished);
  } catch (const RankFailed&) {  // while rank 0 tested the finished model, which needs no other
    if (!s.ranks.first() || !out.finished) throw;
  }
  return out;
}

// All steps, up to the last one or to where somebody asked for the end.
AfterStep Trainer::State::train() {
  const int64_t first = done;
  Prefetch batches(task->loader(), done, 4, mine());
  AfterStep then = ranks.from_first(before_steps());
  while (then == AfterStep::next) {
    take_step(batches.next());
    then = ranks.from_first(after_step());
  }
  if (then == AfterStep::finished && ranks.first())
    progress.line(fmt::format("trained {} steps in {}", done - first, duration(log->seconds())));
  return then;
}

Outcome Trainer::State::outcome(bool finished) const {
  return {done, best_step, last_steps, finished, last_loss, final_loss.value_or(best_loss), ""};
}

// The step that failed has not touched the weights. What to say of the failure.
std::string Trainer::State::saved_after(const std::exception& failure, bool trained) {
  if (!trained) {
    read_outcomes(0);
    save_checkpoint();
  }
  return fmt::format("{}; step {} is saved: continue with `ruminate train --resume {}`", failure.what(), done,
                     shell_quoted(folder.path));
}

// A run that was stopped during an evaluation repeats it first; one that had stopped early repeats only its
// end.
AfterStep Trainer::State::before_steps() try {
  if (!ranks.first()) return AfterStep::next;
  log->pause();
  const bool enough = evaluation_due() ? evaluate() : out_of_patience();
  log->go_on();
  if (enough || done >= config.steps) return AfterStep::finished;
  return AfterStep::next;
} catch (const Interrupted&) {  // the next start repeats it
  save_checkpoint();
  return AfterStep::interrupted;
}

// What rank 0 does between two steps, and decides for all.
AfterStep Trainer::State::after_step() try {
  const size_t late = device == DeviceKind::cpu ? 0 : 1;  // a GPU has its next step before we ask how it went
  bool finished = done >= config.steps;
  const bool interrupted = stop();
  const bool evaluate_now = evaluation_due() && !interrupted;
  const bool save = finished || interrupted || save_due(done);
  if (!ranks.first() || (!evaluate_now && !save)) {
    read_outcomes(late);
    return AfterStep::next;
  }
  read_outcomes(0);
  log->pause();
  if (evaluate_now && evaluate()) finished = true;
  if (save || finished || best_step == done) save_checkpoint();
  log->go_on();
  if (finished) return AfterStep::finished;
  return interrupted ? AfterStep::interrupted : AfterStep::next;
} catch (const Interrupted&) {  // during an evaluation
  save_checkpoint();
  return AfterStep::interrupted;
}
}  // namespace rum
