// The stage that trains a generator or a student: the same trainer as `ruminate train`, which saves as it
// goes, so a stage that was killed goes on where it was. Leaves run/ with the weights after the last step
// (last.safetensors) and those of the lowest validation loss (best.safetensors).
#include <fmt/format.h>

#include <filesystem>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "data/loader.h"
#include "edits/targets.h"
#include "pipeline/stage.h"
#include "run/folder.h"
#include "run/run.h"
#include "train/trainer.h"

namespace rum {
namespace {
// inputs: tokenizer, split, and for a student its targets. data: {"seed_pairs": n}, a generator on the first
// n pairs of the seed set; or {"volume": v}, a student on the targets of the first v of the pool, for v times
// the target tokens (or steps) of the recipe, so that all volumes see their texts equally often.
std::vector<Pair> training_texts(const StageContext& x, RunConfig& config) {
  const Json& data = *x.stage.parameters.find("data");
  int64_t pairs = 0;
  if (const Json* j = data.find("seed_pairs"); j && j->whole(pairs)) {
    std::vector<Pair> seed = read_corpus(x.inputs[1] + "/seed.tsv", CorpusKind::pairs).texts;
    seed.resize(std::min(seed.size(), static_cast<size_t>(pairs)));
    return seed;
  }
  double volume = 1;
  data.find("volume")->number(volume);
  const auto pool = static_cast<double>(read_pool(x.inputs[1]).texts.size());
  Targets t = read_targets(x.inputs[2]);
  std::vector<Pair> out;
  for (size_t i = 0; i < t.ids.size(); ++i)
    if (static_cast<double>(t.ids[i]) < volume * pool) out.push_back(std::move(t.texts[i]));
  RUM_CHECK(!out.empty(), "{}: no targets among the first {:g} of the pool", x.stage.label, volume);
  const auto part = [&](int64_t n) {
    return n > 0 ? std::max<int64_t>(1, std::llround(volume * static_cast<double>(n))) : 0;
  };
  config.steps = part(config.steps), config.target_tokens = part(config.target_tokens);
  if (config.target_tokens == 0) config.schedule.warmup = std::min(config.schedule.warmup, config.steps);
  return out;
}
// A generator may write what no batch can hold: such pairs are left out, and counted.
std::vector<Pair> that_fit(std::vector<Pair> texts, const RunConfig& config) {
  const Tokenizer tokenizer = Tokenizer::load(config.tokenizer);
  const BatchShape shape = batch_shape(config);
  std::erase_if(texts, [&](const Pair& t) {
    const Example e = to_example(t, tokenizer);
    return positions_of(e, shape) > config.model.context || !fits({&e, 1}, shape);
  });
  return texts;
}
void save_weights(const RunFolder& run, int64_t step, const char* name) {
  const std::string path = checkpoint_path(run.checkpoints(), step);
  TensorFile file{{{"step", fmt::format("{}", step)}}, {}};
  for (auto& [tensor, numbers] : load(path).tensors)
    if (!tensor.starts_with("adamw.")) file.tensors.emplace_back(tensor, std::move(numbers));
  write_safetensors(file, run.file(name));
}

void train(const StageContext& x) {
  RunConfig config;
  for (const auto& [key, value] : *x.stage.parameters.find("recipe")->object()) {
    std::string text = *value.text();  // as TOML
    if (text.size() >= 2 && text.front() == '"') text = text.substr(1, text.size() - 2);
    set_key(config, key, text);
  }
  int64_t seed = 0;
  x.stage.parameters.find("seed")->whole(seed);
  config.seed = static_cast<uint32_t>(seed);
  const RunFolder run{x.folder + "/run"};
  config.folder = run.path;
  config.tokenizer = x.inputs[0] + "/tokenizer.json";
  const std::string data = x.folder + "/train.tsv";
  config.train = {data}, config.valid = x.inputs[1] + "/valid.tsv";
  const std::vector<Pair> texts = training_texts(x, config), kept = that_fit(texts, config);
  RUM_CHECK(!kept.empty(), "{}: no pair fits a batch of {} tokens", x.stage.label, config.tokens);
  Disk::real().replace_text(data, corpus_bytes(kept, CorpusKind::pairs));
  Disk::real().replace_text(
      x.folder + "/data.json",
      to_json(Json(Json::Object{{"pairs", static_cast<int64_t>(kept.size())},
                                {"too_long", static_cast<int64_t>(texts.size() - kept.size())}})) +
          "\n");

  const bool resume = Disk::real().exists(run.config()) && newest_valid(run.checkpoints());
  Trainer trainer(resume ? resumed_config(run.path) : config, x.progress, resume);
  const Outcome out = trainer.run([&](int64_t) { return x.stop(); });
  if (!out.finished) throw Stopped();
  const auto newest = newest_valid(run.checkpoints());
  save_weights(run, out.step, "last.safetensors");
  save_weights(run, noted(newest->checkpoint, "best_step"), "best.safetensors");
  Disk::real().remove(data);
  std::filesystem::remove_all(run.checkpoints());
}
const StageKind kind("train", 1, true, train);
}  // namespace
}  // namespace rum
