// What keeps a small model from repeating itself, by the definitions of Hugging Face's generate(): the
// repetition penalty of CTRL (Keskar et al. 2019), and no n-gram twice (Paulus et al. 2017).
#pragma once
#include <cstdint>
#include <span>

#include "generate/sampler.h"
#include "text/tokenizer.h"

namespace rum {
struct Penalties {
  float repetition = 1;   // scores of tokens that were there: divided by it when positive, else multiplied
  int64_t no_repeat = 0;  // a token that would repeat an n-gram of this length gets -infinity
};
// scores: (V), of the token after `text`.
void penalise(const Penalties&, std::span<float> scores, std::span<const Token> text);
// For beams: the penalties work on log-probabilities, and what they leave is not normalised again. Best
// first, as best_tokens(); tokens that are out have a log_prob of -infinity. `logits` are used up.
void best_after(const Penalties&, std::span<float> logits, std::span<const Token> text,
                std::span<Choice> out);
}  // namespace rum
