// How a model writes: greedily, by beam search or by sampling, and how far. Part of a run's config and of the
// provenance of whatever it writes; generate/generate.h does the work.
#pragma once
#include <cstdint>
#include <string>

namespace rum {
struct Decoding {
  int64_t beam = 1;  // hypotheses kept per text; 1 and not sample: greedy, which ends at the first end token
  float length_penalty = 1;      // score = log p / length^penalty, the end token counted (0: log p itself)
  bool sample = false;           // draw instead of search
  float temperature = 1;         // of the softmax; see generate/sampler.h for the order of these four
  int64_t top_k = 0;             // the k likeliest tokens; 0: all
  float top_p = 1;               // the smallest set with this much probability (Holtzman et al. 2020)
  float min_p = 0;               // tokens with at least this share of the likeliest one's probability
  float repetition_penalty = 1;  // above 1: what the text contains becomes less likely (generate/penalties.h)
  int64_t no_repeat = 0;         // no sequence of this many tokens is repeated; 0: any may
  int64_t best = 1;     // hypotheses to return per text: at most `beam` of a search, or this many draws
  int64_t max_new = 0;  // tokens, the end token included; 0: as far as the context allows
  float max_ratio = 0;  // with a prefix: at most ratio * prefix + 10 new tokens; 0: no limit
  uint32_t seed = 1;
  uint32_t first = 0;  // number of the first prompt, for its random stream: a long list may come in parts
  // Cache slots in flight, of which a text takes `beam` (draws: `best`); at least one text is. Changes speed
  // and memory; on a CPU never the output.
  int64_t batch = 64;
};
// All that the output depends on, but the seed, in words.
std::string describe(const Decoding&);
}  // namespace rum
