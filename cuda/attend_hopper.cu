// Attention forward for GPUs of compute capability 9.0, heads of 64 and 128 numbers in bf16, long texts: as
// attend_forward.cu, but with the instructions of simt/hopper.h (FlashAttention-3, Shah et al. 2024). Groups of
// four warps compute, keys and values stream past them, and only barriers synchronise. For heads of 128 a warp
// of its own fetches:
//
//   warp 8       K0 V0 K1 V1 K2 ...       each into the next of kStages places: waits until it is `empty`
//                 |  |  |  |              ... `full`: the bytes are there
//   group 1, 2   S0 S1 P0V0 S2 P1V1 ...   the weights of tile t are computed while the products with t - 1 run;
//                                         after that both give the place back
//
// For heads of 64 the order of the products is the same, but there are two blocks a multiprocessor, and the
// first warp of each fetches (attend_hopper.h says why). The products read shared memory themselves: 64 rows of
// queries read a tile of keys as often as 16 rows did with ldmatrix, and computing addresses costs nothing.
#include <cstdlib>

#include "cuda/attend_hopper.h"

namespace rum::cuda {
namespace {
// The group's 64 rows of queries, from `mine` on, are rotated in place.
template <int D>
__device__ void turn_swizzled(bf16* own, const float* turn, int mine, int there) {
  constexpr int half = D / 2;
  auto at = [&](int r, int c) { return own + c / 64 * (kOwnRows * 64) + simt::swizzled(r, c % 64); };
  const int end = min(there - mine, kGroupRows) * half;
  for (int i = static_cast<int>(threadIdx.x) % kGroup; i < end; i += kGroup) {
    const int r = mine + i / half, j = i % half;
    bf16 *const low = at(r, j), *const high = at(r, j + half);
    const float a = to_float(*low), b = to_float(*high), c = turn[r * D + j], s = turn[r * D + half + j];
    *low = from_float<bf16>(turned(a, b, c, -s));
    *high = from_float<bf16>(turned(b, a, c, s));
  }
}

// The warp's 16 rows of y and lse, through its rows of the tile of queries.
template <int D>
__device__ __forceinline__ void put_result(const Attend<bf16>& a, bf16* own, const float (&o)[D / 8][4],
                                           const float (&top)[2], float (&sum)[2], bool any, int row, int h,
                                           int r0, int there) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  SIMT_UNROLL
  for (int half = 0; half < 2; ++half) {
    sum[half] += __shfl_xor_sync(0xffffffffu, sum[half], 1);
    sum[half] += __shfl_xor_sync(0xffffffffu, sum[half], 2);
    const int r = r0 + lane / 4 + 8 * half;
    const float factor = any ? 1 / sum[half] : 0.0f;
    if (lane % 4 == 0 && r < there)
      a.lse[static_cast<int64_t>(row + r) * a.heads + h] = any ? top[half] * kLn2 + logf(sum[half]) : 0.0f;
    SIMT_UNROLL
    for (int n = 0; n < D / 8; ++n)
      simt::stv(pair_at(own, r, n), simt::pack_bf(o[n][2 * half] * factor, o[n][2 * half + 1] * factor));
  }
  put_rows<D>(own, a.y + row * a.y_step + h * D, a.y_step, r0, there);
}

// Heads of 64, in two blocks a multiprocessor.
// Threads: a block has 128 queries of one text and head, 64 for each of two groups of 4 warps; its first warp
// fetches as well.
// Reads: q once; keys and values once per tile of queries, by bulk copies of 64 numbers x 64 rows.
// Writes: y and lse once.
// Sums: keys in their order, tile by tile; a lane's columns first, then 4 lanes as a butterfly.
// Limit: the powers of 2, of which a multiprocessor computes 16 a cycle, and tensor cores: 128 x 64 scores take
// 512 cycles of each (counted). An H200 gets to 300 TFLOP/s under a causal mask, with 2.0 of 4 instructions a
// cycle (measured).
// Ladder: none; cuda/ladder/attention.cu ends at attend_forward.cu.
constexpr int kPlaces = 4;
using Keys = Stream<kPlaces, kGroups>;
__global__ void __launch_bounds__(kGroup* kGroups, 2)
    forward_hopper_64(Attend<bf16> a, const __grid_constant__ simt::TensorMap q_map,
                      const __grid_constant__ simt::TensorMap k_map,
                      const __grid_constant__ simt::TensorMap v_map) {
#ifdef SIMT_HOPPER
  constexpr int D = Keys::D, R = Keys::R;
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
  bf16* const own = swizzled_room();
  const Keys keys{meet, own + kOwnRows * D, k_map, v_map, h / a.group * D, static_cast<int>(x.k), x.n, tiles,
                  lane};
  __syncthreads();
  const int mine = own_rows(warp), group = mine / kGroupRows, last = there - 1;
  const bool first_warp = __shfl_sync(0xffffffffu, warp, 0) == 0;
  if (first_warp && tiles > 0) {
    if (lane == 0) fetch<D, kOwnRows>(own, q_map, &meet.own, h * D, row);
    keys.begin();
  }
  const int r0 = mine + warp % 4 * 16;  // the warp's first row in the tile
  auto seen = [&](int r) { return x.seen(at.row + min(r, last)); };
  float o[D / 8][4] = {}, top[2] = {-INFINITY, -INFINITY}, sum[2] = {};
  const int sees[2] = {seen(r0 + lane / 4), seen(r0 + lane / 4 + 8)}, least = seen(r0);
  const int turns = tiles > 0 && mine <= last ? (seen(mine + kGroupRows - 1) + R - 1) / R : 0;
  if (turns > 0) {
    simt::barrier_wait(&meet.own, 0);
    if (a.turn != nullptr) {
      turn_swizzled<D>(own, a.turn + static_cast<int64_t>(row) * D, mine, there);
      simt::fence_async();
      meet_group(&meet.group[group], 0);
    }
    const uint64_t q = simt::tile_descriptor(own + mine * 64);
    float s[R / 8][4], shrink[2];
    uint32_t p[R / 16][4];
    auto scores = [&](int t) { start_scores<D, R>(s, q, simt::tile_descriptor(keys.place(t))); };
    auto sums = [&](int t) {
      start_sums<D, R>(o, p, simt::tile_descriptor(keys.place(t) + R * D, kTileBytes<R>));
    };
    keys.wait(0, first_warp);
    scores(0);
    simt::wgmma_wait<0>();
    weigh(s, top, sum, shrink, sees, 0, a.scale, R <= least);
    if (turns > 1) keys.wait(1, first_warp);
    as_factor<R>(p, s);
    SIMT_ROLLED
    for (int t = 1; t < turns; ++t) {
      scores(t);
      sums(t - 1);
      if (first_warp) keys.go_on(t);
      simt::wgmma_wait<1>();
      weigh(s, top, sum, shrink, sees, t * R, a.scale, (t + 1) * R <= least);
      computed(s);
      if (t + 1 < turns) keys.wait(t + 1, first_warp);
      simt::wgmma_wait<0>();
      keys.done(t - 1);
      // Most tiles bring none of the warp's rows a new largest score.
      if (!__all_sync(0xffffffffu, shrink[0] == 1 && shrink[1] == 1)) rescale(o, shrink);
      as_factor<R>(p, s);
    }
    sums(turns - 1);
    simt::wgmma_wait<0>();
    keys.done(turns - 1);
  }
  keys.pass(turns, first_warp);
  if (mine > last) return;
  meet_group(&meet.group[group], turns > 0 && a.turn != nullptr ? 1 : 0);  // it has read its queries
  put_result<D>(a, own, o, top, sum, tiles > 0, row, h, r0, there);
#endif
}

// Heads of 128.
// Threads: a block has 128 queries of one text and head: two groups of 4 warps with 64 queries each, and one
// that fetches, with one of its warps. The last keeps 40 registers, so that the others get 232.
// Reads: q once; keys and values once per tile of queries, by bulk copies of 64 numbers x 128 rows.
// Writes: y and lse once.
// Sums: keys in their order, tile by tile; a lane's columns first, then 4 lanes as a butterfly.
// Limit: tensor cores: the products of 128 queries and keys take 2,048 cycles, and their powers of 2 1,024
// (counted).
// Ladder: none; cuda/ladder/attention.cu ends at attend_forward.cu.
constexpr int kKeys = 128, kStages = 2;  // keys streamed at a time; places for them, and for their values
struct Meetings {
  simt::Barrier full_k[kStages], full_v[kStages], empty_k[kStages], empty_v[kStages];
  simt::Barrier queries, cut, group[kGroups];
};
__global__ void __launch_bounds__(kGroup*(1 + kGroups), 1)
    forward_hopper_128(Attend<bf16> a, const __grid_constant__ simt::TensorMap q_map,
                       const __grid_constant__ simt::TensorMap k_map,
                       const __grid_constant__ simt::TensorMap v_map) {
#ifdef SIMT_HOPPER
  constexpr int D = 128;
  SIMT_SHARED(Meetings, meetings, [1]);
  Meetings& meet = meetings[0];
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
  if (thread == 0) {
    for (int i = 0; i < kStages; ++i) {
      simt::barrier_init(&meet.full_k[i], 1);
      simt::barrier_init(&meet.full_v[i], 1);
      simt::barrier_init(&meet.empty_k[i], kReaders);
      simt::barrier_init(&meet.empty_v[i], kReaders);
    }
    simt::barrier_init(&meet.queries, 1);
    simt::barrier_init(&meet.cut, 1);
    for (int g = 0; g < kGroups; ++g) simt::barrier_init(&meet.group[g], kGroup);
    simt::barriers_ready();
  }
  const Place at = find_tile(a.offsets, a.texts, kOwnRows, Order::last_first);
  const Text x = a.text(at.text);
  const int there = min(x.m - at.row, kOwnRows);
  if (there <= 0) return;
  const int h = static_cast<int>(blockIdx.y), row = x.q + at.row;
  const int tiles = at.text == a.texts ? 0 : (x.seen(at.row + there - 1) + kKeys - 1) / kKeys;
  bf16 *const own = swizzled_room(), *const keys = own + kOwnRows * D,
              *const values = keys + kStages * (kKeys * D);
  __syncthreads();

  if (thread >= kGroups * kGroup) {
    simt::fewer_registers<40>();
    if (warp > kReaders || tiles == 0) return;
    const int column = h / a.group * D;
    if (lane == 0) fetch<D, kOwnRows>(own, q_map, &meet.queries, h * D, row);
    for (int t = 0; t < tiles; ++t) {
      const int i = t % kStages, first = t * kKeys;
      const uint32_t before = static_cast<uint32_t>(t / kStages + 1) % 2;
      bf16* const v = values + i * (kKeys * D);
      if (lane == 0) {
        simt::barrier_wait(&meet.empty_k[i], before);
        fetch<D, kKeys>(keys + i * (kKeys * D), k_map, &meet.full_k[i], column,
                        static_cast<int>(x.k) + first);
        simt::barrier_wait(&meet.empty_v[i], before);
      }
      if (x.n - first >= kKeys) {
        if (lane == 0) fetch<D, kKeys>(v, v_map, &meet.full_v[i], column, static_cast<int>(x.v) + first);
        continue;
      }
      // The last tile goes on into the next text.
      if (lane == 0) fetch<D, kKeys>(v, v_map, &meet.cut, column, static_cast<int>(x.v) + first);
      simt::barrier_wait(&meet.cut, 0);
      clear_rows<D, kKeys>(v, x.n - first, lane);
      simt::fence_async();
      __syncwarp();
      if (lane == 0) simt::barrier_arrive(&meet.full_v[i]);
    }
    return;
  }

  simt::more_registers<232>();
  const int mine = own_rows(warp), group = mine / kGroupRows, last = there - 1;
  const int r0 = mine + warp % 4 * 16;  // the warp's first row in the tile
  auto seen = [&](int r) { return x.seen(at.row + min(r, last)); };
  float o[D / 8][4] = {}, top[2] = {-INFINITY, -INFINITY}, sum[2] = {};
  const int sees[2] = {seen(r0 + lane / 4), seen(r0 + lane / 4 + 8)}, least = seen(r0);
  const int turns = tiles > 0 && mine <= last ? (seen(mine + kGroupRows - 1) + kKeys - 1) / kKeys : 0;
  auto parity = [](int t) { return static_cast<uint32_t>(t / kStages) % 2; };
  if (turns > 0) {
    simt::barrier_wait(&meet.queries, 0);
    if (a.turn != nullptr) {
      turn_swizzled<D>(own, a.turn + static_cast<int64_t>(row) * D, mine, there);
      simt::fence_async();
      meet_group(&meet.group[group], 0);
    }
    const uint64_t q = simt::tile_descriptor(own + mine * 64);
    auto key_tile = [&](int i) { return simt::tile_descriptor(keys + i * (kKeys * D)); };
    auto value_tile = [&](int i) {
      return simt::tile_descriptor(values + i * (kKeys * D), kTileBytes<kKeys>);
    };
    float s[kKeys / 8][4], shrink[2];
    uint32_t p[kKeys / 16][4];
    simt::barrier_wait(&meet.full_k[0], 0);
    start_scores<D, kKeys>(s, q, key_tile(0));
    simt::wgmma_wait<0>();
    give_back(&meet.empty_k[0], lane);
    weigh(s, top, sum, shrink, sees, 0, a.scale, kKeys <= least);
    as_factor<kKeys>(p, s);
    SIMT_ROLLED
    for (int t = 1; t < turns; ++t) {
      const int i = t % kStages, b = (t - 1) % kStages;
      simt::barrier_wait(&meet.full_k[i], parity(t));
      start_scores<D, kKeys>(s, q, key_tile(i));
      simt::barrier_wait(&meet.full_v[b], parity(t - 1));
      start_sums<D, kKeys>(o, p, value_tile(b));
      simt::wgmma_wait<1>();
      give_back(&meet.empty_k[i], lane);
      weigh(s, top, sum, shrink, sees, t * kKeys, a.scale, (t + 1) * kKeys <= least);
      computed(s, &meet.queries, 0);
      simt::wgmma_wait<0>();
      give_back(&meet.empty_v[b], lane);
      // Most tiles bring none of the warp's rows a new largest score.
      if (!__all_sync(0xffffffffu, shrink[0] == 1 && shrink[1] == 1)) rescale(o, shrink);
      as_factor<kKeys>(p, s);
    }
    const int b = (turns - 1) % kStages;
    simt::barrier_wait(&meet.full_v[b], parity(turns - 1));
    start_sums<D, kKeys>(o, p, value_tile(b));
    simt::wgmma_wait<0>();
    give_back(&meet.empty_v[b], lane);
  }
  // Tiles that only the other group needs. Nobody waits for the last places.
  for (int t = turns; t + kStages < tiles; ++t) {
    const int i = t % kStages;
    simt::barrier_wait(&meet.full_k[i], parity(t));
    give_back(&meet.empty_k[i], lane);
    simt::barrier_wait(&meet.full_v[i], parity(t));
    give_back(&meet.empty_v[i], lane);
  }
  if (mine > last) return;

  meet_group(&meet.group[group], turns > 0 && a.turn != nullptr ? 1 : 0);  // it has read its queries
  put_result<D>(a, own, o, top, sum, tiles > 0, row, h, r0, there);
#endif
}
}  // namespace

