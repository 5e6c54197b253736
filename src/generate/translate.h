// What a translation model provides: translations, how good they are, and how likely it finds given ones.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data/corpus.h"
#include "generate/generate.h"
#include "metrics/bleu.h"

namespace rum {
struct SentenceScore {
  double log_prob = 0;  // log p(target | source), natural, the end token included
  int64_t tokens = 0;   // of the target, with the end token
};
// Of each text, in order; 0 of 0 tokens where one needs more positions than the model's context holds.
std::vector<SentenceScore> sentence_scores(const Model&, const Tokenizer&, std::span<const Pair>);
// log_prob / tokens of each text; NaN where one needs more positions than the model's context holds.
std::vector<double> log_prob_per_token(const Model&, const Tokenizer&, std::span<const Pair>);

// What a translation model is given to continue: the source and <sep>. Error: a tokenizer without <sep>.
Prompt source_prompt(std::string_view source, const Tokenizer&);
// What a plain-text model is given: the token that begins a text, if there is one, and the text.
Prompt text_prompt(std::string_view, const Tokenizer&);
// Best translation of each source, in order. A source too long for the context gives "".
std::vector<std::string> translate(const Model&, const Tokenizer&, std::span<const std::string> sources,
                                   const Decoding&, const std::function<void(int64_t)>& done = {});
// Translations of the sources, and their BLEU against the targets.
struct ScoredTranslations {
  metrics::Bleu bleu;
  std::string tokenizer;  // of BLEU
  std::vector<std::string> translations;
};
ScoredTranslations translate_and_score(const Model&, const Tokenizer&, std::span<const Pair>, const Decoding&,
                                       const std::function<void(int64_t)>& done = {});
}  // namespace rum
