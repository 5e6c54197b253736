// SwiGLU (Shazeer 2020): the gated activation of Llama's feed-forward layers.
#pragma once
#include "autograd/tape.h"

namespace rum {
// y = silu(gate) * value, silu(g) = g / (1 + exp(-g)). x: (..., 2 F), gate first, then value; y: (..., F).
Tensor swiglu(const Tensor& x);

namespace kernels {
inline constinit Kernel<const Tensor& /*x*/, Tensor& /*y*/> swiglu_forward{"swiglu_forward"};
inline constinit Kernel<const Tensor& /*x*/, const Tensor& /*dy*/, const Grad& /*dx*/> swiglu_backward{
    "swiglu_backward"};
}  // namespace kernels
}  // namespace rum
