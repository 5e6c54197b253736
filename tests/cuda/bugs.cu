// Planted bugs, one per number: the checker must catch each ("bugs N"), and stay silent on the correct
// version ("bugs N fixed"). Run by `make test`.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "cuda/kernel.h"
#include "cuda/simt/hopper.h"

namespace {
constexpr int kBugs = 39;  // emulated.sh counts them, too
using rum::cuda::warp_sum;
template <class T>
struct Dev {  // initialised device memory
  T* p;
  explicit Dev(size_t n) : p(static_cast<T*>(simt::dev_malloc(n * sizeof(T)))) {}
  explicit Dev(const std::vector<T>& h) : Dev(h.size()) { simt::h2d(p, h.data(), h.size() * sizeof(T)); }
  Dev(const Dev&) = delete;
  ~Dev() { simt::dev_free(p); }
  operator T*() const { return p; }
};
std::vector<float> some(size_t n) {
  std::vector<float> v(n);
  for (size_t i = 0; i < n; ++i) v[i] = static_cast<float>(i % 7) - 3;
  return v;
}

template <bool Bug>
__global__ void missing_sync(float* y, const float* x) {  // 1: reverse through shared memory
  SIMT_SHARED(float, s, [64]);
  s[threadIdx.x] = x[threadIdx.x];
  if (!Bug) __syncthreads();
  y[threadIdx.x] = s[63 - threadIdx.x];
}
template <bool Bug>
__global__ void missing_second_sync(float* y, const float* x, int tiles) {  // 2: tile reused too early
  SIMT_SHARED(float, s, [64]);
  float a = 0;
  for (int t = 0; t < tiles; ++t) {
    s[threadIdx.x] = x[t * 64 + threadIdx.x];
    __syncthreads();
    a += s[(threadIdx.x + 33) & 63];
    if (!Bug) __syncthreads();
  }
  y[threadIdx.x] = a;
}
template <bool Bug>
__global__ void off_by_one(float* y, const float* x, int n) {  // 3: global out of bounds
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (Bug ? i <= n : i < n) y[i] = x[i] * 2;
}
template <bool Bug>
__global__ void shared_oob(float* y) {  // 4: shared out of bounds
  SIMT_SHARED(float, s, [8][33]);
  for (int i = threadIdx.x; i < (Bug ? 9 : 8) * 33; i += blockDim.x) (&s[0][0])[i] = float(i);
  __syncthreads();
  y[threadIdx.x] = s[threadIdx.x & 7][3];
}
template <bool Bug>
__global__ void wrong_mask(float* y, const float* x, int n) {  // 5: tail lanes skip the shuffle
  int i = threadIdx.x;
  if (Bug) {
    if (i < n) {
      float v = x[i];
      for (int o = 16; o; o >>= 1) v += __shfl_down_sync(0xffffffffu, v, o);
      if (!i) y[0] = v;
    }
  } else {
    float v = i < n ? x[i] : 0.f;
    for (int o = 16; o; o >>= 1) v += __shfl_down_sync(0xffffffffu, v, o);
    if (!i) y[0] = v;
  }
}
template <bool Bug>
__global__ void divergent_sync(float* y) {  // 6: barrier in a branch
  if (Bug) {
    if (threadIdx.x < 40)
      __syncthreads();
    else
      y[threadIdx.x] = 1;
    if (threadIdx.x >= 40) {
      __syncthreads();
    }
  } else
    __syncthreads();
  y[threadIdx.x] = 0;
}
template <bool Bug>
__global__ void block_race(float* sum, const float* x) {  // 7: += instead of atomicAdd across blocks
  float v = warp_sum(x[blockIdx.x * 32 + threadIdx.x]);
  if (threadIdx.x == 0) {
    if (Bug)
      *sum += v;
    else
      atomicAdd(sum, v);
  }
}
template <bool Bug>
__global__ void uninit(float* y) {  // 8: accumulator in shared memory not zeroed
  SIMT_SHARED(float, s, [32]);
  if (!Bug || threadIdx.x < 31) s[threadIdx.x] = 0;
  __syncthreads();
  s[threadIdx.x] += 1;
  y[threadIdx.x] = s[threadIdx.x];
}
template <bool Bug>
__global__ void cp_async_nowait(float* y, const float* x) {  // 9: cp.async consumed without wait
  SIMT_SHARED(float, s, [128]);
  simt::cp_async16(&s[threadIdx.x * 4], x + threadIdx.x * 4);
  simt::cp_async_commit();
  if (!Bug) simt::cp_async_wait<0>();
  __syncthreads();
  y[threadIdx.x] = s[127 - threadIdx.x];
  if (Bug) simt::cp_async_wait<0>();
}
template <bool Bug>
__global__ void missing_syncwarp(float* y, const float* x) {  // 10: warp-synchronous code without __syncwarp
  SIMT_SHARED(float, s, [32]);
  s[threadIdx.x] = x[threadIdx.x];
  if (!Bug) __syncwarp();
  y[threadIdx.x] = s[threadIdx.x ^ 1];
}
template <bool Bug>
__global__ void half_mask(float* y,
                          // 14: each half of a warp synchronises alone, but reads the other's
                          const float* x) {
  SIMT_SHARED(float, s, [32]);
  s[threadIdx.x] = 0;
  __syncwarp();
  s[threadIdx.x] = x[threadIdx.x];
  __syncwarp(threadIdx.x < 16 ? 0xffffu : 0xffff0000u);
  y[threadIdx.x] = s[threadIdx.x ^ (Bug ? 16 : 8)];
}
template <bool Bug>
__global__ void shuffle_as_barrier(float* y, const float* x) {  // 15: a shuffle does not order memory
  SIMT_SHARED(float, s, [32]);
  s[threadIdx.x] = 0;
  __syncwarp();
  s[threadIdx.x] = x[threadIdx.x];
  float v = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
  if (!Bug) __syncwarp();
  y[threadIdx.x] = v + s[threadIdx.x ^ 1];
}
// 16, 17: the last block to arrive adds up what all have written. Without the fence before the counter the
// data may not be there yet; without the one after it the reads may have happened before.
template <bool Release, bool Acquire>
__global__ void last_block(float* y, const float* x, float* partial, unsigned* counter) {
  SIMT_SHARED(bool, last, [1]);
  partial[blockIdx.x * 64 + threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  if (threadIdx.x == 0) {
    if (Release) __threadfence();
    last[0] = atomicAdd(counter, 1u) == gridDim.x - 1;
    if (Acquire) __threadfence();
  }
  __syncthreads();
  if (!last[0]) return;
  float sum = 0;
  for (unsigned b = 0; b < gridDim.x; ++b) sum += partial[b * 64 + threadIdx.x];
  y[threadIdx.x] = sum;
}
__global__ void copy1(float* y, const float* x) {
  y[threadIdx.x] = x[threadIdx.x];
}  // 11: host pointer, 12: misaligned, 13: use after free
__global__ void load4(float4* y, const float* x) { y[threadIdx.x] = simt::ldv<float4>(x + 4 * threadIdx.x); }

// 18 to 33: bugs with warpgroup products, bulk copies and their barriers. Two rounds: A (64 x 64) comes by a
// bulk copy, all threads store B, sums += A B and += P B with P in registers; then the buffers are released.
enum Slip {
  kNone = 17,
  kEarlySums,     // read before the wait
  kChangedSums,   // changed, with no wgmma_fence
  kNoFence,       // none since the last wait
  kEarlyFactor,   // P changed before the wait
  kEarlyStore,    // B stored before the wait
  kNoAsyncFence,  // between the plain store of B and the product
  kNotWaited,     // the product does not wait for the bulk copy
  kPlainRead,     // nor does a plain read
  kNotGivenBack,  // the next round begins while others may be in this one
  kWrongParity,   // waits for the previous phase
  kFewBytes,      // the barrier expects less than arrives
  kManyBytes,     // or more
  kMisaligned,    // tiles not at a multiple of 1,024 bytes
  kNoMeeting,     // barriers used while another thread initialises them
  kNoCommit,      // products waited for in no group
  kNobodyWaits    // returns with a product in flight
};
template <int kSlip>
__global__ void rounds(float* y, const __grid_constant__ simt::TensorMap map) {
  SIMT_SHARED(simt::Barrier, there, [2]);
  const int thread = static_cast<int>(threadIdx.x);
  auto* room = simt::dyn_shared<unsigned char>();
  room += 1024 - simt::shared_address(room) % 1024 + (kSlip == kMisaligned ? 128 : 0);
  auto *const a = reinterpret_cast<simt::bf16*>(room), *const b = a + 64 * 64;
  if (thread == 0) {
    simt::barrier_init(&there[0], 1), simt::barrier_init(&there[1], 128);
    simt::barriers_ready();
  }
  if (kSlip != kNoMeeting) __syncthreads();
  simt::barrier_wait(&there[1], 1);  // returns at once
  float sums[8][4] = {}, more[8][4] = {};
  uint32_t p[4] = {0x3f803f80, 0x3f80, 0, 0x3f800000};
  for (uint32_t round = 0; round < 2; ++round) {
    if (round > 0 && kSlip != kNotGivenBack) simt::barrier_wait(&there[1], round - 1);
    if (thread == 0) {
      simt::barrier_expect(&there[0], kSlip == kFewBytes ? 4096 : kSlip == kManyBytes ? 16384 : 8192);
      simt::bulk_load(a, map, &there[0], 0, static_cast<int>(round) * 8);
    }
    for (int i = thread; i < 64 * 64; i += 128) b[simt::swizzled(i / 64, i % 64)] = simt::to_bf(1);
    if (kSlip != kNoAsyncFence) simt::fence_async();
    __syncthreads();
    if (kSlip != kNotWaited && kSlip != kPlainRead)
      simt::barrier_wait(&there[0], kSlip == kWrongParity ? 1 - round : round);
    if (kSlip == kPlainRead) y[thread] = simt::to_f(a[thread]);
    if (kSlip != kNoFence || round == 0) simt::wgmma_fence();
    if (kSlip == kChangedSums) sums[1][0] += 1;
    const uint64_t da = simt::tile_descriptor(a), db = simt::tile_descriptor(b);
    for (uint64_t k = 0; k < 4; ++k) simt::wgmma<64>(sums, da + k * 2, db + k * 2, true);
    simt::wgmma_across<64>(more, p, db, true);
    if (kSlip != kNoCommit) simt::wgmma_commit();
    if (kSlip == kEarlySums) y[thread] = sums[0][0];
    if (kSlip == kEarlyFactor) p[1] = 0x3f803f80;
    if (kSlip == kEarlyStore && thread == 5) b[0] = simt::to_bf(2);
    if (kSlip != kNobodyWaits || round == 0) simt::wgmma_wait<0>();
    simt::barrier_arrive(&there[1]);
  }
  if (kSlip == kNobodyWaits) return;
  y[thread] = sums[7][3] + more[0][1];
}
template <bool Bug>
void run_rounds(int n) {
  const Dev<uint16_t> from(std::vector<uint16_t>(70 * 64, 0x3f80));
  const Dev<float> y(128);
  const simt::TensorMap map = simt::tensor_map(from, {64, 70}, {128}, {64, 64});
  auto one = [&]<int kSlip> {
    if (n == kSlip) simt::launch(rounds < Bug ? kSlip : kNone >, dim3(1), dim3(128), 3 * 8192, y.p, map);
  };
  [&]<int... k>(std::integer_sequence<int, k...>) { (one.template operator()<kNone + 1 + k>(), ...); }
  (std::make_integer_sequence<int, kNobodyWaits - kNone>());
}

// 34 to 39: what may go wrong where one warp fetches and a group computes, as in attention backward. Three
// rounds through one place: tiles A and B by bulk copies, 64 numbers beside them by plain stores; in the last
// round rows are cleared. Scores s = A B^T and d = B A^T, then sums += s B, more += (s d) A.
enum RoleSlip {
  kGoodRoles = 33,
  kAlone,       // the warp does not meet before it says that the place is full
  kUnfenced,    // no fence_async after rows were cleared
  kYounger,     // d is used when only s was waited for
  kEarlyPlace,  // given back while a product still reads it
  kNotMet,      // given back by one lane, while others may read the numbers
  kOddColumn,   // a copy that begins in the middle of 16 bytes
  kRolesEnd
};
template <int kSlip>
__global__ void roles(float* y, const float* x, const __grid_constant__ simt::TensorMap map) {
  SIMT_SHARED(simt::Barrier, full, [1]);
  SIMT_SHARED(simt::Barrier, empty, [1]);
  SIMT_SHARED(simt::Barrier, cut, [1]);
  SIMT_SHARED(float, numbers, [64]);
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32;
  auto* room = simt::dyn_shared<unsigned char>();
  room += (1024 - simt::shared_address(room) % 1024) % 1024;
  auto *const a = reinterpret_cast<simt::bf16*>(room), *const b = a + 64 * 64;
  if (thread == 0) {
    simt::barrier_init(full, 2);
    simt::barrier_init(empty, 4);
    simt::barrier_init(cut, 1);
    simt::barriers_ready();
  }
  __syncthreads();
  constexpr int kRounds = 3;
  if (thread < 128) {
    if (thread >= 32) return;
    for (int round = 0; round < kRounds; ++round) {
      const bool last = round + 1 == kRounds;
      simt::barrier_wait(empty, static_cast<uint32_t>(round + 1) % 2);
      if (lane == 0) {
        simt::Barrier* const there = last ? cut : full;
        simt::barrier_expect(there, 16384);
        simt::bulk_load(a, map, there, kSlip == kOddColumn ? 4 : 0, round);
        simt::bulk_load(b, map, there, 0, round + 3);
      }
      for (int i = lane; i < 64; i += 32) numbers[i] = x[i] + static_cast<float>(round);
      if (last) {
        simt::barrier_wait(cut, 0);
        for (int i = 60 * 64 + lane; i < 64 * 64; i += 32) a[i] = b[i] = simt::to_bf(0);
        if (kSlip != kUnfenced) simt::fence_async();
      }
      if (kSlip != kAlone) __syncwarp();
      if (lane == 0) simt::barrier_arrive(full);
      if (lane == 0 && last) simt::barrier_arrive(full);
    }
    return;
  }
  float sums[8][4] = {}, more[8][4] = {}, s[8][4], d[8][4];
  uint32_t p[4][4], q[4][4];
  auto as_factor = [](uint32_t(&to)[4][4], const float(&from)[8][4]) {
    for (int k = 0; k < 4; ++k)
      for (int e = 0; e < 4; ++e)
        to[k][e] = simt::pack_bf(from[2 * k + e / 2][e % 2 * 2], from[2 * k + e / 2][e % 2 * 2 + 1]);
  };
  const uint64_t da = simt::tile_descriptor(a), db = simt::tile_descriptor(b);
  auto give_back = [&] {
    if (kSlip != kNotMet) __syncwarp();
    if (lane == 0) simt::barrier_arrive(empty);
  };
  for (int round = 0; round < kRounds; ++round) {
    simt::barrier_wait(full, static_cast<uint32_t>(round) % 2);
    simt::wgmma_fence();
    for (uint64_t k = 0; k < 4; ++k) simt::wgmma<64>(s, da + k * 2, db + k * 2, k > 0);
    simt::wgmma_commit();
    for (uint64_t k = 0; k < 4; ++k) simt::wgmma<64>(d, db + k * 2, da + k * 2, k > 0);
    simt::wgmma_commit();
    simt::wgmma_wait<1>();
    for (int n = 0; n < 8; ++n)
      for (int e = 0; e < 4; ++e) s[n][e] *= numbers[n * 8 + lane % 4 * 2 + e % 2];
    as_factor(p, s);
    simt::wgmma_fence();
    for (uint64_t k = 0; k < 4; ++k) simt::wgmma_across<64>(sums, p[k], db + k * 128, true);
    simt::wgmma_commit();
    if (kSlip == kYounger)
      simt::wgmma_wait<2>();
    else
      simt::wgmma_wait<1>();
    for (int n = 0; n < 8; ++n)
      for (int e = 0; e < 4; ++e) d[n][e] *= s[n][e];
    as_factor(q, d);
    simt::wgmma_fence();
    for (uint64_t k = 0; k < 4; ++k) simt::wgmma_across<64>(more, q[k], da + k * 128, true);
    simt::wgmma_commit();
    if (kSlip == kEarlyPlace) give_back();
    simt::wgmma_wait<0>();
    if (kSlip != kEarlyPlace) give_back();
  }
  y[thread - 128] = sums[7][3] + more[0][1];
}
template <bool Bug>
void run_roles(int n) {
  const Dev<uint16_t> from(std::vector<uint16_t>(70 * 64, 0x3f80));
  const Dev<float> x(some(64)), y(128);
  const simt::TensorMap map = simt::tensor_map(from, {64, 70}, {128}, {64, 64});
  auto one = [&]<int kSlip> {
    if (n == kSlip)
      simt::launch(roles < Bug ? kSlip : kGoodRoles >, dim3(1), dim3(256), 3 * 8192, y.p, x.p, map);
  };
  [&]<int... k>(std::integer_sequence<int, k...>) { (one.template operator()<kGoodRoles + 1 + k>(), ...); }
  (std::make_integer_sequence<int, kRolesEnd - kGoodRoles - 1>());
}

template <bool Bug>
void run(int n) {
  if (n > kGoodRoles) return run_roles<Bug>(n);
  if (n > kNone) return run_rounds<Bug>(n);
  const Dev<float> x(some(256)), y(256), z(std::vector<float>{0}), x100(some(100)), y100(100);
  dim3 g1(1);
  switch (n) {
    case 1:
      simt::launch(missing_sync<Bug>, g1, dim3(64), 0, y, x);
      break;
    case 2:
      simt::launch(missing_second_sync<Bug>, g1, dim3(64), 0, y, x, 4);
      break;
    case 3:
      simt::launch(off_by_one<Bug>, dim3(4), dim3(32), 0, y100, x100, 100);
      break;
    case 4:
      simt::launch(shared_oob<Bug>, g1, dim3(64), 0, y);
      break;
    case 5:
      simt::launch(wrong_mask<Bug>, g1, dim3(32), 0, y, x, 20);
      break;
    case 6:
      simt::launch(divergent_sync<Bug>, g1, dim3(64), 0, y);
      break;
    case 7:
      simt::launch(block_race<Bug>, dim3(4), dim3(32), 0, z, x);
      break;
    case 8:
      simt::launch(uninit<Bug>, g1, dim3(32), 0, y);
      break;
    case 9:
      simt::launch(cp_async_nowait<Bug>, g1, dim3(32), 0, y, x);
      break;
    case 10:
      simt::launch(missing_syncwarp<Bug>, g1, dim3(32), 0, y, x);
      break;
    case 14:
      simt::launch(half_mask<Bug>, g1, dim3(32), 0, y, x);
      break;
    case 15:
      simt::launch(shuffle_as_barrier<Bug>, g1, dim3(32), 0, y, x);
      break;
    case 16:
    case 17: {
      const Dev<unsigned> counter(std::vector<unsigned>{0});
      const Dev<float> partial(256);
      simt::launch(n == 16 ? last_block<!Bug, true> : last_block<true, !Bug>, dim3(4), dim3(64), 0, y, x,
                   partial, counter);
      break;
    }
    case 11: {
      std::vector<float> h(32, 1.f);
      simt::launch(copy1, g1, dim3(32), 0, y, Bug ? h.data() : x.p);
      break;
    }
    case 12: {
      Dev<float4> v(32);
      simt::launch(load4, g1, dim3(32), 0, v, x.p + Bug);
      break;
    }
    case 13: {
      auto* d = new Dev<float>(some(32));
      float* p = *d;
      if (Bug) delete d;
      simt::launch(copy1, g1, dim3(32), 0, y, p);
      if (!Bug) delete d;
      break;
    }
  }
}
}  // namespace
int main(int argc, char** argv) {
  const int n = argc > 1 ? std::atoi(argv[1]) : 0;
  if (n < 1 || n > kBugs) return std::printf("usage: bugs N [fixed], N from 1 to %d\n", kBugs), 2;
  if (argc > 2)
    run<false>(n);
  else
    run<true>(n);
  std::puts("finished");
}
