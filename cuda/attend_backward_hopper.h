// Shared by the backward kernels of attention with wgmma: attend_backward_hopper.cu, for heads of 64, and
// attend_backward_128_hopper.cu.
#pragma once
#include "cuda/attend_hopper.h"
#include "cuda/bits.h"

namespace rum::cuda {
// For heads of 128: dq; dk and dv.
void backward_queries_128(const AttendBackward<bf16>&);
void backward_keys_128(const AttendBackward<bf16>&);

#ifdef SIMT_HOPPER
// What row_stats left for a lane's two queries, r0 + lane / 4 and the 8th behind it, up to `last`.
__device__ __forceinline__ void own_stats(float2 (&stats)[2], const AttendBackward<bf16>& a, int h, int row,
                                          int r0, int last, int lane) {
  SIMT_UNROLL
  for (int half = 0; half < 2; ++half) {
    const int r = r0 + lane / 4 + 8 * half;
    stats[half] = r <= last ? a.stats[static_cast<int64_t>(h) * a.rows + row + r] : make_float2(0, 0);
  }
}
// Of queries in rows: s becomes p.
template <int N>
__device__ __forceinline__ void query_weights(float (&s)[N][4], const float2 (&stats)[2], float scale) {
  SIMT_UNROLL
  for (int n = 0; n < N; ++n) {
    SIMT_UNROLL
    for (int e = 0; e < 4; ++e) s[n][e] = simt::exp2_approx(s[n][e] * scale - stats[e / 2].x);
  }
}
// p becomes ds. first: the tile's first key; keys from `sees` on are masked.
template <int N>
__device__ __forceinline__ void query_gradients(float (&p)[N][4], const float (&dp)[N][4],
                                                const float2 (&stats)[2], const int (&sees)[2], int first,
                                                bool whole, int lane) {
  SIMT_UNROLL
  for (int n = 0; n < N; ++n) {
    SIMT_UNROLL
    for (int e = 0; e < 4; ++e) p[n][e] *= dp[n][e] - stats[e / 2].y;
  }
  if (whole) return;  // most tiles are seen by all
  const int column = first + lane % 4 * 2;
  SIMT_UNROLL
  for (int n = 0; n < N; ++n) {
    SIMT_UNROLL
    for (int e = 0; e < 4; ++e)
      if (column + n * 8 + e % 2 >= sees[e / 2]) p[n][e] = 0;
  }
}
// Writes a warp's 16 rows of a result, from row `first` of the block up to `end`, through its rows of a tile
// that nobody reads any more; rotated back where `turn` is given. A lane holds both numbers of a pair: columns
// j and j + D / 2.
template <int D>
__device__ __forceinline__ void put_own(const float (&o)[D / 8][4], float factor, bf16* tile, bf16* to,
                                        int64_t step, int first, int end, const float* turn, bool add) {
  const int lane = static_cast<int>(threadIdx.x % 32), column = lane % 4 * 2;
  if (add) {
    SIMT_UNROLL
    for (int i = 0; i < 16 * D / 8; i += 32) {
      const int r = first + (i + lane) / (D / 8), c = (i + lane) % (D / 8) * 8;
      if (r < end)
        simt::stv(tile + c / 64 * (kOwnRows * 64) + simt::swizzled(r, c % 64),
                  simt::ldv<uint4>(to + r * step + c));
    }
    __syncwarp();
  }
  SIMT_UNROLL
  for (int half = 0; half < 2; ++half) {
    const int r = first + lane / 4 + 8 * half;
    if (r >= end) continue;
    SIMT_UNROLL
    for (int n = 0; n < D / 16; ++n) {
      float low[2], high[2];
      SIMT_UNROLL
      for (int e = 0; e < 2; ++e) {
        low[e] = o[n][2 * half + e] * factor;
        high[e] = o[n + D / 16][2 * half + e] * factor;
      }
      if (turn != nullptr) {
        const float* const t = turn + static_cast<int64_t>(r) * D + column + n * 8;
        const float2 c = simt::ldv<float2>(t), s = simt::ldv<float2>(t + D / 2);
        const float a = low[0], b = low[1];
        low[0] = turned(a, high[0], c.x, s.x);
        low[1] = turned(b, high[1], c.y, s.y);
        high[0] = turned(high[0], a, c.x, -s.x);
        high[1] = turned(high[1], b, c.y, -s.y);
      }
      bf16 *const at = pair_at(tile, r, n), *const far = pair_at(tile, r, n + D / 16);
      if (add) {
        const Pack<bf16, 2> old = load<bf16, 2>(at), other = load<bf16, 2>(far);
        SIMT_UNROLL
        for (int e = 0; e < 2; ++e) {
          low[e] += to_float(old.at[e]);
          high[e] += to_float(other.at[e]);
        }
      }
      simt::stv(at, simt::pack_bf(low[0], low[1]));
      simt::stv(far, simt::pack_bf(high[0], high[1]));
    }
  }
  put_rows<D>(tile, to, step, first, end);
}
#endif
// boxes: rows of a bulk copy of queries, and of keys.
template <class Kernel>
void launch_backward(Kernel kernel, const AttendBackward<bf16>& a, int threads, size_t shared, dim3 grid,
                     int queries, int keys) {
  const int width = a.heads * a.d, narrow = width / a.group;
  simt::launch(
      kernel, grid, dim3(static_cast<unsigned>(threads)), shared, a,
      rows_map(a.q, a.q_step, width, a.rows, queries), rows_map(a.dy, a.y_step, width, a.rows, queries),
      rows_map(a.k, a.k_step, narrow, a.k_rows, keys), rows_map(a.v, a.v_step, narrow, a.k_rows, keys));
}
}  // namespace rum::cuda
