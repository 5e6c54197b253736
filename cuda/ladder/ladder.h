// The ladder: four operations, each from the first kernel one would write to one that suits a GPU, one idea
// per step. Read each file from top to bottom: every step says what it changes and counts what that saves. It
// is for teaching: tests and benchmarks run all the steps from these tables, and the program itself contains
// none of them. README.md is the index. The counts are exact, and README.md has times.
#pragma once
#include <span>

#include "tensor/tensor.h"

namespace rum::cuda {
struct LadderStep {
  const char* op;
  int number;  // from 1
  const char* idea;
  DType type;                                                  // of every input and of the output
  void (*run)(std::span<const Tensor> in, const Tensor& out);  // all on the GPU, in rows; any sizes above 0
};
std::span<const LadderStep> matmul_ladder();     // a (M, K), b (K, N): (M, N)
std::span<const LadderStep> softmax_ladder();    // x (rows, width): the same, over each row
std::span<const LadderStep> layernorm_ladder();  // x (rows, width), weight and bias (width): as x
std::span<const LadderStep> attention_ladder();  // causal; q, k, v (heads, T, d), d up to 64: as q
}  // namespace rum::cuda
