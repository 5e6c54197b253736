// Injecting errors: human translations with missing, added, wrong and misplaced words at given rates, and
// with almost the same vocabulary. Words are moved, never invented: what one sentence loses, another gets.
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
// Each word of a line (split at blanks) is, independently and each at its own rate: dropped, or else made
// wrong; followed by an added word; moved within its line. TER does not count every edit as it was made (two
// wrong words may be one missing and one added), so the rates are corrected ten times by what TER measures,
// and the lines that came closest to `wanted` are returned.
//
// The words inserted are those dropped, shuffled over the corpus; if more are inserted than dropped, the rest
// are drawn from all words of the corpus, by frequency. So the corpus keeps its word counts except for the
// difference of two rates, and its lexical diversity hardly changes. A new word takes over the punctuation of
// the word that it replaces, and is spelled as within sentences, or with a capital where a line begins with
// one. A line keeps at least one word.
//
// `repeated`: the error is drawn once for all places where a word follows the same word, and so is the new
// word, from all words of the corpus. Such errors can be learned, like those of a generator, which makes the
// same error wherever it reads the same; errors drawn separately for each place are only noise.
//
// The same seed gives the same lines for any number of threads. Error: a rate outside 0..1, a text that is
// not UTF-8.
Injected inject(std::span<const std::string> human, const EditRates& wanted, uint32_t seed,
                bool repeated = false);
}  // namespace rum::edits
