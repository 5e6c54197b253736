// The arithmetic of one warp in attention: M x 16 rows of its own against a tile of rows that the block
// streams through shared memory. Forward and backward need just two products: own rows times streamed rows,
// and the 16 x N results times streamed rows. Each streamed number that is read is used for all M. bf16 runs
// on tensor cores; in f32 each lane computes the numbers that it would hold of a tensor core's result, so the
// kernels are written once. Of a 16 x 8 N result lane l holds s[n][0..3]: rows l / 4 (0, 1) and l / 4 + 8 (2,
// 3), columns 8 n + 2 (l % 4) and the next. Rows in shared memory are padded by 16 bytes, so that 8 rows lie
// on different banks.
#pragma once
#include <bit>

#include "cuda/attend.h"

namespace rum::cuda {
using simt::bf16;

// Turns one more tile of scores into weights, powers of 2 relative to the largest score so far. Multiply
// earlier sums by `shrinks` to match. Keys from `sees` on are masked.
template <int N>
__device__ __forceinline__ void weigh(float (&s)[N][4], float (&top)[2], float (&sum)[2], float (&shrinks)[2],
                                      const int (&sees)[2], int first, float scale, bool whole) {
  if (!whole) {  // the warp branches as one: whole tiles, the usual case, skip the mask
    const int column = first + static_cast<int>(threadIdx.x % 4) * 2;
    SIMT_UNROLL
    for (int n = 0; n < N; ++n) {
      SIMT_UNROLL
      for (int e = 0; e < 4; ++e)
        if (column + n * 8 + e % 2 >= sees[e / 2]) s[n][e] = -INFINITY;
    }
  }
  SIMT_UNROLL
  for (int half = 0; half < 2; ++half) {
    float most = -INFINITY;
    SIMT_UNROLL
    for (int n = 0; n < N; ++n) most = fmaxf(most, fmaxf(s[n][2 * half], s[n][2 * half + 1]));
    most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 1));
    most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 2));
    most = fmaxf(scale * most, top[half]);
    const float base = most == -INFINITY ? 0.0f : most;  // no key seen so far
    const float shrink = simt::exp2_approx(top[half] - base);
    top[half] = most;
    float added = 0;
    SIMT_UNROLL
    for (int n = 0; n < N; ++n) {
      SIMT_UNROLL
      for (int e = 0; e < 2; ++e) {
        float& x = s[n][2 * half + e];
        x = simt::exp2_approx(x * scale - base);  // one multiply-add
        added += x;
      }
    }
    sum[half] = sum[half] * shrink + added;
    shrinks[half] = shrink;
  }
}
template <int N>
__device__ __forceinline__ void rescale(float (&o)[N][4], const float (&shrink)[2]) {
  SIMT_UNROLL
  for (int n = 0; n < N; ++n) {
    SIMT_UNROLL
    for (int e = 0; e < 4; ++e) o[n][e] *= shrink[e / 2];
  }
}

template <class T, int D>
struct Sizes {
  static constexpr bool kFloat = sizeof(T) == 4;
  static constexpr int warps = kFloat && D > 64 ? 2 : 4, threads = 32 * warps, rows = 16 * warps;
  static constexpr int keys = kFloat ? (D > 64 ? 16 : 32) : 64;  // rows streamed at a time
  static constexpr int queries = kFloat || D <= 64 ? keys : 32;  // the same in the kernel with two results
  // The same in the kernel that computes dq: fits into the 99 KiB of shared memory that smaller cards give a
  // block.
  static constexpr int back = !kFloat && D > 96 ? 32 : keys;
  static constexpr int step = D + static_cast<int>(16 / sizeof(T));  // numbers from one row to the next
  static constexpr int staged = 16 * (D + 8);                        // floats of a result on its way out
  // Threads that copy one row, 16 bytes each: a power of two, of which the last may have nothing to copy.
  static constexpr int lanes = static_cast<int>(std::bit_ceil(static_cast<unsigned>(D) * sizeof(T) / 16));
  static_assert(lanes >= 4 && lanes <= 32);
};

