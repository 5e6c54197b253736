// Two corpora side by side: how far apart their word distributions are, and how much of the reference's
// vocabulary the system still uses, by bands of frequency.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "metrics/numbered.h"

namespace rum::metrics {
constexpr std::array<std::pair<int32_t, int32_t>, 6> kFrequencyBands = {
    {{1, 1}, {2, 2}, {3, 5}, {6, 10}, {11, 100}, {101, INT32_MAX}}};

struct Comparison {             // shares; NaN where there is nothing to divide by
  double js_divergence_bits;    // Jensen-Shannon, of the two distributions over types
  double jaccard;               // types in both / types in either
  double type_coverage;         // types of the reference that the system has
  double token_coverage;        // tokens of the reference whose type the system has
  double oov_rate;              // tokens of the system whose type the reference lacks
  std::array<double, 6> bands;  // type_coverage among types of each frequency in the reference
  // Shares of tokens: of the 1000 most frequent types of the reference, the next 1000, all others (Laufer and
  // Nation 1995). Equally frequent types rank by code points.
  std::array<double, 3> profile_reference, profile_system;
};
// Counts by word number, for all words of the vocabulary.
Comparison compare(std::span<const int32_t> reference, std::span<const int32_t> system, const Vocabulary&);
}  // namespace rum::metrics
