// Thinning: human translations with their lexical diversity lowered to a given value, and their meaning kept
// as far as possible. Rare words are replaced, rarest first, by more frequent words that would also translate
// the source sentence: paraphrases by pivoting (Bannard and Callison-Burch 2005).
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "edits/edit_rates.h"
#include "metrics/human_text.h"
#include "metrics/numbered.h"

namespace rum::edits {
// The expected number of types in `sample` of these tokens (lexical_diversity.h): of all types, or of those
// in `attesting`.
double types_expected(std::span<const int32_t> tokens, const metrics::Vocabulary&, int64_t sample,
                      const metrics::HumanText* attesting = nullptr);

struct Thinned {
  std::vector<std::string> lines;
  double wanted = 0, before = 0, got = 0;  // types_expected() in `sample` tokens
  int64_t words = 0, words_replaced = 0;   // tokens of words_v2
  EditRates cost{};                        // the thinned lines against the human ones
};
// A word e1 of a target becomes a word e2 that is more frequent in `targets`, not itself replaced, and not
// already in the line: the one with the largest sum, over the words f of this pair's source, of l(f, e1) l(f,
// e2), where l(f, e) = p(f|e) p(e|f) from ibm1 on the same pairs. (Bannard and Callison-Burch take p(f|e1)
// p(e2|f); a rare word's p is spread over whatever happens to co-occur with it, and only the product of both
// directions finds the right pivot.) Source words count by their first five characters. Words without such an
// e2 are kept, as are words with digits and the most frequent sixth of all types.
//
// The number of types to replace is bisected until the expected number of types in `sample` tokens is closest
// to `wanted`: of all types, or of those in `attesting`, since a model's misspellings are types too and would
// make the goal too high. `got` tells how close it came. Punctuation and spaces stay; a new word is spelled
// as the corpus spells it within sentences, with a capital where the line's first word had one.
// Deterministic. Error: sides of different length, a text that is not UTF-8, fewer words than `sample`, a
// wanted value or a sample below 1.
Thinned thin(std::span<const std::string> sources, std::span<const std::string> targets, double wanted,
             int64_t sample, const metrics::HumanText* attesting = nullptr);
}  // namespace rum::edits
