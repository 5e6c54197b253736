// GPU twin of src/ops/gelu.cc.
#include "cuda/kernel.h"
#include "ops/gelu.h"

namespace rum::cuda {
namespace {
constexpr float kRoot = 0.7978845608028654f, kCube = 0.044715f;

struct Value {
  __device__ float operator()(float x) const { return x / 2 * (1 + tanhf(kRoot * (x + kCube * x * x * x))); }
};
struct Slope {  // times dy
  __device__ float operator()(float x, float dy) const {
    const float t = tanhf(kRoot * (x + kCube * x * x * x));
    return ((1 + t) / 2 + x / 2 * (1 - t * t) * kRoot * (1 + 3 * kCube * x * x)) * dy;
  }
};
void forward(const Tensor& x, Tensor& y) {
  by_device_type(x.dtype(),
                 [&]<class T> { map<Value, T>(Value{}, x.size(), x.data<T>(), nullptr, y.data<T>()); });
}
void backward(const Tensor& x, const Tensor& dy, const Grad& dx) {
  by_device_type(x.dtype(), [&]<class T> {
    map(Slope{}, x.size(), x.data<T>(), dy.data<T>(), dx.to().data<T>(), dx.add());
  });
}
const bool provided = kernels::gelu_forward.provide(DeviceKind::cuda, forward) &&
                      kernels::gelu_backward.provide(DeviceKind::cuda, backward);
}  // namespace
}  // namespace rum::cuda
