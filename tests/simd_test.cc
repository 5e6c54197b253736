// The vector helpers against double precision and plain loops.
#include "tensor/simd.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace rum::simd_test {
namespace {
double ulps(float got, double want) {  // in units in the last place of `want`
  const int exponent = std::max(std::ilogb(want), -126);
  return std::abs(static_cast<double>(got) - want) / std::ldexp(1.0, exponent - 23);
}
TEST(Simd, ExpIsWithinTwoUlpsOfDouble) {
  double worst = 0;
  for (double x = -87.6; x < 88.3; x += 1.7e-3) {
    const auto f = static_cast<float>(x);
    worst = std::max(worst, ulps(simd::exp(simd::all(f))[0], std::exp(static_cast<double>(f))));
  }
  EXPECT_LE(worst, 2);
  EXPECT_EQ(simd::exp(simd::all(0.0f))[0], 1);
  EXPECT_EQ(simd::exp(simd::all(-88.0f))[0], 0);
  EXPECT_EQ(simd::exp(simd::all(-1e30f))[0], 0);
  EXPECT_EQ(simd::exp(simd::all(-std::numeric_limits<float>::infinity()))[0], 0);
  EXPECT_TRUE(std::isinf(simd::exp(simd::all(89.0f))[0]));
  EXPECT_TRUE(std::isnan(simd::exp(simd::all(std::nanf("")))[0]));
}
TEST(Simd, TanhIsWithinFourUlpsOfDouble) {
  double worst = 0;
  for (double x = 1e-6; x < 12; x *= 1.0007)
    for (const double sign : {1.0, -1.0}) {
      const auto f = static_cast<float>(sign * x);
      worst = std::max(worst, ulps(simd::tanh(simd::all(f))[0], std::tanh(static_cast<double>(f))));
    }
  EXPECT_LE(worst, 4);
  EXPECT_EQ(simd::tanh(simd::all(50.0f))[0], 1);
  EXPECT_EQ(simd::tanh(simd::all(-50.0f))[0], -1);
  EXPECT_TRUE(std::isnan(simd::tanh(simd::all(std::nanf("")))[0]));
}
TEST(Simd, DoubleCallsTheStandardLibrary) {
  EXPECT_EQ(simd::exp(simd::all(0.3))[1], std::exp(0.3));
  EXPECT_EQ(simd::tanh(simd::all(0.3))[1], std::tanh(0.3));
  EXPECT_EQ(simd::sqrt(simd::all(2.0))[0], std::sqrt(2.0));
}
template <class S>
void transposes() {
  constexpr int n = simd::kLanes<S>;
  simd::Vec<S> rows[n];
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) rows[i][j] = static_cast<S>(100 * i + j);
  simd::transpose<S>(rows);
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) ASSERT_EQ(rows[i][j], static_cast<S>(100 * j + i)) << i << ", " << j;
}
TEST(Simd, TransposeOfASquare) { transposes<float>(), transposes<double>(); }
TEST(Simd, PartialReadsAndWritesTouchNoMore) {
  constexpr int n = simd::kLanes<float>;
  for (int64_t count = 1; count < n; ++count) {
    std::vector<float> from(static_cast<size_t>(count), 3),
        to(n, -1);  // exact size: ASan would see an access beyond it
    const simd::Vec<float> v = simd::read(from.data(), count);
    simd::write(to.data(), v + 1.0f, count);
    for (int i = 0; i < n; ++i) {
      EXPECT_EQ(v[i], i < count ? 3 : 0);
      EXPECT_EQ(to[static_cast<size_t>(i)], i < count ? 4 : -1);
    }
  }
}
TEST(Simd, EachVisitsEveryNumberOnce) {
  for (const int64_t begin : {0, 3})
    for (int64_t end = begin; end < 70; ++end) {
      std::vector<int> seen(80);
      simd::each<float>(begin, end, [&](int64_t i, auto n) {
        for (int64_t j = 0; j < n; ++j) ++seen[static_cast<size_t>(i + j)];
      });
      for (int64_t i = 0; i < 80; ++i) ASSERT_EQ(seen[static_cast<size_t>(i)], i >= begin && i < end);
    }
}
TEST(Simd, SumsAndLimitsOfLanes) {
  simd::Vec<float> v;
  for (int i = 0; i < simd::kLanes<float>; ++i) v[i] = static_cast<float>(i * i - 40);
  float sum = 0, top = v[0];
  for (int i = 0; i < simd::kLanes<float>; ++i) sum += v[i], top = std::max(top, v[i]);
  EXPECT_EQ(simd::sum(v), sum);  // small whole numbers: exact in any order
  EXPECT_EQ(simd::max(v), top);
  EXPECT_EQ(simd::sum(simd::first_lanes(v, 2)), v[0] + v[1]);
}
TEST(Simd, Bf16ComesAndGoesRounded) {
  constexpr int n = simd::kLanes<float>;
  bf16 in[n], out[n];
  for (int i = 0; i < n; ++i) in[i] = bf16(static_cast<float>(i) * 0.3f - 2);
  simd::write(out, simd::read(in) * 1.01f);
  for (int i = 0; i < n; ++i) EXPECT_EQ(out[i].bits, bf16(static_cast<float>(in[i]) * 1.01f).bits);
}
}  // namespace
}  // namespace rum::simd_test