bool& attend_hopper() {
  static bool use = [] {
#ifdef SIMT_GPU
    const char* said = std::getenv("RUM_HOPPER");
    return simt::runs_hopper() && (said == nullptr || *said != '0');
#else
    return false;  // tests ask for it
#endif
  }();
  return use;
}
bool attend_forward_hopper(const Attend<bf16>& a) {
  const bool fits = (a.d == 64 || a.d == 128) && a.wide && a.used == nullptr && a.k_rows > 0 &&
                    a.rows >= kOwnRows * a.texts && (a.q_step | a.k_step | a.v_step | a.y_step) % 8 == 0;
  if (!fits || !attend_hopper()) return false;
  const int width = a.heads * a.d;
  auto run = [&](auto kernel, int threads, size_t shared, int keys) {
    simt::launch(kernel, dim3(tile_count(a.rows, a.texts, kOwnRows), static_cast<unsigned>(a.heads)),
                 dim3(static_cast<unsigned>(threads)), shared, a,
                 rows_map(a.q, a.q_step, width, a.rows, kOwnRows),
                 rows_map(a.k, a.k_step, width / a.group, a.k_rows, keys),
                 rows_map(a.v, a.v_step, width / a.group, a.k_rows, keys));
  };
  if (a.d == 64)
    run(forward_hopper_64, kGroup * kGroups, room(64, kOwnRows + 2 * kPlaces * kMet), kMet);
  else
    run(forward_hopper_128, kGroup * (1 + kGroups), room(128, kOwnRows + 2 * kStages * kKeys), kKeys);
  return true;
}
}  // namespace rum::cuda
