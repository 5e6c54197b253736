// Functions of one number. Each is a struct with the function f(x) and its slope df(x), written once for
// both devices and all types; its name in PointwiseOps gives it kernels, gradient and tests.
#pragma once
#include <cmath>
#include <tuple>

#include "autograd/tape.h"
#include "base/random.h"  // RUM_HOST_DEVICE

namespace rum {
struct Relu {
  static constexpr const char *name = "relu", *formula = "y = max(x, 0)";
  template <class S>
  RUM_HOST_DEVICE static S f(S x) {
    return x > 0 ? x : S{0};
  }
  template <class S>
  RUM_HOST_DEVICE static S df(S x) {
    return x > 0 ? S{1} : S{0};
  }
};
struct SquaredRelu {  // So et al. 2021
  static constexpr const char *name = "squared_relu", *formula = "y = max(x, 0)^2";
  template <class S>
  RUM_HOST_DEVICE static S f(S x) {
    return x > 0 ? x * x : S{0};
  }
  template <class S>
  RUM_HOST_DEVICE static S df(S x) {
    return x > 0 ? 2 * x : S{0};
  }
};
struct Sigmoid {
  static constexpr const char *name = "sigmoid", *formula = "y = 1 / (1 + exp(-x))";
  template <class S>
  RUM_HOST_DEVICE static S f(S x) {
    return 1 / (1 + std::exp(-x));
  }
  template <class S>
  RUM_HOST_DEVICE static S df(S x) {
    const S y = f(x);  // from x, not from the stored y: 1 - y would lose what rounding to bf16 took
    return y * (1 - y);
  }
};
struct Tanh {
  static constexpr const char *name = "tanh", *formula = "y = tanh(x)";
  template <class S>
  RUM_HOST_DEVICE static S f(S x) {
    return std::tanh(x);
  }
  template <class S>
  RUM_HOST_DEVICE static S df(S x) {
    const S y = std::tanh(x);
    return 1 - y * y;
  }
};
struct Silu {  // Elfwing et al. 2018
  static constexpr const char *name = "silu", *formula = "y = x / (1 + exp(-x))";
  template <class S>
  RUM_HOST_DEVICE static S f(S x) {
    return x / (1 + std::exp(-x));
  }
  template <class S>
  RUM_HOST_DEVICE static S df(S x) {
    const S s = 1 / (1 + std::exp(-x));
    return s * (1 + x * (1 - s));
  }
};
struct Softplus {  // without overflow: log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|))
  static constexpr const char *name = "softplus", *formula = "y = log(1 + exp(x))";
  template <class S>
  RUM_HOST_DEVICE static S f(S x) {
    return (x > 0 ? x : S{0}) + std::log1p(std::exp(x > 0 ? -x : x));
  }
  template <class S>
  RUM_HOST_DEVICE static S df(S x) {
    return 1 / (1 + std::exp(-x));
  }
};
struct GeluErf {  // the exact form (Hendrycks and Gimpel 2016); ops/gelu.h is the usual approximation
  static constexpr const char *name = "gelu_erf", *formula = "y = x/2 (1 + erf(x / sqrt(2)))";
  template <class S>
  RUM_HOST_DEVICE static S f(S x) {
    return x / 2 * (1 + std::erf(x * static_cast<S>(0.7071067811865476)));
  }
  template <class S>
  RUM_HOST_DEVICE static S df(S x) {
    return (1 + std::erf(x * static_cast<S>(0.7071067811865476))) / 2 +
           x * static_cast<S>(0.3989422804014327) * std::exp(-x * x / 2);
  }
};
using PointwiseOps = std::tuple<Relu, SquaredRelu, Sigmoid, Tanh, Silu, Softplus, GeluErf>;

namespace kernels {
template <class F>
inline constinit Kernel<const Tensor& /*x*/, const Tensor& /*y*/> pointwise_forward{F::name};
template <class F>
inline constinit Kernel<const Tensor& /*x*/, const Tensor& /*dy*/, const Grad& /*dx*/> pointwise_backward{
    F::name};
}  // namespace kernels

std::vector<Sample> pointwise_samples(Tensor (*)(const Tensor&));
template <class F>
struct Pointwise {
  static const Op op;
  static Tensor apply(const Tensor& x) {
    check_inputs(F::name, {x});
    Tensor y = Tensor::like(x);
    kernels::pointwise_forward<F>(x.device(), x, y);
    record(op, {y}, {x},
           [x](Tensors dy, Grads d) { kernels::pointwise_backward<F>(x.device(), x, dy[0], d[0]); });
    return y;
  }
};
template <class F>
const Op Pointwise<F>::op{F::name, F::formula, [] { return pointwise_samples(apply); }};

// Of any shape, number by number.
inline Tensor relu(const Tensor& x) { return Pointwise<Relu>::apply(x); }
inline Tensor squared_relu(const Tensor& x) { return Pointwise<SquaredRelu>::apply(x); }
inline Tensor sigmoid(const Tensor& x) { return Pointwise<Sigmoid>::apply(x); }
inline Tensor tanh(const Tensor& x) { return Pointwise<Tanh>::apply(x); }
inline Tensor silu(const Tensor& x) { return Pointwise<Silu>::apply(x); }
inline Tensor softplus(const Tensor& x) { return Pointwise<Softplus>::apply(x); }
inline Tensor gelu_erf(const Tensor& x) { return Pointwise<GeluErf>::apply(x); }
}  // namespace rum
