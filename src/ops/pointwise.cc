// CPU kernels and samples of every function in PointwiseOps.
#include "ops/pointwise.h"

#include <algorithm>

#include "base/threads.h"

namespace rum {
namespace {
constexpr int64_t kPiece = 16384;  // numbers in one piece of work

template <class F>
void forward(const Tensor& x, const Tensor& y) {
  by_type(x.dtype(), [&]<class T> {
    using S = Stats<T>;
    const T* in = x.data<T>();
    T* out = y.data<T>();
    const int64_t n = x.size();
    parallel((n + kPiece - 1) / kPiece, [&](int64_t p) {
      for (int64_t i = p * kPiece, end = std::min(n, i + kPiece); i < end; ++i)
        out[i] = static_cast<T>(F::f(static_cast<S>(in[i])));
    });
  });
}
template <class F>
void backward(const Tensor& x, const Tensor& dy, const Grad& dx) {
  by_type(x.dtype(), [&]<class T> {
    using S = Stats<T>;
    const T *in = x.data<T>(), *g = dy.data<T>();
    T* out = dx.to().data<T>();
    const bool add = dx.add();
    const int64_t n = x.size();
    parallel((n + kPiece - 1) / kPiece, [&](int64_t p) {
      for (int64_t i = p * kPiece, end = std::min(n, i + kPiece); i < end; ++i) {
        const S d = static_cast<S>(g[i]) * F::df(static_cast<S>(in[i]));
        out[i] = static_cast<T>(d + (add ? static_cast<S>(out[i]) : S{0}));
      }
    });
  });
}
// One line per function: fills the CPU column and, by naming the card, registers it.
template <class... F>
bool provide(std::tuple<F...>*) {
  ((kernels::pointwise_forward<F>.provide(DeviceKind::cpu, forward<F>),
    kernels::pointwise_backward<F>.provide(DeviceKind::cpu, backward<F>),
    std::ignore = Pointwise<F>::op.name),
   ...);
  return true;
}
const bool provided = provide(static_cast<PointwiseOps*>(nullptr));
}  // namespace

std::vector<Sample> pointwise_samples(Tensor (*f)(const Tensor&)) {
  Apply one = [f](std::span<const Tensor> in) { return f(in[0]); };
  Apply chain = [f](std::span<const Tensor> in) { return f(f(in[0])); };
  auto numbers = [](Shape s, uint32_t seed, double scale) {  // none near 0, where relu has no slope
    Tensor t = noise(s, seed, scale);
    for (double& v : std::span(t.data<double>(), static_cast<size_t>(t.size())))
      if (std::abs(v) < 1e-3) v += v < 0 ? -1e-3 : 1e-3;
    return t;
  };
  return {{"one number", {numbers({1}, 1, 1)}, one}, {"odd", {numbers({3, 5}, 2, 1)}, one},
          {"far", {numbers({2, 50}, 3, 6)}, one},    {"rank 4", {numbers({2, 1, 3, 4}, 4, 1)}, one},
          {"twice", {numbers({7}, 5, 1)}, chain},    {"15", {numbers({15}, 7, 1)}, one},
          {"16", {numbers({16}, 8, 1)}, one},        {"17", {numbers({17}, 9, 1)}, one},
          {"65", {numbers({65}, 10, 1)}, one},       {"beyond one piece", {numbers({129, 511}, 6, 2)}, one}};
}
}  // namespace rum
