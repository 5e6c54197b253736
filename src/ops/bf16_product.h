// Products with bf16 weights when nothing is recorded: generation and evaluation. The weights are read as
// they lie, a row an output, and widened in registers. Put into the order that other products read
// (ops/gemm.cc), they would be twice as large as the model, and one row of activations does not pay for that
// order.
#pragma once
#include "tensor/tensor.h"

namespace rum {
// c (M, O) = a (M, I) weights' (O, I) [+ bias (O)]; a, weights and bias in bf16, c in bf16 or f32. Each number
// is a sum in f32 over I lane by lane, then over the lanes as a tree: the same bits in any batch and with any
// number of threads.
void bf16_product(const Tensor& a, const Tensor& weights, Tensor& c, const Tensor& bias);
}  // namespace rum
