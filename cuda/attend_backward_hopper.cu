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
// sum has one owner and one order, without atomics: in one a block holds 128 queries and streams the keys, in
// the other it holds 128 keys and streams the queries of all heads that read them. The second computes its
// scores transposed: 64 x R results with a key in each row are directly the left factor of both its sums.
//
//   warp 8           K0 V0   K1 V1   K2 V2 ...     each pair into the next of kPlaces: waits until it is `empty`
//                      |       |       |           ... `full`: the bytes are there
//   queries' groups  S0 P0   S1 P1 Q0   S2 P2 Q1   S: scores, P: dp, Q: dq += ds K; one behind
//   keys' groups     S0 P0 V0 K0   S1 P1 V1 K1     V: dv += p dy, K: dk += ds q; while one runs, the factor of
//                                                  the next is made; the other group fills what is left
#include "cuda/attend_hopper.h"

namespace rum::cuda {
namespace {
constexpr int kPlaces = 4;
struct Meetings {
  simt::Barrier full[kPlaces], empty[kPlaces], own, cut, group[kGroups];
};
// Rows streamed at a time: of two results of 64 x R numbers, their factors and the sums in 240 registers.
template <int D>
constexpr int kMetKeys = D == 64 ? 128 : 64;
constexpr int kMetQueries = 64;
template <int D, int R>
constexpr size_t kShared = simt::kSwizzledAlign + sizeof(bf16) * D*(2 * kOwnRows + kPlaces * 2 * R);

#ifdef SIMT_HOPPER
__device__ __forceinline__ void prepare(Meetings& meet) {
  if (threadIdx.x == 0) {
    for (int i = 0; i < kPlaces; ++i) {
      // Two arrivals: the lane that starts the copies, and the warp when it has done the rest.
      simt::barrier_init(&meet.full[i], 2);
      simt::barrier_init(&meet.empty[i], kReaders);
    }
    simt::barrier_init(&meet.own, 1);
    simt::barrier_init(&meet.cut, 1);
    for (int g = 0; g < kGroups; ++g) simt::barrier_init(&meet.group[g], kGroup);
    simt::barriers_ready();
  }
  __syncthreads();
}
__device__ __forceinline__ uint32_t parity(int t) { return static_cast<uint32_t>(t / kPlaces) % 2; }

// The warp that fetches: two tiles at a time, from the same row of two matrices.
template <int D, int R>
struct Fetching {
  Meetings& meet;
  bf16* const places;
  int tiles = 0, cuts = 0;

