// The matrix product without a library, for what cuBLASLt refuses.
#pragma once
#include "ops/gemm.h"

namespace rum::cuda {
// As gemm() in ops/gemm.h, for f32 and bf16.
void plain_gemm(const Tensor& a, const Tensor& b, Tensor& c, GemmFlags, const Tensor& bias);
}  // namespace rum::cuda
