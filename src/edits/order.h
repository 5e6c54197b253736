// Orders of generated pairs by a score: best first, over all of them or within bins of source length, so that
// a score that favours short sentences does not select for length.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace rum::edits {
struct BinnedRanks {
  std::vector<int64_t> bins;           // of each line: the number of edges not above its length
  std::vector<int64_t> ranks;          // within its bin, from 0, highest score first, ties by index
  std::vector<double> relative_ranks;  // (2 rank + 1) / (2 bin size)
  std::vector<int64_t> order;          // all indices by relative rank, ties by index: best of every bin first
};
// Without edges there is one bin, and the order is simply by score. Error: a NaN score, lists of different
// lengths, edges that are not increasing.
BinnedRanks binned_ranks(std::span<const double> scores, std::span<const int64_t> lengths,
                         std::span<const int64_t> edges);

// Edges that cut `lengths` into at most `bins` bins of about equal size; equal lengths stay together. Error:
// fewer than one bin.
std::vector<int64_t> length_edges(std::span<const int64_t> lengths, int bins);

// The first `share` of an order, at least one line. With increasing shares this gives growing sets, each a
// subset of the next. Error: a share outside (0, 1].
std::span<const int64_t> top(std::span<const int64_t> order, double share);
}  // namespace rum::edits
