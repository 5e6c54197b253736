// The building blocks of models: structs that take a named scope of the parameters and have
// operator(). No base class.
#pragma once
#include "model/lora.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/dropout.h"
#include "ops/embedding.h"
#include "ops/gelu.h"
#include "ops/gelu_mlp.h"
#include "ops/head_loss.h"
#include "ops/layernorm.h"
#include "ops/linear.h"
#include "ops/rmsnorm.h"
#include "ops/swiglu.h"

namespace rum {
enum class Norm : uint8_t { layernorm, rmsnorm };
enum class Activation : uint8_t { gelu, swiglu };

// The residual stream between two layers, (..., C): x + delta, which the next norm adds on its way.
// No delta: x alone.
struct Residual {
  Tensor x, delta = {};
  Tensor sum() const { return delta ? x + delta : x; }  // in a pass of its own
};

struct Normalise {  // (..., C) -> (..., C)
  Tensor weight, bias;
  Norm kind;
  float epsilon;
  Normalise(Params p, int64_t width, Norm k, float e)
      : weight((p / "weight").vector(width, {Init::ones})),
        bias(k == Norm::layernorm ? (p / "bias").vector(width, {Init::zeros}) : Tensor()),
        kind(k),
        epsilon(e) {}
  Tensor operator()(const Tensor& x) const {
    return kind == Norm::layernorm ? layernorm(x, weight, bias, epsilon) : rmsnorm(x, weight, epsilon);
  }
  Normed after(const Tensor& x, const Tensor& delta) const {  // r = x + delta, y = norm(r)
    return kind == Norm::layernorm ? residual_layernorm(x, delta, weight, bias, epsilon)
                                   : residual_rmsnorm(x, delta, weight, epsilon);
  }
  // The same for a stream, whose delta is held no longer than needed.
  Normed operator()(Residual s) const { return s.delta ? after(s.x, s.delta) : Normed{(*this)(s.x), s.x}; }
};

struct Linear {  // (..., I) -> (..., O)
  Tensor weight, bias;
  Adapter adapter;
  Linear(Params p, int64_t in, int64_t out, bool biased, float scale = 0.02f)
      : weight((p / "weight").matrix({out, in}, {Init::normal, scale})),
        bias(biased ? (p / "bias").vector(out, {Init::zeros}) : Tensor()),
        adapter(p.adapter(in, out)) {}
  Tensor operator()(const Tensor& x) const {
    const Tensor y = linear(x, weight, bias);
    return adapter ? y + linear(linear(linear(x, adapter.a), adapter.scale), adapter.b) : y;
  }
};

struct FeedForward {  // (..., C) -> (..., C)
  Activation activation;
  Linear up, down;  // SwiGLU's up makes gate and value side by side: (2 inner, C)
  FeedForward(Params p, int64_t width, int64_t inner, Activation a, bool biased, float scale)
      : activation(a),
        up(p / "up", width, a == Activation::swiglu ? 2 * inner : inner, biased),
        down(p / "down", inner, width, biased, scale) {}
  Tensor operator()(const Tensor& x) const {
    if (activation == Activation::swiglu) return down(swiglu(up(x)));
    if (up.adapter || down.adapter) return down(gelu(up(x)));
    return gelu_mlp(x, up.weight, up.bias, down.weight, down.bias);
  }
};
}  // namespace rum
