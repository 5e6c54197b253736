// The instructions behind cuda/simt/mma.h and warp collectives, on a GPU and in emulation, against plain
// loops: what passes on both may be used in kernels that are developed on a CPU.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "cuda/kernel.h"

namespace {
template <class T>
struct Dev {
  T* p;
  size_t n;
  explicit Dev(size_t count) : p(static_cast<T*>(simt::dev_malloc(count * sizeof(T)))), n(count) {}
  explicit Dev(const std::vector<T>& h) : Dev(h.size()) { simt::h2d(p, h.data(), n * sizeof(T)); }
  Dev(const Dev&) = delete;
  ~Dev() { simt::dev_free(p); }
  std::vector<T> get() const {
    std::vector<T> h(n);
    simt::d2h(h.data(), p, n * sizeof(T));
    return h;
  }
};

// One warp: D (16, 8) = A (16, 16) B (16, 8). B is given as (n, k); with `transposed` A is given as (k, m).
__global__ void tile(const uint16_t* a, const uint16_t* b, bool transposed, float* d) {
  SIMT_SHARED(uint16_t, sa, [16][16]);
  SIMT_SHARED(uint16_t, sb, [8][16]);
  const int lane = static_cast<int>(threadIdx.x);
  simt::cp_async16(&sa[0][0] + lane * 8, a + lane * 8);
  if (lane < 16) simt::cp_async16(&sb[0][0] + lane * 8, b + lane * 8);
  simt::cp_async_commit();
  simt::cp_async_wait<0>();
  __syncwarp();
  const int near = lane / 8 % 2 * 8, far = lane / 16 * 8, row = lane % 8;
  uint32_t fa[4], fb[4];
  if (transposed)
    simt::ldmatrix_x4_trans(fa, &sa[far + row][near]);
  else
    simt::ldmatrix_x4(fa, &sa[near + row][far]);
  simt::ldmatrix_x4(fb, &sb[row][near]);
  float sum[4] = {0, 0, 0, 0};
  const uint32_t half[2] = {fb[0], fb[1]};
  simt::mma_bf16_16816(sum, fa, half);
  for (int e = 0; e < 4; ++e) d[(lane / 4 + e / 2 * 8) * 8 + lane % 4 * 2 + e % 2] = sum[e];
}
TEST(Simt, TensorCoreTile) {
  std::vector<uint16_t> a(256), at(256), b(128);
  auto value = [](uint16_t bits) { return static_cast<float>(std::bit_cast<rum::bf16>(bits)); };
  auto bits = [](int v) { return rum::bf16(static_cast<float>(v)).bits; };  // small whole numbers: exact sums
  for (int i = 0; i < 256; ++i) a[static_cast<size_t>(i)] = bits(i * 7 % 23 - 11);
  for (size_t i = 0; i < 256; ++i) at[i % 16 * 16 + i / 16] = a[i];
  for (int i = 0; i < 128; ++i) b[static_cast<size_t>(i)] = bits(i * 5 % 19 - 9);
  const Dev<uint16_t> da(a), dat(at), db(b);
  for (bool transposed : {false, true}) {
    const Dev<float> d(128);
    simt::launch(tile, dim3(1), dim3(32), 0, transposed ? dat.p : da.p, db.p, transposed, d.p);
    const std::vector<float> got = d.get();
    for (size_t m = 0; m < 16; ++m)
      for (size_t n = 0; n < 8; ++n) {
        float sum = 0;
        for (size_t k = 0; k < 16; ++k) sum += value(a[m * 16 + k]) * value(b[n * 16 + k]);
        EXPECT_EQ(got[m * 8 + n], sum) << m << ", " << n;
      }
  }
}

__global__ void collectives(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  int* to = out + lane * 6;
  to[0] = __shfl_xor_sync(0xffffffffu, lane, 5);
  to[1] = __shfl_down_sync(0xffffffffu, lane, 3);
  to[2] = __shfl_up_sync(0xffffffffu, lane, 2);
  to[3] = __shfl_sync(0xffffffffu, lane, 9, 8);  // groups of 8: lane 1 of each
  to[4] = static_cast<int>(__ballot_sync(0xffffffffu, lane % 3 == 0));
  to[5] = rum::cuda::warp_sum(lane);
}
TEST(Simt, Collectives) {
  const Dev<int> d(32 * 6);
  simt::launch(collectives, dim3(1), dim3(32), 0, d.p);
  const std::vector<int> got = d.get();
  uint32_t thirds = 0;
  for (int i = 0; i < 32; i += 3) thirds |= 1u << i;
  for (int i = 0; i < 32; ++i) {
    const int want[6] = {i ^ 5,         i < 29 ? i + 3 : i,       i < 2 ? i : i - 2,
                         i / 8 * 8 + 1, static_cast<int>(thirds), 496};
    for (int k = 0; k < 6; ++k) EXPECT_EQ(got[static_cast<size_t>(i * 6 + k)], want[k]) << i << ", " << k;
  }
}

__global__ void copies_of_8(const float2* from, int valid, float2* to) {
  SIMT_SHARED(float2, there, [32]);
  const int lane = static_cast<int>(threadIdx.x);
  simt::cp_async8(&there[lane], from + lane, lane < valid);
  simt::cp_async_commit();
  simt::cp_async_wait<0>();
  __syncwarp();
  to[lane] = there[31 - lane];
}
TEST(Simt, CopiesOf8Bytes) {
  std::vector<float2> from(20);
  for (size_t i = 0; i < from.size(); ++i) from[i] = make_float2(static_cast<float>(i), -1);
  const Dev<float2> in(from), out(32);
  simt::launch(copies_of_8, dim3(1), dim3(32), 0, in.p, 20, out.p);
  const std::vector<float2> got = out.get();
  for (size_t i = 0; i < 32; ++i) {
    EXPECT_EQ(got[31 - i].x, i < 20 ? static_cast<float>(i) : 0.0f);
    EXPECT_EQ(got[31 - i].y, i < 20 ? -1.0f : 0.0f);
  }
}

__global__ void functions(const float* x, float* y, int n) {
  for (int i = 0; i < n; ++i) {
    y[3 * i] = simt::exp2_approx(x[i]);
    sincospif(x[i], y + 3 * i + 1, y + 3 * i + 2);
  }
}
TEST(Simt, PowersOf2AndTurns) {
  const std::vector<float> x{-INFINITY, -1000, -126.5f, -20.3f, -1, -0.3f, 0, 0.25f, 0.7f, 1};
  const Dev<float> in(x), out(3 * x.size());
  simt::launch(functions, dim3(1), dim3(1), 0, in.p, out.p, static_cast<int>(x.size()));
  const std::vector<float> got = out.get();
  for (size_t i = 0; i < x.size(); ++i) {
    const double truth = x[i] < -126 ? 0 : std::exp2(static_cast<double>(x[i])), angle = M_PI * x[i];
    EXPECT_NEAR(got[3 * i], truth, 3e-7 * truth) << x[i];
    if (std::abs(x[i]) > 1) continue;
    EXPECT_NEAR(got[3 * i + 1], std::sin(angle), 2e-7) << x[i];
    EXPECT_NEAR(got[3 * i + 2], std::cos(angle), 2e-7) << x[i];
  }
}

#if defined(SIMT_CPU) && !defined(SIMT_CHECK)
TEST(Simt, AHostThatTouchesDeviceMemoryIsStopped) {  // as by every GPU; the checked build has other allocations
  testing::GTEST_FLAG(death_test_style) = "threadsafe";  // a process of its own, which reads SIMT_GUARD anew
  const char* const before = getenv("SIMT_GUARD");
  setenv("SIMT_GUARD", "1", 1);
  auto touch = [] {
    const Dev<float> d(std::vector<float>{1, 2, 3});
    const volatile float* const p = d.p;
    return p[1];
  };
  EXPECT_DEATH(std::printf("%g", static_cast<double>(touch())), "the host touches device memory");
  if (before == nullptr) unsetenv("SIMT_GUARD");
}
#endif
}  // namespace
