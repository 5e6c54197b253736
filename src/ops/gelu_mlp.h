#pragma once
#include "autograd/tape.h"

namespace rum {
// y = gelu(x up' + up_bias) down' + down_bias: the feed-forward part of GPT-2's block as one op, so that GELU
// and its slope can be the last step of a product. x: (..., C), up: (F, C), down: (C', F), biases (F) and
// (C') or empty; y: (..., C').
Tensor gelu_mlp(const Tensor& x, const Tensor& up, const Tensor& up_bias, const Tensor& down,
                const Tensor& down_bias);

namespace kernels {
// h = gelu(pre), pre = x weight' + bias. pre may be h itself: then nobody wants the numbers before GELU.
inline constinit Kernel<const Tensor& /*x*/, const Tensor& /*weight*/, const Tensor& /*bias*/,
                        const Tensor& /*pre*/, const Tensor& /*h*/>
    linear_gelu{"linear_gelu"};
// dpre = (dy weight) gelu'(pre)
inline constinit Kernel<const Tensor& /*dy*/, const Tensor& /*weight*/, const Tensor& /*pre*/,
                        const Tensor& /*dpre*/>
    linear_gelu_backward{"linear_gelu_backward"};
}  // namespace kernels

// The same as a product and a pass over its result: the CPU's way, and a device's where its library cannot.
void linear_then_gelu(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& pre,
                      const Tensor& h);
void product_then_slope(const Tensor& dy, const Tensor& weight, const Tensor& pre, const Tensor& dpre);
}  // namespace rum
