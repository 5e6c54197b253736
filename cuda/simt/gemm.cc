// Matrix products of the emulated device. On a GPU they are library calls (cublaslt.cu), which cannot be
// emulated. This plain triple loop stands in for them: it sums in the order of k, includes GELU, its slope or
// the gradient of a bias as they do, and is queued on the stream as they are.
#include "ops/gemm.h"

#include <cmath>

#include "cuda/simt/simt.h"
#include "ops/gelu_mlp.h"
#include "ops/linear.h"

namespace rum::cuda {
namespace {
struct Call {
  int64_t m, n, k;
  GemmFlags f;
  DType in, out;
  const char *a, *b, *bias;
  char* c;
  char* pre = nullptr;  // numbers before GELU: written, or read for its slope
  enum { nothing, gelu, slope } last = nothing;
  char* bias_gradient = nullptr;  // the sums of A over k, in the type of C
};
float number(const char* p, DType t, int64_t i) {
  return t == DType::bf16 ? static_cast<float>(reinterpret_cast<const rum::bf16*>(p)[i])
                          : reinterpret_cast<const float*>(p)[i];
}
void put(char* p, DType t, int64_t i, float v) {
  if (t == DType::bf16)
    reinterpret_cast<rum::bf16*>(p)[i] = rum::bf16(v);
  else
    reinterpret_cast<float*>(p)[i] = v;
}
float gate(float x) {  // gelu(x) = x gate(x)
  return 1 / (1 + std::exp(-2 * 0.7978845608f * (x + 0.044715f * x * x * x)));
}
float slope(float x) {
  const float s = gate(x);
  return s + x * s * (1 - s) * 2 * 0.7978845608f * (1 + 3 * 0.044715f * x * x);
}
void run(const Call& g) {
  for (int64_t i = 0; i < g.m; ++i)
    for (int64_t j = 0; j < g.n; ++j) {
      float sum = 0;
      for (int64_t l = 0; l < g.k; ++l)
        sum += number(g.a, g.in, g.f.transpose_a ? l * g.m + i : i * g.k + l) *
               number(g.b, g.in, g.f.transpose_b ? j * g.k + l : l * g.n + j);
      if (g.bias) sum += number(g.bias, g.in, j);
      if (g.f.add) sum += number(g.c, g.out, i * g.n + j);
      if (g.last == Call::slope) sum *= slope(number(g.pre, g.out, i * g.n + j));
      if (g.last == Call::gelu) {
        if (g.pre) put(g.pre, g.out, i * g.n + j, sum);
        sum *= gate(sum);
      }
      put(g.c, g.out, i * g.n + j, sum);
    }
  for (int64_t i = 0; i < g.m && g.bias_gradient; ++i) {
    float sum = 0;
    for (int64_t l = 0; l < g.k; ++l) sum += number(g.a, g.in, g.f.transpose_a ? l * g.m + i : i * g.k + l);
    put(g.bias_gradient, g.out, i, sum);
  }
  if (g.bias_gradient) simt::written(g.bias_gradient, static_cast<size_t>(g.m) * size_of(g.out));
  const auto bytes = static_cast<size_t>(g.m * g.n) * size_of(g.out);
  simt::written(g.c, bytes);
  if (g.last == Call::gelu && g.pre) simt::written(g.pre, bytes);
}
Call call(const Tensor& a, const Tensor& b, const Tensor& c, GemmFlags f, const Tensor& bias) {
  if (a.dtype() == DType::f64) fail_no_type(a.dtype());
  const int64_t am = a.shape().rows(), ak = a.shape()[-1], bm = b.shape().rows(), bk = b.shape()[-1];
  return {f.transpose_a ? ak : am,
          f.transpose_b ? bm : bk,
          f.transpose_a ? am : ak,
          f,
          a.dtype(),
          c.dtype(),
          a.data<char>(),
          b.data<char>(),
          bias ? bias.data<char>() : nullptr,
          c.data<char>()};
}
void enqueue(const Call& g) {
  simt::enqueue([g] { run(g); });
}
void product(const Tensor& a, const Tensor& b, Tensor& c, GemmFlags f, const Tensor& bias) {
  enqueue(call(a, b, c, f, bias));
}
void linear_gelu(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& pre, Tensor& h) {
  Call g = call(x, weight, h, {.transpose_b = true}, bias);
  g.last = Call::gelu;
  if (pre.data<void>() != h.data<void>()) g.pre = pre.data<char>();
  enqueue(g);
}
void linear_gelu_backward(const Tensor& dy, const Tensor& weight, const Tensor& pre, Tensor& dpre) {
  Call g = call(dy, weight, dpre, {}, {});
  g.last = Call::slope;
  g.pre = pre.data<char>();
  enqueue(g);
}
void linear_backward_weights(const Tensor& dy, const Tensor& x, const Grad& dw, const Grad& db) {
  if (!dw || !db || dw.add() || db.add() || dw.to().dtype() != db.to().dtype())
    return product_then_sum(dy, x, dw, db);
  Call g = call(dy, x, dw.to(), {.transpose_a = true}, {});
  g.bias_gradient = db.to().data<char>();
  enqueue(g);
}
const bool provided = kernels::gemm.provide(DeviceKind::cuda, product) &&
                      kernels::linear_gelu.provide(DeviceKind::cuda, linear_gelu) &&
                      kernels::linear_gelu_backward.provide(DeviceKind::cuda, linear_gelu_backward) &&
                      kernels::linear_backward_weights.provide(DeviceKind::cuda, linear_backward_weights);
}  // namespace
}  // namespace rum::cuda
