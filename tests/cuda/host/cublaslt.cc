// The cuBLASLt of mock.h: attributes as its header declares them, products by definition, in the order of the
// queue.
#include <cublasLt.h>
#include <dlfcn.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <map>

#include "queue.h"

namespace rum::mock {
Library& library() {
  static Library l;
  return l;
}
namespace {
struct Description {
  std::map<int, uint64_t> at;
};
struct Matrix {
  cudaDataType_t type;
  int64_t rows, cols, step;
  size_t size() const { return type == CUDA_R_16BF ? 2 : 4; }
};
constexpr uint64_t kMark = 0xA160;
float number(cudaDataType_t t, const void* p, int64_t i) {
  if (t == CUDA_R_32F) return static_cast<const float*>(p)[i];
  return std::bit_cast<float>(static_cast<uint32_t>(static_cast<const uint16_t*>(p)[i]) << 16);
}
void put(cudaDataType_t t, void* p, int64_t i, float v) {
  if (t == CUDA_R_32F) return void(static_cast<float*>(p)[i] = v);
  const auto u = std::bit_cast<uint32_t>(v);
  static_cast<uint16_t*>(p)[i] = static_cast<uint16_t>((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
float gelu(float x) { return 0.5f * x * (1 + std::tanh(0.7978845608f * (x + 0.044715f * x * x * x))); }
float gelu_slope(float x) {
  const float t = std::tanh(0.7978845608f * (x + 0.044715f * x * x * x));
  return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * 0.7978845608f * (1 + 3 * 0.044715f * x * x);
}
struct Call {
  Matrix a, b, c;
  const void *pa, *pb;
  void* pc;
  float alpha, beta;
  std::map<int, uint64_t> with;
  uint64_t get(int what) const {
    const auto at = with.find(what);
    return at == with.end() ? 0 : at->second;
  }
};
// D = op(A) op(B) + beta C and the epilogue, column-major.
void multiply(const Call& x) {
  const bool ta = x.get(CUBLASLT_MATMUL_DESC_TRANSA) == CUBLAS_OP_T,
             tb = x.get(CUBLASLT_MATMUL_DESC_TRANSB) == CUBLAS_OP_T;
  const int64_t k = ta ? x.a.rows : x.a.cols;
  auto bytes = [](const Matrix& m) { return static_cast<size_t>(m.step * m.cols) * m.size(); };
  const void *a = reach(x.pa, bytes(x.a)), *b = reach(x.pb, bytes(x.b));
  void* const c = reach(x.pc, bytes(x.c));
  const auto last = static_cast<cublasLtEpilogue_t>(x.get(CUBLASLT_MATMUL_DESC_EPILOGUE));
  const bool gradient = last == CUBLASLT_EPILOGUE_BGRADB, slope = last == CUBLASLT_EPILOGUE_DGELU;
  const bool aux = last == CUBLASLT_EPILOGUE_GELU_AUX || last == CUBLASLT_EPILOGUE_GELU_AUX_BIAS;
  const bool is_gelu = aux || last == CUBLASLT_EPILOGUE_GELU || last == CUBLASLT_EPILOGUE_GELU_BIAS;
  const bool biased = last == CUBLASLT_EPILOGUE_BIAS || last == CUBLASLT_EPILOGUE_GELU_BIAS ||
                      last == CUBLASLT_EPILOGUE_GELU_AUX_BIAS;
  const auto bias_type = static_cast<cudaDataType_t>(x.get(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE));
  const size_t bias_size = bias_type == CUDA_R_16BF ? 2 : 4;
  void *bias = nullptr, *held = nullptr;
  if (biased || gradient)
    bias = reach(reinterpret_cast<void*>(x.get(CUBLASLT_MATMUL_DESC_BIAS_POINTER)),
                 static_cast<size_t>(biased ? x.c.rows : x.c.cols) * bias_size);
  const auto aux_step = static_cast<int64_t>(x.get(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD));
  if (aux || slope)
    held = reach(reinterpret_cast<void*>(x.get(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER)),
                 static_cast<size_t>(aux_step * x.c.cols) * x.c.size());
  for (int64_t j = 0; j < x.c.cols; ++j) {
    float column = 0;
    auto right = [&](int64_t l) { return number(x.b.type, b, tb ? j + l * x.b.step : l + j * x.b.step); };
    for (int64_t l = 0; l < k; ++l) column += right(l);
    if (gradient) put(bias_type, bias, j, column);
    for (int64_t i = 0; i < x.c.rows; ++i) {
      float sum = 0;
      for (int64_t l = 0; l < k; ++l)
        sum += number(x.a.type, a, ta ? l + i * x.a.step : i + l * x.a.step) * right(l);
      sum *= x.alpha;
      if (x.beta != 0) sum += x.beta * number(x.c.type, c, i + j * x.c.step);
      if (biased) sum += number(bias_type, bias, i);
      if (aux) put(x.c.type, held, i + j * aux_step, sum);
      if (is_gelu) sum = gelu(sum);
      if (slope) sum *= gelu_slope(number(x.c.type, held, i + j * aux_step));
      put(x.c.type, c, i + j * x.c.step, sum);
    }
  }
}
size_t size_of(int attribute) {  // by the header
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER:
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD:
      return 8;
    default:
      return 4;
  }
}
uint64_t alignment(const void* p) {
  const auto at = reinterpret_cast<uint64_t>(p);
  return at & (~at + 1);
}
bool fits(const Description& d, const Matrix& a, const Matrix& b, const Matrix& c) {
  auto turned = [&](int what) { return d.at.contains(what) && d.at.at(what) == CUBLAS_OP_T; };
  const bool ta = turned(CUBLASLT_MATMUL_DESC_TRANSA), tb = turned(CUBLASLT_MATMUL_DESC_TRANSB);
  return (ta ? a.cols : a.rows) == c.rows && (tb ? b.rows : b.cols) == c.cols &&
         (ta ? a.rows : a.cols) == (tb ? b.cols : b.rows) && a.step >= a.rows && b.step >= b.rows &&
         c.step >= c.rows;
}
#define ENTER \
  if (const int injected_ = enter(__func__)) return static_cast<cublasStatus_t>(injected_)

cublasStatus_t cublasLtCreate(cublasLtHandle_t* h) {
  ENTER;
  *h = reinterpret_cast<cublasLtHandle_t>(1);
  return CUBLAS_STATUS_SUCCESS;
}
size_t cublasLtGetVersion() { return 130000; }
const char* cublasLtGetStatusName(cublasStatus_t s) {
  return s == CUBLAS_STATUS_EXECUTION_FAILED ? "CUBLAS_STATUS_EXECUTION_FAILED"
         : s == CUBLAS_STATUS_INTERNAL_ERROR ? "CUBLAS_STATUS_INTERNAL_ERROR"
                                             : "another status";
}
template <class T>
cublasStatus_t create(const char* function, T** to, T made) {
  if (const int e = enter(function)) return static_cast<cublasStatus_t>(e);
  *to = new T(std::move(made));
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* d, cublasComputeType_t compute,
                                        cudaDataType_t) {
  if (compute != CUBLAS_COMPUTE_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  return create(__func__, reinterpret_cast<Description**>(d), {});
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* d) {
  return create(__func__, reinterpret_cast<Description**>(d), {});
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t d) {
  ENTER;
  delete reinterpret_cast<Description*>(d);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* l, cudaDataType type, uint64_t rows,
                                          uint64_t cols, int64_t step) {
  return create(__func__, reinterpret_cast<Matrix**>(l),
                {type, static_cast<int64_t>(rows), static_cast<int64_t>(cols), step});
}
cublasStatus_t set(void* d, int what, const void* value, size_t bytes, size_t right) {
  if (bytes != right) return CUBLAS_STATUS_INVALID_VALUE;
  uint64_t& to = static_cast<Description*>(d)->at[what] = 0;
  std::memcpy(&to, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t what,
                                              const void* value, size_t bytes) {
  ENTER;
  return set(d, what, value, bytes, size_of(what));
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t d,
                                                    cublasLtMatmulPreferenceAttributes_t what,
                                                    const void* value, size_t bytes) {
  ENTER;
  return set(d, what, value, bytes, what == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES ? 8 : 4);
}
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t d,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t,
                                              cublasLtMatmulPreference_t wish, int most,
                                              cublasLtMatmulHeuristicResult_t* found, int* count) {
  ENTER;
  if (library().status != 0) return static_cast<cublasStatus_t>(library().status);
  auto matrix = [](cublasLtMatrixLayout_t l) { return *reinterpret_cast<Matrix*>(l); };
  if (!fits(*reinterpret_cast<Description*>(d), matrix(a), matrix(b), matrix(c)))
    return CUBLAS_STATUS_INVALID_VALUE;
  const auto& promised = reinterpret_cast<Description*>(wish)->at;
  *count = std::min(most, static_cast<int>(library().algorithms.size()));
  for (int i = 0; i < *count; ++i) {
    found[i] = {};
    found[i].algo.data[0] = static_cast<uint64_t>(i);
    found[i].algo.data[1] = promised.at(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
    found[i].algo.data[2] = promised.at(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES);
    found[i].algo.data[3] = promised.at(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES);
    found[i].algo.data[7] = kMark;
  }
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t desc, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t la, const void* b, cublasLtMatrixLayout_t lb,
                              const void* beta, const void* c, cublasLtMatrixLayout_t lc, void* d,
                              cublasLtMatrixLayout_t, const cublasLtMatmulAlgo_t* algo, void*, size_t,
                              cudaStream_t s) {
  const uint64_t n = algo->data[0];
  if (const int e = enter(__func__, std::to_string(n))) return static_cast<cublasStatus_t>(e);
  if (algo->data[7] != kMark || n >= library().algorithms.size() || c != d)
    return CUBLAS_STATUS_INVALID_VALUE;
  if (library().algorithms[n].status != 0) return static_cast<cublasStatus_t>(library().algorithms[n].status);
  if (alignment(a) < algo->data[1] || alignment(b) < algo->data[2] || alignment(d) < algo->data[3])
    violation("an operand is less aligned than the algorithm was promised");
  const Call call{*reinterpret_cast<Matrix*>(la),
                  *reinterpret_cast<Matrix*>(lb),
                  *reinterpret_cast<Matrix*>(lc),
                  a,
                  b,
                  d,
                  *static_cast<const float*>(alpha),
                  *static_cast<const float*>(beta),
                  reinterpret_cast<Description*>(desc)->at};  // CUDA reads them at the call, too
  const auto last = call.get(CUBLASLT_MATMUL_DESC_EPILOGUE);
  const bool besides = last != CUBLASLT_EPILOGUE_DEFAULT && last != CUBLASLT_EPILOGUE_BIAS;
  enqueue(stream_of(s),
          {library().algorithms[n].ms + (besides ? library().besides_ms : 0), [call] { multiply(call); }});
  return CUBLAS_STATUS_SUCCESS;
}
char token, nccl_token;
}  // namespace
}  // namespace rum::mock

// The library is opened at run time: the linker sends those calls here.
extern "C" {
void* __real_dlopen(const char* name, int flags);
void* __real_dlsym(void* from, const char* symbol);
void* __wrap_dlopen(const char* name, int flags) {
  if (name != nullptr && std::strcmp(name, "libnccl.so.2") == 0)
    return rum::mock::nccl().there ? &rum::mock::nccl_token : __real_dlopen("/nowhere/libnccl.so.2", flags);
  if (name == nullptr || std::strncmp(name, "libcublasLt.so", 14) != 0) return __real_dlopen(name, flags);
  return rum::mock::library().there ? &rum::mock::token : __real_dlopen("/nowhere/libcublasLt.so", flags);
}
void* __wrap_dlsym(void* from, const char* symbol) {
  if (from == &rum::mock::nccl_token) return rum::mock::nccl_symbol(symbol);
  if (from != &rum::mock::token) return __real_dlsym(from, symbol);
#define HAS(F) \
  if (std::strcmp(symbol, #F) == 0) return reinterpret_cast<void*>(&rum::mock::F)
  HAS(cublasLtCreate);
  HAS(cublasLtGetVersion);
  HAS(cublasLtGetStatusName);
  HAS(cublasLtMatmulDescCreate);
  HAS(cublasLtMatmulPreferenceCreate);
  HAS(cublasLtMatmulPreferenceDestroy);
  HAS(cublasLtMatrixLayoutCreate);
  HAS(cublasLtMatmulDescSetAttribute);
  HAS(cublasLtMatmulPreferenceSetAttribute);
  HAS(cublasLtMatmulAlgoGetHeuristic);
  HAS(cublasLtMatmul);
  return nullptr;
}
}
