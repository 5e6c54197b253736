// Repairing errors: generated translations with what is plainly wrong in them put right after the human
// translation, and every other choice of words left as the generator made it.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "metrics/errors.h"

namespace rum {
struct Repaired {
  std::vector<std::string> lines;
  int64_t lines_changed = 0;
  ErrorCounts before, after;  // sums over all lines; error_measures() makes rates of them
};
// The two translations are aligned word by word along a shortest edit path (TER's without shifts: a moved
// word is no error here; lower case, marks aside). Wrong are, by the definitions of errors.h: invented words,
// words copied from the source, numbers and names that the human text has not, a negation that it has not,
// pairs of words repeated beyond what it repeats. A wrong word becomes the human word that it is aligned
// with, or goes when there is none. Missing are numbers, names and a negation of the human text, and in lines
// that are far too short all words that they lack; they come in where the path has them, with the missing
// words beside them. This is done again, three times at most, while errors are found. What no path reaches
// stays: see `after`. Nothing is drawn at random; same lines for any number of threads. Error: sides of
// different length, a text that is not UTF-8, a pair of lines with more than 10^8 pairs of words.
Repaired repair(std::span<const std::string> sources, std::span<const std::string> human,
                std::span<const std::string> generated, const ErrorRules&);
}  // namespace rum
