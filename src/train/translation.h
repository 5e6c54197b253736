// Translation: a language model of targets, each after its source, that is also measured by BLEU.
#pragma once
#include "train/language_model.h"

namespace rum {
class Translation : public LanguageModel {
 public:
  using LanguageModel::LanguageModel;
  Evaluation evaluate(const Stop&) const override;  // BLEU of eval.bleu_texts greedy translations
  uint64_t evaluated_on() const override { return hash_of(validation_, config_.bleu_texts); }
  std::string score_name() const override { return "bleu"; }
  std::string score_title() const override { return "BLEU"; }
  TestReport test(Progress&, const Stop&) const override;  // BLEU of the whole test corpus, with eval.beam
};
}  // namespace rum
