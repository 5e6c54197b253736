// Attention backward (Dao 2023) without atomics: weights are made again from the scores and their logarithmic
// sum, once per tile of keys for dk and dv, once per tile of queries for dq. So each number has one writer.
#include <algorithm>

#include "cuda/attend.h"
#include "cuda/attend_tiles.h"

namespace rum::cuda {
namespace {
constexpr float kLog2e = 1.44269504f;
constexpr int kStatWarps = 4;

// Threads: one warp per row and head.
// Reads: y and dy once, lse. Writes: 8 bytes per row and head.
// Sums: each lane every 32nd number in order, then a butterfly.
// Limit: memory.
// Ladder: none.
template <class T>
__global__ void row_stats(const T* y, const T* dy, const float* lse, float2* stats, int rows, int heads,
                          int d) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kStatWarps + threadIdx.x / 32;  // (row, head)
  if (i >= static_cast<int64_t>(rows) * heads) return;
  float sum = 0;
  for (int j = static_cast<int>(threadIdx.x % 32); j < d; j += 32)
    sum += to_float(y[i * d + j]) * to_float(dy[i * d + j]);
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0) stats[i % heads * rows + i / heads] = make_float2(lse[i] * kLog2e, sum);
}

// Threads: a block has one tile of queries of one text and head, a warp 16 of them.
// Reads: q, dy, stats once; keys and values once per tile of queries, the next tile while one is used.
// Writes: dq once.
// Sums: keys in their order.
// Limit: shared memory and tensor cores, 3 products a tile.
// Ladder: cuda/ladder/attention.cu has the forward; its tiles and products are these.
template <class T, int D>
__global__ void __launch_bounds__(Sizes<T, D>::threads, 1) backward_queries(AttendBackward<T> a) {
  using Z = Sizes<T, D>;
  constexpr int kTile = Z::back * Z::step, N = Z::back / 8;
  const Place at = find_tile(a.offsets, a.texts, Z::rows, Order::last_first);
  const Text x = a.text(at.text);
  const int there = min(x.m - at.row, Z::rows);
  if (there <= 0) return;
  const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  const int h = static_cast<int>(blockIdx.y), column = h / a.group * a.d;
  T *const own_q = simt::dyn_shared<T>(), *const own_dy = own_q + Z::rows * Z::step;
  T *const keys = own_dy + Z::rows * Z::step, *const values = keys + 2 * kTile;
  float* const room = reinterpret_cast<float*>(values + 2 * kTile) + (Z::kFloat ? warp * kRoom<N> : 0);

  const int64_t row = x.q + at.row;
  const int tiles = at.text == a.texts ? 0 : (x.seen(at.row + there - 1) + Z::back - 1) / Z::back;
  auto fetch = [&](int t) {
    const int first = t * Z::back, left = x.n - first;
    load_tile<T, D, Z::back>(keys + t % 2 * kTile, a.k + (x.k + first) * a.k_step + column, a.k_step, left,
                             a.d, a.wide);
    load_tile<T, D, Z::back>(values + t % 2 * kTile, a.v + (x.v + first) * a.v_step + column, a.v_step, left,
                             a.d, a.wide);
  };
  load_tile<T, D, Z::rows>(own_q, a.q + row * a.q_step + h * a.d, a.q_step, there, a.d, a.wide);
  load_tile<T, D, Z::rows>(own_dy, a.dy + row * a.y_step + h * a.d, a.y_step, there, a.d, a.wide);
  simt::cp_async_commit();
  if (tiles > 0) fetch(0);
  simt::cp_async_commit();
  simt::cp_async_wait<1>();
  __syncthreads();

  const int mine = warp * 16, last = there - 1;
  const Own<T, D> q[1]{Own<T, D>(own_q + mine * Z::step)}, dy[1]{Own<T, D>(own_dy + mine * Z::step)};
  float dq[1][D / 8][4] = {};
  auto seen = [&](int r) { return x.seen(at.row + min(r, last)); };
  int sees[2];
  float2 stats[2];
  for (int half = 0; half < 2; ++half) {
    const int r = mine + lane / 4 + 8 * half;
    sees[half] = r <= last ? seen(r) : 0;
    stats[half] = r <= last ? a.stats[static_cast<int64_t>(h) * a.rows + row + r] : make_float2(0, 0);
  }
  const int least = seen(mine), most = mine <= last ? seen(mine + 15) : 0;
  for (int t = 0; t < tiles; ++t) {
    simt::cp_async_wait<0>();
    __syncthreads();
    if (t + 1 < tiles) fetch(t + 1);
    simt::cp_async_commit();
    const int first = t * Z::back;
    if (first >= most) continue;
    const bool whole = first + Z::back <= least;
    float s[1][N][4], dp[1][N][4];
    product<D>(s, q, keys + t % 2 * kTile);
    product<D>(dp, dy, values + t % 2 * kTile);
    SIMT_UNROLL
    for (int n = 0; n < N; ++n) {
      SIMT_UNROLL
      for (int e = 0; e < 4; ++e) {
        const float w = simt::exp2_approx(s[0][n][e] * a.scale - stats[e / 2].x);
        s[0][n][e] = w * (dp[0][n][e] - stats[e / 2].y);
      }
    }
    if (!whole) {
      SIMT_UNROLL
      for (int n = 0; n < N; ++n) {
        SIMT_UNROLL
        for (int e = 0; e < 4; ++e)
          if (first + n * 8 + lane % 4 * 2 + e % 2 >= sees[e / 2]) s[0][n][e] = 0;
      }
    }
    accumulate<D>(dq, s, keys + t % 2 * kTile, room);
  }
  __syncthreads();
  float* const staged = simt::dyn_shared<float>() + warp * Z::staged;
  const float scale = a.scale / kLog2e, factor[2] = {scale, scale};
  stage<D>(staged, dq[0], factor);
  __syncwarp();
  const int64_t to = row + mine;
  put<D, 1>(staged, a.dq + to * a.dq_step + h * a.d,
            {a.dq_step, there - mine, a.d, a.turn == nullptr ? nullptr : a.turn + to * a.d, a.add_q, a.wide},
            lane, 32);
}

