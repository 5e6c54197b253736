// The shape of a corpus: how its word frequencies fall with rank (Zipf), how its vocabulary grows with its
// length (Heaps), and how long its lines are. Undefined is NaN.
#pragma once
#include <cstdint>
#include <span>

#include "metrics/lexical_diversity.h"

namespace rum::metrics {
struct LineFit {  // of y = slope x + intercept by least squares
  double slope, intercept, r2;
};
LineFit fit_line(std::span<const double> x, std::span<const double> y);  // undefined when all x are equal

// ln frequency over ln rank; the Zipf exponent is -slope. Undefined below two types.
LineFit zipf_ols(const Spectrum&);
// The s of p(rank) = rank^-s / sum_{i <= V} i^-s that maximises the likelihood of the observed frequencies,
// given the ranks (the most frequent type has rank 1). Undefined below two types.
double zipf_mle(const Spectrum&);
// ln V(n) = slope ln n + intercept at the 50 points n = ceil(i N / 50), those that coincide counted once.
LineFit heaps(std::span<const int32_t> tokens, size_t size);

struct Lengths {  // of lines, in tokens
  int64_t lines = 0, empty = 0, shortest = 0, longest = 0;
  double mean, deviation, median, percentile90;  // deviation of the sample, n - 1; percentiles interpolated
};
Lengths lengths(std::span<const int64_t> tokens_of_lines);
}  // namespace rum::metrics