// Copies kRows rows to shared memory; rows from `there` on and columns from d on become 0.
template <class T, int D, int kRows>
__device__ void load_tile(T* to, const T* from, int64_t step, int there, int d, bool wide) {
  // A thread keeps its column and takes rows a constant number apart, so the loop unrolls into nothing but
  // copies.
  constexpr int V = static_cast<int>(16 / sizeof(T)), kLanes = Sizes<T, D>::lanes,
                kAtOnce = Sizes<T, D>::threads / kLanes;
  const int first = static_cast<int>(threadIdx.x) / kLanes, c = static_cast<int>(threadIdx.x) % kLanes * V;
  if (c >= D || first >= kRows) return;
  to += first * Sizes<T, D>::step + c;
  from += first * step + c;
  there -= first;
  if (wide) {
    SIMT_UNROLL
    for (int r = 0; r < kRows; r += kAtOnce, from += kAtOnce * step)  // one address: registers are scarce
      simt::cp_async16(to + r * Sizes<T, D>::step, from, r < there && c < d);
  } else {
    SIMT_ROLLED
    for (int r = 0; r < kRows; r += kAtOnce)
      for (int k = 0; k < V; ++k)
        to[r * Sizes<T, D>::step + k] = r < there && c + k < d ? from[r * step + k] : from_float<T>(0.0f);
  }
}
// Rotates the rows of a tile in place: pair j is (j, j + d / 2).
template <class T, int D>
__device__ void turn_tile(T* tile, const float* turn, int there, int d) {
  const int half = d / 2;
  for (int i = static_cast<int>(threadIdx.x); i < there * half; i += Sizes<T, D>::threads) {
    const int r = i / half, j = i % half;
    T* const at = tile + r * Sizes<T, D>::step + j;
    const float a = to_float(at[0]), b = to_float(at[half]), c = turn[r * d + j], s = turn[r * d + half + j];
    at[0] = from_float<T>(turned(a, b, c, -s));
    at[half] = from_float<T>(turned(b, a, c, s));
  }
}

// The warp's 16 rows as the left factor: in registers, or read from shared memory each time.
template <class T, int D, bool kHeld = D <= 64>
struct Own;
template <int D, bool kHeld>
struct Own<bf16, D, kHeld> {
  const bf16* rows = nullptr;
  uint32_t held[kHeld ? D / 16 : 1][4];
  Own() = default;
  __device__ explicit Own(const bf16* at) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    rows = at + lane % 16 * Sizes<bf16, D>::step + lane / 16 * 8;
    if constexpr (kHeld) {
      SIMT_UNROLL
      for (int k = 0; k < D / 16; ++k) simt::ldmatrix_x4(held[k], rows + k * 16);
    }
  }
};
template <int D, bool kHeld>
struct Own<float, D, kHeld> {
  const float* rows = nullptr;
  Own() = default;
  __device__ explicit Own(const float* at)
      : rows(at + threadIdx.x % 32 / 4 * static_cast<unsigned>(Sizes<float, D>::step)) {}
};

