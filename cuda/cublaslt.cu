// The cuda column of gemm: one cuBLASLt product with bias, "+=", and GELU, its slope or the gradient of a
// bias in it. The library is opened at run time, so a program that never multiplies on a GPU does not need
// it. Our own workspace, one stream, and for each kind of call one algorithm, chosen at its first use and
// kept, so the bits are the same every time, recorded or not. In a training run it is the fastest of those
// that the library proposes, and the run stores it (ops/gemm.h).
#include <cublasLt.h>
#include <dlfcn.h>

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <sstream>
#include <tuple>

#include "cuda/gemm.h"
#include "cuda/kernel.h"
#include "ops/gelu_mlp.h"
#include "ops/linear.h"

namespace rum::cuda {
namespace {
constexpr size_t kWorkspace = size_t{32} << 20;

struct Library {
#define RUM_CUBLASLT(F) decltype(&::F) F = nullptr
  RUM_CUBLASLT(cublasLtCreate);
  RUM_CUBLASLT(cublasLtGetStatusString);
  RUM_CUBLASLT(cublasLtGetVersion);
  RUM_CUBLASLT(cublasLtMatmul);
  RUM_CUBLASLT(cublasLtMatmulAlgoGetHeuristic);
  RUM_CUBLASLT(cublasLtMatmulDescCreate);
  RUM_CUBLASLT(cublasLtMatmulDescSetAttribute);
  RUM_CUBLASLT(cublasLtMatmulPreferenceCreate);
  RUM_CUBLASLT(cublasLtMatmulPreferenceSetAttribute);
  RUM_CUBLASLT(cublasLtMatrixLayoutCreate);
#undef RUM_CUBLASLT
  cublasLtHandle_t handle = nullptr;
  void* workspace = nullptr;

  static const Library& open() {
    static const Library library;
    return library;
  }
  void check(cublasStatus_t s, const char* call) const {
    if (s != CUBLAS_STATUS_SUCCESS)
      fail(std::string("cuBLASLt: ") + call + ": " + cublasLtGetStatusString(s));
  }

