// Diversity of a list of sentences: n-grams that never cross a sentence, and how well the text compresses.
// distinct-n and n-gram entropy are `ttr` and `entropy` of the spectrum of n-grams.
#pragma once
#include <cstdint>
#include <span>
#include <string>

#include "metrics/lexical_diversity.h"

namespace rum::metrics {
constexpr size_t kNgramOrders = 4;  // n-grams of n = 1 to 4

// Expectation-adjusted distinct-n: types over the expected types in as many draws from a uniform vocabulary.
double expectation_adjusted_distinct(const Spectrum& ngrams, double vocabulary = 30000);

struct Compression {
  int64_t bytes = 0, deflated = 0;  // of the sentences, each ended by LF; of raw deflate at level 9
  double ratio() const;             // bytes / (deflated + 18), the size of gzip's header and trailer
};
Compression compress(std::span<const std::string> lines);
}  // namespace rum::metrics