template <int M, int N>
__device__ __forceinline__ void clear(float (&s)[M][N][4]) {
  SIMT_UNROLL
  for (int m = 0; m < M; ++m) {
    SIMT_UNROLL
    for (int n = 0; n < N; ++n) s[m][n][0] = s[m][n][1] = s[m][n][2] = s[m][n][3] = 0;
  }
}
// s (M 16, 8 N) = own (M 16, D) times rows (8 N, D) transposed.
template <int D, bool kHeld, int M, int N>
__device__ __forceinline__ void product(float (&s)[M][N][4], const Own<bf16, D, kHeld> (&own)[M],
                                        const bf16* rows) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const bf16* const at = rows + (lane % 8 + lane / 16 * 8) * Sizes<bf16, D>::step + lane / 8 % 2 * 8;
  clear(s);
  SIMT_UNROLL
  for (int k = 0; k < D / 16; ++k) {
    uint32_t a[M][4];
    SIMT_UNROLL
    for (int m = 0; m < M; ++m) {
      if constexpr (kHeld)
        for (int e = 0; e < 4; ++e) a[m][e] = own[m].held[k][e];
      else
        simt::ldmatrix_x4(a[m], own[m].rows + k * 16);
    }
    SIMT_UNROLL
    for (int n = 0; n < N; n += 2) {
      uint32_t b[4];
      simt::ldmatrix_x4(b, at + n * 8 * Sizes<bf16, D>::step + k * 16);
      SIMT_UNROLL
      for (int m = 0; m < M; ++m) {
        simt::mma_bf16_16816(s[m][n], a[m], {b[0], b[1]});
        simt::mma_bf16_16816(s[m][n + 1], a[m], {b[2], b[3]});
      }
    }
  }
}
template <int D, bool kHeld, int N>
__device__ __forceinline__ void product(float (&all)[1][N][4], const Own<float, D, kHeld> (&own)[1],
                                        const float* rows) {
  constexpr int kStep = Sizes<float, D>::step;
  float(&s)[N][4] = all[0];
  clear(all);
  const float* const at = rows + threadIdx.x % 4 * 2 * kStep;
  auto dot = [](const float4& a, const float4& b) { return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w; };
  for (int k = 0; k < D; k += 4) {
    const float4 a0 = simt::ldv<float4>(own[0].rows + k), a1 = simt::ldv<float4>(own[0].rows + 8 * kStep + k);
    SIMT_UNROLL
    for (int n = 0; n < N; ++n) {
      const float4 b0 = simt::ldv<float4>(at + n * 8 * kStep + k),
                   b1 = simt::ldv<float4>(at + (n * 8 + 1) * kStep + k);
      s[n][0] += dot(a0, b0);
      s[n][1] += dot(a0, b1);
      s[n][2] += dot(a1, b0);
      s[n][3] += dot(a1, b1);
    }
  }
}
// o (M 16, D) += p (M 16, 8 N) times rows (8 N, D). f32: p passes through `room`, which belongs to the warp.
template <int D, int M, int N>
__device__ __forceinline__ void accumulate(float (&o)[M][D / 8][4], const float (&p)[M][N][4],
                                           const bf16* rows, float*) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const bf16* const at = rows + lane % 16 * Sizes<bf16, D>::step + lane / 16 * 8;
  SIMT_UNROLL
  for (int k = 0; k < N; k += 2) {
    uint32_t a[M][4];
    SIMT_UNROLL
    for (int m = 0; m < M; ++m) {
      SIMT_UNROLL
      for (int e = 0; e < 4; ++e)
        a[m][e] = simt::pack_bf(p[m][k + e / 2][e % 2 * 2], p[m][k + e / 2][e % 2 * 2 + 1]);
    }
    SIMT_UNROLL
    for (int n = 0; n < D / 8; n += 2) {
      uint32_t b[4];
      simt::ldmatrix_x4_trans(b, at + k * 8 * Sizes<bf16, D>::step + n * 8);
      SIMT_UNROLL
      for (int m = 0; m < M; ++m) {
        simt::mma_bf16_16816(o[m][n], a[m], {b[0], b[1]});
        simt::mma_bf16_16816(o[m][n + 1], a[m], {b[2], b[3]});
      }
    }
  }
}
template <int N>
constexpr int kRoom = 16 * (8 * N + 4);  // floats
template <int D, int N>
__device__ __forceinline__ void accumulate(float (&all)[1][D / 8][4], const float (&weights)[1][N][4],
                                           const float* rows, float* room) {
  float(&o)[D / 8][4] = all[0];
  const float(&p)[N][4] = weights[0];
  constexpr int kWide = 8 * N + 4;
  const int lane = static_cast<int>(threadIdx.x % 32), g = lane / 4, t = lane % 4 * 2;
  SIMT_UNROLL
  for (int n = 0; n < N; ++n) {
    simt::stv(room + g * kWide + n * 8 + t, make_float2(p[n][0], p[n][1]));
    simt::stv(room + (g + 8) * kWide + n * 8 + t, make_float2(p[n][2], p[n][3]));
  }
  __syncwarp();
  constexpr int kGroup = 4;  // of columns; each tile gets a sum of its own first: less rounding in long sums
  SIMT_UNROLL
  for (int n = 0; n < D / 8; n += kGroup) {
    float sum[kGroup][4] = {};
    for (int k = 0; k < 8 * N; ++k) {
      const float a0 = room[g * kWide + k], a1 = room[(g + 8) * kWide + k];
      SIMT_UNROLL
      for (int c = 0; c < kGroup; ++c) {
        const float2 b = simt::ldv<float2>(rows + k * Sizes<float, D>::step + (n + c) * 8 + t);
        sum[c][0] += a0 * b.x;
        sum[c][1] += a0 * b.y;
        sum[c][2] += a1 * b.x;
        sum[c][3] += a1 * b.y;
      }
    }
    SIMT_UNROLL
    for (int c = 0; c < kGroup; ++c) {
      SIMT_UNROLL
      for (int e = 0; e < 4; ++e) o[n + c][e] += sum[c][e];
    }
  }
  __syncwarp();
}

