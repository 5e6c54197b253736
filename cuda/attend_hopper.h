// Shared by the attention kernels with wgmma and bulk copies, for compute capability 9.0 (attend_hopper.cu,
// attend_backward_hopper.cu, attend_backward_128_hopper.cu). A group of four warps has 64 rows of its own, and
// the rows of the other side stream past it. Products wait for copies, and arithmetic for products; what fills
// these waits depends on the heads:
//
//   64 numbers   two blocks a multiprocessor with two groups each, or three with one: while one waits, the
//                others work. The first warp fetches beside its own work (Stream).
//   128 numbers  sums and scores take the registers of a whole multiprocessor, so there is one block of two
//                groups, with a warp behind them that only fetches.
//
// That is what an H200 showed for heads of 64: with one block, .45 of a scheduler's warps could issue. Letting
// the products of one tile run beside the arithmetic of another within a group gained less than one more block.
// And a fetching warp would cost the others a quarter of their registers, since a multiprocessor's are handed
// out for whole sets of four warps.
//
// A tile of R rows of D numbers is stored as D / 64 swizzled tiles of R x 64 in turn.
#pragma once
#include "cuda/attend.h"
#include "cuda/attend_tiles.h"
#include "cuda/simt/hopper.h"

namespace rum::cuda {
constexpr int kGroup = 128, kGroups = 2, kGroupRows = 64, kOwnRows = kGroups * kGroupRows;
constexpr int kReaders = kGroups * kGroup / 32;  // warps that give a place back
template <int R>
constexpr int kTileBytes = R* simt::kSwizzledRow * 2;  // 64 numbers of each of R rows
// Bytes of dynamic shared memory for tiles of `rows` rows of d numbers (swizzled_room).
constexpr size_t room(int d, int rows) {
  return simt::kSwizzledAlign + sizeof(bf16) * static_cast<size_t>(d * rows);
}
constexpr int kMet = 64;  // rows of heads of 64 that stream past at a time
template <int kPlaces, int kBlockGroups, bool kHeads = false>
struct Stream;

#ifdef SIMT_HOPPER
// All D / 64 tiles of R rows from row `first` on; their bytes are another's to announce.
template <int D, int R>
__device__ __forceinline__ void copy_tiles(bf16* to, const simt::TensorMap& map, simt::Barrier* there,
                                           int column, int first) {
  SIMT_UNROLL
  for (int c = 0; c < D; c += simt::kSwizzledRow) simt::bulk_load(to + c * R, map, there, column + c, first);
}
template <int D, int R>
__device__ __forceinline__ void fetch(bf16* to, const simt::TensorMap& map, simt::Barrier* full, int column,
                                      int first) {
  simt::barrier_expect(full, D / simt::kSwizzledRow * kTileBytes<R>);
  copy_tiles<D, R>(to, map, full, column, first);
}
// Called by a warp: zeroes the rows from `left` on, which belong to the next text. Multiplying them by 0 is not
// enough if they are not finite.
template <int D, int R>
__device__ __forceinline__ void clear_rows(bf16* tile, int left, int lane) {
  SIMT_ROLLED
  for (int c = 0; c < D; c += simt::kSwizzledRow)
    for (int e = left * 64 + lane * 8; e < R * 64; e += 32 * 8) simt::stv(tile + c * R + e, uint4{});
}
// s (64, R) = own (64, D) times streamed (R, D) transposed. own is of a tile of kOwnRows rows; with D = 64, of
// any.
template <int D, int R>
__device__ __forceinline__ void start_scores(float (&s)[R / 8][4], uint64_t own, uint64_t streamed) {
  simt::wgmma_fence();
  SIMT_UNROLL
  for (int k = 0; k < D / 16; ++k) {
    const int tile = k / 4, within = k % 4 * 32;
    simt::wgmma<R>(s, own + static_cast<uint64_t>(tile * kTileBytes<kOwnRows> + within) / 16,
                   streamed + static_cast<uint64_t>(tile * kTileBytes<R> + within) / 16, k > 0);
  }
  simt::wgmma_commit();
}
// o (64, D) += p (64, R) times streamed (R, D).
template <int D, int R>
__device__ __forceinline__ void start_sums(float (&o)[D / 8][4], const uint32_t (&p)[R / 16][4],
                                           uint64_t streamed) {
  simt::wgmma_fence();
  SIMT_UNROLL
  for (int k = 0; k < R / 16; ++k)
    simt::wgmma_across<D>(o, p[k], streamed + static_cast<uint64_t>(k * 16 * 128 / 16), true);
  simt::wgmma_commit();
}
// Turns the results of one product into the left factor of the next: lanes hold both in the same layout.
template <int R>
__device__ __forceinline__ void as_factor(uint32_t (&p)[R / 16][4], const float (&s)[R / 8][4]) {
  SIMT_UNROLL
  for (int k = 0; k < R / 16; ++k) {
    SIMT_UNROLL
    for (int e = 0; e < 4; ++e)
      p[k][e] = simt::pack_bf(s[2 * k + e / 2][e % 2 * 2], s[2 * k + e / 2][e % 2 * 2 + 1]);
  }
}
// The numbers s are computed before what follows: before a wait for products, so that the arithmetic runs
// beside them. This holds the compiler. ptxas still moves arithmetic over a wait for products, but nothing over
// a wait on a barrier, which ends its block of instructions.
template <int N>
__device__ __forceinline__ void computed(float (&s)[N][4]) {
#ifdef SIMT_GPU
  SIMT_UNROLL
  for (int n = 0; n < N; ++n)
    asm volatile("" : "+f"(s[n][0]), "+f"(s[n][1]), "+f"(s[n][2]), "+f"(s[n][3])::"memory");
#else
  static_cast<void>(s);
#endif
}
// The same where no wait on a barrier follows: one for a phase that is over, which returns at once.
template <int N>
__device__ __forceinline__ void computed(float (&s)[N][4], simt::Barrier* over, uint32_t parity) {
  computed(s);
  simt::barrier_wait(over, parity);
}
// The first row of the warp's group. One lane computes it for all, so that the compiler knows it to be uniform
// and keeps the addresses that depend on it in uniform registers.
__device__ __forceinline__ int own_rows(int warp) {
  return __shfl_sync(0xffffffffu, warp / 4 * kGroupRows, 0);
}
// Called by all lanes of a warp when it no longer needs this place. They synchronise first: a lane still
// waiting would miss its phase, and two phases later the parity is the same again.
__device__ __forceinline__ void give_back(simt::Barrier* empty, int lane) {
  __syncwarp();
  if (lane == 0) simt::barrier_arrive(empty);
}
// Called by all threads of a group.
__device__ __forceinline__ void meet_group(simt::Barrier* all, uint32_t parity) {
  simt::barrier_arrive(all);
  simt::barrier_wait(all, parity);
}
// A warp's 16 rows of a result, from row `first` on, leave through a tile that nobody reads any more: each
// lane puts its pairs of numbers at these places, and then the warp writes whole rows up to `end`, 16 bytes a
// lane. Pairs alone would fill a quarter of what a store can carry. The tile has kOwnRows rows; with
// D = 64, any number.
__device__ __forceinline__ bf16* pair_at(bf16* tile, int r, int n) {
  return tile + n / 8 * (kOwnRows * 64) +
         simt::swizzled(r, n % 8 * 8 + static_cast<int>(threadIdx.x % 4) * 2);
}
template <int D>
__device__ __forceinline__ void put_rows(const bf16* tile, bf16* to, int64_t step, int first, int end) {
  __syncwarp();
  const int lane = static_cast<int>(threadIdx.x % 32);
  SIMT_UNROLL
  for (int i = 0; i < 16 * D / 8; i += 32) {
    const int r = first + (i + lane) / (D / 8), c = (i + lane) % (D / 8) * 8;
    if (r < end)
      simt::stv(to + r * step + c,
                simt::ldv<uint4>(tile + c / 64 * (kOwnRows * 64) + simt::swizzled(r, c % 64)));
  }
}
// How rows of heads of 64 stream past a block without a warp that only fetches. Pairs of tiles, from the same
// rows of two matrices, go through kPlaces places. When the first warp has started the work with tile t, the
// place of tile t - kBlockGroups gets the next one: by then the other group, if there is one, has hardly ever to
// be waited for. kHeads: the rows stream past once for each of several heads, and with each tile comes more,
// which the first warp brings.
template <int kPlaces, int kBlockGroups, bool kHeads>
struct Stream {
  static constexpr int D = 64, R = kMet, kLag = kBlockGroups;
  struct Meet {
    simt::Barrier full[kPlaces], cleared[kPlaces], empty[kPlaces], own, group[kBlockGroups];
  };
  Meet& meet;
  bf16* const places;
  const simt::TensorMap &a, &b;
  const int column, row, rows;  // of both matrices; their rows from row + rows on are the next text's
  const int tiles, lane;
  const int each = 0;  // tiles of a head

