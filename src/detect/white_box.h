// White-box use: a detector that asks the very model that wrote a text. Greedy text then has rank 1 at every
// token, which says nothing of other machines and cannot order these; so such texts are shown apart from
// others and are never ordered.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "detect/detector.h"

namespace rum::detect {
// Which of the texts, people's left out, were written by a model that the detector asks: the hash in their
// provenance is that of its weights, or most texts of their generator and decoding, of a sample, have rank 1
// at every token.
std::vector<bool> white_box(const Detector&, std::span<const Text>);
// Why the detector may not order these texts; nothing when none is its own model's.
std::optional<std::string> why_white_box(const std::vector<bool>& own);
}  // namespace rum::detect
