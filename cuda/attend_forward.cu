// Attention forward (Dao 2023): a block holds its queries and streams keys and values through shared memory;
// weights stay in registers, and sums are rescaled when a larger score comes.
#include <algorithm>

#include "cuda/attend.h"
#include "cuda/attend_tiles.h"

namespace rum::cuda {
namespace {
// Joins the warps' shares: the largest score, the sum, and the factor for each warp's result.
template <int kWarps>
__device__ void join(float (&top)[2], float (&sum)[2], float (&factor)[2]) {
  SIMT_SHARED(float2, parts, [kWarps][16]);
  const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  if (lane % 4 == 0)
    for (int half = 0; half < 2; ++half) parts[warp][lane / 4 + 8 * half] = make_float2(top[half], sum[half]);
  __syncthreads();
  for (int half = 0; half < 2; ++half) {
    const float before = top[half];
    for (int w = 0; w < kWarps; ++w) top[half] = fmaxf(top[half], parts[w][lane / 4 + 8 * half].x);
    const float base = top[half] == -INFINITY ? 0.0f : top[half];
    sum[half] = 0;
    for (int w = 0; w < kWarps; ++w) {
      const float2 p = parts[w][lane / 4 + 8 * half];
      sum[half] += p.y * simt::exp2_approx(p.x - base);
    }
    factor[half] = simt::exp2_approx(before - base);
  }
}

// Threads: a block has one tile of queries of one text and head, a warp 16 of them, or 32 where texts are
// long. kSplit, for few queries: 16 in all, and each warp takes its share of every tile of keys; the shares
// are joined in warp order.
// Reads: q once; keys and values once per tile of queries, by cp.async, loading the next tile during the
// current one.
// Writes: y and lse once.
// Sums: keys in their order, tile by tile; a lane's columns first, then 4 lanes as a butterfly.
// Limit: with 16 rows a warp shared memory, since one ldmatrix feeds only 2 mma: with bf16 and heads of 64,
// four warps read 64 KiB a tile, 512 cycles of a multiprocessor, while their products take about 400. With 32
// rows it feeds 4, and products (800 cycles), instructions (720) and shared memory (640) nearly balance.
// kSplit: memory. Counted.
// Ladder: cuda/ladder/attention.cu, five steps to this kernel.
template <class T, int D, int kRows>
__global__ void __launch_bounds__(Sizes<T, D>::threads, 1) forward(Attend<T> a) {
  using Z = Sizes<T, D>;
  constexpr bool kSplit = kRows == kFew;
  constexpr int M = kSplit ? 1 : kRows / Z::rows, kTile = Z::keys * Z::step;
  constexpr int N = (kSplit ? Z::keys / Z::warps : Z::keys) / 8;
  const Place at = find_tile(a.offsets, a.texts, kRows, Order::last_first);
  const Text x = a.text(at.text);
  const int there = min(x.m - at.row, kRows);
  if (there <= 0) return;
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
  const int h = static_cast<int>(blockIdx.y), column = h / a.group * a.d;
  T *const own = simt::dyn_shared<T>(), *const keys = own + kRows * Z::step, *const values = keys + 2 * kTile;
  float* const room = reinterpret_cast<float*>(values + 2 * kTile) + (Z::kFloat ? warp * kRoom<N> : 0);

  const int64_t row = x.q + at.row;  // of q and y
  const int tiles = at.text == a.texts ? 0 : (x.seen(at.row + there - 1) + Z::keys - 1) / Z::keys;
  auto fetch = [&](int t) {
    const int first = t * Z::keys, left = x.n - first;
    load_tile<T, D, Z::keys>(keys + t % 2 * kTile, a.k + (x.k + first) * a.k_step + column, a.k_step, left,
                             a.d, a.wide);
    load_tile<T, D, Z::keys>(values + t % 2 * kTile, a.v + (x.v + first) * a.v_step + column, a.v_step, left,
                             a.d, a.wide);
  };
  load_tile<T, D, kRows>(own, a.q + row * a.q_step + h * a.d, a.q_step, there, a.d, a.wide);
  simt::cp_async_commit();
  if (tiles > 0) fetch(0);
  simt::cp_async_commit();
  simt::cp_async_wait<1>();
  __syncthreads();
  if (a.turn != nullptr) {
    turn_tile<T, D>(own, a.turn + row * a.d, there, a.d);
    __syncthreads();
  }

  const int mine = kSplit ? 0 : warp * 16 * M, last = there - 1;  // the warp's first row in the tile
  auto seen = [&](int r) { return x.seen(at.row + min(r, last)); };
  Own<T, D> q[M];
  float o[M][D / 8][4] = {}, top[M][2], sum[M][2] = {};
  int sees[M][2];
  SIMT_UNROLL
  for (int m = 0; m < M; ++m) {
    q[m] = Own<T, D>(own + (mine + 16 * m) * Z::step);
    SIMT_UNROLL
    for (int half = 0; half < 2; ++half) {
      top[m][half] = -INFINITY;
      sees[m][half] = seen(mine + 16 * m + lane / 4 + 8 * half);
    }
  }
  const int least = seen(mine), most = mine <= last ? seen(mine + 16 * M - 1) : 0;
  for (int t = 0; t < tiles; ++t) {
    simt::cp_async_wait<0>();
    __syncthreads();  // tile t has arrived, and t - 1 is no longer in use
    if (t + 1 < tiles) fetch(t + 1);
    simt::cp_async_commit();
    const int share = kSplit ? warp * 8 * N : 0, first = t * Z::keys + share;
    if (first < most) {
      float s[M][N][4];
      product<D>(s, q, keys + t % 2 * kTile + share * Z::step);
      SIMT_UNROLL
      for (int m = 0; m < M; ++m) {
        float shrink[2];
        weigh(s[m], top[m], sum[m], shrink, sees[m], first, a.scale, first + 8 * N <= least);
        rescale(o[m], shrink);
      }
      accumulate<D>(o, s, values + t % 2 * kTile + share * Z::step, room);
    }
  }
  __syncthreads();

  float* const staged = simt::dyn_shared<float>();
  float factor[M][2];
  SIMT_UNROLL
  for (int m = 0; m < M; ++m) {
    SIMT_UNROLL
    for (int half = 0; half < 2; ++half) {
      sum[m][half] += __shfl_xor_sync(0xffffffffu, sum[m][half], 1);
      sum[m][half] += __shfl_xor_sync(0xffffffffu, sum[m][half], 2);
      factor[m][half] = 1;
    }
    if constexpr (kSplit) join<Z::warps>(top[m], sum[m], factor[m]);
    SIMT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int r = mine + 16 * m + lane / 4 + 8 * half;
      factor[m][half] = tiles == 0 ? 0.0f : factor[m][half] / sum[m][half];
      if (lane % 4 == 0 && r < there && (!kSplit || warp == 0))
        a.lse[(row + r) * a.heads + h] = tiles == 0 ? 0.0f : top[m][half] * kLn2 + logf(sum[m][half]);
    }
  }
  SIMT_UNROLL
  for (int m = 0; m < M; ++m) stage<D>(staged + (warp * M + m) * Z::staged, o[m], factor[m]);
  SIMT_ROLLED
  for (int m = 0; m < M; ++m) {
    const int first = mine + 16 * m;
    T* const to = a.y + (row + first) * a.y_step + h * a.d;
    const Out out{a.y_step, there - first, a.d, nullptr, false, a.wide};
    if constexpr (kSplit) {
      __syncthreads();
      put<D, Z::warps>(staged, to, out, thread, Z::threads);
    } else {
      __syncwarp();
      put<D, 1>(staged + (warp * M + m) * Z::staged, to, out, lane, 32);
    }
  }
}
}  // namespace

template <class T>
void attend_forward(const Attend<T>& a) {
  if constexpr (sizeof(T) == 2)
    if (attend_forward_hopper(a)) return;
  by_head("attention", a.d, [&]<int D> {
    using Z = Sizes<T, D>;
    auto run = [&]<int kRows> {
      const size_t tiles = static_cast<size_t>((kRows + 4 * Z::keys) * Z::step) * sizeof(T),
                   room = Z::kFloat ? sizeof(float) * Z::warps * kRoom<Z::keys / 8> : 0,
                   staged = sizeof(float) * std::max(Z::warps, kRows / 16) * Z::staged;
      simt::launch(forward<T, D, kRows>,
                   dim3(tile_count(a.rows, a.texts, kRows), static_cast<unsigned>(a.heads)), dim3(Z::threads),
                   std::max(tiles + room, staged), a);
    };
    if (a.few()) return run.template operator()<kFew>();
    if constexpr (!Z::kFloat && D <= 64)
      if (a.rows >= 2 * Z::rows * a.texts) return run.template operator()<2 * Z::rows>();  // long texts
    run.template operator()<Z::rows>();
  });
}
template void attend_forward(const Attend<float>&);
template void attend_forward(const Attend<bf16>&);
}  // namespace rum::cuda
