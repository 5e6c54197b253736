// Attention backward with the instructions of simt/hopper.h, for what attend_hopper.cu takes: heads of 64 and
// 128 numbers in bf16, long texts. Of one head, with q_i a row of queries and k_j, v_j rows of keys and values:
//
//   s_ij = q_i . k_j / sqrt(d)     p_ij = e^(s_ij - lse_i)     y_i = sum_j p_ij v_j
//
// so of a loss with gradient dy in y
//
//   dv_j = sum_i p_ij dy_i         dp_ij = dy_i . v_j
//
// A softmax turns dp into ds_ij = p_ij (dp_ij - sum_k p_ik dp_ik), and the sum needs no second pass over the
// keys: sum_k p_ik dy_i . v_k = dy_i . y_i =: delta_i. Then
//
//   dq_i = sum_j ds_ij k_j / sqrt(d)          dk_j = sum_i ds_ij q_i / sqrt(d)
//
// row_stats has computed lse_i (to base 2) and delta_i. There are two kernels, as with mma.sync, so that each
// sum has one owner and one order, without atomics: in one a block holds queries and streams the keys, in the
// other it holds keys and streams the queries of all heads that read them. The second computes its scores
// transposed: 64 x R results with a key in each row are directly the left factor of both its sums.
//
// For heads of 64 a group of four warps works on one tile after the other: it starts both scores and dp, makes
// the factor of a sum while a product runs, and waits for the sum. What fills these waits is other blocks, two
// a multiprocessor for the queries and three for the keys (attend_hopper.h says why). Heads of 128 are in
// attend_backward_128_hopper.cu.
#include "cuda/attend_backward_hopper.h"

