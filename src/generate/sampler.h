// What to read from one row of logits: the likeliest tokens with their log-probabilities, or one token drawn from
// them. Pure functions of the logits and a uniform number; equal logits go to the smaller token id.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "tensor/kernel.h"
#include "tensor/tensor.h"
#include "text/tokenizer.h"

namespace rum {
struct Choice {
  Token token = 0;
  double log_prob = 0;  // natural log of the softmax at temperature 1 over the whole vocabulary
};

// How the softmax is changed before a draw, in this order, each applied to what the one before leaves.
struct Sampling {
  float temperature = 1;  // logits / temperature
  int64_t top_k = 0;      // the k likeliest tokens (Fan et al. 2018); 0: all
  float top_p = 1;        // the fewest likeliest tokens with this much probability (Holtzman et al. 2020)
  float min_p = 0;  // tokens with at least this share of the likeliest one's probability (Nguyen et al. 2024)
};
void check(const Sampling&);  // Error when a value is out of range; all that follows expects that it is not
struct Share {                // of the probability
  Token token = 0;
  double probability = 0;
};

// A row of logits (R, V) on the CPU in f32: where it lies, or converted, in `copy`.
std::span<const float> row_of(const Tensor& logits, int64_t row, std::vector<float>& copy);
// log(sum(exp(logits))). Error when a logit is not a number or none is finite.
double log_sum_exp(std::span<const float> logits);
// The out.size() likeliest tokens, best first; out.size() is at most logits.size().
void best_tokens(std::span<const float> logits, std::span<Choice> out);
// The tokens that may be drawn and their probabilities, which sum to 1: likeliest first when top_k, top_p or
// min_p leave some out, in order of their ids otherwise.
void allowed_tokens(std::span<const float> logits, const Sampling&, std::vector<Share>& out);
// One of the allowed tokens: the first at which the running sum of probabilities exceeds `uniform` in [0, 1).
Choice draw(std::span<const float> logits, const Sampling&, double uniform);

struct Read {
  int32_t row = 0;     // of the logits; -1: none, and its choice is not written
  double uniform = 0;  // for a draw
};
// For each of `reads` an equal part of `out`: the likeliest tokens, best first, or with Sampling one that is
// drawn. logits (R, V) on any device, what is chosen comes to the host. Error: logits that are not finite.
void choose_tokens(const Tensor& logits, std::span<const Read> reads, const Sampling*, std::span<Choice> out);

// Reads and choices as tensors of bytes, so that a device has them at hand: (n, 4) i32, as
// they lie in memory.
inline constexpr int64_t kChoiceWords = 4;
static_assert(sizeof(Read) == 4 * kChoiceWords && sizeof(Choice) == 4 * kChoiceWords);
// The first out.size() of them, on the host. Error: the logits were not finite.
void fetch_choices(const Tensor& choices, std::span<Choice> out);

namespace kernels {
inline constinit Kernel<const Tensor& /*logits (R, V)*/, const Tensor& /*reads*/, const Sampling*,
                        Tensor& /*choices*/>
    choose{"choose"};
}  // namespace kernels
}  // namespace rum
