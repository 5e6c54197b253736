// The product that needs no library: for what cuBLASLt refuses.
#pragma once
#include "ops/gemm.h"

namespace rum::cuda {
// As gemm() of ops/gemm.h, f32 or bf16.
void plain_gemm(const Tensor& a, const Tensor& b, Tensor& c, GemmFlags, const Tensor& bias);
}  // namespace rum::cuda
