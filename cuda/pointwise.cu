// GPU twins of kernels that treat each number by itself: accumulate, add, scale.
#include "autograd/tape.h"
#include "cuda/kernel.h"
#include "ops/add.h"
#include "ops/head_loss.h"

namespace rum::cuda {
namespace {
constexpr int kThreads = 256, kEach = 4;  // numbers a thread makes, a block's width apart

// Threads: 4 numbers each, a block apart. Reads: each input once; the output too when it adds.
// Writes: each output once. Sums: none. Limit: memory; share not measured yet. Ladder: none.
template <class F>
__global__ void each(F f, int64_t n) {
  const int64_t first = static_cast<int64_t>(blockIdx.x) * (kThreads * kEach) + threadIdx.x;
  SIMT_UNROLL
  for (int k = 0; k < kEach; ++k)
    if (const int64_t i = first + k * kThreads; i < n) f(i);
}
template <class F>
void for_each(int64_t n, const F& f) {
  simt::launch(each<F>, dim3(blocks(n, kThreads * kEach)), dim3(kThreads), 0, f, n);
}

template <class T, class G>
struct Scale {  // y (+)= factor x; without a factor 1
  const T* x;
  const float* factor32;
  const simt::bf16* factor16;
  G* y;
  bool add;
  __device__ void operator()(int64_t i) const {
    const float f = factor32 ? *factor32 : factor16 ? to_float(*factor16) : 1.0f;
    y[i] = from_float<G>(f * to_float(x[i]) + (add ? to_float(y[i]) : 0.0f));
  }
};
template <class T>
struct Add {
  const T *a, *b;
  T* y;
  __device__ void operator()(int64_t i) const { y[i] = from_float<T>(to_float(a[i]) + to_float(b[i])); }
};

void scale(const Tensor& x, const Tensor& factor, const Grad& y) {
  by_device_type(x.dtype(), [&]<class T> {
    by_device_type(y.to().dtype(), [&]<class G> {
      const bool narrow = factor && factor.dtype() == DType::bf16;
      for_each(x.size(),
               Scale<T, G>{x.data<T>(), factor && !narrow ? factor.data<float>() : nullptr,
                           narrow ? factor.data<simt::bf16>() : nullptr, y.to().data<G>(), y.add()});
    });
  });
}
void accumulate(const Tensor& dy, const Grad& dx) { scale(dy, Tensor(), dx); }
void add(const Tensor& a, const Tensor& b, const Tensor& y) {
  by_device_type(a.dtype(), [&]<class T> {
    for_each(a.size(), Add<T>{a.data<T>(), b.data<T>(), y.data<T>()});
  });
}
const bool provided = kernels::accumulate.provide(DeviceKind::cuda, accumulate) &&
                      kernels::add.provide(DeviceKind::cuda, add) &&
                      kernels::scale.provide(DeviceKind::cuda, scale);
}  // namespace
}  // namespace rum::cuda
