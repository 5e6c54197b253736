// gemm on CUDA: one cuBLASLt call that includes bias, "+=", and GELU, its slope, or the gradient of a bias.
// The library is opened at run time, so a program that never multiplies on a GPU does not need it. We give it
// our own workspace and one stream, and keep one algorithm for each kind of call, chosen at first use, so the
// bits are the same every time, recorded or not. A training run takes the fastest of those that the library
// proposes, or a plain product with a separate pass where that is faster, and stores the choice (ops/gemm.h).
// Products that the library refuses are computed by a kernel of our own; any other failure is an error.
#include <cublasLt.h>
#include <dlfcn.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <tuple>
#include <vector>

#include "base/progress.h"
#include "cuda/gemm.h"
#include "cuda/kernel.h"
#include "cuda/race.h"
#include "ops/gelu_mlp.h"
#include "ops/linear.h"

namespace rum::cuda {
namespace {
constexpr size_t kWorkspace = size_t{32} << 20;

std::string library_name() { return "libcublasLt.so." + std::to_string(CUDART_VERSION / 1000); }
void* open_library() {
  void* const lib = dlopen(library_name().c_str(), RTLD_NOW | RTLD_LOCAL);
  if (lib == nullptr)
    fail("matrix products on the GPU need " + library_name() + ", which was not found (" + dlerror() +
         "): install the CUDA libraries or set LD_LIBRARY_PATH");
  return lib;
}
class Library {
 public:
#define RUM_CUBLASLT(F) decltype(&::F) F = reinterpret_cast<decltype(&::F)>(find(#F))
  RUM_CUBLASLT(cublasLtCreate);
  RUM_CUBLASLT(cublasLtGetStatusName);
  RUM_CUBLASLT(cublasLtGetVersion);
  RUM_CUBLASLT(cublasLtMatmul);
  RUM_CUBLASLT(cublasLtMatmulAlgoGetHeuristic);
  RUM_CUBLASLT(cublasLtMatmulDescCreate);
  RUM_CUBLASLT(cublasLtMatmulDescSetAttribute);
  RUM_CUBLASLT(cublasLtMatmulPreferenceCreate);
  RUM_CUBLASLT(cublasLtMatmulPreferenceDestroy);
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
    if (s != CUBLAS_STATUS_SUCCESS) fail(std::string("cuBLASLt: ") + call + ": " + cublasLtGetStatusName(s));
  }

 private:
  Library() {
    check(cublasLtCreate(&handle), "cublasLtCreate");
    workspace = simt::dev_malloc(kWorkspace);
  }
  static void* find(const char* symbol) {
    static void* const lib = open_library();
    void* const f = dlsym(lib, symbol);
    if (f == nullptr) fail(library_name() + " has no " + symbol);
    return f;
  }
};

cudaDataType_t type(DType t) {
  if (t != DType::f32 && t != DType::bf16) fail_no_type(t);
  return t == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F;
}
uint32_t alignment(const void* p) {  // that the heuristic may rely on: at most 256, its default
  const uintptr_t at = reinterpret_cast<uintptr_t>(p) | 256;
  return static_cast<uint32_t>(at & (~at + 1));
}

// What a call does besides the product: h = gelu(product), keeping the product itself in `pre` (or not, if
// pre is h); product * gelu'(pre); or the sums of A' over k, the gradient of a bias, which the library can
// write but not add to.
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
struct Kind {
  int64_t m, n, k;
  int flags;  // transpose_a, transpose_b, bias, and a Besides
  DType in, out;
  uint32_t align_a, align_b, align_c, align_last;  // align_last: of the bias and of what GELU reads or keeps
  auto key() const { return std::tie(m, n, k, flags, in, out, align_a, align_b, align_c, align_last); }
  bool operator<(const Kind& o) const { return key() < o.key(); }
  std::string words() const {
    return "(" + std::to_string(m) + ", " + std::to_string(k) + ") and (" + std::to_string(k) + ", " +
           std::to_string(n) + (in == DType::bf16 ? ") in bf16" : ") in f32");
  }
};
// One kind of product, described once. cuBLASLt counts columns first, so C (M, N) by rows is its C' (N, M):
// it computes C' = op(B)' op(A)'.
struct Algorithm : cublasLtMatmulAlgo_t {};  // named: nvcc 13.0 crashes on vectors of the unnamed type
struct Plan {
  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr;
  std::vector<Algorithm> algorithms;  // the first that works is used; empty: the library has none
  bool split = false;                 // the rest is faster as a separate pass
  bool untried = false;               // not yet known which is faster
};

bool timed = false;  // a run stores its choices; no algorithm: split
std::map<Kind, std::optional<Algorithm>>& chosen() {
  static std::map<Kind, std::optional<Algorithm>> all;
  return all;
}
// False: the library does not support this product, or this algorithm for it. Any other failure is an error.
bool accepted(cublasStatus_t s, const char* call) {
  if (s == CUBLAS_STATUS_NOT_SUPPORTED || s == CUBLAS_STATUS_ARCH_MISMATCH) return false;
  Library::open().check(s, call);
  return true;
}
bool run(const Plan& p, const Algorithm& algorithm, const void* a, const void* b, float beta, void* c) {
  const Library& lt = Library::open();
  const float alpha = 1;
  return accepted(lt.cublasLtMatmul(lt.handle, p.product, &alpha, b, p.b, a, p.a, &beta, c, p.c, c, p.c,
                                    &algorithm, lt.workspace, kWorkspace, simt::stream()),
                  "cublasLtMatmul");
}

// Moves the fastest algorithm to the front. The trials write to scratch memory; if there is none left for it,
// the library's first choice stays.
void sort_by_time(Plan& p, size_t bytes, const void* a, const void* b) {
  void* c = nullptr;
  if (p.algorithms.size() < 2) return;
  const cudaError_t memory = cudaMalloc(&c, bytes);
  if (memory == cudaErrorMemoryAllocation) return void(cudaGetLastError());
  simt::check(memory, "cudaMalloc");
  const auto free = [](void* at) { simt::dev_free(at); };
  const std::unique_ptr<void, decltype(free)> held(c, free);
  const auto best =
      Race().fastest(p.algorithms.size(), [&](size_t i) { return run(p, p.algorithms[i], a, b, 0, c); });
  if (best) std::swap(p.algorithms[0], p.algorithms[*best]);
}

void point(const Plan& p, const void* bias, const void* pre) {  // addresses that are no arguments
  const Library& lt = Library::open();
  auto set = [&](cublasLtMatmulDescAttributes_t what, const void* at) {
    if (at != nullptr)
      lt.check(lt.cublasLtMatmulDescSetAttribute(p.product, what, &at, sizeof at), "placing bias and GELU");
  };
  set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, pre);
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

