// The stage of an experiment that trains a student or a generator.
#include <filesystem>
#include <fstream>
#include <span>

#include "checkpoint/safetensors.h"
#include "data/corpus.h"
#include "experiment/arms.h"
#include "pipeline/store.h"
#include "tests/error_of.h"
#include "tests/grammar/grammar.h"
#include "tests/program.h"
#include "tests/scratch.h"

namespace rum::stage_train_test {
using namespace experiment;
namespace {
namespace fs = std::filesystem;

const std::function<bool()> kGoOn = [] { return false; };

// What a train stage of 20 steps needs, whose first evaluation stays the best one.
struct Training {
  Scratch scratch;
  Store store{scratch.path};
  Progress progress;
  Graph g;
  std::string split, tokenizer;
  Training() {
    progress.be_silent();
    size_t from = 0;
    const std::vector<Pair> pairs = grammar_pairs(200, 5);
    Json::Object files;
    for (const auto& [set, count] : {std::pair{"train", 120}, {"valid", 8}, {"test", 8}}) {
      const std::string path = fmt::format("{}/{}.tsv", scratch.path, set);
      const std::span<const Pair> part = std::span(pairs).subspan(from, count);
      Disk::real().replace_text(path, corpus_bytes({part.begin(), part.end()}, CorpusKind::pairs));
      files.emplace_back(set, path);
      from += count;
    }
    split = g.add(
        "split", "split",
        {{"seed_pairs", 100}, {"pool_pairs", 1}, {"judge_pairs", 0}, {"valid_pairs", 0}, {"test_pairs", 0}},
        {}, 1, files);
    tokenizer = g.add("tokenizer", "tokenizer",
                      {{"vocab", 300}, {"pattern", "gpt2"}, {"split_digits", false}, {"min_frequency", 2}},
                      {{"split", split}});
    store.make(g, split, progress, kGoOn);
    store.make(g, tokenizer, progress, kGoOn);
  }
  std::string stage(const std::vector<std::pair<std::string, std::string>>& settings) {
    RunConfig c;
    for (const auto& [key, value] :
         std::vector<std::pair<std::string, std::string>>{{"model.layers", "1"},
                                                          {"model.width", "16"},
                                                          {"model.heads", "2"},
                                                          {"model.context", "96"},
                                                          {"batch.tokens", "128"},
                                                          {"eval.bleu_texts", "0"},
                                                          {"train.steps", "8"},
                                                          {"train.eval_every", "5"},
                                                          {"train.save_every", "2"},
                                                          {"schedule.warmup", "0"}})
      set_key(c, key, value);
    for (const auto& [key, value] : settings) set_key(c, key, value);
    return g.add("train", "t",
                 {{"recipe", recipe_json(c)}, {"seed", 1}, {"data", Json::Object{{"seed_pairs", 100}}}},
                 {{"tokenizer", tokenizer}, {"split", split}});
  }
  std::string weights(const std::string& id,
                      const char* name) const {  // as bytes, without what a file says of itself
    std::string out;
    for (const auto& [tensor, numbers] :
         read_safetensors(store.folder(id) + "/run/" + name + ".safetensors").tensors)
      out += tensor + std::string(reinterpret_cast<const char*>(numbers.data<float>()),
                                  static_cast<size_t>(numbers.size()) * sizeof(float));
    return out;
  }
};
// The folder of checkpoints goes file by file.
TEST(TrainStage, KilledAsItTidiesUpItIsNotRepeated) {
  Training x;
  const std::string id = x.stage({});
  x.store.make(x.g, id, x.progress, kGoOn);
  const std::string last = x.weights(id, "last"), best = x.weights(id, "best"), part = x.store.part(id);
  fs::rename(x.store.folder(id), part);
  Disk::real().remove(part + "/stage.json");
  fs::create_directories(part + "/run/checkpoints");
  std::ofstream(part + "/run/checkpoints/step-00000008.ckpt") << "half";
  const std::string measured = slurp(part + "/run/metrics.jsonl");
  EXPECT_EQ(error_of([&] { x.store.make(x.g, id, x.progress, kGoOn); }), "");
  EXPECT_EQ(x.weights(id, "last"), last);
  EXPECT_EQ(x.weights(id, "best"), best);
  EXPECT_EQ(slurp(x.store.folder(id) + "/run/metrics.jsonl"), measured);
  EXPECT_FALSE(fs::exists(x.store.folder(id) + "/run/checkpoints"));
}
// With train.best = "last" the run's own model is what train.average makes of the last checkpoints.
TEST(TrainStage, TheLastWeightsAreThoseThatTrainAverageAsksFor) {
  Training x;
  const std::string one = x.stage({{"train.best", "last"}}),
                    mean = x.stage({{"train.best", "last"}, {"train.average", "3"}, {"train.keep", "3"}});
  x.store.make(x.g, one, x.progress, kGoOn);
  x.store.make(x.g, mean, x.progress, kGoOn);
  EXPECT_NE(x.weights(mean, "last"), x.weights(one, "last"));
  EXPECT_EQ(x.weights(one, "last"), x.weights(one, "model"));
  EXPECT_EQ(x.weights(mean, "last"), x.weights(mean, "model"));
}
}  // namespace
}  // namespace rum::stage_train_test
