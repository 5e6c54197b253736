// SwiGLU: formula, CPU kernel, gradient and samples.
#include "ops/swiglu.h"

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"
#include "tensor/simd.h"

namespace rum {
namespace {
constexpr int64_t kRows = 16;

void forward(const Tensor& x, Tensor& y) {
  by_type(x.dtype(), [&]<class T> {
    using S = Stats<T>;
    const int64_t n = y.shape().rows(), f = y.shape()[-1];
    parallel((n + kRows - 1) / kRows, [&](int64_t p) {
      for (int64_t i = p * kRows; i < std::min(n, (p + 1) * kRows); ++i)
        simd::each<S>(0, f, [&](int64_t j, auto lanes) {
          const T* from = x.data<T>() + i * 2 * f + j;
          const simd::Vec<S> gate = simd::get(from, lanes), value = simd::get(from + f, lanes);
          simd::put(y.data<T>() + i * f + j, gate / (1 + simd::exp(-gate)) * value, lanes);
        });
    });
  });
}
// y = gate s value, s = 1 / (1 + exp(-gate)), ds/dgate = s (1 - s). With dy = d(loss)/dy
//   dvalue = dy gate s,  dgate = dy value (s + gate s (1 - s)) = dy value s (1 + gate (1 - s)).
void backward(const Tensor& x, const Tensor& dy, const Grad& dx) {
  by_type(x.dtype(), [&]<class T> {
    using S = Stats<T>;
    const int64_t n = dy.shape().rows(), f = dy.shape()[-1];
    T* out = dx.to().data<T>();
    const bool add = dx.add();
    parallel((n + kRows - 1) / kRows, [&](int64_t p) {
      for (int64_t i = p * kRows; i < std::min(n, (p + 1) * kRows); ++i)
        simd::each<S>(0, f, [&](int64_t j, auto lanes) {
          const int64_t at = i * 2 * f + j;
          const simd::Vec<S> gate = simd::get(x.data<T>() + at, lanes),
                             value = simd::get(x.data<T>() + at + f, lanes),
                             d = simd::get(dy.data<T>() + i * f + j, lanes), s = 1 / (1 + simd::exp(-gate));
          simd::Vec<S> dgate = d * value * s * (1 + gate * (1 - s)), dvalue = d * gate * s;
          if (add) {
            dgate += simd::get(out + at, lanes);
            dvalue += simd::get(out + at + f, lanes);
          }
          simd::put(out + at, dgate, lanes);
          simd::put(out + at + f, dvalue, lanes);
        });
    });
  });
}
const bool provided = kernels::swiglu_forward.provide(DeviceKind::cpu, forward) &&
                      kernels::swiglu_backward.provide(DeviceKind::cpu, backward);

std::vector<Sample> samples() {
  Apply f = [](std::span<const Tensor> in) { return swiglu(in[0]); };
  return {{"odd width", {noise({5, 14}, 1)}, f}, {"one row", {noise({1, 2}, 2)}, f},
          {"wide", {noise({3, 600}, 3, 4)}, f},  {"15", {noise({2, 30}, 6)}, f},
          {"16", {noise({2, 32}, 7)}, f},        {"33", {noise({2, 66}, 8)}, f},
          {"rank 3", {noise({2, 3, 8}, 4)}, f},  {"more than 64k", {noise({131, 1006}, 5)}, f}};
}
const Op op{"swiglu", "y = silu(x[:F]) x[F:]", samples};
}  // namespace

Tensor swiglu(const Tensor& x) {
  check_inputs("swiglu", {x});
  RUM_CHECK(x.shape()[-1] % 2 == 0, "swiglu: the last axis of {} is not gate and value side by side",
            str(x.shape()));
  Shape s = x.shape();
  s.axis[static_cast<size_t>(s.rank - 1)] /= 2;
  Tensor y = Tensor::empty(s, x.dtype(), x.device());
  kernels::swiglu_forward(x.device(), x, y);
  record(op, {y}, {x}, [x](Tensors dy, Grads d) { kernels::swiglu_backward(x.device(), x, dy[0], d[0]); });
  return y;
}
}  // namespace rum
