// RMS normalisation (Zhang and Sennrich 2019): layer normalisation without mean and bias, as in Llama.
#pragma once
#include "ops/layernorm.h"

namespace rum {
// y = x * rstd * weight, rstd = 1 / sqrt(mean(x^2) + epsilon), over the last axis. x: (..., C), weight: (C).
Tensor rmsnorm(const Tensor& x, const Tensor& weight, float epsilon = 1e-5f);

// r = x + delta, y = rmsnorm(r), in one pass over memory.
Normed residual_rmsnorm(const Tensor& x, const Tensor& delta, const Tensor& weight, float epsilon = 1e-5f);

namespace kernels {  // delta may be empty
inline constinit Kernel<const Tensor& /*x*/, const Tensor& /*delta*/, const Tensor& /*weight*/,
                        float /*epsilon*/, Tensor& /*r*/, Tensor& /*y*/, Tensor& /*rstd*/>
    rmsnorm_forward{"rmsnorm_forward"};
inline constinit Kernel<const Tensor& /*r*/, const Tensor& /*weight*/, const Tensor& /*rstd*/,
                        const Tensor& /*dy*/, const Grad& /*dr*/, const Grad& /*dweight*/>
    rmsnorm_backward{"rmsnorm_backward"};
}  // namespace kernels
}  // namespace rum