// Threads: a block has one tile of keys of one text and key head, a warp 16 of them; it meets the queries of
// every head that reads these keys.
// Reads: k and v once; q, dy and stats once per tile of keys, the next tile while one is used.
// Writes: dk and dv once.
// Sums: heads in their order, in each the queries in theirs.
// Limit: shared memory and tensor cores, 4 products a tile.
// Ladder: cuda/ladder/attention.cu has the forward; its tiles and products are these.
template <class T, int D>
__global__ void __launch_bounds__(Sizes<T, D>::threads, 1) backward_keys(AttendBackward<T> a) {
  using Z = Sizes<T, D>;
  constexpr int kQueries = Z::queries, kTile = kQueries * Z::step, N = kQueries / 8;
  const Place at = find_tile(a.k_offsets, a.texts, Z::rows, Order::first_first);
  const Text x = a.text(at.text);
  const int there = min(x.n - at.row, Z::rows);
  if (there <= 0) return;
  const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  const int g = static_cast<int>(blockIdx.y);
  T *const own_k = simt::dyn_shared<T>(), *const own_v = own_k + Z::rows * Z::step;
  T *const queries = own_v + Z::rows * Z::step, *const gradients = queries + 2 * kTile;
  float2* const stats = reinterpret_cast<float2*>(gradients + 2 * kTile);
  float* const room = reinterpret_cast<float*>(stats + 2 * kQueries) + (Z::kFloat ? warp * kRoom<N> : 0);

  // Queries before `from` see none of these keys.
  const int m = at.text == a.texts ? 0 : x.m, from = x.least > at.row ? 0 : at.row;
  const int tiles = a.group * max(0, (m - from + kQueries - 1) / kQueries);
  struct Streamed {  // a tile of queries: all of one head, then of the next that shares these keys
    int head, first;
  } now{g * a.group, from};
  auto after = [&](Streamed s) {
    s.first += kQueries;
    return s.first < m ? s : Streamed{s.head + 1, from};
  };
  auto fetch = [&](int t, Streamed s) {
    const int h = s.head, left = m - s.first;
    const int64_t row = x.q + s.first;
    load_tile<T, D, kQueries>(queries + t % 2 * kTile, a.q + row * a.q_step + h * a.d, a.q_step, left, a.d,
                              a.wide);
    load_tile<T, D, kQueries>(gradients + t % 2 * kTile, a.dy + row * a.y_step + h * a.d, a.y_step, left, a.d,
                              a.wide);
    if (const int i = static_cast<int>(threadIdx.x); i < kQueries)
      simt::cp_async8(stats + t % 2 * kQueries + i, a.stats + static_cast<int64_t>(h) * a.rows + row + i,
                      i < left);
  };
  const int64_t k_row = x.k + at.row, v_row = x.v + at.row;
  load_tile<T, D, Z::rows>(own_k, a.k + k_row * a.k_step + g * a.d, a.k_step, there, a.d, a.wide);
  load_tile<T, D, Z::rows>(own_v, a.v + v_row * a.v_step + g * a.d, a.v_step, there, a.d, a.wide);
  simt::cp_async_commit();
  if (tiles > 0) fetch(0, now);
  simt::cp_async_commit();
  simt::cp_async_wait<1>();
  __syncthreads();

  const int mine = warp * 16, key = at.row + mine;  // the warp's first
  const Own<T, D> k[1]{Own<T, D>(own_k + mine * Z::step)}, v[1]{Own<T, D>(own_v + mine * Z::step)};
  float dk[1][D / 8][4] = {}, dv[1][D / 8][4] = {};
  for (int t = 0; t < tiles; ++t, now = after(now)) {
    simt::cp_async_wait<0>();
    __syncthreads();
    if (t + 1 < tiles) fetch(t + 1, after(now));
    simt::cp_async_commit();
    const int first = now.first, left = min(kQueries, m - first);
    if (mine >= there || x.seen(first + left - 1) <= key) continue;
    const bool whole = left == kQueries && key + 16 <= x.seen(first);
    const float2* const here = stats + t % 2 * kQueries;
    float p[1][N][4], ds[1][N][4];
    product<D>(p, k, queries + t % 2 * kTile);
    product<D>(ds, v, gradients + t % 2 * kTile);
    SIMT_UNROLL
    for (int n = 0; n < N; ++n) {
      SIMT_UNROLL
      for (int e = 0; e < 4; ++e) {
        const float2 stat = here[n * 8 + lane % 4 * 2 + e % 2];
        p[0][n][e] = simt::exp2_approx(p[0][n][e] * a.scale - stat.x);
        ds[0][n][e] = p[0][n][e] * (ds[0][n][e] - stat.y);
      }
    }
    if (!whole) {
      SIMT_UNROLL
      for (int n = 0; n < N; ++n) {
        SIMT_UNROLL
        for (int e = 0; e < 4; ++e)
          if (const int i = n * 8 + lane % 4 * 2 + e % 2;
              i >= left || key + lane / 4 + e / 2 * 8 >= x.seen(first + i))
            p[0][n][e] = ds[0][n][e] = 0;
      }
    }
    accumulate<D>(dv, p, gradients + t % 2 * kTile, room);
    accumulate<D>(dk, ds, queries + t % 2 * kTile, room);
  }
  __syncthreads();
  float* const staged = simt::dyn_shared<float>() + warp * Z::staged;
  const float scale = a.scale / kLog2e, factor[2] = {scale, scale}, one[2] = {1, 1};
  const int64_t to = k_row + mine, place = to * a.dkv_step + g * a.d;
  Out out{a.dkv_step, there - mine, a.d, nullptr, a.add_kv, a.wide};
  stage<D>(staged, dv[0], one);
  __syncwarp();
  put<D, 1>(staged, a.dv + place, out, lane, 32);
  __syncwarp();
  stage<D>(staged, dk[0], factor);
  __syncwarp();
  if (a.turn != nullptr) out.turn = a.turn + to * a.d;
  put<D, 1>(staged, a.dk + place, out, lane, 32);
}
}  // namespace