// Writes a result (16, D): first to shared memory, then to `to` in whole rows, the sum of kParts of them;
// rotated back where `turn` is given, and added to what `to` holds.
template <int D>
__device__ void stage(float* room, const float (&o)[D / 8][4], const float (&factor)[2]) {
  const int lane = static_cast<int>(threadIdx.x % 32), g = lane / 4, t = lane % 4 * 2;
  SIMT_UNROLL
  for (int n = 0; n < D / 8; ++n) {
    simt::stv(room + g * (D + 8) + n * 8 + t, make_float2(o[n][0] * factor[0], o[n][1] * factor[0]));
    simt::stv(room + (g + 8) * (D + 8) + n * 8 + t, make_float2(o[n][2] * factor[1], o[n][3] * factor[1]));
  }
}
template <int D, int kParts, int V>
__device__ Several<V> staged_at(const float* room, int r, int j) {
  Several<V> v = floats<V>(room + r * (D + 8) + j);
  for (int p = 1; p < kParts; ++p) {
    const Several<V> more = floats<V>(room + p * 16 * (D + 8) + r * (D + 8) + j);
    for (int k = 0; k < V; ++k) v.at[k] += more.at[k];
  }
  return v;
}
struct Out {
  int64_t step;       // from one row at `to` to the next
  int there, d;       // rows wanted, of up to 16; numbers in each
  const float* turn;  // of the first row
  bool add, wide;
};
template <int D, int kParts, int V, class T>
__device__ void put_rows(const float* room, T* to, const Out& out, int first, int stride) {
  const int half = out.d / 2, per = out.d / V;
  for (int i = first; i < min(out.there, 16) * per; i += stride) {
    const int r = i / per, c = i % per * V;
    T* const at = to + r * out.step + c;
    Several<V> x = staged_at<D, kParts, V>(room, r, c);
    if (out.turn != nullptr) {
      const bool low = c < half;
      const float* const t = out.turn + r * out.d + (low ? c : c - half);
      const Several<V> other = staged_at<D, kParts, V>(room, r, low ? c + half : c - half),
                       cosine = floats<V>(t), sine = floats<V>(t + half);
      for (int k = 0; k < V; ++k)
        x.at[k] = turned(x.at[k], other.at[k], cosine.at[k], low ? sine.at[k] : -sine.at[k]);
    }
    Pack<T, V> v;
    if (out.add) v = load<T, V>(at);
    for (int k = 0; k < V; ++k) v.at[k] = from_float<T>(out.add ? x.at[k] + to_float(v.at[k]) : x.at[k]);
    store<T, V>(at, v);
  }
}
template <int D, int kParts, class T>
__device__ void put(const float* room, T* to, const Out& out, int first, int stride) {
  if (out.wide && (out.turn == nullptr || out.d / 2 % kPack<T> == 0))
    put_rows<D, kParts, kPack<T>>(room, to, out, first, stride);
  else
    put_rows<D, kParts, 1>(room, to, out, first, stride);
}
}  // namespace rum::cuda
