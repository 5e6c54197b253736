// Is a score any good? How its order agrees with a quality that was measured afterwards and that it never
// saw, and with what an order should not follow: length and rarity.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace rum::edits {
struct NamedScores {
  std::string name;
  std::vector<double> values;  // one a pair, in the same order for all
};
struct Validity {
  std::string name;
  std::optional<double> quality, length, rarity;  // Spearman's correlation; none where one side is all equal
  int64_t tied = 0;                               // pairs that share their score with another
  std::vector<std::optional<double>> others;      // with each of the scores, itself included, in their order
};
// quality: sentence chrF to the human target, say; length and rarity of the sources. Error: fewer than two
// pairs, lists of different length, NaN.
std::vector<Validity> validity(std::span<const NamedScores>, std::span<const double> quality,
                               std::span<const double> length, std::span<const double> rarity);
}  // namespace rum::edits
