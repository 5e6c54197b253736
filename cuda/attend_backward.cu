// Attention backward (Dao 2023) without atomics: the weights are recomputed from the scores and the
// log-sum-exp, once per tile of keys for dk and dv and once per tile of queries for dq, so each result has a
// single writer.
#include <algorithm>

#include "cuda/attend.h"
#include "cuda/attend_tiles.h"

namespace rum::cuda {
namespace {
constexpr float kLog2e = 1.44269504f;
constexpr int kStatRows = 16, kStatLanes = 8;  // rows of a block; lanes that share a row

// Threads: 8 lanes per row and head, a block 16 rows of one head.
// Reads: y and dy once, V numbers at a time, lse. Writes: 8 bytes per row and head.
// Sums: each lane its packs in order, then the 8 lanes as a butterfly.
// Limit: memory.
// Ladder: none.
template <class T, int V>
__global__ void row_stats(const T* y, const T* dy, const float* lse, float2* stats, int rows, int heads,
                          int d) {
  const int block = static_cast<int>(blockIdx.x), thread = static_cast<int>(threadIdx.x);
  const int h = block % heads, row = block / heads * kStatRows + thread / kStatLanes,
            lane = thread % kStatLanes;
  const int64_t i = static_cast<int64_t>(row) * heads + h;
  float sum = 0;
  if (row < rows) {
    SIMT_ROLLED
    for (int j = lane * V; j < d; j += kStatLanes * V) {
      const Pack<T, V> a = load<T, V>(y + i * d + j), b = load<T, V>(dy + i * d + j);
      for (int k = 0; k < V; ++k) sum += to_float(a.at[k]) * to_float(b.at[k]);
    }
  }
  SIMT_UNROLL
  for (int o = kStatLanes / 2; o > 0; o >>= 1) sum += __shfl_xor_sync(0xffffffffu, sum, o);
  if (lane == 0 && row < rows)
    stats[static_cast<int64_t>(h) * rows + row] = make_float2(lse[i] * kLog2e, sum);
}

// Threads: a block has one tile of queries of one text and head, a warp 16 of them, or 32
// where texts are long.
// Reads: q, dy, stats once; keys and values once per tile of queries, loading the next tile during the
// current one.
// Writes: dq once.
// Sums: keys in their order.
// Limit: shared memory and tensor cores, 3 products a tile. One ldmatrix feeds 2 mma with 16 rows a warp and
// 4 with 32; to free registers for the latter, a warp takes its keys 32 at a time instead of 64 (counted).
// Ladder: cuda/ladder/attention.cu has the forward; its tiles and products are these.
template <class T, int D, int kRows>
__global__ void __launch_bounds__(Sizes<T, D>::threads, 1) backward_queries(AttendBackward<T> a) {
  using Z = Sizes<T, D>;
  constexpr int M = kRows / Z::rows, kTile = Z::back * Z::step, kAtOnce = Z::back / M, N = kAtOnce / 8;
  const Place at = find_tile(a.offsets, a.texts, kRows, Order::last_first);
  SIMT_SHARED(Text, x);  // read where it is needed: registers are scarce
  if (threadIdx.x == 0) x = a.text(at.text);
  __syncthreads();
  const int there = min(x.m - at.row, kRows);
  if (there <= 0) return;
  const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  const int h = static_cast<int>(blockIdx.y), column = h / a.group * a.d;
  T *const own_q = simt::dyn_shared<T>(), *const own_dy = own_q + kRows * Z::step;
  T *const keys = own_dy + kRows * Z::step, *const values = keys + 2 * kTile;
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
  load_tile<T, D, kRows>(own_q, a.q + row * a.q_step + h * a.d, a.q_step, there, a.d, a.wide);
  load_tile<T, D, kRows>(own_dy, a.dy + row * a.y_step + h * a.d, a.y_step, there, a.d, a.wide);
  simt::cp_async_commit();
  if (tiles > 0) fetch(0);
  simt::cp_async_commit();
  simt::cp_async_wait<1>();
  __syncthreads();

  const int mine = warp * 16 * M, last = there - 1;
  Own<T, D> q[M], dy[M];
  float dq[M][D / 8][4] = {};
  auto seen = [&](int r) { return x.seen(at.row + min(r, last)); };
  float2 stats[M][2];
  SIMT_UNROLL
  for (int m = 0; m < M; ++m) {
    q[m] = Own<T, D>(own_q + (mine + 16 * m) * Z::step);
    dy[m] = Own<T, D>(own_dy + (mine + 16 * m) * Z::step);
    SIMT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int r = mine + 16 * m + lane / 4 + 8 * half;
      stats[m][half] = r <= last ? a.stats[static_cast<int64_t>(h) * a.rows + row + r] : make_float2(0, 0);
    }
  }
  const int least = seen(mine), most = mine <= last ? seen(mine + 16 * M - 1) : 0;
  for (int t = 0; t < tiles; ++t) {
    simt::cp_async_wait<0>();
    __syncthreads();
    if (t + 1 < tiles) fetch(t + 1);
    simt::cp_async_commit();
    SIMT_ROLLED
    for (int part = 0; part < Z::back; part += kAtOnce) {
      const int first = t * Z::back + part;
      if (first >= most) break;
      const bool whole = first + kAtOnce <= least;
      const T *const k = keys + t % 2 * kTile + part * Z::step, *const v = k + 2 * kTile;
      float s[M][N][4], dp[M][N][4];
      product<D>(s, q, k);
      product<D>(dp, dy, v);
      SIMT_UNROLL
      for (int m = 0; m < M; ++m) {
        SIMT_UNROLL
        for (int n = 0; n < N; ++n) {
          SIMT_UNROLL
          for (int e = 0; e < 4; ++e) {
            const float w = simt::exp2_approx(s[m][n][e] * a.scale - stats[m][e / 2].x);
            s[m][n][e] = w * (dp[m][n][e] - stats[m][e / 2].y);
          }
        }
        if (whole) continue;
        const int r = mine + 16 * m + lane / 4,
                  sees[2] = {r <= last ? seen(r) : 0, r + 8 <= last ? seen(r + 8) : 0};
        SIMT_UNROLL
        for (int n = 0; n < N; ++n) {
          SIMT_UNROLL
          for (int e = 0; e < 4; ++e)
            if (first + n * 8 + lane % 4 * 2 + e % 2 >= sees[e / 2]) s[m][n][e] = 0;
        }
      }
      accumulate<D>(dq, s, k, room);
    }
  }
  __syncthreads();
  float* const staged = simt::dyn_shared<float>() + warp * M * Z::staged;
  const float scale = a.scale / kLog2e, factor[2] = {scale, scale};
  SIMT_UNROLL
  for (int m = 0; m < M; ++m) stage<D>(staged + m * Z::staged, dq[m], factor);
  __syncwarp();
  SIMT_ROLLED
  for (int m = 0; m < M; ++m) {
    const int first = mine + 16 * m;
    const int64_t to = row + first;
    put<D, 1>(
        staged + m * Z::staged, a.dq + to * a.dq_step + h * a.d,
        {a.dq_step, there - first, a.d, a.turn == nullptr ? nullptr : a.turn + to * a.d, a.add_q, a.wide},
        lane, 32);
  }
}

// Threads: a block has one tile of keys of one text and key head, a warp 16 of them, or 32 where texts are
// long; it goes through the queries of every head that reads these keys.
// Reads: k and v once; q, dy and stats once per tile of keys, loading the next tile during the current one.
// Writes: dk and dv once.
// Sums: heads in their order, in each the queries in theirs.
// Limit: shared memory and tensor cores, 4 products a tile. One ldmatrix feeds 2 mma with 16 rows a warp, 2.7
// with 32: the two results fill the registers, so a warp takes its queries 32 at a time and reads its own
// rows again each time (counted).
// Ladder: cuda/ladder/attention.cu has the forward; its tiles and products are these.
template <class T, int D, int kRows>
__global__ void __launch_bounds__(Sizes<T, D>::threads, 1) backward_keys(AttendBackward<T> a) {
  using Z = Sizes<T, D>;
  constexpr int M = kRows / Z::rows, kQueries = Z::queries, kAtOnce = kQueries / M, N = kAtOnce / 8;
  constexpr int kTile = kQueries * Z::step;
  const Place at = find_tile(a.k_offsets, a.texts, kRows, Order::first_first);
  SIMT_SHARED(Text, x);    // read where it is needed: registers are scarce
  SIMT_SHARED(int, from);  // the first query that sees any of these keys
  if (threadIdx.x == 0) {
    x = a.text(at.text);
    if (at.text == a.texts) x.m = 0;
    from = x.least > at.row ? 0 : at.row;
  }
  __syncthreads();
  const int there = min(x.n - at.row, kRows);
  if (there <= 0) return;
  const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  const int g = static_cast<int>(blockIdx.y);
  T *const own_k = simt::dyn_shared<T>(), *const own_v = own_k + kRows * Z::step;
  T *const queries = own_v + kRows * Z::step, *const gradients = queries + 2 * kTile;
  float2* const stats = reinterpret_cast<float2*>(gradients + 2 * kTile);
  float* const room = reinterpret_cast<float*>(stats + 2 * kQueries) + (Z::kFloat ? warp * kRoom<N> : 0);

  struct Streamed {  // a tile of queries: all of one head, then of the next that shares these keys
    int head, first;
  };
  auto after = [&](Streamed s) {
    s.first += kQueries;
    return s.first < x.m ? s : Streamed{s.head + 1, from};
  };
  auto fetch = [&](int into, Streamed s) {
    const int h = g * a.group + s.head, left = x.m - s.first;
    const int64_t row = x.q + s.first;
    load_tile<T, D, kQueries>(queries + into * kTile, a.q + row * a.q_step + h * a.d, a.q_step, left, a.d,
                              a.wide);
    load_tile<T, D, kQueries>(gradients + into * kTile, a.dy + row * a.y_step + h * a.d, a.y_step, left, a.d,
                              a.wide);
    if (const int i = static_cast<int>(threadIdx.x); i < kQueries)
      simt::cp_async8(stats + into * kQueries + i, a.stats + static_cast<int64_t>(h) * a.rows + row + i,
                      i < left);
  };
  load_tile<T, D, kRows>(own_k, a.k + (x.k + at.row) * a.k_step + g * a.d, a.k_step, there, a.d, a.wide);
  load_tile<T, D, kRows>(own_v, a.v + (x.v + at.row) * a.v_step + g * a.d, a.v_step, there, a.d, a.wide);
  simt::cp_async_commit();
  Streamed now{from < x.m ? 0 : a.group, from};
  if (now.head < a.group) fetch(0, now);
  simt::cp_async_commit();
  simt::cp_async_wait<1>();
  __syncthreads();

  using Mine = Own<T, D, M == 1 && D <= 64>;
  const int mine = warp * 16 * M, key = at.row + mine;  // the warp's first key
  Mine k[M], v[M];
  SIMT_UNROLL
  for (int m = 0; m < M; ++m) {
    k[m] = Mine(own_k + (mine + 16 * m) * Z::step);
    v[m] = Mine(own_v + (mine + 16 * m) * Z::step);
  }
  float dk[M][D / 8][4] = {}, dv[M][D / 8][4] = {};
  int held = 0;  // the row where `now` begins, of 2 kQueries in shared memory
  while (now.head < a.group) {
    simt::cp_async_wait<0>();
    __syncthreads();
    if (const Streamed next = after(now); next.head < a.group) fetch(held == 0 ? 1 : 0, next);
    simt::cp_async_commit();
    SIMT_ROLLED
    do {
      const int first = now.first, row = held, left = min(kAtOnce, x.m - first);
      now.first += kAtOnce;
      held += kAtOnce;
      if (key >= x.n || left <= 0 || x.seen(first + left - 1) <= key) continue;
      const bool whole = left == kAtOnce && key + 16 * M <= x.seen(first);
      const T *const q = queries + row * Z::step, *const dy = q + 2 * kTile;
      const float2* const here = stats + row + lane % 4 * 2;
      float p[M][N][4], ds[M][N][4];
      product<D>(p, k, q);
      product<D>(ds, v, dy);
      SIMT_UNROLL
      for (int n = 0; n < N; ++n) {
        const float4 two = simt::ldv<float4>(here + n * 8);  // of neighbouring queries
        SIMT_UNROLL
        for (int m = 0; m < M; ++m) {
          SIMT_UNROLL
          for (int e = 0; e < 4; ++e) {
            p[m][n][e] = simt::exp2_approx(p[m][n][e] * a.scale - (e % 2 == 0 ? two.x : two.z));
            ds[m][n][e] = p[m][n][e] * (ds[m][n][e] - (e % 2 == 0 ? two.y : two.w));
          }
        }
      }
      if (!whole) {
        SIMT_UNROLL
        for (int n = 0; n < N; ++n) {
          SIMT_UNROLL
          for (int e = 0; e < 4; ++e) {
            const int i = n * 8 + lane % 4 * 2 + e % 2, sees = i < left ? x.seen(first + i) : 0;
            SIMT_UNROLL
            for (int m = 0; m < M; ++m)
              if (key + 16 * m + lane / 4 + e / 2 * 8 >= sees) p[m][n][e] = ds[m][n][e] = 0;
          }
        }
      }
      accumulate<D>(dv, p, dy, room);
      accumulate<D>(dk, ds, q, room);
    } while (held % kQueries != 0);
    held %= 2 * kQueries;
    if (now.first >= x.m) now = {now.head + 1, from};
  }
  __syncthreads();
  float* const staged = simt::dyn_shared<float>() + warp * M * Z::staged;
  const float scale = a.scale / kLog2e, factor[2] = {scale, scale}, one[2] = {1, 1};
  auto write = [&](const float(&result)[M][D / 8][4], const float(&times)[2], T* to, const float* turn) {
    __syncwarp();
    SIMT_UNROLL
    for (int m = 0; m < M; ++m) stage<D>(staged + m * Z::staged, result[m], times);
    __syncwarp();
    SIMT_ROLLED
    for (int m = 0; m < M; ++m) {
      const int first = key + 16 * m;
      const int64_t row = x.k + first;
      put<D, 1>(
          staged + m * Z::staged, to + row * a.dkv_step + g * a.d,
          {a.dkv_step, x.n - first, a.d, turn == nullptr ? nullptr : turn + row * a.d, a.add_kv, a.wide},
          lane, 32);
    }
  };
  write(dv, one, a.dv, nullptr);
  write(dk, factor, a.dk, a.turn);
}
}  // namespace