template <class T>
void attend_backward(AttendBackward<T>& a, const Tensor& y, const Tensor& lse) {
  const Shape shape{static_cast<int64_t>(a.heads), static_cast<int64_t>(a.rows), 2};
  const Tensor stats = Tensor::empty(shape, DType::f32, DeviceKind::cuda);
  simt::launch(row_stats<T>, dim3(blocks(static_cast<int64_t>(a.rows) * a.heads, kStatWarps)),
               dim3(32 * kStatWarps), 0, y.data<T>(), a.dy, lse.data<float>(), stats.data<float2>(), a.rows,
               a.heads, a.d);
  a.stats = stats.data<float2>();
  by_head("attention", a.d, [&]<int D> {
    using Z = Sizes<T, D>;
    const size_t staged = sizeof(float) * Z::warps * Z::staged;
    auto shared = [&](int streamed, size_t more, size_t room) {
      const size_t tiles = static_cast<size_t>((2 * Z::rows + 4 * streamed) * Z::step) * sizeof(T);
      return std::max(tiles + more + (Z::kFloat ? sizeof(float) * Z::warps * room : 0), staged);
    };
    if (a.dk != nullptr)
      simt::launch(backward_keys<T, D>,
                   dim3(tile_count(a.k_rows, a.texts, Z::rows), static_cast<unsigned>(a.heads / a.group)),
                   dim3(Z::threads),
                   shared(Z::queries, 2 * Z::queries * sizeof(float2), kRoom<Z::queries / 8>), a);
    if (a.dq != nullptr)
      simt::launch(backward_queries<T, D>,
                   dim3(tile_count(a.rows, a.texts, Z::rows), static_cast<unsigned>(a.heads)),
                   dim3(Z::threads), shared(Z::back, 0, kRoom<Z::back / 8>), a);
  });
}
template void attend_backward(AttendBackward<float>&, const Tensor&, const Tensor&);
template void attend_backward(AttendBackward<bf16>&, const Tensor&, const Tensor&);
}  // namespace rum::cuda
