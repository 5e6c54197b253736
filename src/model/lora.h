// LoRA (Hu et al. 2021): what is trained beside the weights of a model that stay as they are.
#pragma once
#include <set>
#include <string>
#include <vector>

#include "model/params.h"

namespace rum {
// In each linear layer whose name is a target, y += (alpha / rank) B A x.
struct Adapters {
  ParameterBlock& trained;  // gets A (rank, in), random, and B (out, rank), zeros, of each layer
  int64_t rank;
  std::vector<std::string> targets;  // the layers' names: "qkv" is that of block.0.qkv
  Tensor scale;                      // (rank, rank): alpha / rank on its diagonal
  std::set<std::string> layers{};    // the names of all linear layers that a model has
};
struct Adapter {
  Tensor a, b, scale;  // all empty: none
  explicit operator bool() const { return static_cast<bool>(a); }
};
inline constexpr const char *kAdapterA = "lora_a", *kAdapterB = "lora_b";  // the names of A and B in a layer
}  // namespace rum