template <class T>
void attend_backward(AttendBackward<T>& a, const Tensor& y, const Tensor& lse) {
  const Shape shape{static_cast<int64_t>(a.heads), static_cast<int64_t>(a.rows), 2};
  const Tensor stats = Tensor::empty(shape, DType::f32, DeviceKind::cuda);
  const bool wide = packs<T>(a.d, {y.data<T>(), a.dy});
  simt::launch(wide ? row_stats<T, kPack<T>> : row_stats<T, 1>,
               dim3(blocks(a.rows, kStatRows) * static_cast<unsigned>(a.heads)), dim3(kStatRows * kStatLanes),
               0, y.data<T>(), a.dy, lse.data<float>(), stats.data<float2>(), a.rows, a.heads, a.d);
  a.stats = stats.data<float2>();
  by_head("attention", a.d, [&]<int D> {
    using Z = Sizes<T, D>;
    auto shared = [&](int own, int streamed, size_t more, size_t room) {
      const size_t tiles = static_cast<size_t>((2 * own + 4 * streamed) * Z::step) * sizeof(T),
                   staged = sizeof(float) * static_cast<size_t>(own / 16 * Z::staged);
      return std::max(tiles + more + (Z::kFloat ? sizeof(float) * Z::warps * room : 0), staged);
    };
    auto keys = [&]<int kRows> {
      simt::launch(backward_keys<T, D, kRows>,
                   dim3(tile_count(a.k_rows, a.texts, kRows), static_cast<unsigned>(a.heads / a.group)),
                   dim3(Z::threads),
                   shared(kRows, Z::queries, 2 * Z::queries * sizeof(float2), kRoom<Z::queries / 8>), a);
    };
    auto queries = [&]<int kRows> {
      simt::launch(backward_queries<T, D, kRows>,
                   dim3(tile_count(a.rows, a.texts, kRows), static_cast<unsigned>(a.heads)), dim3(Z::threads),
                   shared(kRows, Z::back, 0, kRoom<Z::back / 8>), a);
    };
    auto run = [&](int rows, const auto& kernel) {
      if constexpr (!Z::kFloat && D <= 64)
        if (rows >= 2 * Z::rows * a.texts) return kernel.template operator()<2 * Z::rows>();  // long texts
      kernel.template operator()<Z::rows>();
    };
    if (a.dk != nullptr && !backward_keys_hopper(a)) run(a.k_rows, keys);
    if (a.dq != nullptr && !backward_queries_hopper(a)) run(a.rows, queries);
  });
}
template void attend_backward(AttendBackward<float>&, const Tensor&, const Tensor&);
template void attend_backward(AttendBackward<bf16>&, const Tensor&, const Tensor&);
}  // namespace rum::cuda
