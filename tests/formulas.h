// An independent implementation of every op in plain double loops, which shares only dropout's random bits
// with src/ops. It finds errors in the forward pass, which gradient checks cannot see.
#pragma once
#include <string>
#include <vector>

#include "autograd/op.h"

namespace rum {
struct StepInputs;

// The values that `sample` of `op` must give under a tape with `inputs`. Throws Error if there is no formula
// for the op.
std::vector<double> formula(const std::string& op, const Sample& sample, const StepInputs& inputs);
bool has_formula(const std::string& op);

// Attention over packed texts, straight from the definition. qkv: (rows, (heads + 2 kv_heads) width).
struct AttentionCase {
  int heads, kv_heads, width;  // width of one head
  std::vector<int> offsets, prefix;
  int mask;                            // 0 causal, 1 full, 2 prefix
  double rope, factor = 1, context{};  // Llama 3's scaling, from 1 to 4 turns in the context
  bool restart = false;                // positions start again at 0 at the prefix's last token, the separator
};
std::vector<int> places(const AttentionCase&, int rows);
std::vector<double> attention_by_definition(const AttentionCase&, const std::vector<double>& qkv, int rows);
// Text s of q, (rows, heads width), sees all of text s of kv, (rows, 2 kv_heads width).
struct CrossAttentionCase {
  int heads, kv_heads, width;
  std::vector<int> queries, memory;  // offsets
};
std::vector<double> cross_attention_by_definition(const CrossAttentionCase&, const std::vector<double>& q,
                                                  const std::vector<double>& kv);
}  // namespace rum
