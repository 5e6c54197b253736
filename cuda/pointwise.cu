// GPU twins of the pointwise kernels: accumulate, add, scale.
#include "autograd/tape.h"
#include "cuda/kernel.h"
#include "ops/add.h"
#include "ops/head_loss.h"

namespace rum::cuda {
namespace {
struct Same {
  __device__ float operator()(float x) const { return x; }
};
template <class S>
struct Times {  // a factor that is known only on the device
  const S* factor;
  __device__ float operator()(float x) const { return to_float(*factor) * x; }
};
struct Plus {
  __device__ float operator()(float a, float b) const { return a + b; }
};

template <class F>
void to_grad(const F& f, const Tensor& x, const Grad& y) {  // y may have another type
  by_device_type(x.dtype(), [&]<class T> {
    by_device_type(y.to().dtype(),
                   [&]<class G> { map<F, T>(f, x.size(), x.data<T>(), nullptr, y.to().data<G>(), y.add()); });
  });
}
void accumulate(const Tensor& dy, const Grad& dx) { to_grad(Same{}, dy, dx); }
void scale(const Tensor& x, const Tensor& factor, const Grad& y) {
  by_device_type(factor.dtype(), [&]<class S> { to_grad(Times<S>{factor.data<S>()}, x, y); });
}
void add(const Tensor& a, const Tensor& b, Tensor& y) {
  by_device_type(a.dtype(), [&]<class T> { map(Plus{}, a.size(), a.data<T>(), b.data<T>(), y.data<T>()); });
}
const bool provided = kernels::accumulate.provide(DeviceKind::cuda, accumulate) &&
                      kernels::add.provide(DeviceKind::cuda, add) &&
                      kernels::scale.provide(DeviceKind::cuda, scale);
}  // namespace
}  // namespace rum::cuda
