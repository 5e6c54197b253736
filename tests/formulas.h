// An independent implementation of every op in plain double loops, which share nothing with src/ops but the
// random bits of dropout: a gradient check cannot see that the forward pass itself is wrong.
#pragma once
#include <string>
#include <vector>

#include "autograd/op.h"

namespace rum {
struct StepInputs;

// The values that `sample` of `op` must give under a tape with `inputs`. Throws Error when no
// formula is known.
std::vector<double> formula(const std::string& op, const Sample& sample, const StepInputs& inputs);
bool has_formula(const std::string& op);

// Attention of one query row against rows of keys, by the definition: the sum over what `sees` allows.
struct AttentionCase {
  int heads, kv_heads, width;  // width of one head
  std::vector<int> offsets, prefix;
  int mask;  // 0 causal, 1 full, 2 prefix
  double rope;
  bool restart;  // positions given to RoPE start again at the end of the prefix
};
std::vector<int> places(const AttentionCase&, int rows);
std::vector<double> attention_by_definition(const AttentionCase&, const std::vector<double>& qkv, int rows);
}  // namespace rum
