// Diversity of a list of sentences: n-grams that never cross a sentence, and how well the text compresses.
// distinct-n and n-gram entropy are `ttr` and `entropy` of the spectrum of n-grams.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "metrics/lexical_diversity.h"
#include "metrics/numbered.h"

namespace rum {
constexpr size_t kNgramOrders = 4;
// n-grams of n = 1 to 4 as numbers, of one corpus or of several that share them.
class Ngrams {
 public:
  // Those up to `longest`; the others stay empty.
  std::array<NumberedLines, kNgramOrders> number(NumberedLines words, size_t longest = kNgramOrders);
  // How many numbers there are of n-grams of this n, at least 2.
  size_t size(size_t n) const { return static_cast<size_t>(tables_[n - 2].size); }

 private:
  std::array<NgramTable, kNgramOrders - 1> tables_;
};

// Expectation-adjusted distinct-n: types over the types that as many draws from a uniform vocabulary give.
double expectation_adjusted_distinct(const Spectrum& ngrams, double vocabulary = 30000);

struct Compression {
  int64_t bytes = 0, deflated = 0;  // of the sentences, each ended by LF; of raw deflate at level 9
  double ratio() const;             // bytes / (deflated + 18): 18 bytes of frame, as gzip's
};
Compression compress(std::span<const std::string> lines);
}  // namespace rum