  // Rows from `left` on become 0: both tiles are right factors. more(i): what else belongs to place i.
  template <class More>
  __device__ __forceinline__ void next(const simt::TensorMap& a, const simt::TensorMap& b, int column_a,
                                       int column_b, int row, int left, int lane, const More& more) {
    const int i = tiles % kPlaces;
    simt::barrier_wait(&meet.empty[i], parity(tiles) ^ 1);
    ++tiles;
    simt::Barrier *const full = &meet.full[i], *const there = left < R ? &meet.cut : full;
    bf16 *const to = places + i * 2 * R * D, *const second = to + R * D;
    if (lane == 0) {
      simt::barrier_expect(there, 2 * D / simt::kSwizzledRow * kTileBytes<R>);
      copy_tiles<D, R>(to, a, there, column_a, row);
      copy_tiles<D, R>(second, b, there, column_b, row);
    }
    more(i);
    if (left < R) {
      simt::barrier_wait(&meet.cut, static_cast<uint32_t>(cuts++) % 2);
      clear_rows<D, R>(to, left, lane);
      clear_rows<D, R>(second, left, lane);
      simt::fence_async();
    }
    __syncwarp();
    if (lane == 0) simt::barrier_arrive(full);
    if (lane == 0 && left < R) simt::barrier_arrive(full);
  }
};
// Writes a warp's 16 rows of a result, from row `first` of the block up to `end`, through its rows of a tile
// that nobody reads any more; rotated back where `turn` is given. A lane holds both numbers of a pair: columns
// j and j + D / 2.
template <int D, int kOwn>
__device__ __forceinline__ void put_own(const float (&o)[D / 8][4], float factor, bf16* tile, bf16* to,
                                        int64_t step, int first, int end, const float* turn, bool add) {
  const int lane = static_cast<int>(threadIdx.x % 32), column = lane % 4 * 2;
  if (add) {
    SIMT_UNROLL
    for (int i = 0; i < 16 * D / 8; i += 32) {
      const int r = first + (i + lane) / (D / 8), c = (i + lane) % (D / 8) * 8;
      if (r < end)
        simt::stv(tile + c / 64 * (kOwn * 64) + simt::swizzled(r, c % 64),
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
      bf16 *const at = pair_at<kOwn>(tile, r, n), *const far = pair_at<kOwn>(tile, r, n + D / 16);
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
  put_rows<D, kOwn>(tile, to, step, first, end);
}
#endif

// Threads: a block has 128 queries of one text and head: two groups of 4 warps with 64 queries each, and one
// that fetches, with one of its warps.
// Reads: q, dy and stats once; keys and values once per tile of queries, by bulk copies of 64 numbers a row.
// Writes: dq once.
// Sums: keys in their order.
// Limit: tensor cores, 3 products a tile: 128 x 128 scores of heads of 64 take 1,536 cycles, and their powers
// of 2 1,024 (counted).
// Ladder: none.
template <int D>
__global__ void __launch_bounds__(kGroup*(1 + kGroups), 1)
    queries_hopper(AttendBackward<bf16> a, const __grid_constant__ simt::TensorMap q_map,
                   const __grid_constant__ simt::TensorMap dy_map,
                   const __grid_constant__ simt::TensorMap k_map,
                   const __grid_constant__ simt::TensorMap v_map) {
#ifdef SIMT_HOPPER
  constexpr int R = kMetKeys<D>, N = R / 8;
  SIMT_SHARED(Meetings, meetings, [1]);
  Meetings& meet = meetings[0];
  const Place at = find_tile(a.offsets, a.texts, kOwnRows, Order::last_first);
  const Text x = a.text(at.text);
  const int there = min(x.m - at.row, kOwnRows);
  if (there <= 0) return;
  const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  const int h = static_cast<int>(blockIdx.y), row = x.q + at.row;
  const int tiles = at.text == a.texts ? 0 : (x.seen(at.row + there - 1) + R - 1) / R;
  bf16 *const own_q = swizzled_room(), *const own_dy = own_q + kOwnRows * D,
              *const places = own_dy + kOwnRows * D;
  prepare(meet);

  if (warp >= kReaders) {
    simt::fewer_registers<24>();
    if (warp > kReaders || tiles == 0) return;
    if (lane == 0) {
      simt::barrier_expect(&meet.own, 2 * D / simt::kSwizzledRow * kTileBytes<kOwnRows>);
      copy_tiles<D, kOwnRows>(own_q, q_map, &meet.own, h * D, row);
      copy_tiles<D, kOwnRows>(own_dy, dy_map, &meet.own, h * D, row);
    }
    Fetching<D, R> fetching{meet, places};
    const int column = h / a.group * D;
    for (int first = 0; first < tiles * R; first += R)
      fetching.next(k_map, v_map, column, column, static_cast<int>(x.k) + first, x.n - first, lane,
                    [](int) {});
    return;
  }

  simt::more_registers<240>();
  const int mine = own_rows(warp), last = there - 1;
  const int r0 = mine + warp % 4 * 16;  // the warp's first row in the tile
  auto seen = [&](int r) { return x.seen(at.row + min(r, last)); };
  const int turns = tiles > 0 && mine <= last ? (seen(mine + kGroupRows - 1) + R - 1) / R : 0;
  float dq[D / 8][4] = {};
  if (turns > 0) {
    const int sees[2] = {seen(r0 + lane / 4), seen(r0 + lane / 4 + 8)}, least = seen(r0);
    float2 stats[2];
    SIMT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int r = r0 + lane / 4 + 8 * half;
      stats[half] = r <= last ? a.stats[static_cast<int64_t>(h) * a.rows + row + r] : make_float2(0, 0);
    }
    simt::barrier_wait(&meet.own, 0);
    const uint64_t q = simt::tile_descriptor(own_q + mine * 64),
                   dy = simt::tile_descriptor(own_dy + mine * 64);
    auto place = [&](int t) { return places + t % kPlaces * 2 * R * D; };
    float s[N][4], dp[N][4];
    uint32_t p[R / 16][4];
    auto start = [&](int t) {
      const bf16* const k = place(t);
      simt::barrier_wait(&meet.full[t % kPlaces], parity(t));
      start_scores<D, R>(s, q, simt::tile_descriptor(k));
      start_scores<D, R>(dp, dy, simt::tile_descriptor(k + R * D));
    };
    auto sum = [&](int t) { start_sums<D, R>(dq, p, simt::tile_descriptor(place(t), kTileBytes<R>)); };
    auto weights = [&] {
      SIMT_UNROLL
      for (int n = 0; n < N; ++n) {
        SIMT_UNROLL
        for (int e = 0; e < 4; ++e) s[n][e] = simt::exp2_approx(s[n][e] * a.scale - stats[e / 2].x);
      }
    };
    auto gradients = [&](int t) {
      SIMT_UNROLL
      for (int n = 0; n < N; ++n) {
        SIMT_UNROLL
        for (int e = 0; e < 4; ++e) s[n][e] *= dp[n][e] - stats[e / 2].y;
      }
      if ((t + 1) * R <= least) return;  // most tiles are seen by all
      const int column = t * R + lane % 4 * 2;
      SIMT_UNROLL
      for (int n = 0; n < N; ++n) {
        SIMT_UNROLL
        for (int e = 0; e < 4; ++e)
          if (column + n * 8 + e % 2 >= sees[e / 2]) s[n][e] = 0;
      }
    };
    start(0);
    simt::wgmma_wait<1>();
    weights();
    simt::wgmma_wait<0>();
    gradients(0);
    as_factor<R>(p, s);
    SIMT_ROLLED
    for (int t = 1; t < turns; ++t) {
      start(t);
      sum(t - 1);
      simt::wgmma_wait<2>();
      weights();
      computed(s, &meet.own, 0);
      simt::wgmma_wait<1>();
      gradients(t);
      computed(s, &meet.own, 0);
      simt::wgmma_wait<0>();
      give_back(&meet.empty[(t - 1) % kPlaces], lane);
      as_factor<R>(p, s);
    }
    sum(turns - 1);
    simt::wgmma_wait<0>();
    give_back(&meet.empty[(turns - 1) % kPlaces], lane);
  }
  for (int t = turns; t + kPlaces < tiles; ++t) {  // that only the other group needs
    simt::barrier_wait(&meet.full[t % kPlaces], parity(t));
    give_back(&meet.empty[t % kPlaces], lane);
  }
  if (mine > last) return;
  meet_group(&meet.group[mine / kGroupRows], 0);
  put_own<D, kOwnRows>(dq, a.scale * kLn2, own_q, a.dq + row * a.dq_step + h * D, a.dq_step, r0, there,
                       a.turn == nullptr ? nullptr : a.turn + static_cast<int64_t>(row) * D, a.add_q);
#endif
}

// Threads: a block has 128 keys of one text and key head, and meets the queries of every head that reads them:
// two groups of 4 warps with 64 keys each, and one that fetches, with one of its warps.
// Reads: k and v once; q, dy and stats once per tile of keys, by bulk copies of 64 numbers a row.
// Writes: dk and dv once.
// Sums: heads in their order, in each the queries in theirs.
// Limit: tensor cores, 4 products a tile: 128 x 128 scores of heads of 64 take 2,048 cycles, and their powers
// of 2 1,024 (counted).
// Ladder: none.
template <int D>
__global__ void __launch_bounds__(kGroup*(1 + kGroups), 1)
    keys_hopper(AttendBackward<bf16> a, const __grid_constant__ simt::TensorMap q_map,
                const __grid_constant__ simt::TensorMap dy_map, const __grid_constant__ simt::TensorMap k_map,
                const __grid_constant__ simt::TensorMap v_map) {
#ifdef SIMT_HOPPER
  constexpr int R = kMetQueries, N = R / 8;
  SIMT_SHARED(Meetings, meetings, [1]);
  SIMT_SHARED(float, sums, [kPlaces][R]);
  SIMT_SHARED(float, deltas, [kPlaces][R]);
  Meetings& meet = meetings[0];
  const Place at = find_tile(a.k_offsets, a.texts, kOwnRows, Order::first_first);
  const Text x = a.text(at.text);
  const int there = min(x.n - at.row, kOwnRows);
  if (there <= 0) return;
  const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  const int g = static_cast<int>(blockIdx.y), row = static_cast<int>(x.k) + at.row;
  const int from = x.least > at.row ? 0 : at.row;    // the first query that sees any of these keys
  const int queries = at.text == a.texts ? 0 : x.m;  // those behind the last text see nothing
  bf16 *const own_k = swizzled_room(), *const own_v = own_k + kOwnRows * D,
              *const places = own_v + kOwnRows * D;
  prepare(meet);

  if (warp >= kReaders) {
    simt::fewer_registers<24>();
    if (warp > kReaders || from >= queries) return;
    if (lane == 0) {
      simt::barrier_expect(&meet.own, 2 * D / simt::kSwizzledRow * kTileBytes<kOwnRows>);
      copy_tiles<D, kOwnRows>(own_k, k_map, &meet.own, g * D, row);
      copy_tiles<D, kOwnRows>(own_v, v_map, &meet.own, g * D, row);
    }
    Fetching<D, R> fetching{meet, places};
    for (int h = g * a.group; h < (g + 1) * a.group; ++h)
      for (int first = from; first < queries; first += R) {
        const float2* const of = a.stats + static_cast<int64_t>(h) * a.rows + x.q + first;
        fetching.next(q_map, dy_map, h * D, h * D, x.q + first, queries - first, lane, [&](int i) {
          SIMT_UNROLL
          for (int r = lane; r < R; r += 32) {
            const float2 one = r < queries - first ? of[r] : make_float2(0, 0);
            sums[i][r] = one.x;
            deltas[i][r] = one.y;
          }
        });
      }
    return;
  }

  simt::more_registers<240>();
  const int mine = own_rows(warp), r0 = mine + warp % 4 * 16, key = at.row + r0;
  float dk[D / 8][4] = {}, dv[D / 8][4] = {};
  if (from < queries) {
    simt::barrier_wait(&meet.own, 0);
    const uint64_t k = simt::tile_descriptor(own_k + mine * 64), v = simt::tile_descriptor(own_v + mine * 64);
    int t = 0;
    SIMT_ROLLED
    for (int head = 0; head < a.group; ++head) {
      SIMT_ROLLED
      for (int first = from; first < queries; first += R, ++t) {
        const int i = t % kPlaces, left = min(queries - first, R);
        simt::barrier_wait(&meet.full[i], parity(t));
        if (mine < there && x.seen(first + left - 1) > at.row + mine) {
          const bool whole = left == R && key + 16 <= x.seen(first);  // for the warp: most tiles are
          const bf16 *const q = places + i * 2 * R * D, *const dy = q + R * D;
          const int c = lane % 4 * 2;
          float s[N][4], ds[N][4];
          uint32_t p[R / 16][4];
          start_scores<D, R>(s, k, simt::tile_descriptor(q));
          start_scores<D, R>(ds, v, simt::tile_descriptor(dy));
          simt::wgmma_wait<1>();
          SIMT_UNROLL
          for (int n = 0; n < N; ++n) {
            const float2 two = simt::ldv<float2>(&sums[i][c + n * 8]);  // of neighbouring queries
            SIMT_UNROLL
            for (int e = 0; e < 4; ++e)
              s[n][e] = simt::exp2_approx(s[n][e] * a.scale - (e % 2 == 0 ? two.x : two.y));
          }
          if (!whole) {  // of weight 0 the gradient is 0 as well
            SIMT_UNROLL
            for (int n = 0; n < N; ++n) {
              SIMT_UNROLL
              for (int e = 0; e < 4; ++e) {
                const int r = n * 8 + c + e % 2, sees = r < left ? x.seen(first + r) : 0;
                if (key + lane / 4 + e / 2 * 8 >= sees) s[n][e] = 0;
              }
            }
          }
          as_factor<R>(p, s);
          start_sums<D, R>(dv, p, simt::tile_descriptor(dy, kTileBytes<R>));
          simt::wgmma_wait<1>();
          SIMT_UNROLL
          for (int n = 0; n < N; ++n) {
            const float2 two = simt::ldv<float2>(&deltas[i][c + n * 8]);
            SIMT_UNROLL
            for (int e = 0; e < 4; ++e) ds[n][e] = s[n][e] * (ds[n][e] - (e % 2 == 0 ? two.x : two.y));
          }
          uint32_t dsp[R / 16][4];
          as_factor<R>(dsp, ds);
          start_sums<D, R>(dk, dsp, simt::tile_descriptor(q, kTileBytes<R>));
          simt::wgmma_wait<0>();
        }
        give_back(&meet.empty[i], lane);
      }
    }
  }
  const float* const turn = a.turn == nullptr ? nullptr : a.turn + static_cast<int64_t>(row) * D;
  const int64_t to = row * a.dkv_step + g * D;
  if (mine >= there) return;
  meet_group(&meet.group[mine / kGroupRows], 0);
  put_own<D, kOwnRows>(dv, 1, own_v, a.dv + to, a.dkv_step, r0, there, nullptr, a.add_kv);
  put_own<D, kOwnRows>(dk, a.scale * kLn2, own_k, a.dk + to, a.dkv_step, r0, there, turn, a.add_kv);
#endif
}

// The same for heads of 64, in several blocks a multiprocessor, so that one works while another begins or ends.
// kBeside: the sums of a tile run beside the work with the next.
// Threads: a block has 64 kG queries of one text and head, 64 for each group of 4 warps; its first warp fetches
// as well.
// Reads: q, dy and stats once; keys and values once per block, by bulk copies of 64 numbers x 64 rows.
// Writes: dq once.
// Sums: keys in their order.
// Limit: tensor cores, 3 products a tile: 64 x 64 scores take 384 cycles, and their powers of 2 256 (counted).
// Ladder: none.
template <int kG, int kBlocks, int kPairs, bool kBeside>
struct Met {
  static constexpr int D = 64, R = 64, own = kG * kGroupRows;
  using Keys = Stream<D, R, kPairs, (kPairs > 2 ? 2 : 1), kG>;
  static constexpr size_t shared = simt::kSwizzledAlign + sizeof(bf16) * (2 * own * D + kPairs * kPair<D, R>);
};
template <int kG, int kBlocks, int kPairs, bool kBeside>
__global__ void __launch_bounds__(kGroup* kG, kBlocks)
    queries_stream(AttendBackward<bf16> a, const __grid_constant__ simt::TensorMap q_map,
                   const __grid_constant__ simt::TensorMap dy_map,
                   const __grid_constant__ simt::TensorMap k_map,
                   const __grid_constant__ simt::TensorMap v_map) {
#ifdef SIMT_HOPPER
  using M = Met<kG, kBlocks, kPairs, kBeside>;
  using Keys = typename M::Keys;
  constexpr int D = M::D, R = M::R, N = R / 8;
  SIMT_SHARED(typename Keys::Meet, meetings, [1]);
  auto& meet = meetings[0];
  if (threadIdx.x == 0) Keys::prepare(meet);
  const Place at = find_tile(a.offsets, a.texts, M::own, Order::last_first);
  const Text x = a.text(at.text);
  const int there = min(x.m - at.row, M::own);
  if (there <= 0) return;
  const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  const int h = static_cast<int>(blockIdx.y), row = x.q + at.row;
  const int tiles = at.text == a.texts ? 0 : (x.seen(at.row + there - 1) + R - 1) / R;
  bf16 *const own_q = swizzled_room(), *const own_dy = own_q + M::own * D;
  const Keys keys{meet, own_dy + M::own * D, k_map, v_map, h / a.group * D, static_cast<int>(x.k), x.n, tiles,
                  lane};
  __syncthreads();
  const int mine = own_rows(warp), group = mine / kGroupRows, last = there - 1;
  const bool first_warp = __shfl_sync(0xffffffffu, warp, 0) == 0;
  if (first_warp && tiles > 0) {
    if (lane == 0) {
      simt::barrier_expect(&meet.own, 2 * kTileBytes<M::own>);
      copy_tiles<D, M::own>(own_q, q_map, &meet.own, h * D, row);
      copy_tiles<D, M::own>(own_dy, dy_map, &meet.own, h * D, row);
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
    SIMT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int r = r0 + lane / 4 + 8 * half;
      stats[half] = r <= last ? a.stats[static_cast<int64_t>(h) * a.rows + row + r] : make_float2(0, 0);
    }
    simt::barrier_wait(&meet.own, 0);
    const uint64_t q = simt::tile_descriptor(own_q + mine * 64),
                   dy = simt::tile_descriptor(own_dy + mine * 64);
    float s[N][4], dp[N][4];
    uint32_t p[R / 16][4];
    auto start = [&](int t) {
      start_scores<D, R, M::own>(s, q, simt::tile_descriptor(keys.place(t)));
      start_scores<D, R, M::own>(dp, dy, simt::tile_descriptor(keys.place(t) + R * D));
    };
    auto sum = [&](int t) { start_sums<D, R>(dq, p, simt::tile_descriptor(keys.place(t), kTileBytes<R>)); };
    auto weights = [&] {
      SIMT_UNROLL
      for (int n = 0; n < N; ++n) {
        SIMT_UNROLL
        for (int e = 0; e < 4; ++e) s[n][e] = simt::exp2_approx(s[n][e] * a.scale - stats[e / 2].x);
      }
      computed(s, &meet.own, 0);
    };
    auto gradients = [&](int t) {
      SIMT_UNROLL
      for (int n = 0; n < N; ++n) {
        SIMT_UNROLL
        for (int e = 0; e < 4; ++e) s[n][e] *= dp[n][e] - stats[e / 2].y;
      }
      if ((t + 1) * R <= least) return;  // most tiles are seen by all
      const int column = t * R + lane % 4 * 2;
      SIMT_UNROLL
      for (int n = 0; n < N; ++n) {
        SIMT_UNROLL
        for (int e = 0; e < 4; ++e)
          if (column + n * 8 + e % 2 >= sees[e / 2]) s[n][e] = 0;
      }
    };
    if constexpr (kBeside) {
      keys.wait(0, first_warp);
      start(0);
      simt::wgmma_wait<1>();
      weights();
      simt::wgmma_wait<0>();
      gradients(0);
      if (turns > 1) keys.wait(1, first_warp);
      as_factor<R>(p, s);
      SIMT_ROLLED
      for (int t = 1; t < turns; ++t) {
        start(t);
        sum(t - 1);
        if (first_warp) keys.go_on(t);
        simt::wgmma_wait<2>();
        weights();
        simt::wgmma_wait<1>();
        gradients(t);
        computed(s);
        if (t + 1 < turns) keys.wait(t + 1, first_warp);
        simt::wgmma_wait<0>();
        keys.done(t - 1);
        as_factor<R>(p, s);
      }
      sum(turns - 1);
      simt::wgmma_wait<0>();
      keys.done(turns - 1);
    } else {
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
  }
  keys.pass(turns, first_warp);
  if (mine > last) return;
  meet_group(&meet.group[group], 0);
  put_own<D, M::own>(dq, a.scale * kLn2, own_q, a.dq + row * a.dq_step + h * D, a.dq_step, r0, there,
                     a.turn == nullptr ? nullptr : a.turn + static_cast<int64_t>(row) * D, a.add_q);
#endif
}

// The same for heads of 64, in several blocks a multiprocessor. The sums of a tile run beside the work with the
// next.
// Threads: a block has 64 kG keys of one text and key head, 64 for each group of 4 warps, and meets the queries
// of every head that reads them; its first warp fetches as well.
// Reads: k and v once; q, dy and stats once per block, by bulk copies of 64 numbers x 64 rows.
// Writes: dk and dv once.
// Sums: heads in their order, in each the queries in theirs.
// Limit: tensor cores, 4 products a tile: 64 x 64 scores take 512 cycles, and their powers of 2 256 (counted).
// Ladder: none.
template <int kG, int kPairs, bool kBeside>
struct MetBy {
  static constexpr int D = 64, R = 64, own = kG * kGroupRows, lag = kG + (kBeside ? 1 : 0);
  using Queries = Stream<D, R, kPairs, lag, kG, true>;
  static constexpr size_t shared = simt::kSwizzledAlign + sizeof(bf16) * (2 * own * D + kPairs * kPair<D, R>);
};
template <int kG, int kBlocks, int kPairs, bool kBeside>
__global__ void __launch_bounds__(kGroup* kG, kBlocks)
    keys_stream(AttendBackward<bf16> a, const __grid_constant__ simt::TensorMap q_map,
                const __grid_constant__ simt::TensorMap dy_map, const __grid_constant__ simt::TensorMap k_map,
                const __grid_constant__ simt::TensorMap v_map) {
#ifdef SIMT_HOPPER
  using M = MetBy<kG, kPairs, kBeside>;
  using Queries = typename M::Queries;
  constexpr int D = M::D, R = M::R, N = R / 8;
  SIMT_SHARED(typename Queries::Meet, meetings, [1]);
  SIMT_SHARED(float4, pairs, [kPairs][R / 2]);  // what row_stats left for two neighbouring queries
  auto& meet = meetings[0];
  if (threadIdx.x == 0) Queries::prepare(meet);
  const Place at = find_tile(a.k_offsets, a.texts, M::own, Order::first_first);
  const Text x = a.text(at.text);
  const int there = min(x.n - at.row, M::own);
  if (there <= 0) return;
  const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  const int g = static_cast<int>(blockIdx.y), row = static_cast<int>(x.k) + at.row;
  const int from = x.least > at.row ? 0 : at.row;            // the first query that sees any of these keys
  const int wanted = (at.text == a.texts ? 0 : x.m) - from;  // those behind the last text see nothing
  const int each = wanted > 0 ? (wanted + R - 1) / R : 0, tiles = each * a.group;
  bf16 *const own_k = swizzled_room(), *const own_v = own_k + M::own * D;
  const Queries queries{
      meet, own_v + M::own * D, q_map, dy_map, g * a.group * D, x.q + from, wanted, tiles, lane, each};
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
    const int next = t - M::lag + kPairs;
    if (t > M::lag && next - 1 < tiles) keep(next - 1);
    queries.go_on(t);
    if (t >= M::lag && next < tiles) read(next);
    simt::cp_async_commit();
  };
  if (first_warp && tiles > 0) {
    if (lane == 0) {
      simt::barrier_expect(&meet.own, 2 * kTileBytes<M::own>);
      copy_tiles<D, M::own>(own_k, k_map, &meet.own, g * D, row);
      copy_tiles<D, M::own>(own_v, v_map, &meet.own, g * D, row);
    }
    queries.begin();
    SIMT_UNROLL
    for (int t = 0; t < kPairs; ++t)
      if (t < tiles) read(t);
    simt::cp_async_commit();
    SIMT_UNROLL
    for (int t = 0; t < kPairs; ++t)
      if (t < tiles) keep(t);
  }
  const int mine = own_rows(warp), r0 = mine + warp % 4 * 16, key = at.row + r0;
  float dk[D / 8][4] = {}, dv[D / 8][4] = {};
  // The first tiles may be seen only by the first group's keys; those of later heads are just masked.
  int begin = 0;
  while (begin < each && x.seen(from + min(begin * R + R, wanted) - 1) <= at.row + mine) ++begin;
  if (mine >= there) begin = tiles;
  SIMT_ROLLED
  for (int t = 0; t < begin; ++t) {
    if (t + kPairs >= tiles) break;  // nobody waits for the last places
    queries.wait(t, false);
    queries.done(t);
  }
  if (begin < tiles) {
    simt::barrier_wait(&meet.own, 0);
    const uint64_t k = simt::tile_descriptor(own_k + mine * 64), v = simt::tile_descriptor(own_v + mine * 64);
    const int c = lane % 4 * 2;
    float s[N][4], ds[N][4];
    uint32_t p[R / 16][4], dsp[R / 16][4];
    int begins = begin * R;  // the tile's first query
    auto start = [&](int t) {
      start_scores<D, R, M::own>(s, k, simt::tile_descriptor(queries.place(t)));
      start_scores<D, R, M::own>(ds, v, simt::tile_descriptor(queries.place(t) + R * D));
    };
    auto sum_v = [&](int t) {
      start_sums<D, R>(dv, p, simt::tile_descriptor(queries.place(t) + R * D, kTileBytes<R>));
    };
    auto sum_k = [&](int t) {
      start_sums<D, R>(dk, kBeside ? dsp : p, simt::tile_descriptor(queries.place(t), kTileBytes<R>));
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
    auto gradients = [&](int t) {
      SIMT_UNROLL
      for (int n = 0; n < N; ++n) {
        const float4 two = simt::ldv<float4>(&pairs[Queries::index(t)][(c + n * 8) / 2]);
        SIMT_UNROLL
        for (int e = 0; e < 4; ++e) ds[n][e] = s[n][e] * (ds[n][e] - (e % 2 == 0 ? two.y : two.w));
      }
    };
    if constexpr (kBeside) {
      queries.wait(begin, wanted - begins, first_warp);
      start(begin);
      simt::wgmma_wait<1>();
      weights(begin);
      simt::wgmma_wait<0>();
      gradients(begin);
      if (begin + 1 < tiles) queries.wait(begin + 1, wanted - begins, first_warp);
      as_factor<R>(p, s);
      as_factor<R>(dsp, ds);
      SIMT_ROLLED
      for (int t = begin + 1; t < tiles; ++t) {
        start(t);
        sum_v(t - 1);
        sum_k(t - 1);
        if (first_warp) go_on(t);
        simt::wgmma_wait<3>();
        weights(t);
        computed(s, &meet.own, 0);
        simt::wgmma_wait<2>();
        gradients(t);
        computed(ds);
        if (t + 1 < tiles) queries.wait(t + 1, wanted - begins, first_warp);
        simt::wgmma_wait<0>();
        queries.done(t - 1);
        as_factor<R>(p, s);
        as_factor<R>(dsp, ds);
      }
      sum_v(tiles - 1);
      sum_k(tiles - 1);
      simt::wgmma_wait<0>();

    } else {
      SIMT_ROLLED
      for (int t = begin; t < tiles; ++t) {
        queries.wait(t, wanted - begins, first_warp);
        start(t);
        if (first_warp) go_on(t);
        simt::wgmma_wait<1>();
        weights(t);
        as_factor<R>(p, s);
        sum_v(t);
        simt::wgmma_wait<1>();
        // From the weights as rounded for the first sum: to keep the others would take registers of a third block.
        SIMT_UNROLL
        for (int n = 0; n < N; ++n) {
          const float4 two = simt::ldv<float4>(&pairs[Queries::index(t)][(c + n * 8) / 2]);
          SIMT_UNROLL
          for (int e = 0; e < 4; ++e) {
            const uint32_t both = p[n / 2][n % 2 * 2 + e / 2];
            const float weight = __uint_as_float(e % 2 == 0 ? both << 16 : both & 0xffff0000u);
            ds[n][e] = weight * (ds[n][e] - (e % 2 == 0 ? two.y : two.w));
          }
        }
        computed(ds, &meet.own, 0);
        simt::wgmma_wait<0>();
        as_factor<R>(p, ds);
        sum_k(t);
        simt::wgmma_wait<0>();
        queries.done(t);
      }
    }
  }
  if (mine >= there) return;
  const float* const turn = a.turn == nullptr ? nullptr : a.turn + static_cast<int64_t>(row) * D;
  const int64_t to = row * a.dkv_step + g * D;
  meet_group(&meet.group[mine / kGroupRows], 0);
  put_own<D, M::own>(dv, 1, own_v, a.dv + to, a.dkv_step, r0, there, nullptr, a.add_kv);
  put_own<D, M::own>(dk, a.scale * kLn2, own_k, a.dk + to, a.dkv_step, r0, there, turn, a.add_kv);
#endif
}

bool fits(const AttendBackward<bf16>& a, int own_rows) {
  return attend_hopper() && (a.d == 64 || a.d == 128) && a.wide && a.used == nullptr && a.rows > 0 &&
         a.k_rows > 0 && own_rows >= kOwnRows * a.texts &&
         (a.q_step | a.k_step | a.v_step | a.y_step) % 8 == 0;
}
// boxes: rows of a bulk copy of queries, and of keys.
template <class Kernel>
void run(Kernel kernel, const AttendBackward<bf16>& a, int threads, size_t shared, dim3 grid, int queries,
         int keys) {
  const int width = a.heads * a.d, narrow = width / a.group;
  simt::launch(
      kernel, grid, dim3(static_cast<unsigned>(threads)), shared, a,
      rows_map(a.q, a.q_step, width, a.rows, queries), rows_map(a.dy, a.y_step, width, a.rows, queries),
      rows_map(a.k, a.k_step, narrow, a.k_rows, keys), rows_map(a.v, a.v_step, narrow, a.k_rows, keys));
}
constexpr int kThreads = kGroup * (1 + kGroups);
template <int kG, int kBlocks, int kPairs, bool kBeside>
void stream_keys(const AttendBackward<bf16>& a) {
  using M = Met<kG, kBlocks, kPairs, kBeside>;
  run(queries_stream<kG, kBlocks, kPairs, kBeside>, a, kG * kGroup, M::shared,
      dim3(tile_count(a.rows, a.texts, M::own), static_cast<unsigned>(a.heads)), M::own, M::R);
}
template <int kG, int kBlocks, int kPairs, bool kBeside>
void stream_queries(const AttendBackward<bf16>& a) {
  using M = MetBy<kG, kPairs, kBeside>;
  run(keys_stream<kG, kBlocks, kPairs, kBeside>, a, kG * kGroup, M::shared,
      dim3(tile_count(a.k_rows, a.texts, M::own), static_cast<unsigned>(a.heads / a.group)), M::R, M::own);
}
}  // namespace

bool backward_queries_hopper(const AttendBackward<bf16>& a) {
  if (!fits(a, a.rows)) return false;
  const dim3 grid(tile_count(a.rows, a.texts, kOwnRows), static_cast<unsigned>(a.heads));
  const int way = hopper_way(1);
  if (a.d == 64 && way == 1)
    stream_keys<1, 3, 3, true>(a);
  else if (a.d == 64 && way == 2)
    stream_keys<2, 2, 4, false>(a);
  else if (a.d == 64 && way == 3)
    stream_keys<1, 4, 2, false>(a);
  else if (a.d == 64)
    run(queries_hopper<64>, a, kThreads, kShared<64, kMetKeys<64>>, grid, kOwnRows, kMetKeys<64>);
  else
    run(queries_hopper<128>, a, kThreads, kShared<128, kMetKeys<128>>, grid, kOwnRows, kMetKeys<128>);
  return true;
}
bool backward_keys_hopper(const AttendBackward<bf16>& a) {
  if (!fits(a, a.k_rows)) return false;
  const dim3 grid(tile_count(a.k_rows, a.texts, kOwnRows), static_cast<unsigned>(a.heads / a.group));
  const int way = hopper_way(2);
  if (a.d == 64 && way == 1)
    stream_queries<1, 2, 4, true>(a);
  else if (a.d == 64 && way == 2)
    stream_queries<2, 1, 8, true>(a);
  else if (a.d == 64 && way == 3)
    stream_queries<1, 3, 3, false>(a);
  else if (a.d == 64)
    run(keys_hopper<64>, a, kThreads, kShared<64, kMetQueries>, grid, kMetQueries, kOwnRows);
  else
    run(keys_hopper<128>, a, kThreads, kShared<128, kMetQueries>, grid, kMetQueries, kOwnRows);
  return true;
}
}  // namespace rum::cuda
