// The validity of a score: how its order correlates with a quality measured afterwards, which it never saw,
// and with properties that an order should not follow: length and rarity.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace rum::edits {
struct NamedScores {
  std::string name;
  std::vector<double> values;  // one per pair, in the same order for all
};
struct Validity {
  std::string name;
  std::optional<double> quality, length, rarity;  // Spearman's correlation; nullopt if one side is constant
  int64_t tied = 0;                               // pairs that share their score with another
  std::vector<std::optional<double>> others;      // with each of the scores including itself, in their order
};
// quality: for example sentence chrF to the human target; length and rarity: of the sources. Error: fewer
// than two pairs, lists of different length, NaN.
std::vector<Validity> validity(std::span<const NamedScores>, std::span<const double> quality,
                               std::span<const double> length, std::span<const double> rarity);
}  // namespace rum::edits
