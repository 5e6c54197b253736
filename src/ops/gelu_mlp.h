// GPT-2's feed-forward layer as one op: two products with GELU between them.
#pragma once
#include "autograd/tape.h"

namespace rum {
// y = gelu(x up' + up_bias) down' + down_bias. One op, so that GELU and its slope can be the last step of a
// product. x: (..., C), up: (F, C), down: (C', F), biases (F) and (C') or null; y: (..., C').
Tensor gelu_mlp(const Tensor& x, const Tensor& up, const Tensor& up_bias, const Tensor& down,
                const Tensor& down_bias);

namespace kernels {
// h = gelu(pre), pre = x weight' + bias. pre may be h itself: then nobody wants the numbers before GELU.
inline constinit Kernel<const Tensor& /*x*/, const Tensor& /*weight*/, const Tensor& /*bias*/,
                        Tensor& /*pre*/, Tensor& /*h*/>
    linear_gelu{"linear_gelu"};
// dpre = (dy weight) gelu'(pre)
inline constinit Kernel<const Tensor& /*dy*/, const Tensor& /*weight*/, const Tensor& /*pre*/,
                        Tensor& /*dpre*/>
    linear_gelu_backward{"linear_gelu_backward"};
}  // namespace kernels

// The same two as a product followed by a pass over its result: on the CPU, and where a device's library has
// no such epilogue.
void linear_then_gelu(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& pre, Tensor& h);
void product_then_slope(const Tensor& dy, const Tensor& weight, const Tensor& pre, Tensor& dpre);
}  // namespace rum