 private:
  Library() {
    const std::string name = "libcublasLt.so." + std::to_string(CUDART_VERSION / 1000);
    void* lib = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (lib == nullptr)
      fail("matrix products on the GPU need " + name + ", which was not found (" + dlerror() +
           "): install the CUDA libraries or set LD_LIBRARY_PATH");
    auto get = [&](const char* symbol, auto& f) {
      f = reinterpret_cast<std::decay_t<decltype(f)>>(dlsym(lib, symbol));
      if (f == nullptr) fail(name + " has no " + symbol);
    };
#define RUM_CUBLASLT(F) get(#F, F)
    RUM_CUBLASLT(cublasLtCreate);
    RUM_CUBLASLT(cublasLtGetStatusString);
    RUM_CUBLASLT(cublasLtGetVersion);
    RUM_CUBLASLT(cublasLtMatmul);
    RUM_CUBLASLT(cublasLtMatmulAlgoGetHeuristic);
    RUM_CUBLASLT(cublasLtMatmulDescCreate);
    RUM_CUBLASLT(cublasLtMatmulDescSetAttribute);
    RUM_CUBLASLT(cublasLtMatmulPreferenceCreate);
    RUM_CUBLASLT(cublasLtMatmulPreferenceSetAttribute);
    RUM_CUBLASLT(cublasLtMatrixLayoutCreate);
#undef RUM_CUBLASLT
    check(cublasLtCreate(&handle), "cublasLtCreate");
    workspace = simt::dev_malloc(kWorkspace);
  }
};

cudaDataType_t type(DType t) {
  if (t != DType::f32 && t != DType::bf16) fail_no_type(t);
  return t == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F;
}
uint32_t alignment(const void* p) {  // what the heuristic may rely on: 256 at most, as it is by default
  const uintptr_t at = reinterpret_cast<uintptr_t>(p) | 256;
  return static_cast<uint32_t>(at & (~at + 1));
}

// What a product does besides: h = gelu(it), with `pre` for what it was before (or h itself: not wanted); it
// times gelu'(pre); or the sums of A' over k, the gradient of a bias. The library can only write those, not
// add.
enum Besides : int { kNothing = 0, kGelu = 8, kGeluAndBefore = 16, kSlope = 32, kBiasGradient = 64 };
cublasLtEpilogue_t epilogue(int flags) {
  const bool biased = (flags & 4) != 0;
  if ((flags & kGelu) != 0) return biased ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU;
  if ((flags & kGeluAndBefore) != 0)
    return biased ? CUBLASLT_EPILOGUE_GELU_AUX_BIAS : CUBLASLT_EPILOGUE_GELU_AUX;
  if ((flags & kSlope) != 0) return CUBLASLT_EPILOGUE_DGELU;
  if ((flags & kBiasGradient) != 0) return CUBLASLT_EPILOGUE_BGRADB;  // its B is our A
  return biased ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
}
// One kind of product, described once. cuBLASLt counts columns first, so C (M, N) by rows is its C' (N, M):
// it computes C' = op(B)' op(A)'.
struct Plan {
  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr;
  std::optional<cublasLtMatmulAlgo_t> algorithm;  // none: the library cannot
};
struct Kind {
  int64_t m, n, k;
  int flags;  // transpose_a, transpose_b, bias, and a Besides
  DType in, out;
  uint32_t align_a, align_b, align_c, align_last;  // the last: of bias and of what GELU reads or keeps
  auto key() const { return std::tie(m, n, k, flags, in, out, align_a, align_b, align_c, align_last); }
  bool operator<(const Kind& o) const { return key() < o.key(); }
};

using Algorithm = cublasLtMatmulAlgo_t;
bool timed = false;  // a run keeps what is chosen
std::map<Kind, Algorithm>& chosen() {
  static std::map<Kind, Algorithm> all;
  return all;
}
cublasStatus_t run(const Plan& p, const Algorithm& algorithm, const void* a, const void* b, float beta,
                   void* c) {
  const Library& lt = Library::open();
  const float alpha = 1;
  return lt.cublasLtMatmul(lt.handle, p.product, &alpha, b, p.b, a, p.a, &beta, c, p.c, c, p.c, &algorithm,
                           lt.workspace, kWorkspace, simt::stream());
}
// The candidate whose best of three runs is the shortest; they write to memory of their own. The first one
// (the library's guess) outside a run, while a step is recorded, or when there is no memory left to try.
Algorithm fastest(const Plan& p, std::span<const cublasLtMatmulHeuristicResult_t> candidates, size_t bytes,
                  const void* a, const void* b) {
  void* c = nullptr;
  if (!timed || candidates.size() == 1 || simt::recording()) return candidates[0].algo;
  if (cudaMalloc(&c, bytes) != cudaSuccess) return cudaGetLastError(), candidates[0].algo;
  cudaEvent_t begin, end;
  simt::check(cudaEventCreate(&begin), "cudaEventCreate");
  simt::check(cudaEventCreate(&end), "cudaEventCreate");
  size_t best = 0;
  float least = INFINITY;
  for (size_t i = 0; i < candidates.size(); ++i)
    for (int trial = 0; trial < 4; ++trial) {
      simt::check(cudaEventRecord(begin, simt::stream()), "cudaEventRecord");
      if (run(p, candidates[i].algo, a, b, 0, c) != CUBLAS_STATUS_SUCCESS)
        break;  // it proposed it, and refuses
      simt::check(cudaEventRecord(end, simt::stream()), "cudaEventRecord");
      simt::check(cudaEventSynchronize(end), "timing a product");
      float ms = 0;
      simt::check(cudaEventElapsedTime(&ms, begin, end), "timing a product");
      if (trial > 0 && ms < least) least = ms, best = i;  // the first one warms up
    }
  cudaEventDestroy(begin), cudaEventDestroy(end), cudaFree(c);
  return candidates[best].algo;
}

void point(const Plan& p, const void* bias, const void* pre) {  // the addresses that a product does not take
  const Library& lt = Library::open();
  auto set = [&](cublasLtMatmulDescAttributes_t what, const void* at) {
    if (at != nullptr)
      lt.check(lt.cublasLtMatmulDescSetAttribute(p.product, what, &at, sizeof at), "placing bias and GELU");
  };
  set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias), set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, pre);
}
Plan make(const Kind& kind, const void* a, const void* b, const void* bias, const void* pre) {
  const Library& lt = Library::open();
  const bool ta = (kind.flags & 1) != 0, tb = (kind.flags & 2) != 0, biased = (kind.flags & 4) != 0;
  Plan p;
  // f32 sums for both types; CUBLAS_COMPUTE_32F does not round f32 operands to TF32.
  lt.check(lt.cublasLtMatmulDescCreate(&p.product, CUBLAS_COMPUTE_32F, CUDA_R_32F), "describing a product");
  auto set = [&](cublasLtMatmulDescAttributes_t what, const auto& value) {
    lt.check(lt.cublasLtMatmulDescSetAttribute(p.product, what, &value, sizeof value),
             "describing a product");
  };
  set(CUBLASLT_MATMUL_DESC_TRANSA, tb ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(CUBLASLT_MATMUL_DESC_TRANSB, ta ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue(kind.flags));
  if (biased) set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type(kind.in));
  if ((kind.flags & kBiasGradient) != 0) set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type(kind.out));
  if (pre != nullptr) set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, kind.n);
  point(p, bias, pre);
  auto layout = [&](cublasLtMatrixLayout_t& l, DType t, int64_t rows, int64_t cols) {
    lt.check(lt.cublasLtMatrixLayoutCreate(&l, type(t), static_cast<uint64_t>(rows),
                                           static_cast<uint64_t>(cols), rows),
             "describing a matrix");
  };
  layout(p.b, kind.in, tb ? kind.k : kind.n, tb ? kind.n : kind.k);
  layout(p.a, kind.in, ta ? kind.m : kind.k, ta ? kind.k : kind.m);
  layout(p.c, kind.out, kind.n, kind.m);

  if (const auto known = chosen().find(kind); known != chosen().end()) {
    p.algorithm = known->second;
    return p;
  }
  cublasLtMatmulPreference_t wish = nullptr;
  lt.check(lt.cublasLtMatmulPreferenceCreate(&wish), "cublasLtMatmulPreferenceCreate");
  auto prefer = [&](cublasLtMatmulPreferenceAttributes_t what, const auto& value) {
    lt.check(lt.cublasLtMatmulPreferenceSetAttribute(wish, what, &value, sizeof value),
             "choosing an algorithm");
  };
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspace);
  // A sum that is split along K: partial results side by side in f32, added in a separate step.
  prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, kind.align_b);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, kind.align_a);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, kind.align_c);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, kind.align_c);
  constexpr int kMost = 8;
  cublasLtMatmulHeuristicResult_t found[kMost] = {};
  int count = 0;
  const cublasStatus_t s =
      lt.cublasLtMatmulAlgoGetHeuristic(lt.handle, p.product, p.b, p.a, p.c, p.c, wish, kMost, found, &count);
  size_t good = 0;
  for (int i = 0; i < count && s == CUBLAS_STATUS_SUCCESS; ++i)
    if (found[i].state == CUBLAS_STATUS_SUCCESS) found[good++] = found[i];
  if (good == 0) return p;
  p.algorithm =
      fastest(p, std::span(found, good), static_cast<size_t>(kind.m * kind.n) * size_of(kind.out), a, b);
  chosen()[kind] = *p.algorithm;
  return p;
}

