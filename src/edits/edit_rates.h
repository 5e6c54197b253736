// How often translations err, by the kinds of TER's edits, per word of the references.
#pragma once
#include <span>
#include <string>
#include <vector>

namespace rum::edits {
// Named as TER names what would have to be done to the translation to make it the reference.
struct EditRates {
  double insertions = 0;     // words that the translation lacks
  double deletions = 0;      // words that it has too many
  double substitutions = 0;  // words that are wrong
  double shifts = 0;         // stretches of words in the wrong place
  double total() const { return insertions + deletions + substitutions + shifts; }  // TER / 100
  // The sum of the differences without their signs.
  double distance(const EditRates&) const;
};
// TER as sacreBLEU has it by default (ter.h). Error when the numbers of lines differ.
EditRates edit_rates(std::span<const std::string> translations, std::span<const std::string> references);
}  // namespace rum::edits
