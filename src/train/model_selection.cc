// How good the model is, every so often, and which weights become the model at the end.
#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/weights.h"
#include "train/state.h"

namespace rum {
bool Trainer::State::better(const Evaluation& e) const {
  if (!std::isfinite(e.loss)) return false;
  switch (config.best) {
    case Best::loss:
      return e.loss < best_loss;
    case Best::score:
      return e.score > best_score || (e.score == best_score && e.loss < best_loss);
    case Best::last:
      return true;
  }
  return false;
}

std::string Trainer::State::chosen_by() const {
  return config.best == Best::score ? task->score_title() : "loss";
}

void Trainer::State::note_best(int64_t step, const Evaluation& e) {
  best_loss = e.loss;
  best_step = step;
  stale = 0;
}

bool Trainer::State::evaluation_due() const {
  return evaluated < done && (done % config.eval_every == 0 || done >= config.steps);
}

bool Trainer::State::evaluate() {
  const Evaluation e = task->evaluate(stop);
  evaluated = done;
  log->evaluation(done, e, task->score_name());
  const bool progressed = better(e);
  if (e.score > best_score) {
    best_score = *e.score;
    best_score_step = done;
  }
  if (progressed) {
    note_best(done, e);
    return false;
  }
  ++stale;
  if (!out_of_patience()) return false;
  progress.line(fmt::format("no better validation {} in {} evaluations: stopped early; step {} was best",
                            chosen_by(), stale, best_step));
  return true;
}

bool Trainer::State::readable(int64_t step) const try {
  load(checkpoint_path(folder.checkpoints(), step));
  return true;
} catch (const FileError& e) {
  progress.line(fmt::format("{}; done without it", e.what()));
  return false;
}

// On schedule, so that a run that was stopped in between averages the same; the last one counts in any case.
std::vector<int64_t> Trainer::State::last_saves() const {
  std::vector<int64_t> out{done};
  for (const int64_t s : scheduled_saves())
    if (s > 0 && s < done && static_cast<int64_t>(out.size()) < config.average && readable(s))
      out.push_back(s);
  if (static_cast<int64_t>(out.size()) < config.average)
    progress.line(
        fmt::format("train.average = {}, but the folder has only {} to average", config.average, out.size()));
  return out;
}

// The best checkpoint is gone: of those that are left one is the best.
void Trainer::State::find_best_again() {
  best_step = 0;
  best_loss = std::numeric_limits<double>::infinity();
  best_score = -best_loss;
  for (const int64_t s : saved_steps(folder.checkpoints())) {
    if (!readable(s)) continue;
    average_weights({s});
    const Evaluation e = task->evaluate(stop);
    if (!better(e)) continue;
    note_best(s, e);
    if (!e.score) continue;
    best_score = *e.score;
    best_score_step = s;
  }
  progress.line(fmt::format("of the checkpoints that are left, that of step {} is the best", best_step));
}

void Trainer::State::average_weights(const std::vector<int64_t>& steps) {
  std::vector<std::string> paths;
  for (const int64_t s : steps) paths.push_back(checkpoint_path(folder.checkpoints(), s));
  set_weights(params, params.master(), mean_weights(paths), "", paths.front());
  params.refresh_shadow();
}

bool Trainer::State::worse_than_best(const Evaluation& e) const {
  if (best_step == 0) return false;
  if (config.best == Best::loss || !std::isfinite(e.loss)) return !(e.loss <= best_loss);
  if (config.best == Best::score)
    return e.score < best_score || (e.score == best_score && e.loss > best_loss);
  return false;
}

std::string Trainer::State::Chosen::source() const {
  return from.size() == 1 ? fmt::format("step {}", from.front())
                          : fmt::format("mean of the last {} checkpoints", from.size());
}

// Of the averaged weights and the best checkpoint, the better one. The weights are those of the choice
// afterwards.
Trainer::State::Chosen Trainer::State::choose_model() {
  last_steps = last_saves();
  Chosen c{last_steps, {}};
  average_weights(c.from);
  c.evaluation = task->evaluate(stop);
  if (worse_than_best(c.evaluation)) {
    if (!readable(best_step)) find_best_again();
    if (worse_than_best(c.evaluation)) c.from = {best_step};
    average_weights(c.from);
    c.evaluation = task->evaluate(stop);
  }
  RUM_CHECK(std::isfinite(c.evaluation.loss), "the validation loss is {} at the end: there is no model; {}",
            c.evaluation.loss, way_back(done - skipped_in_a_row));
  return c;
}

void Trainer::State::write_model(const Chosen& c) const {
  TensorFile model{{{"config", to_toml(config)}, {"source", c.source()}},
                   named_weights(params, params.master())};
  for (const Fingerprint& f : task->fingerprints()) model.meta[f.key] = f.hash;
  write_safetensors(model, folder.model());
}

std::string Trainer::State::closing_lines(const Chosen& c) const {
  const Evaluation& e = c.evaluation;
  const bool one = c.from.size() == 1;
  std::string chosen = c.source();
  if (one) chosen += fmt::format(" of {}", done);
  if (config.best == Best::last)
    chosen += one ? ", the last" : "";
  else
    chosen += fmt::format(", chosen by validation {}", chosen_by());
  std::string text = fmt::format("model: {}; {}\n", chosen, e.text);
  if (e.score && *e.score < best_score - 1)
    text += fmt::format("step {} had {} {:.1f}: train.best = \"{}\" would have chosen it\n", best_score_step,
                        task->score_name(), best_score, task->score_name());
  if (config.best == Best::loss && c.from.front() < done / 2)
    text += fmt::format(
        "step {} of {} had the lowest validation loss: weights of so early a step often translate badly, "
        "those of generated text most; train.best = \"last\" takes the last ones\n",
        c.from.front(), done);
  return text;
}

std::string Trainer::State::finish() {
  const Chosen model = choose_model();
  final_loss = model.evaluation.loss;
  write_model(model);
  Json::Object results{{"step", done},
                       {"target_tokens", target_tokens},
                       {"model", model.source()},
                       {"valid_loss", model.evaluation.loss}};
  if (model.evaluation.score) results.emplace_back("valid_" + task->score_name(), *model.evaluation.score);
  TestReport test = task->test(progress, stop);
  for (auto& figure : test.figures) results.push_back(std::move(figure));
  const std::string text = closing_lines(model) + test.text;
  results.emplace_back("report", text);
  Disk::real().replace_text(folder.results(), to_json(Json(std::move(results)), 2) + "\n");
  return text;
}
}  // namespace rum
