#include "train/translation.h"

#include <fmt/format.h>

#include <algorithm>

#include "generate/translate.h"

namespace rum {
Evaluation Translation::evaluate() const {
  Evaluation out = LanguageModel::evaluate();
  const auto some = std::min<int64_t>(config_.bleu_texts, static_cast<int64_t>(valid_.texts.size()));
  if (some == 0) return out;
  Decoding greedy = config_.decoding;
  greedy.beam = 1;
  const auto texts = std::span(valid_.texts).first(static_cast<size_t>(some));
  const ScoredTranslations scored = translate_and_score(model_, tokenizer_, texts, greedy);
  out.score = scored.bleu.score;
  out.text += fmt::format(", BLEU {:.1f} on {} texts", scored.bleu.score, some);
  for (size_t i = 0; i < std::min<size_t>(texts.size(), 3); ++i)
    out.samples +=
        fmt::format("  {}\n  = {}\n  > {}\n", texts[i].source, texts[i].target, scored.translations[i]);
  return out;
}

TestReport Translation::test(Progress& progress) const {
  if (config_.test.empty()) return {};
  const Corpus test = read_corpus(config_.test, config_.kind);
  TestReport out = test_loss(test);
  const auto n = static_cast<int64_t>(test.texts.size());
  const ScoredTranslations scored = translate_and_score(
      model_, tokenizer_, test.texts, config_.decoding,
      [&](int64_t k) { progress.status(fmt::format("translating the test set: {} of {}", k, n)); });
  const std::string how = signature(*make_bleu());
  out.figures.emplace_back("test_bleu", scored.bleu.score);
  out.figures.emplace_back("test_signature", how);
  out.text += fmt::format("test BLEU: {:.2f} on {} texts, beam {} ({})\n", scored.bleu.score, n,
                          config_.decoding.beam, how);
  for (size_t i = 0; i < std::min<size_t>(test.texts.size(), 5); ++i)
    out.text += fmt::format("\n  source       {}\n  reference    {}\n  translation  {}\n",
                            test.texts[i].source, test.texts[i].target, scored.translations[i]);
  return out;
}
}  // namespace rum
