// The stage that trains a generator or a student: the same trainer as `ruminate train`, which saves
// regularly, so a killed stage continues where it was. Writes run/ with the weights after the last step
// (last.safetensors) and those that did best on validation by train.best (best.safetensors).
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/weights.h"
#include "data/loader.h"
#include "edits/targets.h"
#include "experiment/arms.h"
#include "experiment/stage_model.h"
#include "pipeline/stage.h"
#include "run/folder.h"
#include "run/resume.h"
#include "run/run.h"
#include "train/trainer.h"

namespace rum::experiment {
namespace {
// Inputs: tokenizer, split, for a student its targets, and optionally from, the training whose weights it
// starts from. `data` says what is learned:
//   {"seed_pairs": n}   a generator, on the first n pairs of the seed set; with "and_judge_set" on that as well
//   {"judge_set": what} a model that ranks the pool, on the judge set: "forward", "reverse" (from target to
//                       source), "target language" (targets alone), or "generated" (the given targets)
//   {"volume": v}       a student, on the targets of the first v of the pool, for v times the target tokens
//                       (or steps) of the recipe, so that all volumes see their texts equally often
edits::TargetSet training_set(const StageContext& x, RunConfig& config) {
  const JsonFields data = x.parameters().object("data");
  if (data.has("seed_pairs")) {
    edits::TargetSet seed = edits::read_pool(x.input("split"), "seed");
    const size_t count = std::min(seed.texts.size(), static_cast<size_t>(data.whole("seed_pairs")));
    seed.texts.resize(count);
    seed.ids.resize(count);
    if (data.has("and_judge_set"))
      for (Pair& p : edits::read_pool(x.input("split"), "judge").texts) {
        seed.ids.push_back(std::ssize(seed.ids));
        seed.texts.push_back(std::move(p));
      }
    return seed;
  }
  if (data.has("judge_set"))
    return data.text("judge_set") == "generated" ? edits::read_targets(x.input("targets"))
                                                 : edits::read_pool(x.input("split"), "judge");
  const double volume = data.number("volume");
  const auto pool = static_cast<double>(edits::read_pool(x.input("split")).texts.size());
  const edits::TargetSet t = edits::read_targets(x.input("targets"));
  std::vector<int64_t> rows;
  for (size_t i = 0; i < t.ids.size(); ++i)
    if (static_cast<double>(t.ids[i]) < volume * pool) rows.push_back(static_cast<int64_t>(i));
  RUM_CHECK(!rows.empty(), "{}: no targets among the first {:g} of the pool", x.stage.label, volume);
  const auto part = [&](int64_t n) {
    return n > 0 ? std::max<int64_t>(1, std::llround(volume * static_cast<double>(n))) : 0;
  };
  config.steps = part(config.steps);
  config.target_tokens = part(config.target_tokens);
  if (config.target_tokens == 0) config.schedule.warmup = std::min(config.schedule.warmup, config.steps);
  return edits::picked(t, rows);
}
// The direction of the pairs; "target language" keeps only the targets, as documents.
void turn(std::vector<Pair>& pairs, const std::string& what) {
  for (Pair& p : pairs) {
    if (what == "reverse") std::swap(p.source, p.target);
    if (what == "target language") p.source.clear();
  }
}
// A generator may write more than a batch can hold: such pairs are left out, and counted. Error if the others
// do not fill one batch.
edits::TargetSet that_fit(const edits::TargetSet& t, const RunConfig& config, const std::string& label) {
  const Tokenizer tokenizer = Tokenizer::load(config.tokenizer);
  const BatchShape shape = batch_shape(config);
  std::vector<int64_t> rows;
  int64_t tokens = 0;
  for (size_t i = 0; i < t.texts.size(); ++i) {
    const Example e = to_example(t.texts[i], tokenizer);
    if (positions_of(e, shape) > config.model.context || !fits({&e, 1}, shape)) continue;
    rows.push_back(static_cast<int64_t>(i));
    tokens += positions_of(e, shape);
  }
  RUM_CHECK(tokens >= config.tokens,
            "{}: {} of {} pairs fit, of {} tokens in all: fewer than a batch of {}; ask for more of the "
            "pool, or for "
            "smaller batches",
            label, rows.size(), t.texts.size(), tokens, config.tokens);
  return edits::picked(t, rows);
}
// Writes the plan for targets whose order or weights matter.
void write_plan(const edits::TargetSet& t, const Corpus& corpus, uint32_t seed, const std::string& path) {
  const auto count = static_cast<int64_t>(t.texts.size());
  Plan plan = shuffled_plan({&count, 1}, {&corpus.hash, 1}, seed);
  if (t.ordered) {
    plan.reshuffle = false;
    for (int64_t i = 0; i < count; ++i) plan.rows[static_cast<size_t>(i)].example = static_cast<int32_t>(i);
  }
  if (!t.weights.empty())
    for (PlanRow& row : plan.rows) row.weight = t.weights[static_cast<size_t>(row.example)];
  save_plan(plan, path);
}
// The weights of a step, or the mean of several.
void save_weights(const RunFolder& run, const std::vector<int64_t>& steps, const char* kind) {
  std::vector<std::string> paths;
  for (const int64_t s : steps) paths.push_back(checkpoint_path(run.checkpoints(), s));
  const std::string tokenizer = load(paths.front()).meta[kTokenizerHash];
  write_safetensors(
      {{{"step", fmt::format("{}", steps.front())}, {kTokenizerHash, tokenizer}}, mean_weights(paths)},
      weights_file(run.path, kind));
}

void train(const StageContext& x) {
  RunConfig config;
  for (const auto& [key, value] : *x.parameters().at("recipe").object()) {
    std::string text = *value.text();  // as TOML
    if (text.size() >= 2 && text.front() == '"') text = text.substr(1, text.size() - 2);
    set_key(config, key, text);
  }
  config.seed = x.seed();
  const RunFolder run{x.folder + "/run"};
  config.folder = run.path;
  config.tokenizer = x.input("tokenizer") + "/tokenizer.json";
  if (!x.stage.input("from").empty()) config.from = model_file(x, "from");
  const JsonFields learned = x.parameters().object("data");
  const std::string what = learned.has("judge_set") ? learned.text("judge_set") : "forward";
  config = for_what_is_learned(std::move(config), what);
  const std::string data = x.folder + (config.kind == CorpusKind::pairs ? "/train.tsv" : "/train.txt"),
                    plan = x.folder + "/plan.tsv";
  edits::TargetSet all = training_set(x, config);
  turn(all.texts, what);
  const edits::TargetSet kept = that_fit(all, config, x.stage.label);
  Disk::real().replace_text(data, corpus_bytes(kept.texts, config.kind));
  config.train = {data};
  config.valid = x.input("split") + "/valid.tsv";
  if (what == "reverse" || what == "target language") {
    std::vector<Pair> valid = read_corpus(config.valid, CorpusKind::pairs).texts;
    turn(valid, what);
    config.valid = x.folder + (config.kind == CorpusKind::pairs ? "/valid.tsv" : "/valid.txt");
    Disk::real().replace_text(config.valid, corpus_bytes(valid, config.kind));
  }
  if (kept.ordered || !kept.weights.empty()) {
    write_plan(kept, read_corpus(data, config.kind), config.seed, plan);
    config.plan = plan;
  }
  const auto count = [](const edits::TargetSet& t) { return static_cast<int64_t>(t.texts.size()); };
  Disk::real().replace_text(
      x.folder + "/data.json",
      to_json(Json(Json::Object{{"pairs", count(kept)}, {"too_long", count(all) - count(kept)}})) + "\n");

  // Then only tidying up is left.
  const auto saved = [&](const char* kind) { return Disk::real().exists(weights_file(run.path, kind)); };
  const bool trained = saved("best") && saved("last");
  if (!trained) {
    const bool resume = Disk::real().exists(run.config()) && newest_valid(run.checkpoints());
    if (!resume) std::filesystem::remove_all(run.path);
    Trainer trainer(resume ? resumed_config(run.path) : config, x.progress, resume);
    const Outcome out = trainer.run([&](int64_t) { return x.stop(); });
    if (!out.finished) throw Interrupted();
    save_weights(run, {out.best_step}, "best");
    save_weights(run, out.last_steps, "last");
  }
  for (const std::string& made_again : {data, plan, x.folder + "/valid.tsv", x.folder + "/valid.txt"})
    if (Disk::real().exists(made_again)) Disk::real().remove(made_again);
  std::filesystem::remove_all(run.checkpoints());
}
const StageKind train_kind("train", 1, true, train);
}  // namespace
}  // namespace rum::experiment
