// Orders of generated pairs by a score: best first, over all of them or within bins of source length, so that
// a score that prefers short sentences does not choose short sentences.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace rum::edits {
struct BinnedRanks {
  std::vector<int64_t> bins;           // of each line: how many edges are at most its length
  std::vector<int64_t> ranks;          // within its bin, from 0, highest score first, ties by index
  std::vector<double> relative_ranks;  // (2 rank + 1) / (2 bin size)
  std::vector<int64_t> order;          // all indices by relative rank, ties by index: best of every bin first
};
// Without edges there is one bin, and the order is plainly by score. Error: a score that is NaN, lists of
// different lengths, edges that do not rise.
BinnedRanks binned_ranks(std::span<const double> scores, std::span<const int64_t> lengths,
                         std::span<const int64_t> edges);

// Edges that cut `lengths` into at most `bins` bins of about equal size; equal lengths stay together. Error:
// fewer than one bin.
std::vector<int64_t> length_edges(std::span<const int64_t> lengths, int bins);

// The first `share` of an order, at least one line: a growing set is this at rising shares, each set within
// the next. Error: a share outside (0, 1].
std::span<const int64_t> top(std::span<const int64_t> order, double share);
}  // namespace rum::edits
