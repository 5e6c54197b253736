#include "train/data.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/hash.h"
#include "run/folder.h"
#include "run/run.h"

namespace rum {
std::vector<Corpus> training_corpora(const RunConfig& c) {
  std::vector<Corpus> out;
  for (const std::string& path : c.train) out.push_back(read_corpus(path, c.kind));
  return out;
}

Plan training_plan(const RunConfig& c, std::span<const Corpus> corpora) {
  if (!c.plan.empty()) {
    Plan plan = load_plan(c.plan);
    RUM_CHECK(plan.corpora.size() == corpora.size(), "{}: the plan is for {} corpora, data.train names {}",
              c.plan, plan.corpora.size(), corpora.size());
    return plan;
  }
  std::vector<int64_t> sizes;
  std::vector<uint64_t> hashes;
  for (const Corpus& corpus : corpora)
    sizes.push_back(static_cast<int64_t>(corpus.texts.size())), hashes.push_back(corpus.hash);
  return shuffled_plan(sizes, hashes, c.seed);
}

Tokenizer run_tokenizer(const RunConfig& c, std::span<const Corpus> corpora, bool resume,
                        Progress& progress) {
  if (resume) return Tokenizer::load(RunFolder{c.folder}.tokenizer());
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

std::string corpora_hash(std::span<const Corpus> corpora) {
  if (corpora.size() == 1) return hex64(corpora[0].hash);
  std::string all;
  for (const Corpus& c : corpora) all += hex64(c.hash);
  return hex64(hash64(all));
}
}  // namespace rum
