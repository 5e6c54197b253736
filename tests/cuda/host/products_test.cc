// cuda/cublaslt.cu against a library that computes by definition, and refuses, fails and takes time as a test
// says: layouts and epilogues, the choice of algorithm, and the fallback if there is none.
#include <cublasLt.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "../../error_of.h"
#include "mock.h"
#include "ops/gelu_mlp.h"
#include "ops/gemm.h"
#include "ops/linear.h"
#include "tensor/backend.h"
#include "tensor/recording.h"

namespace rum::test {
namespace {
constexpr DeviceKind kCuda = DeviceKind::cuda, kCpu = DeviceKind::cpu;
Tensor on_gpu(Shape s, DType t, uint32_t seed) {
  const Tensor f64 = noise(s, seed), rounded = Tensor::empty(s, t, kCpu);
  by_type(t, [&]<class T> {
    for (int64_t i = 0; i < f64.size(); ++i)
      rounded.data<T>()[i] = static_cast<T>(static_cast<float>(f64.data<double>()[i]));
  });
  return rounded.to(kCuda);
}
std::vector<double> numbers(const Tensor& t) {
  const Tensor here = t.to(kCpu);
  std::vector<double> v(static_cast<size_t>(here.size()));
  by_type(t.dtype(), [&]<class T> {
    for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<double>(static_cast<float>(here.data<T>()[i]));
  });
  return v;
}
void near(const Tensor& got, const std::vector<double>& truth) {
  const std::vector<double> v = numbers(got);
  ASSERT_EQ(v.size(), truth.size());
  const double step = got.dtype() == DType::bf16 ? 1.0 / 256 : 1e-5;  // the error of storing
  for (size_t i = 0; i < v.size(); ++i) ASSERT_NEAR(v[i], truth[i], step * (1 + std::abs(truth[i]))) << i;
}
// A (M, K) or (K, M) times B, by rows, in double precision.
std::vector<double> by_hand(const Tensor& a, const Tensor& b, bool ta, bool tb) {
  const auto x = numbers(a), y = numbers(b);
  const auto m = static_cast<size_t>(a.shape()[ta ? 1 : 0]), k = static_cast<size_t>(a.shape()[ta ? 0 : 1]),
             n = static_cast<size_t>(b.shape()[tb ? 0 : 1]);
  std::vector<double> c(m * n);
  for (size_t i = 0; i < m; ++i)
    for (size_t j = 0; j < n; ++j)
      for (size_t l = 0; l < k; ++l)
        c[i * n + j] += x[ta ? l * m + i : i * k + l] * y[tb ? j * k + l : l * n + j];
  return c;
}
double gelu(double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }
double gelu_slope(double x) { return (gelu(x + 1e-5) - gelu(x - 1e-5)) / 2e-5; }

// A product of a kind that has not run in this process: K is new each time.
struct Fresh {
  static inline int64_t next = 16;
  Tensor a = on_gpu({3, ++next}, DType::f32, 1), b = on_gpu({4, next}, DType::f32, 2),
         c = Tensor::empty({3, 4}, DType::f32, kCuda);
  void run() const {
    Tensor to = c;
    gemm(a, b, to, {.transpose_b = true});
  }
  void right() const { near(c, by_hand(a, b, false, true)); }
};
std::vector<std::string> since(const std::function<void()>& f) {  // the calls that f makes
  mock::forget_calls();
  f();
  return mock::trace();
}
int64_t count(const std::vector<std::string>& calls, const std::string& call) {
  return std::count(calls.begin(), calls.end(), call);
}
class CudaProducts : public testing::Test {
 protected:
  void SetUp() override { mock::library() = {}, mock::gpu() = {}; }
  void TearDown() override {
    for (const std::string& v : mock::violations()) ADD_FAILURE() << v;
  }
};

TEST_F(CudaProducts, EveryFormIsTheProductByHand) {
  for (const DType t : {DType::f32, DType::bf16})
    for (const bool ta : {false, true})
      for (const bool tb : {false, true}) {
        const Tensor a = on_gpu(ta ? Shape{7, 5} : Shape{5, 7}, t, 1),
                     b = on_gpu(tb ? Shape{6, 7} : Shape{7, 6}, t, 2), bias = on_gpu({6}, t, 3);
        Tensor c = Tensor::empty({5, 6}, t, kCuda);
        std::vector<double> truth = by_hand(a, b, ta, tb);
        gemm(a, b, c, {.transpose_a = ta, .transpose_b = tb});
        near(c, truth);
        const std::vector<double> shift = numbers(bias), before = numbers(c);
        gemm(a, b, c, {.transpose_a = ta, .transpose_b = tb}, bias);
        for (size_t i = 0; i < truth.size(); ++i) truth[i] += shift[i % 6];
        near(c, truth);
        Tensor sum = Tensor::empty({5, 6}, DType::f32, kCuda);  // f32 from bf16, as gradients are
        gemm(a, b, sum, {.transpose_a = ta, .transpose_b = tb});
        gemm(a, b, sum, {.transpose_a = ta, .transpose_b = tb, .add = true});
        truth = by_hand(a, b, ta, tb);
        for (double& x : truth) x *= 2;
        near(sum, truth);
      }
}
TEST_F(CudaProducts, WhatIsInAProductBesidesIsTheFormula) {
  Tensor x = on_gpu({5, 24}, DType::bf16, 1), w = on_gpu({16, 24}, DType::bf16, 2),
         bias = on_gpu({16}, DType::bf16, 3), pre = Tensor::empty({5, 16}, DType::bf16, kCuda),
         h = Tensor::like(pre), only = Tensor::like(pre);
  std::vector<double> truth = by_hand(x, w, false, true);
  const std::vector<double> shift = numbers(bias);
  for (size_t i = 0; i < truth.size(); ++i) truth[i] += shift[i % 16];
  kernels::linear_gelu(kCuda, x, w, bias, pre, h);
  kernels::linear_gelu(kCuda, x, w, bias, only, only);
  near(pre, truth);
  for (double& v : truth) v = gelu(v);
  near(h, truth), near(only, truth);

  Tensor dy = on_gpu({5, 24}, DType::bf16, 4), down = on_gpu({24, 16}, DType::bf16, 5),
         dpre = Tensor::like(pre);
  kernels::linear_gelu_backward(kCuda, dy, down, pre, dpre);
  truth = by_hand(dy, down, false, false);
  const std::vector<double> at = numbers(pre);
  for (size_t i = 0; i < truth.size(); ++i) truth[i] *= gelu_slope(at[i]);
  near(dpre, truth);

  const Tensor dw = Tensor::empty({24, 16}, DType::f32, kCuda), db = Tensor::empty({24}, DType::f32, kCuda);
  GradSlot w_slot = GradSlot::of(dw), b_slot = GradSlot::of(db);
  w_slot.grad = dw, w_slot.fixed = true, b_slot.grad = db, b_slot.fixed = true;
  kernels::linear_backward_weights(kCuda, dy, h, Grad(&w_slot), Grad(&b_slot));
  near(dw, by_hand(dy, h, true, false));
  const std::vector<double> d = numbers(dy);
  std::vector<double> sums(24);
  for (size_t i = 0; i < d.size(); ++i) sums[i % 24] += d[i];
  near(db, sums);
  EXPECT_EQ(mock::launches("gelu") + mock::launches("column"), 0);  // everything in the products
}

// Outside a run: the library's first proposal, at once.
TEST_F(CudaProducts, TheFirstProposalIsTakenAndKept) {
  mock::library().algorithms = {{5}, {1}};
  const Fresh x;
  const auto calls = since([&] { x.run(), x.run(); });
  EXPECT_EQ(count(calls, "cublasLtMatmul 0"), 2);
  EXPECT_EQ(count(calls, "cublasLtMatmulAlgoGetHeuristic"), 1);
  EXPECT_EQ(count(calls, "cudaEventRecord"), 0);
  x.right();
}
TEST_F(CudaProducts, AProposalThatIsRefusedGivesWayToTheNext) {
  mock::library().algorithms = {{1, CUBLAS_STATUS_NOT_SUPPORTED}, {1, CUBLAS_STATUS_ARCH_MISMATCH}, {1}};
  const Fresh x;
  const auto calls = since([&] { x.run(), x.run(); });
  EXPECT_EQ(count(calls, "cublasLtMatmul 0"), 1);  // not asked again
  EXPECT_EQ(count(calls, "cublasLtMatmul 1"), 1);
  EXPECT_EQ(count(calls, "cublasLtMatmul 2"), 2);
  x.right();
  EXPECT_EQ(mock::launches("gemm_tiles"), 0);
}
TEST_F(CudaProducts, OurOwnKernelTakesOverWhereTheLibraryCannotAndSaysSoOnce) {
  testing::internal::CaptureStderr();
  auto own = [&](const mock::Library& l) {
    mock::library() = l;
    const Fresh x;
    since([&] { x.run(), x.run(); });
    EXPECT_EQ(mock::launches("gemm_tiles"), 2);
    EXPECT_EQ(mock::calls("cublasLtMatmulAlgoGetHeuristic"), 1);
  };
  own({.algorithms = {}});                       // the library proposes nothing
  own({.status = CUBLAS_STATUS_NOT_SUPPORTED});  // the search itself is refused
  // the proposal is refused when it runs
  own({.algorithms = {{1, CUBLAS_STATUS_NOT_SUPPORTED}, {1, CUBLAS_STATUS_NOT_SUPPORTED}}});
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(said.find("warning: cuBLASLt has no algorithm for a product of (3, "), 0u) << said;
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
}
TEST_F(CudaProducts, AnyOtherFailureIsAnErrorWithItsName) {
  auto failed = [&](const mock::Library& l) {
    mock::library() = l;
    const Fresh x;
    std::string said;
    since([&] { said = error_of([&] { x.run(); }); });
    EXPECT_EQ(mock::launches("gemm_tiles"), 0);
    return said;
  };
  EXPECT_EQ(failed({.status = CUBLAS_STATUS_INTERNAL_ERROR}),
            "cuBLASLt: cublasLtMatmulAlgoGetHeuristic: CUBLAS_STATUS_INTERNAL_ERROR");
  EXPECT_EQ(failed({.algorithms = {{1, CUBLAS_STATUS_EXECUTION_FAILED}, {1}}}),
            "cuBLASLt: cublasLtMatmul: CUBLAS_STATUS_EXECUTION_FAILED");
  for (const char* f :
       {"cublasLtMatmulDescCreate", "cublasLtMatmulDescSetAttribute", "cublasLtMatrixLayoutCreate",
        "cublasLtMatmulPreferenceCreate", "cublasLtMatmulPreferenceSetAttribute"}) {
    mock::fail_at(f, 1, CUBLAS_STATUS_INTERNAL_ERROR);
    EXPECT_NE(failed({}).find("CUBLAS_STATUS_INTERNAL_ERROR"), std::string::npos) << f;
    EXPECT_EQ(failed({}), "") << f;
  }
}
TEST_F(CudaProducts, NoneIsPlannedWhileAStepIsRecorded) {
  Backend& cuda = Backend::of(kCuda);
  const Fresh known, unknown;
  known.run();
  cuda.begin_recording();
  known.run();
  const auto calls =
      since([&] { EXPECT_EQ(error_of([&] { unknown.run(); }).find("a product of (3, "), 0u); });
  EXPECT_EQ(count(calls, "cublasLtMatmulAlgoGetHeuristic"), 0);
  void* const graph = cuda.end_recording();
  cuda.fill(known.c.data<void>(), 0, 48);
  cuda.replay(graph);
  known.right();
  cuda.discard(graph);
  unknown.run();  // and now it may
  unknown.right();
}

// In a run, from here to the end of the process.
class CudaRaces : public CudaProducts {
  void SetUp() override {
    CudaProducts::SetUp();
    gemm_choices.load("");
    mock::idle();
  }
};
TEST_F(CudaRaces, TheFastestWinsOnceTheGpuIsWarm) {
  mock::library().algorithms = {{0.4}, {0.3}, {0.2, CUBLAS_STATUS_NOT_SUPPORTED}, {0.5}};
  const Fresh x;
  const auto calls = since([&] { x.run(); });
  EXPECT_EQ(calls.back(), "cublasLtMatmul 1");
  x.right();
  // Several launches between two events, and the candidates take turns.
  std::vector<std::pair<std::string, int>> turns;
  bool open = false;
  for (const std::string& call : calls) {
    if (call == "cudaEventRecord") {
      open = !open;
      if (open) turns.emplace_back("", 0);
    } else if (open && call.starts_with("cublasLtMatmul ")) {
      turns.back().first = call, ++turns.back().second;
      if (call == "cublasLtMatmul 2") open = false, turns.pop_back();  // refused
    }
  }
  size_t warming = 0;
  while (warming < turns.size() && turns[warming].first == "cublasLtMatmul 0") ++warming;
  EXPECT_GE(8 * 0.4 * static_cast<double>(warming - 1), mock::gpu().cold_ms);  // the last of them counts
  ASSERT_GE(turns.size(), warming + 8);
  for (size_t i = warming - 1; i < turns.size(); ++i) {
    EXPECT_EQ(turns[i].first, fmt::format("cublasLtMatmul {}", std::vector{0, 1, 3}[(i - warming + 1) % 3]));
    EXPECT_TRUE(turns[i].second >= 5 && turns[i].second <= 10) << turns[i].second;
  }
}
TEST_F(CudaRaces, WithoutMemoryToTryThemTheFirstProposalStays) {
  mock::library().algorithms = {{0.3}, {0.1}};
  const Fresh x, y;
  mock::fail_at("cudaMalloc", 1, 2);  // cudaErrorMemoryAllocation
  EXPECT_EQ(since([&] { x.run(); }).back(), "cublasLtMatmul 0");
  mock::fail_at("cudaMalloc", 1, 999);
  EXPECT_NE(error_of([&] { y.run(); }).find("cudaMalloc"), std::string::npos);
}
TEST_F(CudaRaces, WhatAProductDoesBesidesStaysInItWhereThatIsFaster) {
  static int64_t rows = 4;
  auto weights = [&](double besides_ms, bool forget) {
    if (forget) ++rows;
    mock::library() = {.algorithms = {{0.1}}, .besides_ms = besides_ms};
    mock::gpu().kernel_ms = 0.02;
    const Tensor dy = on_gpu({rows, 24}, DType::bf16, 4), x = on_gpu({rows, 16}, DType::bf16, 5),
                 dw = Tensor::empty({24, 16}, DType::f32, kCuda), db = Tensor::empty({24}, DType::f32, kCuda);
    GradSlot w_slot = GradSlot::of(dw), b_slot = GradSlot::of(db);
    w_slot.grad = dw, w_slot.fixed = true, b_slot.grad = db, b_slot.fixed = true;
    const auto calls =
        since([&] { kernels::linear_backward_weights(kCuda, dy, x, Grad(&w_slot), Grad(&b_slot)); });
    near(dw, by_hand(dy, x, true, false));
    return calls;
  };
  EXPECT_EQ(weights(0.03, true).back(), "cublasLtMatmul 0");  // the split form has two more kernels, 0.04 ms
  EXPECT_EQ(mock::launches("column_finish"), 0);
  EXPECT_EQ(weights(0.03, false).size(), 2u);  // an address is set, and a product queued
  const auto calls = weights(0.05, true);
  EXPECT_GT(count(calls, "cudaEventRecord"), 0);
  const auto decided = std::find(calls.rbegin(), calls.rend(), "cudaEventElapsedTime").base();
  EXPECT_EQ(std::count(decided, calls.end(), "cublasLtMatmul 0"), 1);
  EXPECT_EQ(std::count_if(decided, calls.end(), [](auto& c) { return c.find("column_finish") != c.npos; }),
            1);
  EXPECT_EQ(count(weights(0.05, false), "cudaEventRecord"), 0);  // once
  EXPECT_NE(gemm_choices.save().find(" split\n"), std::string::npos);
}
TEST_F(CudaRaces, WhatIsChosenIsSavedAndLoadedInsteadOfTried) {
  mock::library().algorithms = {{0.3}, {0.1}};
  const Fresh x;
  x.run();
  const std::string saved = gemm_choices.save();
  EXPECT_EQ(saved.find("cuBLASLt 130000 on mock\n"), 0u) << saved;
  // The line of x, changed to a product that has not run: with the next K.
  const auto at = saved.find(fmt::format("\n3 4 {} ", Fresh::next));
  ASSERT_NE(at, std::string::npos);
  std::string line = saved.substr(at + 1, saved.find('\n', at + 1) - at);
  line.replace(0, line.find(' ', 4), fmt::format("3 4 {}", Fresh::next + 1));
  gemm_choices.load(saved.substr(0, saved.find('\n') + 1) + line);
  mock::library().algorithms = {{0.1}, {0.3}};
  const Fresh y;
  const auto calls = since([&] { y.run(); });
  EXPECT_EQ(calls.back(), "cublasLtMatmul 1");
  EXPECT_EQ(count(calls, "cudaEventRecord"), 0);
  // A choice made by another version does not count.
  line.replace(0, line.find(' ', 4), fmt::format("3 4 {}", Fresh::next + 1));
  gemm_choices.load("cuBLASLt 120000 on mock\n" + line);
  const Fresh z;
  EXPECT_EQ(since([&] { z.run(); }).back(), "cublasLtMatmul 0");
}
}  // namespace
}  // namespace rum::test
