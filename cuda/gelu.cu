// GPU twin of src/ops/gelu.cc.
#include "cuda/kernel.h"
#include "ops/gelu.h"

namespace rum::cuda {
namespace {
constexpr float kRoot = 0.7978845608028654f, kCube = 0.044715f;

template <class T>
struct Forward {
  const T* x;
  T* y;
  __device__ void operator()(int64_t i) const {
    const float v = to_float(x[i]);
    y[i] = from_float<T>(v / 2 * (1 + tanhf(kRoot * (v + kCube * v * v * v))));
  }
};
template <class T>
struct Backward {
  const T *x, *dy;
  T* dx;
  bool add;
  __device__ void operator()(int64_t i) const {
    const float v = to_float(x[i]), t = tanhf(kRoot * (v + kCube * v * v * v));
    const float slope = (1 + t) / 2 + v / 2 * (1 - t * t) * kRoot * (1 + 3 * kCube * v * v);
    dx[i] = from_float<T>(slope * to_float(dy[i]) + (add ? to_float(dx[i]) : 0.0f));
  }
};
void forward(const Tensor& x, const Tensor& y) {
  by_device_type(x.dtype(), [&]<class T> { for_each(x.size(), Forward<T>{x.data<T>(), y.data<T>()}); });
}
void backward(const Tensor& x, const Tensor& dy, const Grad& dx) {
  by_device_type(x.dtype(), [&]<class T> {
    for_each(x.size(), Backward<T>{x.data<T>(), dy.data<T>(), dx.to().data<T>(), dx.add()});
  });
}
const bool provided = kernels::gelu_forward.provide(DeviceKind::cuda, forward) &&
                      kernels::gelu_backward.provide(DeviceKind::cuda, backward);
}  // namespace
}  // namespace rum::cuda
