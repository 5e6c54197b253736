// Products in int8 against 64-bit integers, and the cost of rounding.
#include "ops/int8.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "autograd/op.h"
#include "base/random.h"
#include "base/threads.h"
#include "tests/error_of.h"

namespace rum::int8_test {
namespace {
// Whole numbers from -127 to 127, and one of +-127 in each row: rounding to 8 bits changes none of them.
Tensor whole_numbers(Shape s, uint32_t seed) {
  Tensor t = Tensor::empty(s, DType::f32, DeviceKind::cpu);
  const Random r{seed, Stream::sample};
  for (int64_t i = 0; i < t.size(); ++i)
    t.data<float>()[i] =
        static_cast<float>(static_cast<int>(r.bits({static_cast<uint32_t>(i), 0, 0, 0}).at[0] % 255) - 127);
  for (int64_t i = 0; i < t.shape().rows(); ++i) t.data<float>()[i * s[-1] + i % s[-1]] = i % 2 ? 127 : -127;
  return t;
}
Tensor filled(Shape s, float x) {
  Tensor t = Tensor::empty(s, DType::f32, DeviceKind::cpu);
  std::fill_n(t.data<float>(), t.size(), x);
  return t;
}
Tensor normals(Shape s, uint32_t seed, double scale) {
  const Tensor wide = noise(s, seed, scale);
  return Tensor::from<double>({wide.data<double>(), static_cast<size_t>(wide.size())}, s, DType::f32);
}

TEST(Int8, EveryPathGivesTheSumsOfIntegers) {
  struct Case {
    int64_t m, n, k;
  };
  const int before = threads();
  ASSERT_GE(int8_paths().size(), 1u);
  for (const Case c :
       {Case{1, 1, 1}, Case{1, 64, 4}, Case{2, 65, 3}, Case{3, 63, 5}, Case{5, 130, 63}, Case{6, 64, 64},
        Case{7, 200, 65}, Case{13, 17, 130}, Case{97, 70, 33}, Case{64, 300, 512}, Case{200, 129, 257}}) {
    const Tensor a = whole_numbers({c.m, c.k}, 1), w = whole_numbers({c.n, c.k}, 2),
                 bias = whole_numbers({c.n}, 3);
    const Int8Weights packed = pack(quantize(w));
    for (const Int8Path& path : int8_paths())
      for (const bool biased : {true, false})
        for (const int n : {1, 3}) {
          set_threads(n);
          const Tensor y = filled({c.m + 1, c.n}, -1);
          Tensor rows = y.rows(0, c.m);
          int8_product(a, packed, rows, biased ? bias : Tensor(), path);
          for (int64_t i = 0; i < c.m; ++i)
            for (int64_t o = 0; o < c.n; ++o) {
              int64_t sum = 0;
              for (int64_t j = 0; j < c.k; ++j)
                sum += static_cast<int64_t>(a.data<float>()[i * c.k + j]) *
                       static_cast<int64_t>(w.data<float>()[o * c.k + j]);
              const float wanted = static_cast<float>(sum) + (biased ? bias.data<float>()[o] : 0);
              ASSERT_EQ(y.data<float>()[i * c.n + o], wanted)
                  << path.name << ": " << c.m << " x " << c.n << " x " << c.k << " at " << i << ", " << o;
            }
          for (int64_t o = 0; o < c.n; ++o) ASSERT_EQ(y.data<float>()[c.m * c.n + o], -1) << "beyond the end";
        }
  }
  set_threads(before);
}
// The largest possible products: in AVX2, unsigned times signed would not fit 16 bits, and the last sum is
// the largest that 32 bits must hold.
TEST(Int8, NothingSaturates) {
  const int64_t k = 1 << 17;
  for (const float x : {127.0f, -127.0f})
    for (const float w : {127.0f, -127.0f})
      for (const Int8Path& path : int8_paths()) {
        Tensor y = filled({7, 3}, 0);
        int8_product(filled({7, k}, x), pack(quantize(filled({3, k}, w))), y, {}, path);
        for (int64_t i = 0; i < y.size(); ++i)
          EXPECT_EQ(y.at(i), static_cast<double>(static_cast<float>(x * w * static_cast<double>(k))))
              << path.name;
      }
  const std::string e = error_of([&] { pack(quantize(filled({1, k + 1}, 1))); });
  EXPECT_NE(e.find("131073 inputs"), std::string::npos) << e;
}

TEST(Int8, WeightsAreRoundedByHalfAStepAtMost) {
  const Tensor w = normals({60, 77}, 4, 0.02);
  std::fill_n(w.data<float>() + 5 * 77, 77, 0.0f);  // a row of zeros
  w.data<float>()[9 * 77 + 3] = 1e9f;               // an outlier
  const Int8Matrix m = quantize(w);
  for (int64_t o = 0; o < 60; ++o) {
    double top = 0, most = 0;
    const double s = m.scale.at(o);
    for (int64_t j = o * 77; j < (o + 1) * 77; ++j) {
      const double q = m.q.data<int8_t>()[j];
      top = std::max(top, std::abs(w.at(j))), most = std::max(most, std::abs(q));
      EXPECT_LE(std::abs(w.at(j) - q * s), s / 2) << o;
      EXPECT_EQ(static_cast<double>(static_cast<float>(q * s)), q * s) << "not exact";
    }
    EXPECT_EQ(most, o == 5 ? 0 : 127) << o;
    EXPECT_GE(s, top / 127 * (1 - 1e-7)) << o;
    EXPECT_LE(s, top / 127 * (1 + 0x1p-16)) << o;
  }
  Tensor back = Tensor::like(w);
  dequantize(m, back);
  const Int8Matrix again = quantize(back);
  EXPECT_EQ(std::memcmp(again.q.data<void>(), m.q.data<void>(), m.q.bytes()), 0);
  EXPECT_EQ(std::memcmp(again.scale.data<void>(), m.scale.data<void>(), m.scale.bytes()), 0);
  for (const float bad : {INFINITY, std::numeric_limits<float>::quiet_NaN()})
    EXPECT_NE(error_of([&] {
                quantize(filled({2, 2}, bad));
              }).find("it has no form in int8"),
              std::string::npos);
}
// With the identity as weights the product is the rounded activations.
TEST(Int8, ActivationsAreRoundedByHalfAStepAtMost) {
  const int64_t k = 70;
  const Tensor unit = filled({k, k}, 0), x = normals({9, k}, 6, 3);
  Tensor y = Tensor::like(x);
  for (int64_t j = 0; j < k; ++j) unit.data<float>()[j * k + j] = 127;
  std::fill_n(x.data<float>() + 2 * k, k, 0.0f);
  std::fill_n(x.data<float>() + 3 * k, k, 1e-38f);  // 127 / 1e-38 is infinite
  for (int64_t j = 0; j < k; ++j) x.data<float>()[4 * k + j] *= 1e30f, x.data<float>()[5 * k + j] *= 1e-20f;
  int8_product(x, pack(quantize(unit)), y, {});
  for (int64_t i = 0; i < 9; ++i) {
    double top = 0;
    for (int64_t j = 0; j < k; ++j) top = std::max(top, std::abs(x.at(i * k + j)));
    for (int64_t j = 0; j < k; ++j)
      EXPECT_LE(std::abs(y.at(i * k + j) / 127 - x.at(i * k + j)), top / 254 * (1 + 1e-5) + 1e-30) << i;
  }
  for (const float bad : {INFINITY, -INFINITY, std::numeric_limits<float>::quiet_NaN()}) {
    x.data<float>()[k + 9] = bad;
    int8_product(x, pack(quantize(unit)), y, {});
    for (int64_t j = 0; j < k; ++j) {
      EXPECT_FALSE(std::isfinite(y.at(k + j))) << bad;
      EXPECT_TRUE(std::isfinite(y.at(j))) << "the row before";
    }
  }
}
}  // namespace
}  // namespace rum::int8_test
