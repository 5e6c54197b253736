// Attention forward for decoding: a few new rows a text, usually one, over a cache. A key meets a single
// query here, so there is nothing for tensor cores to do, and all that counts is to have many loads on their
// way. New keys and values come from where the projection left them; the same launch puts them into the
// cache.
#include "cuda/attend.h"
#include "cuda/bits.h"

namespace rum::cuda {
namespace {
constexpr int kWarps = 4, kThreads = 32 * kWarps;
constexpr int kAtOnce = 4;  // keys of a lane that are weighed together

// Rotates a lane's part of a head, from column c on of the row at x. Its partners stand half a head away.
template <class T>
__device__ __forceinline__ Bits turn_part(const Bits& part, const T* x, const float* turn, int c, int d) {
  const int half = d / 2;
  const bool low = c < half;
  const int j = low ? c : c - half;
  Floats<T> own = unpack<T>(part);
  const Floats<T> other = unpack<T>(simt::ldv<Bits>(x + (low ? c + half : j)));
  turn += j;
  SIMT_UNROLL
  for (int k = 0; k < kPack<T>; ++k) {  // one by one: 16 bytes at a time would cost too many registers
    const float sine = turn[half + k];
    own.at[k] = turned(own.at[k], other.at[k], turn[k], low ? -sine : sine);
  }
  return pack<T>(own);
}
// q k' of a group of lanes, which all get it; called by whole warps.
template <class T, int kLanes>
__device__ __forceinline__ float score(const Bits& query, const Bits& key, float scale) {
  const Floats<T> q = unpack<T>(query), k = unpack<T>(key);
  float s = 0;
  SIMT_UNROLL
  for (int e = 0; e < kPack<T>; ++e) s += q.at[e] * k.at[e];
  SIMT_UNROLL
  for (int o = kLanes / 2; o > 0; o /= 2) s += __shfl_xor_sync(0xffffffffu, s, o);
  return s * scale;
}
// What a group of lanes has seen so far: weights are powers of 2 relative to the largest score.
template <class T>
struct Seen {
  static constexpr int V = kPack<T>;
  float top = -INFINITY, sum = 0, o[V] = {};
  __device__ __forceinline__ void shrink(float factor) {
    sum *= factor;
    SIMT_UNROLL
    for (int k = 0; k < V; ++k) o[k] *= factor;
  }
  // Scores of -infinity: no key. Values stand kThreads apart.
  template <int N>
  __device__ __forceinline__ void add(const float (&s)[N], const Bits* values) {
    float most = top;
    SIMT_UNROLL
    for (int u = 0; u < N; ++u) most = fmaxf(most, s[u]);
    const float base = most == -INFINITY ? 0.0f : most;
    shrink(simt::exp2_approx(top - base));
    top = most;
    SIMT_UNROLL
    for (int u = 0; u < N; ++u) {
      const float p = simt::exp2_approx(s[u] - base);
      const Floats<T> v = unpack<T>(values[u * kThreads]);
      sum += p;
      SIMT_UNROLL
      for (int k = 0; k < V; ++k) o[k] += p * v.at[k];
    }
  }
};

// Threads: a block has one row and head. kLanes lanes share a key, 16 bytes each: 4 warps meet 128 / kLanes
// keys at a time.
// Reads: q once; keys and values once per query head, of the cache and of the text's new rows. The cache's
// come by cp.async, eight of each a lane on their way: that takes no registers, and a block has up to 32 KiB
// coming. A lane copies just what it will use itself, so no thread waits for others.
// Writes: y and lse once; the row's own key, rotated, and value into the cache, once per head of keys.
// Sums: each group of lanes every 128 / kLanes-th key, first of the new rows, then of the cache; the groups of
// a warp as a butterfly, then the warps in order.
// Limit: memory; with short texts the chain of latencies: text, keys, join. Shared memory and registers allow
// 6 blocks on a multiprocessor of an H100. Counted.
// Ladder: none.
template <class T, int kLanes>
__global__ void __launch_bounds__(kThreads, 6) forward_few(Attend<T> a, T* keys, T* values) {
  constexpr int V = kPack<T>, kGroups = 32 / kLanes, kStreams = kWarps * kGroups, kBatch = kAtOnce * kStreams;
  SIMT_SHARED(Bits, coming, [2][2][kAtOnce][kThreads]);  // batch b % 2: its keys, then its values
  SIMT_SHARED(float, parts, [kWarps][kLanes * V]);
  SIMT_SHARED(float2, stats, [kWarps]);
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32,
            group = lane / kLanes, c = lane % kLanes * V;
  const int i = static_cast<int>(blockIdx.x) / a.heads, h = static_cast<int>(blockIdx.x) - i * a.heads;
  const bool within = c < a.d;  // else the head is narrower than its lanes
  const T* const q_at = a.q + i * a.q_step + h * a.d;
  Bits query{};
  if (within) query = simt::ldv<Bits>(q_at + c);

  int s = min(i, a.texts);  // right where each text has one row: then nothing waits for a search
  Text x = a.text(s);
  if (i < x.q || i >= x.q + x.m) {
    s = find_row(a.offsets, a.texts, i);
    x = a.text(s);
  }
  const int sees = s == a.texts ? 0 : x.seen(i - x.q);
  auto y = [&]() -> T& { return a.y[i * a.y_step + h * a.d + thread]; };
  if (sees == 0) {
    if (thread < a.d) y() = from_float<T>(0.0f);
    if (thread == 0) a.lse[static_cast<int64_t>(i) * a.heads + h] = 0;
    return;
  }

  const int width = a.heads / a.group * a.d, column = h / a.group * a.d;
  T *const old_keys = keys + x.k * width + column + c, *const old_values = values + x.v * width + column + c;
  const int cached = min(x.before, sees), end = within ? cached : 0;
  auto fetch = [&](int which, const T* from, int first) {  // first: of the warp
    if (first < cached) {
      SIMT_UNROLL
      for (int u = 0; u < kAtOnce; ++u) {
        const int t = first + u * kStreams + group;
        simt::cp_async16(&coming[first / kBatch % 2][which][u][thread],
                         from + static_cast<int64_t>(t) * width, t < end);
      }
    }
    simt::cp_async_commit();
  };
  SIMT_UNROLL
  for (int b = 0; b < 2; ++b) {
    fetch(0, old_keys, warp * kGroups + b * kBatch);
    fetch(1, old_values, warp * kGroups + b * kBatch);
  }
  if (a.turn != nullptr && within)
    query = turn_part(query, q_at, a.turn + static_cast<int64_t>(i) * a.d, c, a.d);

  Seen<T> seen;
  // The text's new rows, while the cache's are coming.
  SIMT_ROLLED
  for (int first = x.before + warp * kGroups; first < sees; first += kStreams) {
    const int now = first + group;
    const int64_t row = x.q + now - x.before;
    Bits key{}, value{};
    if (within && now < sees) {
      const T* const at = a.k + row * a.k_step + column;
      key = simt::ldv<Bits>(at + c);
      if (a.turn != nullptr) key = turn_part(key, at, a.turn + row * a.d, c, a.d);
      value = simt::ldv<Bits>(a.v + row * a.v_step + column + c);
      if (row == i && h % a.group == 0) {
        simt::stv(old_keys + static_cast<int64_t>(now) * width, key);
        simt::stv(old_values + static_cast<int64_t>(now) * width, value);
      }
    }
    const float z = score<T, kLanes>(query, key, a.scale), only[1] = {now < sees ? z : -INFINITY};
    seen.add(only, &value);
  }
  SIMT_ROLLED
  for (int first = warp * kGroups; first < cached; first += kBatch) {
    const auto& batch = coming[first / kBatch % 2];
    simt::cp_async_wait<3>();  // the keys; behind them are these values, and the next keys and values
    float z[kAtOnce];
    SIMT_UNROLL
    for (int u = 0; u < kAtOnce; ++u) {
      z[u] = score<T, kLanes>(query, batch[0][u][thread], a.scale);
      if (first + u * kStreams + group >= cached) z[u] = -INFINITY;
    }
    fetch(0, old_keys, first + 2 * kBatch);  // as soon as there is room
    simt::cp_async_wait<3>();
    seen.add(z, &batch[1][0][thread]);
    fetch(1, old_values, first + 2 * kBatch);
  }

  float most = seen.top;
  SIMT_UNROLL
  for (int o = kLanes; o < 32; o *= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, o));
  seen.shrink(simt::exp2_approx(seen.top - (most == -INFINITY ? 0.0f : most)));
  SIMT_UNROLL
  for (int o = kLanes; o < 32; o *= 2) {
    seen.sum += __shfl_xor_sync(0xffffffffu, seen.sum, o);
    SIMT_UNROLL
    for (int e = 0; e < V; ++e) seen.o[e] += __shfl_xor_sync(0xffffffffu, seen.o[e], o);
  }
  if (group == 0) {
    SIMT_UNROLL
    for (int e = 0; e < V; e += 4)
      simt::stv(&parts[warp][c + e], make_float4(seen.o[e], seen.o[e + 1], seen.o[e + 2], seen.o[e + 3]));
    if (lane == 0) stats[warp] = make_float2(most, seen.sum);
  }
  __syncthreads();
  if (thread >= a.d) return;
  most = -INFINITY;
  SIMT_UNROLL
  for (int w = 0; w < kWarps; ++w) most = fmaxf(most, stats[w].x);
  const float base = most == -INFINITY ? 0.0f : most;
  float sum = 0, all = 0;
  SIMT_UNROLL
  for (int w = 0; w < kWarps; ++w) {
    const float factor = simt::exp2_approx(stats[w].x - base);
    sum += stats[w].y * factor;
    all += parts[w][thread] * factor;
  }
  y() = from_float<T>(all / sum);
  if (thread == 0) a.lse[static_cast<int64_t>(i) * a.heads + h] = most * kLn2 + logf(sum);
}
}  // namespace

template <class T>
bool attend_few(const Attend<T>& a, T* keys, T* values) {
  constexpr int V = kPack<T>;
  if (!a.few() || a.d > kMostHead || (a.turn != nullptr && a.d / 2 % V != 0) ||
      !packs<T>(a.d, {a.q, a.k, a.v, a.y, keys, values}))
    return false;
  auto run = [&]<int kLanes> {
    simt::launch(forward_few<T, kLanes>, dim3(static_cast<unsigned>(a.rows) * static_cast<unsigned>(a.heads)),
                 dim3(kThreads), 0, a, keys, values);
  };
  if (a.d <= 32)
    run.template operator()<32 / V>();
  else if (a.d <= 64)
    run.template operator()<64 / V>();
  else
    run.template operator()<128 / V>();
  return true;
}
template bool attend_few(const Attend<float>&, float*, float*);
template bool attend_few(const Attend<simt::bf16>&, simt::bf16*, simt::bf16*);
}  // namespace rum::cuda
