// From one row per token to one row per text, for classification.
#pragma once
#include "ops/attention.h"

namespace rum {
enum class Pooling : uint8_t { mean, last };

// y[s] = the mean of the rows of text s, or its last row; 0 for an empty text. x: (N, C); y: (S, C), S: the
// number of texts in the layout. Error when the offsets, on the CPU, do not rise from 0 to at most N.
Tensor pool(const Tensor& x, const Layout& layout, Pooling kind);

namespace kernels {
inline constinit Kernel<const Tensor& /*x*/, const Tensor& /*offsets*/, Pooling, Tensor& /*y*/> pool_forward{
    "pool_forward"};
inline constinit Kernel<const Tensor& /*dy*/, const Tensor& /*offsets*/, Pooling, const Grad& /*dx*/>
    pool_backward{"pool_backward"};
}  // namespace kernels
}  // namespace rum
