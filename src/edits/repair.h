// Repairing errors: generated translations in which what is plainly wrong is put right by the human
// translation, and every other choice of words stays the generator's.
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
  metrics::ErrorCounts before, after;  // sums over all lines; error_measures() makes rates of them
};
// The two translations are aligned word by word along a shortest edit path (TER's without shifts: a moved
// word is not an error here; in lower case, marks aside; a number is never paired with a word). By the
// definitions of errors.h:
// - wrong are invented words, words copied from the source, numbers and names that the human text lacks, and
//   pairs of words repeated more often than there. A wrong word becomes the human word it is paired with, or
//   goes.
// - missing are numbers and names of the human text, and in lines that are far too short all words they lack.
//   They come in where the path has them, with the missing words beside them.
// - where one text is negated and the other is not, the whole stretch that differs around it is replaced.
//
// Marks keep their place. All this is repeated while errors are found, three times at most; what no path
// reaches stays: see `after`. Nothing is drawn at random; same lines for any number of threads. Error: sides
// of different length, a text that is not UTF-8, a pair of lines with more than 10^8 pairs of words.
Repaired repair(std::span<const std::string> sources, std::span<const std::string> human,
                std::span<const std::string> generated, const metrics::ErrorRules&);
}  // namespace rum::edits
