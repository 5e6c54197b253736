// Writing with a model: greedy, beam search, sampling; batched over slots of a key-value cache. What a text
// becomes does not depend on the batch it travels in: each draws from its own random stream (seed, text,
// sample).
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "model/gpt.h"
#include "text/tokenizer.h"

namespace rum {
struct Decoding {
  int64_t beam = 1;          // hypotheses kept per text; 1 and not sample: greedy
  float length_penalty = 1;  // score = log p / length^penalty (0: none)
  bool sample = false;       // draw instead of search
  float temperature = 1;     // of the softmax
  int64_t top_k = 0;         // the k likeliest tokens; 0: all
  float top_p = 1;           // the smallest set with this much probability (Holtzman et al. 2020)
  float min_p = 0;           // tokens with at least this share of the likeliest one's probability
  int64_t best = 1;          // how many hypotheses to return per text: beam: n-best, sample: n draws
  int64_t max_new = 0;       // tokens; 0: as far as the context allows
  float max_ratio = 0;       // with a prefix: at most ratio * prefix + 10 new tokens; 0: no limit
  uint32_t seed = 1;
  int64_t batch = 64;  // slots in flight; changes speed and memory, never the output
};
struct Hypothesis {
  std::vector<Token> tokens;  // without the end token
  double log_prob = 0;        // natural log, sum over tokens, end token included when finished
  double score = 0;           // what beams are ranked by
  bool finished = false;      // the end token came before the limit
};
struct Prompt {
  std::vector<Token> tokens;  // for a translation: source and <sep>
  int32_t prefix = 0;         // as in Example
};
// result[i]: the hypotheses of prompts[i], best first. `done` is called with the number of finished texts.
std::vector<std::vector<Hypothesis>> generate(const Gpt&, std::span<const Prompt> prompts, Token end,
                                              const Decoding&, const std::function<void(int64_t)>& done = {});
}  // namespace rum
