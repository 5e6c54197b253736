// Scores of generated pairs, from which orders and filters are made (order.h). Higher is better in all of
// them. None sees the human target of the pair that it scores.
#pragma once
#include <span>
#include <vector>

namespace rum {
// Dual conditional cross-entropy (Junczys-Dowmunt 2018): exp(-(|a - b| + (a + b) / 2)) of the
// cross-entropies, in nats a token, of the target given the source and of the source given the target. NaN
// where either is.
std::vector<double> dual_cross_entropy(std::span<const double> forward, std::span<const double> reverse);
// -log_prob / tokens of each line.
std::vector<double> cross_entropy(std::span<const double> log_probs, std::span<const double> tokens);
}  // namespace rum
