// Matrix products against the plain triple loop in double, and a row of the result depends only on its row of
// A and on B.
#include "ops/gemm.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "autograd/tape.h"
#include "base/error.h"
#include "base/threads.h"
#include "tests/error_of.h"

namespace rum::gemm_test {
namespace {
Tensor cast(const Tensor& t, DType to) {
  return Tensor::from<double>({t.data<double>(), static_cast<size_t>(t.size())}, t.shape(), to);
}
Tensor transposed(const Tensor& t) {  // f64
  const int64_t m = t.shape()[0], n = t.shape()[1];
  Tensor out = Tensor::empty({n, m}, DType::f64, DeviceKind::cpu);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) out.data<double>()[j * m + i] = t.data<double>()[i * n + j];
  return out;
}
std::string bytes(const Tensor& t) { return {t.data<char>(), t.bytes()}; }
struct Size {
  int64_t m, n, k;
};
constexpr Size kSizes[] = {{1, 1, 1},    {1, 64, 33},  {5, 7, 3},     {6, 64, 16},   {7, 65, 17},
                           {13, 100, 9}, {96, 256, 8}, {97, 257, 31}, {200, 40, 70}, {64, 1, 50}};

void values(DType type, double bound) {
  for (const Size& s : kSizes)
    for (int kind = 0; kind < 16; ++kind) {
      const GemmFlags f{(kind & 1) != 0, (kind & 2) != 0, (kind & 4) != 0};
      const Tensor a = noise({s.m, s.k}, 1), b = noise({s.k, s.n}, 2), c = noise({s.m, s.n}, 3),
                   bias = noise({s.n}, 4);
      const Tensor ta = cast(f.transpose_a ? transposed(a) : a, type),
                   tb = cast(f.transpose_b ? transposed(b) : b, type),
                   tbias = kind & 8 ? cast(bias, type) : Tensor();
      Tensor tc = cast(c, stats_type(type));
      const Tensor before = tc.clone();
      gemm(ta, tb, tc, f, tbias);
      for (int64_t i = 0; i < s.m; ++i)
        for (int64_t j = 0; j < s.n; ++j) {
          double sum = f.add ? before.at(i * s.n + j) : 0, size = 1;
          if (tbias) sum += tbias.at(j);
          for (int64_t k = 0; k < s.k; ++k) {
            const double x = ta.at(f.transpose_a ? k * s.m + i : i * s.k + k) *
                             tb.at(f.transpose_b ? j * s.k + k : k * s.n + j);
            sum += x, size += std::abs(x);
          }
          ASSERT_NEAR(tc.at(i * s.n + j), sum, bound * size)
              << s.m << " x " << s.n << " x " << s.k << ", kind " << kind << ", at " << i << ", " << j;
        }
    }
}
TEST(Gemm, ValuesF64) { values(DType::f64, 1e-14); }
TEST(Gemm, ValuesF32) { values(DType::f32, 1e-6); }
TEST(Gemm, ValuesBf16) { values(DType::bf16, 1e-6); }  // inputs are bf16 already; sums and C are f32

TEST(Gemm, ARowDependsOnNoOtherRow) {
  for (const DType type : {DType::f32, DType::bf16}) {
    const int64_t n = 130, k = 77;
    const Tensor a = cast(noise({300, k}, 1), type), w = cast(noise({n, k}, 2), type);
    auto product = [&](int64_t begin, int64_t end) {
      Tensor c = Tensor::empty({end - begin, n}, type, DeviceKind::cpu);
      gemm(a.rows(begin, end), w, c, {.transpose_b = true});
      return bytes(c);
    };
    const std::string all = product(0, 300);
    const size_t row = all.size() / 300;
    for (const int64_t batch : {1, 2, 7, 64, 150})
      for (int64_t i = 0; i + batch <= 300; i += std::max<int64_t>(batch, 13))
        ASSERT_EQ(product(i, i + batch),
                  all.substr(static_cast<size_t>(i) * row, static_cast<size_t>(batch) * row))
            << "rows " << i << " .. " << i + batch;
  }
}
TEST(Gemm, EqualBitsForAnyNumberOfThreads) {
  const int before = threads();
  for (const bool transpose : {false, true}) {
    std::string first;
    for (const int count : {1, 2, 3, 8}) {
      set_threads(count);
      const Tensor a = cast(noise({257, 190}, 1), DType::f32), b = cast(noise({190, 257}, 2), DType::f32);
      Tensor c = Tensor::empty(transpose ? Shape{190, 190} : Shape{257, 257}, DType::f32, DeviceKind::cpu);
      gemm(a, transpose ? b.as({257, 190}) : b, c, {.transpose_a = transpose});
      if (count == 1) first = bytes(c);
      EXPECT_EQ(bytes(c), first) << count << " threads";
    }
  }
  set_threads(before);
}
TEST(Gemm, PackedWeightsFollowTheirVersion) {
  const Tensor x = cast(noise({9, 20}, 1), DType::f32), w = cast(noise({30, 20}, 2), DType::f32);
  Tensor y = Tensor::empty({9, 30}, DType::f32, DeviceKind::cpu), plain = y.clone();
  gemm(x, w, plain, {.transpose_b = true});
  w.body()->storage->version = 900001;
  const int64_t packs = gemm_packs();
  gemm(x, w, y, {.transpose_b = true}), gemm(x, w, y, {.transpose_b = true});
  EXPECT_EQ(gemm_packs(), packs + 1);  // remembered
  EXPECT_EQ(bytes(y), bytes(plain));   // what has no room to be remembered gives the same
  const double old = y.at(0);
  for (int64_t i = 0; i < w.size(); ++i) w.data<float>()[i] *= 2;
  w.body()->storage->version = 900002;
  gemm(x, w, y, {.transpose_b = true});
  EXPECT_EQ(gemm_packs(), packs + 2);
  EXPECT_EQ(y.at(0), 2 * old);
  gemm_forget(w);
  w.body()->storage->version = 0;
}
// The CPU's backend, but for one block that it has no memory for.
class Short : public Backend {
 public:
  explicit Short(Backend& of) : of_(of) {}
  bool refuse = false;
  void* allocate(size_t bytes) override {
    if (std::exchange(refuse, false)) throw OutOfMemory("nothing left");
    return of_.allocate(bytes);
  }
  void release(void* p) override { of_.release(p); }
  void upload(void* to, const void* from, size_t bytes) override { of_.upload(to, from, bytes); }
  void download(void* to, const void* from, size_t bytes) override { of_.download(to, from, bytes); }
  void copy(void* to, const void* from, size_t bytes) override { of_.copy(to, from, bytes); }
  void fill(void* to, int byte, size_t bytes) override { of_.fill(to, byte, bytes); }
  void wait() override { of_.wait(); }
  std::string describe() override { return of_.describe(); }

