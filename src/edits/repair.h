// Repairing errors: obvious errors in generated translations are corrected from the human translation, and
// all other words stay the generator's.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "metrics/errors.h"

namespace rum::edits {
struct Repaired {
  std::vector<std::string> lines;
  int64_t lines_changed = 0;
  metrics::ErrorCounts before, after;  // sums over all lines; error_measures() turns them into rates
};
// The two translations are aligned word by word along a shortest edit path (like TER's but without shifts, as
// a moved word is not an error here; in lower case, ignoring punctuation; a number is never paired with a
// word). By the definitions of errors.h:
// - wrong are invented words, words copied from the source, numbers and names that the human text lacks, and
//   pairs of words repeated more often than there. A wrong word becomes the human word it is paired with, or
//   goes.
// - missing are numbers and names of the human text, and in lines that are far too short all words they lack.
//   They come in where the path has them, with the missing words beside them.
// - where one text is negated and the other is not, the whole stretch that differs around it is replaced.
//
// Punctuation stays in place. All this is repeated while errors are found, at most three times; errors that
// no path reaches remain: see `after`. Deterministic for any number of threads. Error: sides of different
// length, a text that is not UTF-8, a pair of lines with more than 10^8 pairs of words.
Repaired repair(std::span<const std::string> sources, std::span<const std::string> human,
                std::span<const std::string> generated, const metrics::ErrorRules&);
}  // namespace rum::edits
