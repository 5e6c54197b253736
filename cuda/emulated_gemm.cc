// Matrix products of the emulated device. On a GPU they are library calls (cublaslt.cu), which cannot be
// emulated; this plain triple loop stands in for them, in the order of k, and goes through the stream as they
// do.
#include "cuda/simt.h"
#include "ops/gemm.h"

namespace rum::cuda {
namespace {
struct Call {
  int64_t m, n, k;
  GemmFlags f;
  DType in, out;
  const char *a, *b, *bias;
  char* c;
};
float number(const char* p, DType t, int64_t i) {
  return t == DType::bf16 ? static_cast<float>(reinterpret_cast<const rum::bf16*>(p)[i])
                          : reinterpret_cast<const float*>(p)[i];
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
      if (g.out == DType::bf16)
        reinterpret_cast<rum::bf16*>(g.c)[i * g.n + j] = rum::bf16(sum);
      else
        reinterpret_cast<float*>(g.c)[i * g.n + j] = sum;
    }
  simt::written(g.c, static_cast<size_t>(g.m * g.n) * size_of(g.out));
}
void product(const Tensor& a, const Tensor& b, const Tensor& c, GemmFlags f, const Tensor& bias) {
  if (a.dtype() == DType::f64) fail_no_type(a.dtype());
  const int64_t am = a.shape().rows(), ak = a.shape()[-1], bm = b.shape().rows(), bk = b.shape()[-1];
  simt::enqueue([g = Call{f.transpose_a ? ak : am, f.transpose_b ? bm : bk, f.transpose_a ? am : ak, f,
                          a.dtype(), c.dtype(), a.data<char>(), b.data<char>(),
                          bias ? bias.data<char>() : nullptr, c.data<char>()}] { run(g); });
}
const bool provided = kernels::gemm.provide(DeviceKind::cuda, product);
}  // namespace
}  // namespace rum::cuda
