// scores.tsv: a scorer's score of each generated pair, id<TAB>score below a heading. Orders, filters and
// weights read all scores in this form.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace rum::edits {
struct Scores {
  std::vector<int64_t> ids;  // indices into the pool, ascending
  std::vector<double> values;
};
// Error: lists of different length, ids that are not increasing, a score that is not finite (with its id).
void write_scores(const std::string& path, const Scores&);
// FileError: path, line, what was expected, what was found.
Scores read_scores(const std::string& path);
// The values of these `ids`, in their order. FileError naming `path`: ids without a score, and how many; or
// the same score for all lines, by which nothing can be ordered.
std::vector<double> scores_of(const Scores&, std::span<const int64_t> ids, const std::string& path);
// How many lines share their score with another.
int64_t tied(std::span<const double> values);
}  // namespace rum::edits