 private:
  Backend& of_;
};
// A server goes on after a request that found no memory.
TEST(Gemm, AProductWhosePackedWeightsFindNoMemoryCanBeRepeated) {
  static Backend& real = Backend::of(DeviceKind::cpu);
  static Short cpu(real);
  const Tensor x = cast(noise({2, 20}, 1), DType::f32), w = cast(noise({30, 20}, 2), DType::f32),
               other = cast(noise({30, 20}, 3), DType::f32);
  Tensor y = Tensor::empty({2, 30}, DType::f32, DeviceKind::cpu), plain = y.clone(), other_plain = y.clone();
  gemm(x, w, plain, {.transpose_b = true});
  gemm(x, other, other_plain, {.transpose_b = true});
  w.body()->storage->version = 900004;
  other.body()->storage->version = 900005;
  Backend::provide(DeviceKind::cpu, []() -> Backend& { return cpu; });
  {
    Arena arena(DeviceKind::cpu);
    Tape tape(arena, Tape::Mode::forward_only);
    cpu.refuse = true;
    EXPECT_THROW(gemm(x, w, y, {.transpose_b = true}), OutOfMemory);
    EXPECT_EQ(current_arena(), &arena);
  }
  Backend::provide(DeviceKind::cpu, []() -> Backend& { return real; });
  gemm(x, other, y, {.transpose_b = true});  // looks at all that is remembered
  EXPECT_EQ(bytes(y), bytes(other_plain));
  gemm(x, w, y, {.transpose_b = true});
  EXPECT_EQ(bytes(y), bytes(plain));
  for (const Tensor& t : {w, other}) {
    gemm_forget(t);
    t.body()->storage->version = 0;
  }
}
// bf16 weights are read as they are for few rows and widened on the fly for many: no copy is kept.
TEST(Gemm, WeightsOfBf16LeaveNoCopy) {
  for (const int64_t n : {1, 63, 64, 130, 520})
    for (const int64_t k : {1, 63, 64, 65, 300})
      for (const int64_t m : {1, 2, 6, 7, 100}) {
        const Tensor x = cast(noise({m, k}, 1), DType::bf16), w = cast(noise({n, k}, 2), DType::bf16),
                     bias = cast(noise({n}, 3), DType::bf16);
        Tensor wanted = Tensor::empty({m, n}, DType::bf16, DeviceKind::cpu), found = wanted.clone();
        gemm(x, w, wanted, {.transpose_b = true}, bias);
        w.body()->storage->version = 900003;
        const int64_t packs = gemm_packs();
        gemm(x, w, found, {.transpose_b = true}, bias);
        w.body()->storage->version = 0;
        ASSERT_EQ(bytes(found), bytes(wanted)) << m << " x " << n << " x " << k;
        EXPECT_EQ(gemm_packs(), packs);
      }
}
TEST(Gemm, RefusesWhatDoesNotFit) {
  const Tensor a = noise({2, 3}, 1), b = noise({4, 5}, 2);
  Tensor c = noise({2, 5}, 3), narrow = noise({2, 4}, 3);
  EXPECT_THROW(gemm(a, b, c), Error);
  EXPECT_THROW(gemm(a, noise({3, 5}, 1), narrow), Error);
  EXPECT_EQ(error_of([&] {
              gemm(a, cast(noise({3, 5}, 1), DType::f32), c);
            }),
            "gemm: f64 times f32 into f64, with a bias in f64: the types do not fit");
  const Tensor columns = noise({3, 5}, 1);
  EXPECT_THROW(gemm(a, columns, c, {}, noise({3}, 4)), Error);  // a bias has a number for each of 5 columns
  EXPECT_THROW(gemm(a, columns, c, {}, cast(noise({5}, 4), DType::f32)), Error);
}
TEST(Threads, EveryPieceOnceAndErrorsArrive) {
  const int before = threads();
  for (const int count : {1, 2, 5}) {
    set_threads(count);
    for (int round = 0; round < 200; ++round) {
      std::vector<std::atomic<int>> done(static_cast<size_t>(round % 17));
      parallel(round % 17, [&](int64_t i) {
        parallel(2, [&](int64_t) { done[static_cast<size_t>(i)] += 1; });  // pieces of a piece
      });
      for (auto& d : done) ASSERT_EQ(d, 2);
    }
    EXPECT_THROW(parallel(9, [](int64_t i) { RUM_CHECK(i != 4, "piece {}", i); }), Error);
    int64_t sum = 0;
    parallel(1, [&](int64_t) { sum = 7; });  // the pool still works
    EXPECT_EQ(sum, 7);
  }
  set_threads(before);
}
}  // namespace
}  // namespace rum::gemm_test