  // One thread, before others know the barriers.
  static __device__ __forceinline__ void prepare(Meet& meet) {
    for (int i = 0; i < kPlaces; ++i) {
      simt::barrier_init(&meet.full[i], kHeads ? 2 : 1);
      simt::barrier_init(&meet.cleared[i], 1);
      simt::barrier_init(&meet.empty[i], kBlockGroups * kGroup / 32);
    }
    simt::barrier_init(&meet.own, 1);
    for (int g = 0; g < kBlockGroups; ++g) simt::barrier_init(&meet.group[g], kGroup);
    simt::barriers_ready();
  }
  static __device__ __forceinline__ uint32_t index(int t) { return static_cast<uint32_t>(t) % kPlaces; }
  static __device__ __forceinline__ uint32_t parity(int t) { return static_cast<uint32_t>(t) / kPlaces % 2; }
  __device__ __forceinline__ bf16* place(int t) const { return places + index(t) * (2 * R * D); }
  __device__ __forceinline__ int head(int t) const { return kHeads && each < tiles ? t / each : 0; }
  __device__ __forceinline__ int first(int t) const { return (t - head(t) * each) * R; }
  __device__ __forceinline__ void fetch(int t) const {  // one lane
    const uint32_t i = index(t);
    const int y = first(t), x = column + head(t) * D;
    simt::barrier_wait(&meet.empty[i], parity(t) ^ 1);
    simt::barrier_expect(&meet.full[i], 2 * D / simt::kSwizzledRow * kTileBytes<R>);
    copy_tiles<D, R>(place(t), a, &meet.full[i], x, row + y);
    copy_tiles<D, R>(place(t) + R * D, b, &meet.full[i], x, row + y);
  }
  // The first warp: before any work, and in the middle of that with tile t.
  __device__ __forceinline__ void begin() const {
    if (lane == 0)
      for (int t = 0; t < min(tiles, kPlaces); ++t) fetch(t);
    __syncwarp();
  }
  __device__ __forceinline__ void go_on(int t) const {
    if (lane == 0 && t >= kLag && t - kLag + kPlaces < tiles) fetch(t - kLag + kPlaces);
    __syncwarp();
  }
  // Waits for tile t. If it is cut, the first warp zeroes what is not its text's.
  __device__ __forceinline__ void wait(int t, bool first_warp) const { wait(t, rows - first(t), first_warp); }
  __device__ __forceinline__ void wait(int t, int left, bool first_warp) const {
    const uint32_t i = index(t);
    simt::barrier_wait(&meet.full[i], parity(t));
    if (first_warp) {
      if (left < R) {
        clear_rows<D, R>(place(t), left, lane);
        clear_rows<D, R>(place(t) + R * D, left, lane);
        simt::fence_async();
        __syncwarp();
      }
      if (lane == 0) simt::barrier_arrive(&meet.cleared[i]);
    }
    if (left < R) simt::barrier_wait(&meet.cleared[i], parity(t));
  }
  __device__ __forceinline__ void done(int t) const { give_back(&meet.empty[index(t)], lane); }
  // Passes the tiles from t on, which only the other group needs. Nobody waits for the last places.
  __device__ __forceinline__ void pass(int t, bool first_warp) const {
    SIMT_ROLLED
    for (; t < tiles; ++t) {
      if (first_warp) go_on(t);
      if (t + kPlaces >= tiles && !(first_warp && rows - first(t) < R)) continue;
      wait(t, first_warp);
      done(t);
    }
  }
};
// Dynamic shared memory from the first multiple of 1,024 bytes on.
__device__ __forceinline__ bf16* swizzled_room() {
  unsigned char* room = simt::dyn_shared<unsigned char>();
  room += (simt::kSwizzledAlign - simt::shared_address(room) % simt::kSwizzledAlign) % simt::kSwizzledAlign;
  return reinterpret_cast<bf16*>(room);
}
#endif
// Boxes of 64 numbers x `box` rows of all heads' numbers.
inline simt::TensorMap rows_map(const bf16* from, int64_t step, int width, int rows, int box) {
  return simt::tensor_map(from, {static_cast<uint64_t>(width), static_cast<uint64_t>(rows)},
                          {static_cast<uint64_t>(step) * sizeof(bf16)},
                          {simt::kSwizzledRow, static_cast<uint32_t>(box)});
}
}  // namespace rum::cuda
