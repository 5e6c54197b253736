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
namespace {
std::string hex(uint64_t v) { return fmt::format("{:016x}", v); }
}  // namespace

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
  progress.log_to(folder.file("log.txt"));
  disk.replace_text(folder.config(), to_toml(config));
  tokenizer.save(folder.tokenizer());
  disk.replace_text(folder.file("environment.json"), to_json(environment(device), 2) + "\n");
  Json::Array corpora;
  auto note = [&](const Corpus& c) {
    corpora.push_back(Json(Json::Object{
        {"file", c.name}, {"texts", static_cast<int64_t>(c.texts.size())}, {"hash", hex(c.hash)}}));
  };
  std::for_each(train.begin(), train.end(), note), note(valid);
  disk.replace_text(folder.file("data.json"), to_json(Json(std::move(corpora)), 2) + "\n");
  if (device == DeviceKind::cuda && gemm_choices.load)
    gemm_choices.load(newest ? newest->checkpoint.meta["gemm"] : "");
  if (newest) restore(std::move(newest->checkpoint));
  events = std::make_unique<EventWriter>(folder.path);
  if (!newest) {
    if (from) {
      progress.line(fmt::format("starts from {}, weights {}", from->source, hex(weights_hash(from->params))));
      set_weights(params, params.master(), named_weights(from->params, from->params.master()), "",
                  from->source);
      params.refresh_shadow();
      from.reset();
    }
    disk.replace_text(folder.file("samples.txt"), "");
    disk.replace_text(folder.metrics(), "");
    save_checkpoint();
  }
}

void Trainer::State::restore(Checkpoint c) {
  const std::string file = checkpoint_path(folder.checkpoints(), c.step);
  auto unchanged = [&](const char* key, const std::string& name, const std::string& hash) {
    RUM_CHECK(
        c.meta[key] == hash,
        "{} has changed since this run began (hash {}, then {}): put the old file back or begin another run",
        name, hash, c.meta[key]);
  };
  unchanged("train_hash", fmt::format("{}", fmt::join(config.train, ", ")), corpora_hash(train));
  unchanged("valid_hash", valid.name, hex(valid.hash));
  unchanged("plan_hash", config.plan.empty() ? "the order of the training texts" : config.plan,
            hex(plan_hash(plan)));
  set_weights(params, params.master(), c.tensors, "", file);
  set_weights(params, adamw.first_moment(), c.tensors, "adamw.first.", file);
  set_weights(params, adamw.second_moment(), c.tensors, "adamw.second.", file);
  params.refresh_shadow();
  done = c.step, best_step = noted(c, "best_step"), stale = noted(c, "stale");
  skipped = noted(c, "skipped");
  if (c.meta.contains("best_loss")) best_loss = std::stod(c.meta["best_loss"]);
  if (c.meta.contains("best_bleu")) {
    best_bleu = std::stod(c.meta["best_bleu"]);
    best_bleu_step = noted(c, "best_bleu_step");
  }
  // Lines of steps that are done again would stand twice.
  std::string kept;
  const std::string old = Disk::real().exists(folder.metrics()) ? Disk::real().read(folder.metrics()) : "";
  for (size_t at = 0, end; (end = old.find('\n', at)) != std::string::npos; at = end + 1) {
    const Json line = parse_json(std::string_view(old).substr(at, end - at), folder.metrics());
    int64_t s = 0;
    if (const Json* j = line.find("step"); j && j->whole(s) && s <= done)
      kept += old.substr(at, end - at + 1);
  }
  Disk::real().replace_text(folder.metrics(), kept);
}

void Trainer::State::save_checkpoint() {
  Checkpoint c{done, {}, named_weights(params, params.master())};
  for (auto& t : named_weights(params, adamw.first_moment(), "adamw.first."))
    c.tensors.push_back(std::move(t));
  for (auto& t : named_weights(params, adamw.second_moment(), "adamw.second."))
    c.tensors.push_back(std::move(t));
  c.meta = {{"config", to_toml(config)},
            {"train_hash", corpora_hash(train)},
            {"valid_hash", hex(valid.hash)},
            {"tokenizer_hash", hex(tokenizer.hash())},
            {"plan_hash", hex(plan_hash(plan))},
            {"best_step", fmt::format("{}", best_step)},
            {"stale", fmt::format("{}", stale)},
            {"skipped", fmt::format("{}", skipped)},
            {"build", build_id()}};
  if (device == DeviceKind::cuda && gemm_choices.save) {
    c.meta["gemm"] = gemm_choices.save();
    Disk::real().replace_text(folder.file("gemm.txt"), c.meta["gemm"]);
  }
  if (std::isfinite(best_loss)) c.meta["best_loss"] = fmt::format("{}", best_loss);
  if (std::isfinite(best_bleu)) {
    c.meta["best_bleu"] = fmt::format("{}", best_bleu);
    c.meta["best_bleu_step"] = fmt::format("{}", best_bleu_step);
  }
  save(c, checkpoint_path(folder.checkpoints(), done));
  std::vector<int64_t> keep;
  for (int64_t s = done; s >= 0 && static_cast<int64_t>(keep.size()) < config.keep; --s)
    if (scheduled(s)) keep.push_back(s);
  keep.push_back(best_step);
  retain(folder.checkpoints(), 1, keep);
}

void Trainer::State::note_metrics(Json::Object line) {
  Disk::real().append(folder.metrics(), to_json(Json(std::move(line))) + "\n");
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
