// Injecting errors: human translations with words missing, added, wrong and out of place at given rates, and
// with almost the same vocabulary. Words are moved, never invented: what one sentence loses another gets.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "edits/edit_rates.h"

namespace rum::edits {
struct Injected {
  std::vector<std::string> lines;
  EditRates wanted, got;  // against the human lines
};
// Each word of a line (cut at blanks) is, independently and at a rate for each: dropped, or else made wrong;
// followed by one too many; moved to another place of its line. TER does not see every edit as it was made
// (two wrong words may be one missing and one too many), so ten times the rates are corrected by what TER
// finds too much or too little, and the lines that came nearest to `wanted` are returned.
//
// The words that come in are those that went out, shuffled over the corpus; only if more come in than went
// out, further ones are drawn from all words of the corpus, frequent ones more often. So the corpus keeps its
// counts of words but for the difference of two rates, and its lexical diversity hardly moves. A new word
// takes over the punctuation of the one whose place it takes, and is written as within sentences, or with a
// capital where a line begins with one. A line keeps at least one word.
//
// `repeated`: what befalls a word is drawn once for all places where it follows the same word, and what comes
// in is drawn for them as well, from all words of the corpus. Such errors can be learned, as those of a
// generator can, since it errs in the same way wherever it reads the same; those drawn anew for each place only
// blur what is there to be learned.
//
// Same seed, same lines, for any number of threads. Error: a rate outside 0..1, a text that is not UTF-8.
Injected inject(std::span<const std::string> human, const EditRates& wanted, uint32_t seed,
                bool repeated = false);
}  // namespace rum::edits
