// GPU twin of src/ops/linear.cc: the gradient of the bias. Its products go through gemm.
#include "cuda/kernel.h"
#include "ops/linear.h"

namespace rum::cuda {
namespace {
template <class T>
struct BiasTerm {
  static constexpr int kSums = 1;
  const T* dy;
  int64_t width;
  template <int V>
  __device__ void at(int64_t i, int64_t j, float (&sum)[1][V]) const {
    const Pack<T, V> d = load<T, V>(dy + i * width + j);
    for (int k = 0; k < V; ++k) sum[0][k] += to_float(d.at[k]);
  }
};
void sum_rows(const Tensor& dy, const Grad& db) {
  by_device_type(dy.dtype(), [&]<class T> {
    const int64_t c = dy.shape()[-1];
    column_sums<kPack<T>>(BiasTerm<T>{dy.data<T>(), c}, dy.shape().rows(), c, packs<T>(c, {dy.data<T>()}),
                          {db});
  });
}
const bool provided = kernels::sum_rows.provide(DeviceKind::cuda, sum_rows);
}  // namespace
}  // namespace rum::cuda
