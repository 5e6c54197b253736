// scores.tsv: what a scorer says of each generated pair, id<TAB>score below a heading. The one form in which
// orders, filters and weights read scores, whoever made them.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace rum::edits {
struct Scores {
  std::vector<int64_t> ids;  // places in the pool, rising
  std::vector<double> values;
};
// Error: lists of different length, ids that do not rise, a score that is not finite, by its id.
void write_scores(const std::string& path, const Scores&);
// FileError: path, line, what was expected, what was found.
Scores read_scores(const std::string& path);
// The values of `ids` alone, in their order. FileError naming `path`: an id without a score, how many there
// are; or the same score for all lines, by which nothing can be ordered.
std::vector<double> scores_of(const Scores&, std::span<const int64_t> ids, const std::string& path);
// How many lines share their score with another.
int64_t tied(std::span<const double> values);
}  // namespace rum::edits
