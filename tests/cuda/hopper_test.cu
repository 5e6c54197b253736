// The instructions of simt/hopper.h against plain loops, and attention that uses them against the CPU in
// double precision. Skipped on GPUs without them; they run in emulation, and bugs.cu covers misuse.
#include <gtest/gtest.h>

#include <bit>
#include <cstdlib>
#include <string>

#include "cuda/attend.h"
#include "cuda/simt/hopper.h"
#include "ops/attention.h"
#include "parity.h"

namespace rum::hopper_test {
namespace {
using test::cast;
using test::kCuda;
constexpr DeviceKind kCpu = DeviceKind::cpu;
bool can() {
  const char* const said = std::getenv("RUM_HOPPER");
  return simt::runs_hopper() && (said == nullptr || *said != '0');
}
#define NEEDS_HOPPER() \
  if (!can()) GTEST_SKIP() << "this GPU is not of compute capability 9.0, or RUM_HOPPER=0"

template <class T>
std::vector<T> fetched(const T* p, size_t n) {
  std::vector<T> h(n);
  simt::d2h(h.data(), p, n * sizeof(T));
  return h;
}
template <class T>
struct Dev {
  T* p;
  explicit Dev(size_t n) : p(static_cast<T*>(simt::dev_malloc(n * sizeof(T)))) {}
  explicit Dev(const std::vector<T>& h) : Dev(h.size()) { simt::h2d(p, h.data(), h.size() * sizeof(T)); }
  Dev(const Dev&) = delete;
  ~Dev() { simt::dev_free(p); }
};
uint16_t bits(int v) { return bf16(static_cast<float>(v)).bits; }  // small whole numbers: exact sums
float value(uint16_t b) { return static_cast<float>(std::bit_cast<bf16>(b)); }
__device__ simt::bf16* tiles() {  // the first multiple of 1,024 bytes
  auto* room = simt::dyn_shared<unsigned char>();
  room += (1024 - simt::shared_address(room) % 1024) % 1024;
  return reinterpret_cast<simt::bf16*>(room);
}

// One warpgroup: along (64, N) = A (64, 64) B (N, 64) transposed, and across (64, N) = A times C (64, N), A
// from registers. N = 64 or 128; C lies in N / 64 tiles.
template <int N>
__global__ void products(const __grid_constant__ simt::TensorMap a, const __grid_constant__ simt::TensorMap b,
                         const __grid_constant__ simt::TensorMap c, float* along, float* across) {
#ifdef SIMT_HOPPER
  SIMT_SHARED(simt::Barrier, there, [1]);
  simt::bf16 *const ta = tiles(), *const tb = ta + 64 * 64, *const tc = tb + N * 64;
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, row = thread / 32 * 16 + lane / 4;
  if (thread == 0) {
    simt::barrier_init(there, 1);
    simt::barriers_ready();
    simt::barrier_expect(there, 128 * (64 + N + N));
    simt::bulk_load(ta, a, there, 0, 0);
    simt::bulk_load(tb, b, there, 0, 0);
    for (int j = 0; j < N; j += 64) simt::bulk_load(tc + j * 64, c, there, j, 0);
  }
  __syncthreads();
  simt::barrier_wait(there, 0);
  float s[N / 8][4], o[N / 8][4] = {};
  uint32_t p[4][4];
  SIMT_UNROLL
  for (int k = 0; k < 4; ++k) {
    SIMT_UNROLL
    for (int e = 0; e < 4; ++e)
      std::memcpy(&p[k][e], ta + simt::swizzled(row + e % 2 * 8, k * 16 + e / 2 * 8 + lane % 4 * 2), 4);
  }
  simt::wgmma_fence();
  SIMT_UNROLL
  for (int k = 0; k < 4; ++k)
    simt::wgmma<N>(s, simt::tile_descriptor(ta) + static_cast<uint64_t>(k * 2),
                   simt::tile_descriptor(tb) + static_cast<uint64_t>(k * 2), k > 0);
  simt::wgmma_commit();
  SIMT_UNROLL
  for (int k = 0; k < 4; ++k)
    simt::wgmma_across<N>(o, p[k], simt::tile_descriptor(tc, 8192) + static_cast<uint64_t>(k * 128), true);
  simt::wgmma_commit();
  simt::wgmma_wait<1>();
  for (int j = 0; j < N / 8; ++j)
    for (int e = 0; e < 4; ++e) along[(row + e / 2 * 8) * N + j * 8 + lane % 4 * 2 + e % 2] = s[j][e];
  simt::wgmma_wait<0>();
  for (int j = 0; j < N / 8; ++j)
    for (int e = 0; e < 4; ++e) across[(row + e / 2 * 8) * N + j * 8 + lane % 4 * 2 + e % 2] = o[j][e];
#endif
}
template <int N>
void check_products() {
  std::vector<uint16_t> a(64 * 64), b(N * 64), c(64 * N);
  for (size_t i = 0; i < a.size(); ++i) a[i] = bits(static_cast<int>(i * 7 % 23) - 11);
  for (size_t i = 0; i < b.size(); ++i)
    b[i] = bits(static_cast<int>(i * 5 % 19) - 9), c[i] = bits(static_cast<int>(i * 11 % 17) - 8);
  const Dev<uint16_t> da(a), db(b), dc(c);
  const Dev<float> along(64 * N), across(64 * N);
  simt::launch(products<N>, dim3(1), dim3(128), 1024 + 128 * (64 + 2 * N),
               simt::tensor_map(da.p, {64, 64}, {128}, {64, 64}),
               simt::tensor_map(db.p, {64, N}, {128}, {64, N}),
               simt::tensor_map(dc.p, {N, 64}, {2 * N}, {64, 64}), along.p, across.p);
  const std::vector<float> s = fetched(along.p, 64 * N), o = fetched(across.p, 64 * N);
  for (size_t i = 0; i < 64; ++i)
    for (size_t j = 0; j < N; ++j) {
      float first = 0, second = 0;
      for (size_t k = 0; k < 64; ++k) {
        first += value(a[i * 64 + k]) * value(b[j * 64 + k]);
        second += value(a[i * 64 + k]) * value(c[k * N + j]);
      }
      ASSERT_EQ(s[i * N + j], first) << N << ": " << i << ", " << j;
      ASSERT_EQ(o[i * N + j], second) << N << ": " << i << ", " << j;
    }
}
TEST(CudaHopper, ProductsOfAWarpgroup) {
  NEEDS_HOPPER();
  check_products<64>();
  check_products<128>();
}

// A box as it is in shared memory.
template <int kRank>
__global__ void boxes(const __grid_constant__ simt::TensorMap map, uint32_t bytes, int x, int y, int z,
                      simt::bf16* to) {
#ifdef SIMT_HOPPER
  SIMT_SHARED(simt::Barrier, there, [1]);
  simt::bf16* const tile = tiles();
  if (threadIdx.x == 0) {
    simt::barrier_init(there, 1);
    simt::barriers_ready();
    simt::barrier_expect(there, bytes);
    if constexpr (kRank == 2)
      simt::bulk_load(tile, map, there, x, y);
    else
      simt::bulk_load(tile, map, there, x, y, z);
  }
  __syncthreads();
  simt::barrier_wait(there, 0);
  for (unsigned i = threadIdx.x; i < bytes / 2; i += 32) to[i] = tile[i];
#endif
}
TEST(CudaHopper, BulkCopiesAreSwizzledAndFillWithZeros) {
  NEEDS_HOPPER();
  // 3 matrices of 20 rows of 72 numbers, of rows of 80 and 24 rows each
  std::vector<uint16_t> all(3 * 24 * 80);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i + 1);
  const Dev<uint16_t> from(all);
  const Dev<simt::bf16> to(2 * 16 * 64);
  const simt::TensorMap flat = simt::tensor_map(from.p, {72, 20}, {160}, {64, 16}),
                        deep = simt::tensor_map(from.p, {72, 20, 3}, {160, 24 * 160}, {64, 16, 2});
  const int places[][3] = {{0, 0, 0}, {8, 3, 1}, {16, 9, 2}, {-8, -2, -1}, {64, 19, 2}, {72, 0, 0}};
  for (const auto& [x, y, z] : places)
    for (const int rank : {2, 3}) {
      const int depth = rank - 1;
      simt::launch(rank == 2 ? boxes<2> : boxes<3>, dim3(1), dim3(32), 1024 + 2 * 16 * 128,
                   rank == 2 ? flat : deep, static_cast<uint32_t>(depth * 16 * 128), x, y, z, to.p);
      const std::vector<simt::bf16> got = fetched(to.p, static_cast<size_t>(depth) * 16 * 64);
      for (int k = 0; k < depth; ++k)
        for (int r = 0; r < 16; ++r)
          for (int c = 0; c < 64; ++c) {
            const int i = x + c, j = y + r, m = rank == 2 ? 0 : z + k;
            const bool inside = i >= 0 && i < 72 && j >= 0 && j < 20 && m >= 0 && m < 3;
            const int place = c / 8 ^ r % 8;  // 16 rows a matrix: a multiple of 8
            uint16_t b;
            std::memcpy(&b, &got[static_cast<size_t>((k * 16 + r) * 64 + place * 8 + c % 8)], 2);
            ASSERT_EQ(b, inside ? all[static_cast<size_t>((m * 24 + j) * 80 + i)] : 0)
                << rank << ": " << i << ", " << j << ", " << m;
          }
    }
}
TEST(CudaHopper, AMapSaysWhatItNeeds) {
  auto said = [](uintptr_t base, std::vector<uint64_t> size, std::vector<uint64_t> step,
                 std::vector<uint32_t> box) {
    return simt::map_fault(reinterpret_cast<void*>(base), size, step, box);
  };
  EXPECT_EQ(said(64, {64, 10}, {128}, {64, 128}), "");
  EXPECT_EQ(said(64, {64, 10, 3}, {128, 1280}, {64, 128, 1}), "");
  EXPECT_NE(said(64, {64}, {}, {64}), "");
  EXPECT_NE(said(8, {64, 10}, {128}, {64, 128}), "");
  EXPECT_NE(said(64, {64, 0}, {128}, {64, 128}), "");
  EXPECT_NE(said(64, {64, 10}, {136}, {64, 128}), "");
  EXPECT_NE(said(64, {64, 10}, {128}, {32, 128}), "");
  EXPECT_NE(said(64, {64, 10}, {128}, {64, 257}), "");
}

// ---- attention: with and without ----
struct Case {
  int64_t d;
  Heads heads;
  Mask mask;
  float rope;
  int64_t rows;
  std::vector<int32_t> offsets, prefix;
};
struct Result {
  Tensor y, lse;
};
Tensor ints(const std::vector<int32_t>& v, DeviceKind d) {
  return Tensor::from<int32_t>(v, {static_cast<int64_t>(v.size())}, DType::i32, d);
}
Result attend(const Case& c, const Tensor& x, DType type, DeviceKind device, bool hopper) {
  std::vector<int32_t> place(static_cast<size_t>(c.rows));
  for (size_t s = 0; s + 1 < c.offsets.size(); ++s)
    for (int32_t i = c.offsets[s]; i < c.offsets[s + 1]; ++i)
      place[static_cast<size_t>(i)] = i - c.offsets[s];
  const Layout l{ints(c.offsets, device), ints(c.prefix, device), ints(place, device), c.mask};
  Result r{Tensor::empty({c.rows, c.heads.query * c.d}, type, device),
           Tensor::empty({c.rows, c.heads.query}, stats_type(type), device)};
  const bool before = std::exchange(cuda::attend_hopper(), hopper);
  kernels::attention_forward(device, cast(x, type).to(device).clone(), c.heads, l, 0, c.rope, r.y, r.lse);
  cuda::attend_hopper() = before;
  return {r.y.to(kCpu), r.lse.to(kCpu)};
}
// A gradient that holds `before`, to be added to or not.
struct Slot {
  GradSlot slot;
  Slot(const Tensor& before, bool add) : slot(GradSlot::of(before)) {
    slot.grad = before, slot.fixed = true, slot.written = add;
  }
};
// From one y, as it is stored in bf16; lse is the device's own.
Tensor output_gradient(const Case& c) {
  return cast(noise(Shape{c.rows, c.heads.query * c.d}, 2), DType::bf16);
}
Tensor attend_back(const Case& c, const Tensor& x, const Tensor& y, const Tensor& lse, const Tensor& dy,
                   DType type, DeviceKind device, bool hopper, bool add) {
  std::vector<int32_t> place(static_cast<size_t>(c.rows));
  for (size_t s = 0; s + 1 < c.offsets.size(); ++s)
    for (int32_t i = c.offsets[s]; i < c.offsets[s + 1]; ++i)
      place[static_cast<size_t>(i)] = i - c.offsets[s];
  const Layout l{ints(c.offsets, device), ints(c.prefix, device), ints(place, device), c.mask};
  auto put = [&](const Tensor& t) { return cast(t, type).to(device).clone(); };
  const Tensor before = cast(noise(x.shape(), 3), DType::bf16);
  Slot dx(put(before), add);
  const bool was = std::exchange(cuda::attend_hopper(), hopper);
  kernels::attention_backward(device, put(x), c.heads, l, c.rope, put(y), lse.to(device), put(dy),
                              Grad(&dx.slot));
  cuda::attend_hopper() = was;
  return dx.slot.grad.to(kCpu);
}
std::string bytes(const Tensor& t) {
  return {t.data<char>(), static_cast<size_t>(t.size()) * size_of(t.dtype())};
}
Tensor input(const Case& c) {
  return cast(noise(Shape{c.rows, (c.heads.query + 2 * c.heads.kv) * c.d}, 1), DType::bf16);
}
Tensor columns(const Tensor& t, int64_t first, int64_t count) {
  const Tensor out = Tensor::empty({t.shape()[0], count}, t.dtype(), kCpu);
  const size_t one = size_of(t.dtype());
  for (int64_t i = 0; i < t.shape()[0]; ++i)
    std::memcpy(out.data<char>() + static_cast<size_t>(i * count) * one,
                t.data<char>() + static_cast<size_t>(i * t.shape()[1] + first) * one,
                static_cast<size_t>(count) * one);
  return out;
}
void check(const Case& c) {
  SCOPED_TRACE(std::to_string(c.d) + " numbers, mask " + std::to_string(static_cast<int>(c.mask)) + ", " +
               std::to_string(c.rows) + " rows");
  const Tensor x = input(c);
  const Result truth = attend(c, x, DType::f64, kCpu, false), got = attend(c, x, DType::bf16, kCuda, true);
  const double most = c.rope > 0 ? 4e-2 : test::limit(DType::bf16);  // as attention_test.cc has it
  EXPECT_LE(test::error("attention_forward", DType::bf16, got.y, truth.y), most);
  for (int64_t i = 0; i < c.offsets.back() * c.heads.query; ++i)  // rows in no text have none
    ASSERT_NEAR(got.lse.at(i), truth.lse.at(i), most) << i;
  const bool add = c.mask == Mask::prefix;
  const Tensor dx = attend_back(c, x, got.y, got.lse, output_gradient(c), DType::bf16, kCuda, true, add),
               want = attend_back(c, x, got.y, truth.lse, output_gradient(c), DType::f64, kCpu, false, add);
  const int64_t q = c.heads.query * c.d, kv = c.heads.kv * c.d;
  for (const auto& [first, count] : {std::pair{int64_t{0}, q}, {q, kv}, {q + kv, kv}})
    EXPECT_LE(test::error("attention_backward", DType::bf16, columns(dx, first, count),
                          columns(want, first, count)),
              most)
        << "columns from " << first;
}
// Tiles of 128 queries and 128 keys, partial and whole; one group of queries, both, or part of the first;
// rows in no text.
const Case kCausal{64, {1, 1}, Mask::causal, 10000, 300, {0, 285}, {0}},
    kFull{64, {1, 1}, Mask::full, 0, 300, {0, 3, 297}, {0, 0}},
    kWide{128, {2, 1}, Mask::causal, 0, 330, {0, 190, 321}, {0, 0}},
    kPrefix{128, {1, 1}, Mask::prefix, 100, 300, {0, 297}, {200}},
    kGroup{64, {2, 1}, Mask::prefix, 0, 300, {0, 297}, {70}};
TEST(CudaHopper, AttentionAgrees) {
  NEEDS_HOPPER();
  for (const Case& c : {kCausal, kFull, kWide, kPrefix, kGroup}) check(c);
}
TEST(CudaHopper, EveryPlaceOfTheRingIsUsedAgain) {  // few queries, many keys: each buffer gets a second tile
  NEEDS_HOPPER();
  for (const int64_t d : {64, 128}) {
    const int32_t keys = d == 64 ? 700 : 500;
    const Tensor q = cast(noise(Shape{130, 2 * d}, 1), DType::bf16),
                 m = cast(noise(Shape{keys, 2 * d}, 2), DType::bf16);
    const Tensor dy = cast(noise(Shape{130, 2 * d}, 3), DType::bf16);
    struct All {
      Tensor y, dq, dkv;
    };
    auto run = [&](DType type, DeviceKind on, const Tensor& same_y) {
      const Layout to{ints({0, 130}, on), {}, {}}, from{ints({0, keys}, on), {}, {}};
      auto put = [&](const Tensor& t) { return cast(t, type).to(on).clone(); };
      Tensor y = Tensor::empty({130, 2 * d}, type, on), lse = Tensor::empty({130, 2}, stats_type(type), on);
      kernels::cross_attention_forward(on, put(q), put(m), {2, 1}, to, from, y, lse);
      Slot dq(put(q), true), dkv(put(m), false);
      kernels::cross_attention_backward(on, put(q), put(m), {2, 1}, to, from, same_y ? put(same_y) : y, lse,
                                        put(dy), Grad(&dq.slot), Grad(&dkv.slot));
      return All{y.to(kCpu), dq.slot.grad.to(kCpu), dkv.slot.grad.to(kCpu)};
    };
    const bool before = std::exchange(cuda::attend_hopper(), true);
    const All got = run(DType::bf16, kCuda, {});
    cuda::attend_hopper() = before;
    const All truth = run(DType::f64, kCpu, got.y);
    auto expect = [](const char* op, const Tensor& is, const Tensor& want) {
      EXPECT_LE(test::error(op, DType::bf16, is, want), test::limit(DType::bf16)) << op;
    };
    expect("cross_attention_forward", got.y, truth.y);
    expect("cross_attention_backward", got.dq, truth.dq);
    for (const int64_t first : {int64_t{0}, d})
      expect("cross_attention_backward", columns(got.dkv, first, d), columns(truth.dkv, first, d));
  }
}
TEST(CudaHopper, AttentionHasTheSameBitsInAnyOrder) {
  NEEDS_HOPPER();
  for (const Case& c : {kFull, kWide}) {
    const Tensor x = input(c);
    const Result one = attend(c, x, DType::bf16, kCuda, true);
    const std::string back =
        bytes(attend_back(c, x, one.y, one.lse, output_gradient(c), DType::bf16, kCuda, true, false));
#ifdef SIMT_CPU
    const auto before = simt::cfg.order;
    for (const auto order : {simt::Config::Reverse, simt::Config::Random}) {
      simt::cfg.order = order;
#else
    for (int again = 0; again < 2; ++again) {
#endif
      const Result other = attend(c, x, DType::bf16, kCuda, true);
      EXPECT_EQ(bytes(other.y), bytes(one.y));
      EXPECT_EQ(bytes(other.lse), bytes(one.lse));
      EXPECT_TRUE(bytes(attend_back(c, x, one.y, one.lse, output_gradient(c), DType::bf16, kCuda, true,
                                    false)) == back);
    }
#ifdef SIMT_CPU
    simt::cfg.order = before;
#endif
  }
}
TEST(CudaHopper, WhatIsNotFiniteStaysInItsText) {
  NEEDS_HOPPER();
  Case c = kFull;
  c.offsets = {0, 140, 290};
  const Tensor x = input(c), spoilt = x.clone(), dy = output_gradient(c), spoilt_dy = dy.clone();
  for (const Tensor& t : {spoilt, spoilt_dy})
    for (const int64_t row : {145, 295})  // of the second text, and of none
      for (int64_t j = 0; j < t.shape()[1]; ++j)
        t.data<bf16>()[row * t.shape()[1] + j] = bf16(j % 3 == 0 ? NAN : j % 3 == 1 ? INFINITY : -INFINITY);
  std::string forward[2], back[2];
  for (const bool bad : {false, true}) {
    const Tensor& in = bad ? spoilt : x;
    const Result r = attend(c, in, DType::bf16, kCuda, true);
    forward[bad] = bytes(r.y);
    back[bad] = bytes(attend_back(c, in, r.y, r.lse, bad ? spoilt_dy : dy, DType::bf16, kCuda, true, false));
  }
  for (const auto& two : {forward, back}) {
    const size_t row = two[0].size() / static_cast<size_t>(c.rows);
    for (size_t i = 0; i < static_cast<size_t>(c.rows); ++i)
      EXPECT_EQ(two[0].compare(i * row, row, two[1], i * row, row) != 0, i >= 140 && i < 290) << i;
  }
}
}  // namespace
}  // namespace rum::hopper_test