// One line says what they hold for, then one for each kind: its key and the algorithm's words.
std::string heading() {
  return "cuBLASLt " + std::to_string(Library::open().cublasLtGetVersion()) + " on " +
         simt::describe().substr(0, simt::describe().find(','));
}
std::string save() {
  std::ostringstream out;
  out << heading() << '\n';
  for (const auto& [k, algorithm] : chosen()) {
    out << k.m << ' ' << k.n << ' ' << k.k << ' ' << k.flags << ' ' << static_cast<int>(k.in) << ' '
        << static_cast<int>(k.out) << ' ' << k.align_a << ' ' << k.align_b << ' ' << k.align_c << ' '
        << k.align_last;
    for (const uint64_t word : algorithm.data) out << ' ' << word;
    out << '\n';
  }
  return out.str();
}
void load(const std::string& text) {
  timed = true;
  std::istringstream in(text);
  std::string line;
  if (text.empty() || !std::getline(in, line) || line != heading()) return;
  Kind k;
  for (int from = 0, to = 0; in >> k.m >> k.n >> k.k >> k.flags >> from >> to >> k.align_a >> k.align_b >>
                             k.align_c >> k.align_last;) {
    k.in = static_cast<DType>(from), k.out = static_cast<DType>(to);
    Algorithm algorithm{};
    for (uint64_t& word : algorithm.data) in >> word;
    if (in) chosen()[k] = algorithm;
  }
}

