// Scoring: log p(target | source) of given texts, and what the model says about each of their tokens; many texts
// per forward pass.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "metrics/token_stats.h"
#include "model/model.h"

namespace rum {
// log p(target | source) of each example, natural log, without label smoothing: the sum over its tokens after
// the prefix; of a document (prefix 0) over all but the first. `batch_tokens` changes only speed and memory.
// Error: an example that needs more positions than the context has, or with a prefix that does not fit it.
std::vector<double> log_probs(const Model&, std::span<const Example>, int64_t batch_tokens = 4096);
// The same tokens one by one: result[i][k] of the k-th token of example i after its prefix
// (or after its first).
std::vector<std::vector<metrics::TokenStats>> text_stats(const Model&, std::span<const Example>,
                                                         int64_t batch_tokens = 4096);
// With a second model of the same vocabulary as the reference of token_stats(). Error also: another one.
std::vector<std::vector<metrics::TokenStats>> text_stats(const Model&, const Model& reference,
                                                         std::span<const Example>,
                                                         int64_t batch_tokens = 4096);
// The model's states over each target, with teacher forcing: use(i, states) for one example after the other;
// states[l], l = 0 .. layers, is (tokens of the target without its end, C) on the CPU: the embedding, then
// the output of each block. They last as long as the call.
void hidden_states(const Model&, std::span<const Example>,
                   const std::function<void(size_t, std::span<const Tensor> states)>& use,
                   int64_t batch_tokens = 4096);
}  // namespace rum
