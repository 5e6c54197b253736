// Filters: which generated pairs to keep.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "data/corpus.h"

namespace rum::edits {
// Indices, ascending, of the pairs that really are translations: the target has words, and at most `share` of
// them are copied from the source (scorers.h: not_copied). Untranslated targets harm a student most
// (Khayrallah and Koehn 2018). Error: a share outside 0..1, or no pair left.
std::vector<int64_t> without_copies(std::span<const Pair>, double share = .5);
// Indices, ascending, of the first `share` of the lines in an order (order.h).
std::vector<int64_t> kept(std::span<const int64_t> order, double share);
}  // namespace rum::edits
