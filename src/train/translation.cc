#include "train/translation.h"

#include <fmt/format.h>

#include <algorithm>

#include "generate/translate.h"
#include "text/unicode.h"

namespace rum {
namespace {
// The first pairs, at most this many, that have room in the context: what is left out of the loss
// is left out of BLEU.
std::vector<Pair> pairs_of(const EvaluationBatches& batches, const Corpus& corpus, size_t most) {
  std::vector<Pair> out;
  for (size_t i = 0; i < std::min(most, batches.texts.size()); ++i)
    out.push_back(corpus.texts[static_cast<size_t>(batches.texts[i])]);
  return out;
}
}  // namespace

Evaluation Translation::evaluate(const Stop& stop) const {
  Evaluation out = LanguageModel::evaluate(stop);
  const auto texts = pairs_of(validation_, valid_, static_cast<size_t>(config_.bleu_texts));
  if (texts.empty()) return out;
  Decoding greedy = config_.decoding;
  greedy.beam = 1;
  const ScoredTranslations scored =
      translate_and_score(model_, tokenizer_, texts, greedy, [&](int64_t) { leave_if(stop); });
  out.score = scored.bleu.score;
  out.text += fmt::format(", BLEU {:.1f} on {} texts", scored.bleu.score, texts.size());
  for (size_t i = 0; i < std::min<size_t>(texts.size(), 3); ++i)
    out.samples += fmt::format("  {}\n  = {}\n  > {}\n", texts[i].source, texts[i].target,
                               one_line(scored.translations[i]));
  return out;
}

TestReport Translation::test(Progress& progress, const Stop& stop) const {
  if (config_.test.empty()) return {};
  const Corpus test = read_corpus(config_.test, config_.kind);
  const EvaluationBatches batches = evaluation_batches(test, tokenizer_, config_, 0);
  TestReport out = test_loss(batches, stop);
  const auto texts = pairs_of(batches, test, test.texts.size());
  const auto done = [&](int64_t k) {
    leave_if(stop);
    progress.status(fmt::format("translating the test set: {} of {}", k, texts.size()));
  };
  const ScoredTranslations scored = translate_and_score(model_, tokenizer_, texts, config_.decoding, done);
  const std::string how = metrics::signature(*metrics::make_bleu({.tokenize = scored.tokenizer}));
  out.figures.emplace_back("test_bleu", scored.bleu.score);
  out.figures.emplace_back("test_signature", how);
  out.text += fmt::format("test BLEU: {:.2f} on {} texts, beam {} ({})\n", scored.bleu.score, texts.size(),
                          config_.decoding.beam, how);
  for (size_t i = 0; i < std::min<size_t>(texts.size(), 5); ++i)
    out.text += fmt::format("\n  source       {}\n  reference    {}\n  translation  {}\n", texts[i].source,
                            texts[i].target, one_line(scored.translations[i]));
  return out;
}
}  // namespace rum
