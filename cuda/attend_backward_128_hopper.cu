// Attention backward with wgmma for heads of 128: the sums and products of attend_backward_hopper.cu. Two groups
// of four warps take all registers of a multiprocessor, so there is one block, and a warp of its own fetches:
//
//   warp 8           K0 V0   K1 V1   K2 V2 ...     each pair into the next of kPlaces: waits until it is `empty`
//                      |       |       |           ... `full`: the bytes are there
//   queries' groups  S0 P0   S1 P1 Q0   S2 P2 Q1   S: scores, P: dp, Q: dq += ds K; one behind
//   keys' groups     S0 P0 V0 K0   S1 P1 V1 K1     V: dv += p dy, K: dk += ds q; while one runs, the factor of
//                                                  the next is made; the other group fills what is left
#include "cuda/attend_backward_hopper.h"

namespace rum::cuda {
namespace {
constexpr int kPlaces = 4, D = 128;
// Rows streamed at a time: of two results of 64 x R numbers, their factors and the sums in 240 registers.
constexpr int R = 64;
struct Meetings {
  simt::Barrier full[kPlaces], empty[kPlaces], own, cut, group[kGroups];
};

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
#endif

// Threads: a block has 128 queries of one text and head: two groups of 4 warps with 64 queries each, and one
// that fetches, with one of its warps.
// Reads: q, dy and stats once; keys and values once per tile of queries, by bulk copies of 64 numbers a row.
// Writes: dq once.
// Sums: keys in their order.
// Limit: tensor cores, 3 products a tile: 128 x 64 scores take 1,536 cycles, and their powers of 2 512
// (counted).
// Ladder: none.
__global__ void __launch_bounds__(kGroup*(1 + kGroups), 1)
    queries_hopper_128(AttendBackward<bf16> a, const __grid_constant__ simt::TensorMap q_map,
                       const __grid_constant__ simt::TensorMap dy_map,
                       const __grid_constant__ simt::TensorMap k_map,
                       const __grid_constant__ simt::TensorMap v_map) {
#ifdef SIMT_HOPPER
  constexpr int N = R / 8;
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
    Fetching fetching{meet, places};
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
    own_stats(stats, a, h, row, r0, last, lane);
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
    auto weights = [&] { query_weights(s, stats, a.scale); };
    auto gradients = [&](int t) { query_gradients(s, dp, stats, sees, t * R, (t + 1) * R <= least, lane); };
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
  put_own<D>(dq, a.scale * kLn2, own_q, a.dq + row * a.dq_step + h * D, a.dq_step, r0, there,
             a.turn == nullptr ? nullptr : a.turn + static_cast<int64_t>(row) * D, a.add_q);
#endif
}

// Threads: a block has 128 keys of one text and key head, and meets the queries of every head that reads them:
// two groups of 4 warps with 64 keys each, and one that fetches, with one of its warps.
// Reads: k and v once; q, dy and stats once per tile of keys, by bulk copies of 64 numbers a row.
// Writes: dk and dv once.
// Sums: heads in their order, in each the queries in theirs.
// Limit: tensor cores, 4 products a tile: 128 x 64 scores take 2,048 cycles, and their powers of 2 512
// (counted).
// Ladder: none.
__global__ void __launch_bounds__(kGroup*(1 + kGroups), 1)
    keys_hopper_128(AttendBackward<bf16> a, const __grid_constant__ simt::TensorMap q_map,
                    const __grid_constant__ simt::TensorMap dy_map,
                    const __grid_constant__ simt::TensorMap k_map,
                    const __grid_constant__ simt::TensorMap v_map) {
#ifdef SIMT_HOPPER
  constexpr int N = R / 8;
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
    Fetching fetching{meet, places};
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
  put_own<D>(dv, 1, own_v, a.dv + to, a.dkv_step, r0, there, nullptr, a.add_kv);
  put_own<D>(dk, a.scale * kLn2, own_k, a.dk + to, a.dkv_step, r0, there, turn, a.add_kv);
#endif
}

constexpr int kThreads = kGroup * (1 + kGroups);
constexpr size_t kShared = room(D, 2 * kOwnRows + kPlaces * 2 * R);
}  // namespace

void backward_queries_128(const AttendBackward<bf16>& a) {
  launch_backward(queries_hopper_128, a, kThreads, kShared,
                  dim3(tile_count(a.rows, a.texts, kOwnRows), static_cast<unsigned>(a.heads)), kOwnRows, R);
}
void backward_keys_128(const AttendBackward<bf16>& a) {
  launch_backward(keys_hopper_128, a, kThreads, kShared,
                  dim3(tile_count(a.k_rows, a.texts, kOwnRows), static_cast<unsigned>(a.heads / a.group)), R,
                  kOwnRows);
}
}  // namespace rum::cuda
