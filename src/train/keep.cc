// What a run keeps in its folder: opened, saved to, restored from.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "checkpoint/weights.h"
#include "ops/gemm.h"
#include "run/environment.h"
#include "run/folder.h"
#include "train/state.h"

namespace rum {
void Trainer::State::open_folder() {
  Disk& disk = Disk::real();
  disk.make_folders(folder.checkpoints());
  remove_stale(folder.checkpoints());
  auto newest = newest_valid(folder.checkpoints(), [&](const std::string& w) { progress.line(w); });
  if (!resuming) {
    RUM_CHECK(
        !newest,
        "{} holds a run at step {}: `--resume {}` goes on with it, `--set run.folder=...` begins another",
        folder.path, newest->checkpoint.step, folder.path);
    RUM_CHECK(saved_steps(folder.checkpoints()).empty(),
              "{} holds checkpoints of which none can be read: move them away or choose another run.folder",
              folder.checkpoints());
  } else if (!newest) {
    throw FileError(
        fmt::format("{}: this run never saved a checkpoint; start it again without --resume", folder.path));
  }
  if (device == DeviceKind::cuda && gemm_choices.load)
    gemm_choices.load(newest ? newest->checkpoint.meta["gemm"] : "");
  if (newest) restore(std::move(newest->checkpoint));  // what it refuses changes no file
  progress.log_to(folder.file("log.txt"));
  disk.replace_text(folder.config(), to_toml(config));
  disk.replace_text(folder.file("environment.json"), to_json(environment(device), 2) + "\n");
  task->write_files(folder);
  if (resuming) {
    cut_metrics(folder, done);
  } else {
    if (const std::string from = task->take_weights(); !from.empty()) progress.line(from);
    disk.replace_text(folder.file("samples.txt"), "");
    disk.replace_text(folder.metrics(), "");
    save_checkpoint();
  }
  log.emplace(folder, progress, done);
}

void Trainer::State::restore(Checkpoint c) {
  const std::string file = checkpoint_path(folder.checkpoints(), c.step);
  for (const Fingerprint& f : task->fingerprints())
    RUM_CHECK(
        c.meta[f.key] == f.hash,
        "{} has changed since this run began (hash {}, then {}): put the old file back or begin another run",
        f.name, f.hash, c.meta[f.key]);
  set_weights(params, params.master(), c.tensors, "", file);
  set_weights(params, adamw.first_moment(), c.tensors, "adamw.first.", file);
  set_weights(params, adamw.second_moment(), c.tensors, "adamw.second.", file);
  params.refresh_shadow();
  done = c.step;
  best_step = noted(c, "best_step");
  stale = noted(c, "stale");
  skipped = noted(c, "skipped");
  if (c.meta.contains("best_loss")) best_loss = std::stod(c.meta["best_loss"]);
  if (c.meta.contains("best_score")) {
    best_score = std::stod(c.meta["best_score"]);
    best_score_step = noted(c, "best_score_step");
  }
}

void Trainer::State::save_checkpoint() {
  Checkpoint c{done, {}, named_weights(params, params.master())};
  for (auto& t : named_weights(params, adamw.first_moment(), "adamw.first."))
    c.tensors.push_back(std::move(t));
  for (auto& t : named_weights(params, adamw.second_moment(), "adamw.second."))
    c.tensors.push_back(std::move(t));
  c.meta = {{"config", to_toml(config)},
            {"best_step", fmt::format("{}", best_step)},
            {"stale", fmt::format("{}", stale)},
            {"skipped", fmt::format("{}", skipped)},
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
  save(c, checkpoint_path(folder.checkpoints(), done));
  std::vector<int64_t> keep = scheduled_saves();
  keep.resize(std::min(keep.size(), static_cast<size_t>(config.keep)));
  keep.push_back(best_step);
  retain(folder.checkpoints(), 1, keep);
}

std::vector<int64_t> Trainer::State::scheduled_saves() const {
  std::vector<int64_t> out;
  for (const int64_t s : saved_steps(folder.checkpoints()))
    if (save_due(s)) out.push_back(s);
  std::reverse(out.begin(), out.end());
  return out;
}

RunConfig resumed_config(const std::string& folder) {
  const RunFolder run{folder};
  if (!Disk::real().exists(run.config()))
    throw FileError(
        fmt::format("{}: not a run folder, there is no config.toml in it; start without --resume", folder));
  RunConfig c = read_config(run.config());
  c.folder = folder;
  return c;
}
}  // namespace rum
