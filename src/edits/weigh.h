// Weights of generated pairs by how human they look: resampling by a detector (Drayson et al. 2025), and
// density ratios of two models, capped so that a few lines never outweigh all others.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace rum::edits {
// (sum w)^2 / sum w^2: this many lines of equal weight would have the same variance (Kish 1965).
double effective_sample_size(std::span<const double> weights);

// (1 - q)^exponent, of sum 1; q: the probability that a machine wrote the line, whose log odds are divided by
// the temperature first. Infinite ones are as sure at any. Error: NaN, a temperature not above 0, an exponent
// below 0, or no line with a weight above 0.
std::vector<double> resampling_weights(std::span<const double> log_odds, double temperature, double exponent);

// How often each line is taken when n lines are drawn by weight, none more than `most` times: expected counts
// are proportional to the weights, with the excess of lines at the limit distributed over the others, and are
// rounded by systematic sampling with one uniform number from `seed`. Error: a weight that is negative or not
// finite, or fewer than n places among the lines with a weight.
std::vector<int64_t> resample(std::span<const double> weights, int64_t n, int64_t most, uint32_t seed);

struct DensityRatioWeights {
  double cap = 0;
  int64_t capped = 0;           // ratios above it
  std::vector<double> weights;  // min(ratio, cap), mean 1
  double effective_sample_size = 0;
};
// log_ratios: log p_human - log p_generated of each line, clipped to -log_clip..log_clip. The cap is the
// largest (up to the largest ratio) with an effective sample size of at least half the lines; at the smallest
// ratio all weights are equal. Error: NaN, no line, or a clip not above 0.
DensityRatioWeights density_ratio_weights(std::span<const double> log_ratios, double log_clip = 20);
}  // namespace rum::edits