  cublasLtMatmulPreference_t wish = nullptr;
  lt.check(lt.cublasLtMatmulPreferenceCreate(&wish), "cublasLtMatmulPreferenceCreate");
  auto prefer = [&](cublasLtMatmulPreferenceAttributes_t what, const auto& value) {
    lt.check(lt.cublasLtMatmulPreferenceSetAttribute(wish, what, &value, sizeof value),
             "choosing an algorithm");
  };
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspace);
  // Sums split along K: partial results are stored in f32 and added in a separate step.
  prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, kind.align_b);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, kind.align_a);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, kind.align_c);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, kind.align_c);
  constexpr int kMost = 8;
  cublasLtMatmulHeuristicResult_t found[kMost] = {};
  int count = 0;
  if (!accepted(lt.cublasLtMatmulAlgoGetHeuristic(lt.handle, p.product, p.b, p.a, p.c, p.c, wish, kMost,
                                                  found, &count),
                "cublasLtMatmulAlgoGetHeuristic"))
    count = 0;
  lt.check(lt.cublasLtMatmulPreferenceDestroy(wish), "cublasLtMatmulPreferenceDestroy");
  for (int i = 0; i < count; ++i)
    if (accepted(found[i].state, "an algorithm that was proposed")) p.algorithms.push_back({found[i].algo});
  if (const auto known = chosen().find(kind); known == chosen().end()) {
    p.untried = timed;
    if (timed) sort_by_time(p, static_cast<size_t>(kind.m * kind.n) * size_of(kind.out), a, b);
    if (!p.algorithms.empty()) chosen()[kind] = p.algorithms[0];
  } else if (known->second) {
    p.algorithms.insert(p.algorithms.begin(), *known->second);
  } else {
    p.split = true;
  }
  return p;
}

// One line says what they are valid for, then one line for each kind: its key and the algorithm's words.
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
    if (!algorithm) out << " split";
    for (size_t i = 0; algorithm && i < std::size(algorithm->data); ++i) out << ' ' << algorithm->data[i];
    out << '\n';
  }
  return out.str();
}
void load(const std::string& text) {
  timed = true;
  std::istringstream in(text);
  std::string line;
  if (text.empty() || !std::getline(in, line) || line != heading()) return;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    Kind k;
    int from = 0, to = 0;
    words >> k.m >> k.n >> k.k >> k.flags >> from >> to >> k.align_a >> k.align_b >> k.align_c >>
        k.align_last;
    k.in = static_cast<DType>(from);
    k.out = static_cast<DType>(to);
    Algorithm algorithm{};
    if (!words) continue;
    if (line.ends_with(" split")) {
      chosen()[k] = {};
      continue;
    }
    for (uint64_t& word : algorithm.data) words >> word;
    if (words) chosen()[k] = algorithm;
  }
}

