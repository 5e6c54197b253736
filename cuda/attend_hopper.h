// Shared by the attention kernels with wgmma and bulk copies (attend_hopper.cu, attend_backward_hopper.cu). A
// block has 128 rows of its own, 64 for each of two groups of four warps, and a warp that fetches the rows
// that stream past them. A tile of R rows of D numbers is stored as D / 64 swizzled tiles of R x 64 in turn.
#pragma once
#include "cuda/attend.h"
#include "cuda/attend_tiles.h"
#include "cuda/simt/hopper.h"

namespace rum::cuda {
constexpr int kGroup = 128, kGroups = 2, kGroupRows = 64, kOwnRows = kGroups * kGroupRows;
constexpr int kReaders = kGroups * kGroup / 32;  // warps that give a place back
template <int R>
constexpr int kTileBytes = R* simt::kSwizzledRow * 2;  // 64 numbers of each of R rows

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
// s (64, R) = own (64, D) times streamed (R, D) transposed. own: of a tile of 128 rows.
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
// The first row of the warp's group. One lane computes it for all, so that the compiler knows it to be uniform
// and keeps the addresses that depend on it in uniform registers.
__device__ __forceinline__ int own_rows(int warp) {
  return __shfl_sync(0xffffffffu, (warp / 4 - 1) * kGroupRows, 0);
}
// Called by all lanes of a warp when it no longer needs this place. They synchronise first: a lane still
// waiting would miss its phase, and two phases later the parity is the same again.
__device__ __forceinline__ void give_back(simt::Barrier* empty, int lane) {
  __syncwarp();
  if (lane == 0) simt::barrier_arrive(empty);
}
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