namespace rum::cuda {
namespace {
// Heads of 64, in two blocks a multiprocessor.
// Threads: a block has 128 queries of one text and head, 64 for each of two groups of 4 warps; its first warp
// fetches as well.
// Reads: q, dy and stats once; keys and values once per block, by bulk copies of 64 numbers x 64 rows.
// Writes: dq once.
// Sums: keys in their order.
// Limit: tensor cores, 3 products a tile: 128 x 64 scores take 768 cycles, and their powers of 2 512 (counted).
// An H200 issues 1.9 of 4 instructions a cycle (measured).
// Ladder: none.
constexpr int kKeyPlaces = 4;
using Keys = Stream<kKeyPlaces, kGroups>;
__global__ void __launch_bounds__(kGroup* kGroups, 2)
    queries_hopper_64(AttendBackward<bf16> a, const __grid_constant__ simt::TensorMap q_map,
                      const __grid_constant__ simt::TensorMap dy_map,
                      const __grid_constant__ simt::TensorMap k_map,
                      const __grid_constant__ simt::TensorMap v_map) {
#ifdef SIMT_HOPPER
  constexpr int D = Keys::D, R = Keys::R, N = R / 8;
  SIMT_SHARED(Keys::Meet, meetings, [1]);
  Keys::Meet& meet = meetings[0];
  if (threadIdx.x == 0) Keys::prepare(meet);
  const Place at = find_tile(a.offsets, a.texts, kOwnRows, Order::last_first);
  const Text x = a.text(at.text);
  const int there = min(x.m - at.row, kOwnRows);
  if (there <= 0) return;
  const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  const int h = static_cast<int>(blockIdx.y), row = x.q + at.row;
  const int tiles = at.text == a.texts ? 0 : (x.seen(at.row + there - 1) + R - 1) / R;
  bf16 *const own_q = swizzled_room(), *const own_dy = own_q + kOwnRows * D;
  const Keys keys{
      meet, own_dy + kOwnRows * D, k_map, v_map, h / a.group * D, static_cast<int>(x.k), x.n, tiles, lane};
  __syncthreads();
  const int mine = own_rows(warp), group = mine / kGroupRows, last = there - 1;
  const bool first_warp = __shfl_sync(0xffffffffu, warp, 0) == 0;
  if (first_warp && tiles > 0) {
    if (lane == 0) {
      simt::barrier_expect(&meet.own, 2 * kTileBytes<kOwnRows>);
      copy_tiles<D, kOwnRows>(own_q, q_map, &meet.own, h * D, row);
      copy_tiles<D, kOwnRows>(own_dy, dy_map, &meet.own, h * D, row);
    }
    keys.begin();
  }
  const int r0 = mine + warp % 4 * 16;  // the warp's first row in the tile
  auto seen = [&](int r) { return x.seen(at.row + min(r, last)); };
  const int turns = tiles > 0 && mine <= last ? (seen(mine + kGroupRows - 1) + R - 1) / R : 0;
  float dq[D / 8][4] = {};
  if (turns > 0) {
    const int sees[2] = {seen(r0 + lane / 4), seen(r0 + lane / 4 + 8)}, least = seen(r0);
    float2 stats[2];
    own_stats(stats, a, h, row, r0, last, lane);
    simt::barrier_wait(&meet.own, 0);
    const uint64_t q = simt::tile_descriptor(own_q + mine * 64),
                   dy = simt::tile_descriptor(own_dy + mine * 64);
    float s[N][4], dp[N][4];
    uint32_t p[R / 16][4];
    auto start = [&](int t) {
      start_scores<D, R>(s, q, simt::tile_descriptor(keys.place(t)));
      start_scores<D, R>(dp, dy, simt::tile_descriptor(keys.place(t) + R * D));
    };
    auto sum = [&](int t) { start_sums<D, R>(dq, p, simt::tile_descriptor(keys.place(t), kTileBytes<R>)); };
    auto weights = [&] {
      query_weights(s, stats, a.scale);
      computed(s, &meet.own, 0);
    };
    auto gradients = [&](int t) { query_gradients(s, dp, stats, sees, t * R, (t + 1) * R <= least, lane); };
    SIMT_ROLLED
    for (int t = 0; t < turns; ++t) {
      keys.wait(t, first_warp);
      start(t);
      if (first_warp) keys.go_on(t);
      simt::wgmma_wait<1>();
      weights();
      simt::wgmma_wait<0>();
      gradients(t);
      as_factor<R>(p, s);
      sum(t);
      simt::wgmma_wait<0>();
      keys.done(t);
    }
  }
  keys.pass(turns, first_warp);
  if (mine > last) return;
  meet_group(&meet.group[group], 0);
  put_own<D>(dq, a.scale * kLn2, own_q, a.dq + row * a.dq_step + h * D, a.dq_step, r0, there,
             a.turn == nullptr ? nullptr : a.turn + static_cast<int64_t>(row) * D, a.add_q);
#endif
}

// Heads of 64, in three blocks a multiprocessor.
// Threads: a block has 64 keys of one text and key head, for its group of 4 warps, and meets the queries of
// every head that reads them; its first warp fetches as well.
// Reads: k and v once; q, dy and stats once per block, by bulk copies of 64 numbers x 64 rows.
// Writes: dk and dv once.
// Sums: heads in their order, in each the queries in theirs.
// Limit: tensor cores, 4 products a tile: 64 x 64 scores take 512 cycles, and their powers of 2 256 (counted).
// An H200 issues 1.7 of 4 instructions a cycle (measured).
// Ladder: none.
constexpr int kQueryPlaces = 3;
using Queries = Stream<kQueryPlaces, 1, true>;
__global__ void __launch_bounds__(kGroup, 3)
    keys_hopper_64(AttendBackward<bf16> a, const __grid_constant__ simt::TensorMap q_map,
                   const __grid_constant__ simt::TensorMap dy_map,
                   const __grid_constant__ simt::TensorMap k_map,
                   const __grid_constant__ simt::TensorMap v_map) {
#ifdef SIMT_HOPPER
  constexpr int D = Queries::D, R = Queries::R, N = R / 8;
  SIMT_SHARED(Queries::Meet, meetings, [1]);
  SIMT_SHARED(float4, pairs, [kQueryPlaces][R / 2]);  // what row_stats left for two neighbouring queries
  Queries::Meet& meet = meetings[0];
  if (threadIdx.x == 0) Queries::prepare(meet);
  const Place at = find_tile(a.k_offsets, a.texts, kGroupRows, Order::first_first);
  const Text x = a.text(at.text);
  const int there = min(x.n - at.row, kGroupRows);
  if (there <= 0) return;
  const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  const int g = static_cast<int>(blockIdx.y), row = static_cast<int>(x.k) + at.row;
  const int from = x.least > at.row ? 0 : at.row;            // the first query that sees any of these keys
  const int wanted = (at.text == a.texts ? 0 : x.m) - from;  // those behind the last text see nothing
  const int each = wanted > 0 ? (wanted + R - 1) / R : 0, tiles = each * a.group;
  bf16 *const own_k = swizzled_room(), *const own_v = own_k + kGroupRows * D;
  const Queries queries{
      meet, own_v + kGroupRows * D, q_map, dy_map, g * a.group * D, x.q + from, wanted, tiles, lane, each};
  __syncthreads();
  const bool first_warp = __shfl_sync(0xffffffffu, warp, 0) == 0;
  // What comes with tile t: on its way when its copies start, there one tile later.
  auto read = [&](int t) {
    const int head = queries.head(t), first = queries.first(t);
    auto* const to = reinterpret_cast<float2*>(pairs[Queries::index(t)]);
    const float2* const of = a.stats + static_cast<int64_t>(g * a.group + head) * a.rows + x.q + from + first;
    SIMT_UNROLL
    for (int r = lane; r < R; r += 32) simt::cp_async8(to + r, of + r, r < wanted - first);
  };
  auto keep = [&](int t) {
    simt::cp_async_wait<0>();
    __syncwarp();
    if (lane == 0) simt::barrier_arrive(&meet.full[Queries::index(t)]);
  };
  auto go_on = [&](int t) {
    const int next = t - Queries::kLag + kQueryPlaces;
    if (t > Queries::kLag && next - 1 < tiles) keep(next - 1);
    queries.go_on(t);
    if (t >= Queries::kLag && next < tiles) read(next);
    simt::cp_async_commit();
  };
  if (first_warp && tiles > 0) {
    if (lane == 0) {
      simt::barrier_expect(&meet.own, 2 * kTileBytes<kGroupRows>);
      copy_tiles<D, kGroupRows>(own_k, k_map, &meet.own, g * D, row);
      copy_tiles<D, kGroupRows>(own_v, v_map, &meet.own, g * D, row);
    }
    queries.begin();
    SIMT_UNROLL
    for (int t = 0; t < kQueryPlaces; ++t)
      if (t < tiles) read(t);
    simt::cp_async_commit();
    SIMT_UNROLL
    for (int t = 0; t < kQueryPlaces; ++t)
      if (t < tiles) keep(t);
  }
  const int r0 = warp * 16, key = at.row + r0;  // the first row of the warp, and its key
  float dk[D / 8][4] = {}, dv[D / 8][4] = {};
  if (tiles > 0) {
    simt::barrier_wait(&meet.own, 0);
    const uint64_t k = simt::tile_descriptor(own_k), v = simt::tile_descriptor(own_v);
    const int c = lane % 4 * 2;
    float s[N][4], ds[N][4];
    uint32_t p[R / 16][4];
    int begins = 0;  // the tile's first query, of those wanted
    auto start = [&](int t) {
      start_scores<D, R>(s, k, simt::tile_descriptor(queries.place(t)));
      start_scores<D, R>(ds, v, simt::tile_descriptor(queries.place(t) + R * D));
    };
    auto sum_v = [&](int t) {
      start_sums<D, R>(dv, p, simt::tile_descriptor(queries.place(t) + R * D, kTileBytes<R>));
    };
    auto sum_k = [&](int t) {
      start_sums<D, R>(dk, p, simt::tile_descriptor(queries.place(t), kTileBytes<R>));
    };
    auto weights = [&](int t) {
      const uint32_t i = Queries::index(t);
      const int first = from + begins, left = min(wanted - begins, R);
      const bool whole = left == R && key + 16 <= x.seen(first);  // for the warp: most tiles are
      SIMT_UNROLL
      for (int n = 0; n < N; ++n) {
        const float4 two = simt::ldv<float4>(&pairs[i][(c + n * 8) / 2]);
        SIMT_UNROLL
        for (int e = 0; e < 4; ++e)
          s[n][e] = simt::exp2_approx(s[n][e] * a.scale - (e % 2 == 0 ? two.x : two.z));
      }
      begins = begins + R < wanted ? begins + R : 0;
      if (whole) return;
      // Only queries from `sees` on see the lane's keys; of weight 0 the gradient is 0 as well.
      int sees[2];
      SIMT_UNROLL
      for (int half = 0; half < 2; ++half) {
        const int own = key + lane / 4 + half * 8;
        sees[half] = own >= x.least ? own - x.before - first : 0;
      }
      SIMT_UNROLL
      for (int n = 0; n < N; ++n) {
        SIMT_UNROLL
        for (int e = 0; e < 4; ++e) {
          const int r = n * 8 + c + e % 2;
          if (r < sees[e / 2] || r >= left) s[n][e] = 0;
        }
      }
    };
    // From the weights as rounded for the first sum: to keep the others would take the registers of the third
    // block.
    auto gradients = [&](int t) {
      SIMT_UNROLL
      for (int n = 0; n < N; ++n) {
        const float4 two = simt::ldv<float4>(&pairs[Queries::index(t)][(c + n * 8) / 2]);
        SIMT_UNROLL
        for (int e = 0; e < 4; ++e) {
          const float weight = number_of(p[n / 2][n % 2 * 2 + e / 2], e % 2);
          ds[n][e] = weight * (ds[n][e] - (e % 2 == 0 ? two.y : two.w));
        }
      }
      computed(ds, &meet.own, 0);
    };
    SIMT_ROLLED
    for (int t = 0; t < tiles; ++t) {
      queries.wait(t, wanted - begins, first_warp);
      start(t);
      if (first_warp) go_on(t);
      simt::wgmma_wait<1>();
      weights(t);
      as_factor<R>(p, s);
      sum_v(t);
      simt::wgmma_wait<1>();
      gradients(t);
      simt::wgmma_wait<0>();
      as_factor<R>(p, ds);
      sum_k(t);
      simt::wgmma_wait<0>();
      queries.done(t);
    }
  }
  const float* const turn = a.turn == nullptr ? nullptr : a.turn + static_cast<int64_t>(row) * D;
  const int64_t to = row * a.dkv_step + g * D;
  __syncthreads();  // all have read their keys and values
  put_own<D>(dv, 1, own_v, a.dv + to, a.dkv_step, r0, there, nullptr, a.add_kv);
  put_own<D>(dk, a.scale * kLn2, own_k, a.dk + to, a.dkv_step, r0, there, turn, a.add_kv);
#endif
}

bool fits(const AttendBackward<bf16>& a, int own_rows) {
  return attend_hopper() && (a.d == 64 || a.d == 128) && a.wide && a.used == nullptr && a.rows > 0 &&
         a.k_rows > 0 && own_rows >= kOwnRows * a.texts &&
         (a.q_step | a.k_step | a.v_step | a.y_step) % 8 == 0;
}
}  // namespace

bool backward_queries_hopper(const AttendBackward<bf16>& a) {
  if (!fits(a, a.rows)) return false;
  if (a.d == 128)
    backward_queries_128(a);
  else
    launch_backward(queries_hopper_64, a, kGroup * kGroups, room(64, 2 * kOwnRows + 2 * kKeyPlaces * kMet),
                    dim3(tile_count(a.rows, a.texts, kOwnRows), static_cast<unsigned>(a.heads)), kOwnRows,
                    kMet);
  return true;
}
bool backward_keys_hopper(const AttendBackward<bf16>& a) {
  if (!fits(a, a.k_rows)) return false;
  if (a.d == 128)
    backward_keys_128(a);
  else
    launch_backward(keys_hopper_64, a, kGroup, room(64, 2 * kGroupRows + 2 * kQueryPlaces * kMet),
                    dim3(tile_count(a.k_rows, a.texts, kGroupRows), static_cast<unsigned>(a.heads / a.group)),
                    kMet, kGroupRows);
  return true;
}
}  // namespace rum::cuda