// bias: added, or written with kBiasGradient.
struct Product {
  Tensor a, b, c;  // handles
  GemmFlags f = {};
  Tensor bias = {};
  Besides besides = kNothing;
  Tensor pre = {};
  const void* shift() const { return bias ? bias.data<void>() : nullptr; }
  const void* before() const { return pre ? pre.data<void>() : nullptr; }
  Kind kind() const {
    const int64_t am = a.shape().rows(), ak = a.shape()[-1], bm = b.shape().rows(), bk = b.shape()[-1];
    return {f.transpose_a ? ak : am,
            f.transpose_b ? bm : bk,
            f.transpose_a ? am : ak,
            (f.transpose_a ? 1 : 0) | (f.transpose_b ? 2 : 0) | (bias && besides != kBiasGradient ? 4 : 0) |
                besides,
            a.dtype(),
            c.dtype(),
            alignment(a.data<void>()),
            alignment(b.data<void>()),
            alignment(c.data<void>()),
            std::min(alignment(shift()), alignment(before()))};
  }
};
// The plan for x. It is made when the product first runs, never while a step is recorded: neither the
// library's search nor a race may become part of the recording.
Plan& planned(const Product& x, const Kind& kind) {
  static std::map<Kind, Plan> plans;
  if (const auto at = plans.find(kind); at != plans.end()) return at->second;
  if (simt::recording())
    fail("a product of " + kind.words() + " runs for the first time while a step is recorded");
  const Plan p = make(kind, x.a.data<void>(), x.b.data<void>(), x.shift(), x.before());
  return plans.emplace(kind, p).first->second;
}
// False: the library refuses every algorithm that it proposed.
bool run(const Product& x, const Kind& kind, Plan& p) {
  point(p, x.shift(), x.before());
  const float beta = x.f.add ? 1 : 0;
  while (!p.algorithms.empty()) {
    if (run(p, p.algorithms[0], x.a.data<void>(), x.b.data<void>(), beta, x.c.data<void>())) return true;
    p.algorithms.erase(p.algorithms.begin());
    if (p.algorithms.empty())
      chosen().erase(kind);
    else
      chosen()[kind] = p.algorithms[0];
  }
  return false;
}
void library_or_own(const Tensor& a, const Tensor& b, Tensor& c, GemmFlags f, const Tensor& bias) {
  const Product x{a, b, c, f, bias};
  const Kind kind = x.kind();
  if (run(x, kind, planned(x, kind))) return;
  static const bool said = [&] {
    Progress().line("warning: cuBLASLt has no algorithm for a product of " + kind.words() +
                    ": it and others like it use a kernel of our own, which is slower");
    return true;
  }();
  static_cast<void>(said);
  plain_gemm(a, b, c, f, bias);
}
// The product and the rest in one call, or by `split`; in a training run whichever is faster.
void together(const Product& x, const std::function<void()>& split) {
  const Kind kind = x.kind();
  Plan& p = planned(x, kind);
  if (p.untried && run(x, kind, p)) {
    p.untried = false;
    split();  // plans its product and takes its memory from the arena
    p.split =
        Race().fastest(2, [&](size_t way) { return way == 1 ? (split(), true) : run(x, kind, p); }) == 1;
    if (p.split) chosen()[kind] = {};
  }
  if (p.split || !run(x, kind, p)) split();
}
// In f32 GELU stays a separate pass, since the accuracy of the library's version is not documented. The
// library also requires this alignment of the numbers before GELU.
bool may_hold(const Tensor& pre) {
  return pre.dtype() == DType::bf16 && pre.shape()[-1] % 8 == 0 && alignment(pre.data<void>()) >= 16;
}
void linear_gelu(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& pre, Tensor& h) {
  const bool wanted = pre.data<void>() != h.data<void>();
  const auto split = [&] { linear_then_gelu(x, weight, bias, pre, h); };
  if (!may_hold(pre)) return split();
  together(
      {x, weight, h, {.transpose_b = true}, bias, wanted ? kGeluAndBefore : kGelu, wanted ? pre : Tensor()},
      split);
}
void linear_gelu_backward(const Tensor& dy, const Tensor& weight, const Tensor& pre, Tensor& dpre) {
  const auto split = [&] { product_then_slope(dy, weight, pre, dpre); };
  if (!may_hold(pre)) return split();
  together({dy, weight, dpre, {}, {}, kSlope, pre}, split);
}
void linear_backward_weights(const Tensor& dy, const Tensor& x, const Grad& dw, const Grad& db) {
  const auto split = [&] { product_then_sum(dy, x, dw, db); };
  const bool fits = dw && db && !dw.add() && !db.add() && dw.to().dtype() == db.to().dtype();
  if (!fits) return split();
  together({dy, x, dw.to(), {.transpose_a = true}, db.to(), kBiasGradient}, split);
}
const bool provided =
    (gemm_choices = {save, load}, kernels::gemm.provide(DeviceKind::cuda, library_or_own)) &&
    kernels::linear_gelu.provide(DeviceKind::cuda, linear_gelu) &&
    kernels::linear_gelu_backward.provide(DeviceKind::cuda, linear_gelu_backward) &&
    kernels::linear_backward_weights.provide(DeviceKind::cuda, linear_backward_weights);
}  // namespace
}  // namespace rum::cuda
