// GPU twin of src/ops/swiglu.cc. A row of 2 F numbers holds the gate, then the value.
#include "cuda/kernel.h"
#include "ops/swiglu.h"

namespace rum::cuda {
namespace {
template <class T>
struct Forward {
  const T* x;
  T* y;
  int64_t f;
  template <int V>
  __device__ void at(int64_t i) const {
    const T* from = x + i + i / f * f;  // a pack does not cross a row: V divides F
    const Pack<T, V> gate = load<T, V>(from), value = load<T, V>(from + f);
    Pack<T, V> to;
    for (int k = 0; k < V; ++k) {
      const float g = to_float(gate.at[k]);
      to.at[k] = from_float<T>(g / (1 + expf(-g)) * to_float(value.at[k]));
    }
    store<T, V>(y + i, to);
  }
};
template <class T>
struct Backward {
  const T *x, *dy;
  T* dx;
  int64_t f;
  bool add;
  template <int V>
  __device__ void at(int64_t i) const {
    const int64_t row = i + i / f * f;
    const Pack<T, V> gate = load<T, V>(x + row), value = load<T, V>(x + row + f), d = load<T, V>(dy + i);
    Pack<T, V> dgate, dvalue;
    if (add) {
      dgate = load<T, V>(dx + row);
      dvalue = load<T, V>(dx + row + f);
    }
    for (int k = 0; k < V; ++k) {
      const float g = to_float(gate.at[k]), a = to_float(d.at[k]), s = 1 / (1 + expf(-g));
      const float u = a * to_float(value.at[k]) * s * (1 + g * (1 - s)), v = a * g * s;
      dgate.at[k] = from_float<T>(add ? u + to_float(dgate.at[k]) : u);
      dvalue.at[k] = from_float<T>(add ? v + to_float(dvalue.at[k]) : v);
    }
    store<T, V>(dx + row, dgate), store<T, V>(dx + row + f, dvalue);
  }
};
void forward(const Tensor& x, Tensor& y) {
  by_device_type(x.dtype(), [&]<class T> {
    const int64_t f = y.shape()[-1];
    for_each<kPack<T>>(y.size(), packs<T>(f, {x.data<T>(), y.data<T>()}),
                       Forward<T>{x.data<T>(), y.data<T>(), f});
  });
}
void backward(const Tensor& x, const Tensor& dy, const Grad& dx) {
  by_device_type(x.dtype(), [&]<class T> {
    const int64_t f = dy.shape()[-1];
    T* const to = dx.to().data<T>();
    for_each<kPack<T>>(dy.size(), packs<T>(f, {x.data<T>(), dy.data<T>(), to}),
                       Backward<T>{x.data<T>(), dy.data<T>(), to, f, dx.add()});
  });
}
const bool provided = kernels::swiglu_forward.provide(DeviceKind::cuda, forward) &&
                      kernels::swiglu_backward.provide(DeviceKind::cuda, backward);
}  // namespace
}  // namespace rum::cuda
