// How often translations err, by TER's kinds of edits, per word of the references.
#pragma once
#include <span>
#include <string>
#include <vector>

namespace rum::edits {
// Named as in TER, by the edits that would turn the translation into the reference.
struct EditRates {
  double insertions = 0;     // words that the translation lacks
  double deletions = 0;      // words that are not in the reference
  double substitutions = 0;  // words that are wrong
  double shifts = 0;         // stretches of words in the wrong place
  double total() const { return insertions + deletions + substitutions + shifts; }  // TER / 100
  // The sum of the absolute differences.
  double distance(const EditRates&) const;
};
// TER as sacreBLEU has it by default (ter.h). Error when the numbers of lines differ.
EditRates edit_rates(std::span<const std::string> translations, std::span<const std::string> references);
}  // namespace rum::edits
