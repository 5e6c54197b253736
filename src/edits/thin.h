// Thinning: human translations with their lexical diversity lowered to a wanted value and their meaning kept
// as far as possible. Rare words give way, rarest first, to more frequent words that would also translate
// what the source sentence says: paraphrases by pivoting (Bannard and Callison-Burch 2005).
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "edits/edit_rates.h"
#include "metrics/human_text.h"
#include "metrics/numbered.h"

namespace rum::edits {
// Types that are expected in `sample` of these tokens (lexical_diversity.h): all, or those
// that `attesting` has.
double types_expected(std::span<const int32_t> tokens, const metrics::Vocabulary&, int64_t sample,
                      const metrics::HumanText* attesting = nullptr);

struct Thinned {
  std::vector<std::string> lines;
  double wanted = 0, before = 0, got = 0;  // types_expected() in `sample` tokens
  int64_t types_replaced = 0;              // types that were to go
  int64_t words = 0, words_replaced = 0;   // tokens of words_v2
  EditRates cost{};                        // of the thinned lines against the human ones
};
// A word e1 of a target becomes a word e2 that is more frequent in `targets`, not itself replaced and not in
// the line already: the one with the largest sum, over the words f of this pair's source, of l(f, e1) l(f,
// e2), where l(f, e) = p(f|e) p(e|f) from ibm1 on these very pairs. (Bannard and Callison-Burch take p(f|e1)
// p(e2|f); a rare word's p is spread over all that happens to occur beside it, and only the product of both
// directions finds the right pivot.) Source words count by their first five characters. Words without such an
// e2 stay, and so do words with digits and the most frequent sixth of all types.
//
// How many types are replaced is bisected until the expected number of types in `sample` tokens is nearest to
// `wanted`, of all types or of those that `attesting` has: a model's misspellings are types too, and human
// text need not be as rich as these make it look. When that cannot be reached, `got` tells how near it came.
// Punctuation and spaces stay; a new word is written as the corpus writes it within sentences, with a capital
// where the line's first word had one. Nothing is drawn at random. Error: sides of different length, a text
// that is not UTF-8, fewer words than `sample`, a wanted value or a sample below 1.
Thinned thin(std::span<const std::string> sources, std::span<const std::string> targets, double wanted,
             int64_t sample, const metrics::HumanText* attesting = nullptr);
}  // namespace rum::edits
