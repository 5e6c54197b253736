#include "tools/bench/peak.h"

#include <ctime>

#include "base/threads.h"
#include "tensor/simd.h"

namespace rum {
namespace {
constexpr int kChains =
    12;  // two units, four cycles from one multiply-add of a chain to its next: 8 would do
constexpr int64_t kLinks = 1 << 18;
volatile float seen;  // so that the compiler keeps the sums

void multiply_and_add() {
  simd::Vec<float> sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = simd::all(static_cast<float>(i));
  const simd::Vec<float> a = simd::all(0.5f + seen), b = simd::all(1.0f);
  for (int64_t n = 0; n < kLinks; ++n)
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) sums[i] = sums[i] * a + b;
  simd::Vec<float> all = sums[0];
  for (int i = 1; i < kChains; ++i) all += sums[i];
  seen = simd::sum(all) * 0;
}
}  // namespace

double seconds(bool processor) {
  timespec t{};
  clock_gettime(processor ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}
double fma_peak() {
  const double begin = seconds(threads() == 1);
  parallel(threads(), [](int64_t) { multiply_and_add(); });
  return 2e-9 * threads() * kChains * kLinks * simd::kLanes<float> / (seconds(threads() == 1) - begin);
}
}  // namespace rum