// False: the library cannot do that product with what is wanted besides. bias: added, or with kBiasGradient
// written.
bool product(const Tensor& a, const Tensor& b, const Tensor& c, GemmFlags f, const Tensor& bias,
             Besides besides, const Tensor& pre) {
  static std::map<Kind, Plan> plans;
  const void *shift = bias ? bias.data<void>() : nullptr, *before = pre ? pre.data<void>() : nullptr;
  const int64_t am = a.shape().rows(), ak = a.shape()[-1], bm = b.shape().rows(), bk = b.shape()[-1];
  const Kind kind{f.transpose_a ? ak : am,
                  f.transpose_b ? bm : bk,
                  f.transpose_a ? am : ak,
                  (f.transpose_a ? 1 : 0) | (f.transpose_b ? 2 : 0) |
                      (bias && besides != kBiasGradient ? 4 : 0) | besides,
                  a.dtype(),
                  c.dtype(),
                  alignment(a.data<void>()),
                  alignment(b.data<void>()),
                  alignment(c.data<void>()),
                  std::min(alignment(shift), alignment(before))};
  auto at = plans.find(kind);
  if (at == plans.end())
    at = plans.emplace(kind, make(kind, a.data<void>(), b.data<void>(), shift, before)).first;
  const Plan& p = at->second;
  if (!p.algorithm) return false;
  point(p, shift, before);
  const Library& lt = Library::open();
  lt.check(run(p, *p.algorithm, a.data<void>(), b.data<void>(), f.add ? 1.0f : 0.0f, c.data<void>()),
           "cublasLtMatmul");
  return true;
}
void library_or_own(const Tensor& a, const Tensor& b, const Tensor& c, GemmFlags f, const Tensor& bias) {
  if (!product(a, b, c, f, bias, kNothing, {})) plain_gemm(a, b, c, f, bias);
}
// In f32 GELU stays a pass of its own: how exact the library's is, nobody says. And the library asks this of
// where the numbers before GELU are.
bool may_hold(const Tensor& pre) {
  return pre.dtype() == DType::bf16 && pre.shape()[-1] % 8 == 0 && alignment(pre.data<void>()) >= 16;
}
void linear_gelu(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& pre,
                 const Tensor& h) {
  const bool wanted = pre.data<void>() != h.data<void>();
  if (!may_hold(pre) || !product(x, weight, h, {.transpose_b = true}, bias, wanted ? kGeluAndBefore : kGelu,
                                 wanted ? pre : Tensor()))
    linear_then_gelu(x, weight, bias, pre, h);
}
void linear_gelu_backward(const Tensor& dy, const Tensor& weight, const Tensor& pre, const Tensor& dpre) {
  if (!may_hold(pre) || !product(dy, weight, dpre, {}, {}, kSlope, pre))
    product_then_slope(dy, weight, pre, dpre);
}
void linear_backward_weights(const Tensor& dy, const Tensor& x, const Grad& dw, const Grad& db) {
  const bool together = dw && db && !dw.add() && !db.add() && dw.to().dtype() == db.to().dtype();
  if (!together || !product(dy, x, dw.to(), {.transpose_a = true}, db.to(), kBiasGradient, {}))
    product_then_sum(dy, x, dw, db);
}
const bool provided =
    (gemm_choices = {save, load}, kernels::gemm.provide(DeviceKind::cuda, library_or_own)) &&
    kernels::linear_gelu.provide(DeviceKind::cuda, linear_gelu) &&
    kernels::linear_gelu_backward.provide(DeviceKind::cuda, linear_gelu_backward) &&
    kernels::linear_backward_weights.provide(DeviceKind::cuda, linear_backward_weights);
}  // namespace
}  // namespace rum::cuda
