// A GPT in straight-line double precision, forward and backward by hand, one text at a time: no packing, no
// tape, no kernels, nothing included from src. A second opinion on the whole model.
#pragma once
#include <map>
#include <string>
#include <vector>

namespace reference {
struct Config {
  int vocab, layers, heads, kv_heads, width, inner;
  bool llama;    // rmsnorm, SwiGLU, RoPE, no biases; otherwise layernorm, GELU, learned positions, biases
  bool tied;     // the output layer is the token embedding
  bool restart;  // positions restart at the last token of the prefix
  bool prefix;   // the tokens of a prefix see each other; otherwise all is causal
  double rope;   // base of the rotary embedding
  double smoothing;
};
struct Text {
  std::vector<int> tokens;
  int prefix;     // the number of given tokens: those after it are learned
  double weight;  // of each learned token
};
using Weights = std::map<std::string, std::vector<double>>;  // by the names in the checkpoint
struct Outcome {
  double loss = 0;  // sum of weight * (smoothed) negative log-likelihood / total
  Weights grads;
};
Outcome gpt(const Config&, const Weights&, const std::vector<Text>&, double total);
}  // namespace reference
