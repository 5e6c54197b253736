// GPU twin of what src/ops/linear.cc does besides its products: the gradient of the bias.
#include "cuda/kernel.h"
#include "ops/linear.h"

namespace rum::cuda {
namespace {
template <class T>
struct BiasTerm {
  static constexpr int kSums = 1;
  const T* dy;
  int64_t width;
  __device__ void operator()(int64_t i, int64_t j, float (&sum)[1]) const {
    sum[0] += to_float(dy[i * width + j]);
  }
};
void sum_rows(const Tensor& dy, const Grad& db) {
  by_device_type(dy.dtype(), [&]<class T> {
    column_sums(BiasTerm<T>{dy.data<T>(), dy.shape()[-1]}, dy.shape().rows(), dy.shape()[-1], {db});
  });
}
const bool provided = kernels::sum_rows.provide(DeviceKind::cuda, sum_rows);
}  // namespace
}  // namespace rum::cuda
