#include "train/data.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "run/folder.h"
#include "run/run.h"

namespace rum {
void check_named_files(const RunConfig& c) {
  std::vector<std::pair<const char*, std::string>> all;
  for (const std::string& path : c.train) all.emplace_back("data.train", path);
  all.insert(all.end(), {{"data.valid", c.valid},
                         {"data.test", c.test},
                         {"data.plan", c.plan},
                         {"tokenizer.file", c.tokenizer}});
  for (const auto& [key, path] : all) {
    if (path.empty() || path == "-") continue;
    std::error_code unknown;
    const std::string named = fmt::format("{}: {}", key, path);
    if (::access(path.c_str(), R_OK) != 0) refuse(named, "open", errno);
    if (std::filesystem::is_directory(path, unknown)) refuse(named, "open", EISDIR);
  }
}
Corpus run_corpus(const RunConfig& c, const std::string& path) {
  return c.windows == Windows::documents ? read_corpus(path, c.kind) : read_stream(path);
}
std::vector<Corpus> training_corpora(const RunConfig& c) {
  std::vector<Corpus> out;
  for (const std::string& path : c.train) out.push_back(run_corpus(c, path));
  return out;
}

Plan shuffled_plan(std::span<const Corpus> corpora, uint32_t seed) {
  std::vector<int64_t> sizes;
  std::vector<uint64_t> hashes;
  for (const Corpus& corpus : corpora) {
    sizes.push_back(static_cast<int64_t>(corpus.texts.size()));
    hashes.push_back(corpus.hash);
  }
  return shuffled_plan(sizes, hashes, seed);
}

Plan training_plan(const RunConfig& c, std::span<const Corpus> corpora) {
  if (!c.plan.empty()) {
    Plan plan = load_plan(c.plan);
    RUM_CHECK(plan.corpora.size() == corpora.size(), "{}: the plan is for {} corpora, data.train names {}",
              c.plan, plan.corpora.size(), corpora.size());
    return plan;
  }
  if (c.windows != Windows::stream_in_order) return shuffled_plan(corpora, c.seed);
  Plan plan{{}, {}, false, c.seed};
  for (size_t i = 0; i < corpora.size(); ++i) {
    plan.corpora.push_back(corpora[i].hash);
    plan.rows.push_back({0, static_cast<int32_t>(i)});
  }
  return plan;
}

std::unique_ptr<StoredRun> starting_run(const RunConfig& c, bool resume) {
  if ((resume && c.lora.rank == 0) || c.from.empty()) return nullptr;
  auto from = std::make_unique<StoredRun>(read_to_train(c.from));
  RUM_CHECK(
      c.lora.rank == 0 || !from->adapters,
      "lora.rank = {}: train.from = \"{}\" has adapters itself; `ruminate export` makes a model of it, which "
      "`ruminate import` takes",
      c.lora.rank, c.from);
  RUM_CHECK(c.tokenizer.empty() || Tokenizer::load(c.tokenizer).hash() == from->tokenizer.hash(),
            "train.from = \"{}\" has another tokenizer than tokenizer.file = \"{}\"; leave that empty to "
            "take its own",
            c.from, c.tokenizer);
  RunConfig ours = c, theirs = from->config;
  ours.model = model_config(c, 0);
  theirs.model = model_config(theirs, 0);
  for (const Key& key : keys()) {
    const bool of_training = key.name == "tokenizer.vocab" || key.name == "tokenizer.pattern" ||
                             key.name == "tokenizer.split_digits";
    const std::string asked = key.get(c);
    RUM_CHECK(!of_training || asked == key.get(RunConfig()) || asked == key.get(from->config),
              "train.from = \"{}\" brings its own tokenizer: leave {} = {} out of this config", c.from,
              key.name, asked);
    // What stood around the texts that the weights were learned from.
    const bool text =
        key.name == "tokenizer.begin" || key.name == "tokenizer.end" || key.name == "tokenizer.turns";
    if (!text && !shapes_weights(key)) continue;
    RUM_CHECK(key.get(ours) == key.get(theirs),
              "train.from = \"{}\" has {} = {}, this config {}; only a model of the same shape can continue "
              "from its weights",
              c.from, key.name, key.get(theirs), key.get(ours));
  }
  return from;
}

static Tokenizer find_tokenizer(const RunConfig& c, std::span<const Corpus> corpora, const Tokenizer* from,
                                bool resume, Progress& progress) {
  if (resume) return Tokenizer::load(RunFolder{c.folder}.tokenizer());
  if (from) return *from;
  if (!c.tokenizer.empty()) return Tokenizer::load(c.tokenizer);
  std::vector<std::string_view> texts;
  for (const Corpus& corpus : corpora)
    for (const Pair& t : corpus.texts) {
      if (!t.source.empty()) texts.push_back(t.source);
      texts.push_back(t.target);
    }
  TokenizerConfig bpe = c.bpe;
  bpe.special = {kEos, kSep};
  return Tokenizer::train(texts, bpe, [&](int64_t merges) {
    progress.status(fmt::format("tokenizer: {} of {} merges", merges, bpe.vocab - 258));
  });
}

Tokenizer run_tokenizer(const RunConfig& c, std::span<const Corpus> corpora, const Tokenizer* from,
                        bool resume, Progress& progress) {
  Tokenizer t = find_tokenizer(c, corpora, from, resume, progress);
  frame(t, c);
  return t;
}

CorpusFile corpus_file(const Corpus& c) { return {c.name, static_cast<int64_t>(c.texts.size()), c.hash}; }
std::string corpora_hash(std::span<const CorpusFile> corpora) {
  if (corpora.size() == 1) return hex64(corpora[0].hash);
  std::string all;
  for (const CorpusFile& c : corpora) all += hex64(c.hash);
  return hex64(hash64(all));
}
}  // namespace rum
