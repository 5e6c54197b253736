// What a run keeps in its folder: opened, saved to, restored from.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/shell.h"
#include "checkpoint/weights.h"
#include "ops/gemm.h"
#include "run/environment.h"
#include "run/folder.h"
#include "run/resume.h"
#include "train/state.h"

namespace rum {
namespace {
const std::string& toml_of(const Checkpoint& c, const std::string& path) {
  const auto config = c.meta.find("config");
  if (config == c.meta.end())
    throw FileError(fmt::format("{}: it has no config; it was not written by `ruminate train`", path));
  return config->second;
}
RunConfig config_of(const Checkpoint& c, const std::string& path) {
  return parse_config(toml_of(c, path), path + ", the config in it");
}
}  // namespace

void refuse_begun_run(const std::string& path) {
  const RunFolder folder{path};
  if (const auto newest = newest_valid(folder.checkpoints()))
    fail(fmt::format(
        "{} holds a run at step {}: `--resume {}` continues it, `--set run.folder=...` starts another", path,
        newest->checkpoint.step, shell_quoted(path)));
  RUM_CHECK(
      !Disk::real().exists(folder.model()),
      "{} holds the model of another run, whose tokenizer would be overwritten: move the folder away or "
      "choose another run.folder",
      folder.path);
  // What a run has begun to write it may write again, even where it was stopped before its first checkpoint.
  if (Disk::real().exists(folder.checkpoints())) return;
  for (const std::string& file : folder.written())
    RUM_CHECK(!Disk::real().exists(file),
              "{} is not of a run, and one in this folder would write to it: move it away or choose another "
              "run.folder",
              file);
}

// Loads the newest checkpoint and, to train, locks the folder. Changes no file.
Checkpoint Trainer::State::take_over(Purpose purpose) {
  if (purpose == Purpose::train && ranks.first())
    alone.emplace(std::filesystem::canonical(folder.path).string());
  auto newest = newest_valid(folder.checkpoints(), [&](const std::string& w) { progress.line(w); });
  if (!newest && Disk::real().exists(folder.model()))
    throw FileError(fmt::format(
        "{0}: it has a model but no checkpoint to resume from; train.from = \"{0}\" in the config of "
        "another run starts from its weights",
        folder.path));
  if (!newest)
    throw FileError(
        fmt::format("{}: this run never saved a checkpoint; start it again without --resume", folder.path));
  check_whole(folder.config(), toml_of(newest->checkpoint, newest->path), newest->path);
  check_config(config);
  const RunConfig then = config_of(newest->checkpoint, newest->path);
  check_resumed(then, config);
  follow_epochs(then, newest->checkpoint);
  return std::move(newest->checkpoint);
}

// Steps that train.epochs has cut short are asked for again when that limit changes.
void Trainer::State::follow_epochs(const RunConfig& then, const Checkpoint& c) {
  if (config.target_tokens > 0 || config.steps != then.steps) return;  // asked for anew
  if (c.meta.contains("asked_steps")) asked_steps = noted(c, "asked_steps");
  if (c.meta.contains("asked_tokens")) asked_tokens = noted(c, "asked_tokens");
  if (config.epochs == then.epochs) return;
  const bool more = config.epochs == 0 || (then.epochs > 0 && config.epochs > then.epochs);
  if (asked_tokens > 0)
    config.target_tokens = std::exchange(asked_tokens, 0);
  else if (asked_steps > 0)
    config.steps = std::exchange(asked_steps, 0);
  else if (more)
    progress.line(
        fmt::format("train.epochs = {} only limits train.steps = {}, where the run ends: a larger "
                    "train.steps continues it",
                    config.epochs, config.steps));
}

void Trainer::State::open_folder() {
  if (device == DeviceKind::cuda && gemm_choices.load) gemm_choices.load(start ? start->meta["gemm"] : "");
  if (start) {
    restore(*std::exchange(start, {}));  // what it refuses changes no file
  } else if (ranks.first()) {
    Disk::real().make_folders(folder.path);
    alone.emplace(std::filesystem::canonical(folder.path).string());
    refuse_begun_run(folder.path);
  }
  const std::string from = resuming ? "" : task->take_weights();
  if (ranks.size() > 1) ranks.check_same(weights_hash(params), "what its weights begin with");
  if (ranks.first()) open_files(from);
}

// from: whose weights those of a fresh run are; "": random ones.
void Trainer::State::open_files(const std::string& from) {
  Disk& disk = Disk::real();
  // A received folder's link may lead to the checkpoints of another run, which would be thinned out.
  std::error_code unknown;
  if (std::filesystem::is_symlink(folder.checkpoints(), unknown))
    refuse(folder.checkpoints(), "write checkpoints there", ELOOP);
  disk.make_folders(folder.checkpoints());
  remove_stale(folder.checkpoints());
  // What cannot be written is found before anything is replaced.
  for (const char* grows : {"log.txt", "samples.txt", "metrics.jsonl"}) disk.append(folder.file(grows), "");
  progress.log_to(folder.file("log.txt"));
  disk.replace_text(folder.file("environment.json"), to_json(environment(device), 2) + "\n");
  task->write_files(folder);
  if (resuming) {
    cut_log(folder, {.step = done, .evaluated = evaluated}, progress);
    const bool early = out_of_patience() && !evaluation_due();
    if (early && done < config.steps)
      progress.line(
          fmt::format("the run had stopped early: only its end is repeated; a train.patience above {}, or 0, "
                      "continues it",
                      stale));
    else if (done < config.steps)
      remove_finished_model();
  } else {
    if (!from.empty()) progress.line(from);
    disk.replace_text(folder.file("samples.txt"), "");
    disk.replace_text(folder.metrics(), "");
  }
  disk.replace_text(folder.config(), to_toml(config));  // last: a resumption that fails changes no setting
  if (!resuming) save_checkpoint();
  log.emplace(folder, progress, done);
}

// A finished model of an earlier step would be taken for this run's.
void Trainer::State::remove_finished_model() {
  Disk& disk = Disk::real();
  for (const std::string& old : {folder.model(), folder.results()}) {
    if (!disk.exists(old)) continue;
    disk.remove(old);
    progress.line(fmt::format("{} of step {} is removed: the run continues", old, done));
  }
}

void Trainer::State::restore(Checkpoint c) {
  const std::string file = checkpoint_path(folder.checkpoints(), c.step);
  const RunConfig then = config_of(c, file);
  const auto setting = [](const RunConfig& of, const char* name) {
    for (const Key& key : keys())
      if (key.name == name) return key.get(of);
    return std::string();
  };
  for (const Fingerprint& f : task->fingerprints()) {
    if (c.meta[f.key] == f.hash) continue;
    const std::string here = setting(config, f.setting), before = setting(then, f.setting);
    if (here != before)
      fail(fmt::format(
          "{} = {} is not what this run began with, {} (hash {}, then {}): only its path may change; "
          "put the old one back or start another run",
          f.setting, here, before, f.hash, c.meta[f.key]));
    fail(fmt::format(
        "{} has changed since this run began (hash {}, then {}): put the old file back or start another run",
        f.name, f.hash, c.meta[f.key]));
  }
  set_weights(params, params.master(), c.tensors, "", file);
  set_weights(params, adamw.first_moment(), c.tensors, kFirstMoment, file);
  set_weights(params, adamw.second_moment(), c.tensors, kSecondMoment, file);
  params.refresh_shadow();
  done = c.step;
  for (std::string& change : changes(then, config, done)) task->notes.push_back(std::move(change));
  target_tokens =  // the first versions did not note them
      c.meta.contains("target_tokens") ? noted(c, "target_tokens") : task->loader().target_tokens(done);
  skipped_in_a_row = noted(c, "skipped");
  evaluated = noted(c, "evaluated");
  const auto evaluated_on = c.meta.find("evaluated_on");
  const bool same_texts = evaluated_on == c.meta.end()  // before 2026-12 it was not noted
                              ? batch_shape(then) == batch_shape(config)
                              : evaluated_on->second == hex64(task->evaluated_on());
  if (!same_texts || !evaluated_alike(then, config)) {
    if (config.best != Best::last)
      task->notes.emplace_back(
          "the model is judged differently now: only steps evaluated from now on compete for the best");
    return;
  }
  best_step = noted(c, "best_step");
  stale = noted(c, "stale");
  if (c.meta.contains("best_loss")) best_loss = noted_number(c, "best_loss");
  if (c.meta.contains("best_score") && then.bleu_texts == config.bleu_texts) {
    best_score = noted_number(c, "best_score");
    best_score_step = noted(c, "best_score_step");
  }
}

void Trainer::State::save_checkpoint() {
  Checkpoint c{done, {}, named_weights(params, params.master())};
  for (auto& t : named_weights(params, adamw.first_moment(), kFirstMoment)) c.tensors.push_back(std::move(t));
  for (auto& t : named_weights(params, adamw.second_moment(), kSecondMoment))
    c.tensors.push_back(std::move(t));
  c.meta = {{"config", to_toml(config)},
            {"evaluated", fmt::format("{}", evaluated)},
            {"evaluated_on", hex64(task->evaluated_on())},
            {"best_step", fmt::format("{}", best_step)},
            {"stale", fmt::format("{}", stale)},
            {"skipped", fmt::format("{}", skipped_in_a_row)},
            {"target_tokens", fmt::format("{}", target_tokens)},
            {"build", build_id()}};
  for (const Fingerprint& f : task->fingerprints()) c.meta[f.key] = f.hash;
  if (device == DeviceKind::cuda && gemm_choices.save) {
    c.meta["gemm"] = gemm_choices.save();
    Disk::real().replace_text(folder.file("gemm.txt"), c.meta["gemm"]);
  }
  if (std::isfinite(best_loss)) c.meta["best_loss"] = fmt::format("{}", best_loss);
  if (std::isfinite(best_score)) {
    c.meta["best_score"] = fmt::format("{}", best_score);
    c.meta["best_score_step"] = fmt::format("{}", best_score_step);
  }
  if (asked_steps > 0) c.meta["asked_steps"] = fmt::format("{}", asked_steps);
  if (asked_tokens > 0) c.meta["asked_tokens"] = fmt::format("{}", asked_tokens);
  check_finite(c);
  save(c, checkpoint_path(folder.checkpoints(), done));
  std::vector<int64_t> keep = scheduled_saves();
  keep.resize(std::min(keep.size(), static_cast<size_t>(config.keep)));
  keep.push_back(best_step);
  keep.push_back(done);  // the newest by its number may be a damaged one
  retain(folder.checkpoints(), keep);
}

// Never saves NaN or infinity: the run would resume from it.
void Trainer::State::check_finite(const Checkpoint& c) const {
  for (const auto& [name, t] : c.tensors) {
    const float* numbers = t.data<float>();
    if (!std::all_of(numbers, numbers + t.size(), [](float x) { return std::isfinite(x); }))
      fail(fmt::format("{} is not finite after step {}, which is not saved; {}", name, c.step,
                       way_back(c.step - skipped_in_a_row)));
  }
}

// In words, for weights that are of no use any more. A checkpoint is good when the step after it had a finite
// loss: `last_finite` is the last step that had one.
std::string Trainer::State::way_back(int64_t last_finite) const {
  std::vector<int64_t> good = saved_steps(folder.checkpoints());
  std::erase_if(good, [&](int64_t s) { return s >= last_finite; });
  if (good.empty())
    return "no checkpoint is known to be good: start again with a lower optimizer.learning_rate";
  return fmt::format(
      "the last good checkpoint is {}: move later ones away and continue with `ruminate train --resume {}` "
      "with a lower optimizer.learning_rate or more schedule.warmup",
      checkpoint_path(folder.checkpoints(), good.back()), shell_quoted(folder.path));
}

std::vector<int64_t> Trainer::State::scheduled_saves() const {
  std::vector<int64_t> out;
  for (const int64_t s : saved_steps(folder.checkpoints()))
    if (save_due(s)) out.push_back(s);
  std::reverse(out.begin(), out.end());
  return out;
}
}  // namespace rum
