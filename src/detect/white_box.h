// White-box use: a detector that uses the same model that wrote the text. Greedy text then has rank 1 at
// every token, which says nothing about other machines and cannot order these texts; so they are reported
// separately and never ordered.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "detect/detector.h"

namespace rum::detect {
// A detector's scores of texts, and which of these are by a model that it uses.
struct MarkedScores {
  std::vector<double> scores;
  std::vector<bool> white_box;
};
// Which of the machine texts were written by a model that the detector uses: their provenance has the hash of
// its weights, or in a sample of their generator and decoding most texts have rank 1 at every token.
std::vector<bool> white_box(const Detector&, std::span<const Text>);
// Why the detector may not order these texts; nullopt if none is by its own model.
std::optional<std::string> why_white_box(const std::vector<bool>& own);
}  // namespace rum::detect
