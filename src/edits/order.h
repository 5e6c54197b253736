// Orders of generated pairs by a score: best first, over all of them or within bins of source length, so that
// a score that favours short sentences does not select for length.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "data/corpus.h"

namespace rum::edits {
// The length of each source: in words, its blanks (U+0020) and one more; in characters where the sources are
// written without blanks (metrics::without_blanks).
std::vector<int64_t> source_lengths(std::span<const Pair>);

// The indices of all lines, the best of every bin of length first: by relative rank, (2 rank + 1) / (2 bin
// size), where the rank is that within the bin, from 0, highest score first; ties by index. A line's bin is
// the number of edges not above its length; without edges there is one, and the order is simply by score.
// Error: a NaN score, lists of different lengths, edges that are not increasing.
std::vector<int64_t> best_first(std::span<const double> scores, std::span<const int64_t> lengths,
                                std::span<const int64_t> edges);

// Edges that cut `lengths` into at most `bins` bins of about equal size; equal lengths stay together. Error:
// fewer than one bin.
std::vector<int64_t> length_edges(std::span<const int64_t> lengths, int64_t bins);

// The first `share` of an order, at least one line. With increasing shares this gives growing sets, each a
// subset of the next. Error: a share outside (0, 1].
std::span<const int64_t> top(std::span<const int64_t> order, double share);
}  // namespace rum::edits
