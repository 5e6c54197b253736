// What a language model says about a text, token by token: from a row of logits to log p, rank and entropy,
// and from sums over tokens to perplexity and the statistics that detectors of machine text start from.
#pragma once
#include <cstdint>
#include <optional>
#include <span>

namespace rum::metrics {
struct TokenStats {
  double log_p = 0;     // natural log of the probability of the token there
  int64_t rank = 1;     // 1 + the number of tokens with a larger logit
  double entropy = 0;   // -sum p log p of the model's distribution at this place, in nats
  double variance = 0;  // of log p under the same distribution
};
// logits: (V), from the position before the token; sums are in double. Error: a target outside the row, a
// logit that is not finite.
TokenStats token_stats(std::span<const float> logits, int64_t target);
TokenStats token_stats(std::span<const double> logits, int64_t target);
// The same with mean and variance of log p under the distribution of another model, the reference: `entropy`
// is then the cross-entropy -sum p_reference log p. Error also when the rows differ in length.
TokenStats token_stats(std::span<const float> logits, std::span<const float> reference, int64_t target);
TokenStats token_stats(std::span<const double> logits, std::span<const double> reference, int64_t target);

struct TokenSums {  // over tokens; additive, so that resampling never recounts
  int64_t tokens = 0, bytes = 0;
  double log_p = 0, rank = 0, log_rank = 0, entropy = 0;
  TokenSums& operator+=(const TokenStats&);  // does not change `bytes`
  TokenSums& operator+=(const TokenSums&);
};
// A measure of the sums: undefined where its divisor is 0. Each has an Explanation of the same name.
struct TokenMeasure {
  const char* name;  // "perplexity"
  std::optional<double> (*value)(const TokenSums&);
};
// perplexity, bits_per_byte, log_likelihood, rank, log_rank, lrr, token_entropy
std::span<const TokenMeasure> token_measures();
}  // namespace rum::metrics
