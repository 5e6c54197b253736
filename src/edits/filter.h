// Filters: which generated pairs stay.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "data/corpus.h"

namespace rum::edits {
// Indices, rising, of the pairs that are translations at all: those whose target has words and copies at most
// `share` of them from the source (scorers.h: not_copied). Untranslated targets harm a student most
// (Khayrallah and Koehn 2018). Error: a share outside 0..1, or no pair left.
std::vector<int64_t> without_copies(std::span<const Pair>, double share = .5);
// Indices, rising, of the `share` of lines that come first in an order (order.h).
std::vector<int64_t> kept(std::span<const int64_t> order, double share);
}  // namespace rum::edits
