// Causal attention, y = softmax(q k' / sqrt(d)) v for each head, in five steps. T^2 / 2 scores a head, 4 d
// FLOP for each; q, k, v and y are 16 T d bytes: at T = 1024 and d = 64 that is 128 FLOP a byte, far above
// the 14 at which f32 arithmetic becomes the limit of an H200. What is slow is, in this order, writing the
// matrix of scores to memory and reading it back, the loads from shared memory, and f32 arithmetic. Step 5 is
// the core of cuda/attend_forward.cu.
#include <cmath>

#include "cuda/attend_tiles.h"
#include "cuda/ladder/ladder.h"

namespace rum::cuda {
namespace {
constexpr int kMost = 64;  // the widest head that the kernels have room for
template <class T>
struct Heads {
  const T *q, *k, *v;  // (heads, t, d)
  T* y;
  int t, d;
  float scale;
  float* scores;                               // (heads, t, t), steps 1 and 2
  __device__ int64_t head(unsigned h) const {  // where its rows begin
    return static_cast<int64_t>(h) * t * d;
  }
  __device__ float* score_row(unsigned h, int i) const {
    return scores + (static_cast<int64_t>(h) * t + i) * t;
  }
};

// 1. The formula, one kernel for each of its three parts, with the scores in memory between them. Per score
// the first kernel writes 4 bytes, and the second reads 12 and writes 8; both products load two numbers for
// each multiply-add, 16 d bytes in all: 0.24 FLOP a byte at d = 64, before the caches help. And memory must
// hold T^2 floats for each head: 4 GB at T = 32768.
//
// Threads: one a score, 16 x 16 a block; those above the diagonal have none.
// Reads: 8 d bytes per score, from the caches. Writes: 4 bytes.
// Sums: d in order.
// Limit: load instructions, 2 for a multiply-add.
// Ladder: step 1 of 5.
__global__ void scores_1(Heads<float> a) {
  const int i = static_cast<int>(blockIdx.y * 16 + threadIdx.y),
            j = static_cast<int>(blockIdx.x * 16 + threadIdx.x);
  if (i >= a.t || j > i) return;
  const float* const q = a.q + a.head(blockIdx.z) + static_cast<int64_t>(i) * a.d;
  const float* const k = a.k + a.head(blockIdx.z) + static_cast<int64_t>(j) * a.d;
  float sum = 0;
  for (int c = 0; c < a.d; ++c) sum += q[c] * k[c];
  a.score_row(blockIdx.z, i)[j] = sum * a.scale;
}
// Threads: one a row of scores, which becomes weights in its place.
// Reads: 3 x 4 bytes per score. Writes: 2 x 4 bytes.
// Sums: the row in order.
// Limit: sectors that are read for 4 of their 32 bytes.
// Ladder: step 1 of 5.
__global__ void weights_1(Heads<float> a) {
  const int i = static_cast<int>(blockIdx.x * 128 + threadIdx.x);
  if (i >= a.t) return;
  float* const s = a.score_row(blockIdx.z, i);
  float top = -INFINITY, sum = 0;
  for (int j = 0; j <= i; ++j) top = fmaxf(top, s[j]);
  for (int j = 0; j <= i; ++j) sum += s[j] = expf(s[j] - top);
  for (int j = 0; j <= i; ++j) s[j] /= sum;
}
// Threads: one an output, 16 x 16 a block.
// Reads: 8 bytes per output and key, from the caches. Writes: 4 bytes per output.
// Sums: keys in order.
// Limit: load instructions, 2 for a multiply-add.
// Ladder: step 1 of 5.
__global__ void outputs_1(Heads<float> a) {
  const int i = static_cast<int>(blockIdx.y * 16 + threadIdx.y),
            c = static_cast<int>(blockIdx.x * 16 + threadIdx.x);
  if (i >= a.t || c >= a.d) return;
  const float *const w = a.score_row(blockIdx.z, i), *const v = a.v + a.head(blockIdx.z) + c;
  float sum = 0;
  for (int j = 0; j <= i; ++j) sum += w[j] * v[static_cast<int64_t>(j) * a.d];
  a.y[a.head(blockIdx.z) + static_cast<int64_t>(i) * a.d + c] = sum;
}

// 2. Shared tiles for the two products, as in matmul's step 3, and a warp a row for the weights: each number
// from memory is used 32 times, and every sector is used in full. Per score 20 + d / 2 bytes instead of 24 +
// 16 d: 5 FLOP a byte, and 20 of the 52 bytes are for writing and reading scores.
//
// Threads: one a score, 32 x 32 a block; blocks above the diagonal return at once.
// Reads: d / 4 bytes per score; 8 d from shared memory. Writes: 4 bytes.
// Sums: d in order.
// Limit: shared memory, 2 loads for a multiply-add.
// Ladder: step 2 of 5.
__global__ void scores_2(Heads<float> a) {
  SIMT_SHARED(float, q, [32][33]);
  SIMT_SHARED(float, k, [32][33]);  // 33: so a column lies on 32 banks
  if (blockIdx.x > blockIdx.y) return;
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const int i = static_cast<int>(blockIdx.y) * 32 + y, first = static_cast<int>(blockIdx.x) * 32,
            j = first + x;
  const int64_t head = a.head(blockIdx.z);
  float sum = 0;
  for (int c = 0; c < a.d; c += 32) {
    const bool there = c + x < a.d;
    q[y][x] = there && i < a.t ? a.q[head + static_cast<int64_t>(i) * a.d + c + x] : 0.0f;
    k[y][x] = there && first + y < a.t ? a.k[head + static_cast<int64_t>(first + y) * a.d + c + x] : 0.0f;
    __syncthreads();
    for (int l = 0; l < 32; ++l) sum += q[y][l] * k[x][l];
    __syncthreads();
  }
  if (i < a.t && j <= i) a.score_row(blockIdx.z, i)[j] = sum * a.scale;
}
// Threads: a warp a row, 4 a block; each lane every 32nd score.
// Reads: 3 x 4 bytes per score. Writes: 4 bytes.
// Sums: each lane in order, then a butterfly.
// Limit: memory.
// Ladder: step 2 of 5.
__global__ void weights_2(Heads<float> a) {
  const int i = static_cast<int>(blockIdx.x * 4 + threadIdx.x / 32),
            lane = static_cast<int>(threadIdx.x % 32);
  if (i >= a.t) return;
  float* const s = a.score_row(blockIdx.z, i);
  float top = -INFINITY, sum = 0;
  for (int j = lane; j <= i; j += 32) top = fmaxf(top, s[j]);
  SIMT_UNROLL
  for (int o = 16; o > 0; o /= 2) top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, o));
  for (int j = lane; j <= i; j += 32) sum += expf(s[j] - top);
  sum = warp_sum(sum);
  for (int j = lane; j <= i; j += 32) s[j] = expf(s[j] - top) / sum;
}
// Threads: one an output, 32 x 32 a block; each brings one weight and one number of v.
// Reads: 8 / 32 bytes per output and key; 8 from shared memory. Writes: 4 bytes per output.
// Sums: keys in order.
// Limit: shared memory, 2 loads for a multiply-add.
// Ladder: step 2 of 5.
__global__ void outputs_2(Heads<float> a) {
  SIMT_SHARED(float, w, [32][32]);
  SIMT_SHARED(float, v, [32][32]);
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const int i = static_cast<int>(blockIdx.y) * 32 + y, c = static_cast<int>(blockIdx.x) * 32 + x;
  const int end = min(a.t, static_cast<int>(blockIdx.y) * 32 + 32);
  const int64_t head = a.head(blockIdx.z);
  float sum = 0;
  for (int j = 0; j < end; j += 32) {
    w[y][x] = i < a.t && j + x <= i ? a.score_row(blockIdx.z, i)[j + x] : 0.0f;
    v[y][x] = c < a.d && j + y < a.t ? a.v[head + static_cast<int64_t>(j + y) * a.d + c] : 0.0f;
    __syncthreads();
    for (int l = 0; l < 32; ++l) sum += w[y][l] * v[l][x];
    __syncthreads();
  }
  if (i < a.t && c < a.d) a.y[head + static_cast<int64_t>(i) * a.d + c] = sum;
}

// Copies rows of one head, from `first` on, to shared memory; numbers beyond t or d become 0.
template <int kRows, int kStep>
__device__ void rows_to_shared(float* to, const float* head, int first, int t, int d) {
  for (int e = static_cast<int>(threadIdx.x); e < kRows * kMost; e += static_cast<int>(blockDim.x)) {
    const int r = e / kMost, c = e % kMost;
    to[r * kStep + c] = first + r < t && c < d ? head[static_cast<int64_t>(first + r) * d + c] : 0.0f;
  }
}

// 3. Online softmax (Dao 2022): one kernel, and no score ever reaches memory. A thread keeps a query and its
// output in registers and processes the keys one after another; when a larger score comes, the sums so far
// are scaled down to match (softmax's step 4). Memory: k and v once per 64 queries, d / 8 bytes per score, 32
// FLOP a byte: no longer the limit.
//
// Threads: one a query, 64 a block; tiles of 32 keys and values pass through shared memory.
// Reads: d / 8 bytes per score; 8 d from shared memory, the same for all lanes. Writes: 4 bytes per output.
// Sums: d in order; keys in order.
// Limit: shared memory, 1 load of 16 bytes for 4 multiply-adds, and few threads: their registers
// hold 128 numbers each.
// Ladder: step 3 of 5.
constexpr int kQueries = 64, kKeys = 32;
__global__ void __launch_bounds__(kQueries) attention_3(Heads<float> a) {
  SIMT_SHARED(float, keys, [kKeys][kMost]);
  SIMT_SHARED(float, values, [kKeys][kMost]);
  const int first = static_cast<int>(gridDim.x - 1 - blockIdx.x) * kQueries;  // the longest rows start first
  const int i = first + static_cast<int>(threadIdx.x), end = min(a.t, first + kQueries);
  const int64_t head = a.head(blockIdx.y);
  float q[kMost], o[kMost] = {}, top = -INFINITY, sum = 0;
  SIMT_UNROLL
  for (int c = 0; c < kMost; ++c)
    q[c] = i < a.t && c < a.d ? a.q[head + static_cast<int64_t>(i) * a.d + c] * a.scale : 0.0f;
  for (int tile = 0; tile < end; tile += kKeys) {
    __syncthreads();  // no thread reads the previous tile any more
    rows_to_shared<kKeys, kMost>(&keys[0][0], a.k + head, tile, a.t, a.d);
    rows_to_shared<kKeys, kMost>(&values[0][0], a.v + head, tile, a.t, a.d);
    __syncthreads();
    for (int j = 0; j < kKeys && tile + j <= i; ++j) {
      float s = 0;
      SIMT_UNROLL
      for (int c = 0; c < kMost; c += 4) {
        const Pack<float, 4> k = load<float, 4>(&keys[j][c]);
        SIMT_UNROLL
        for (int e = 0; e < 4; ++e) s += q[c + e] * k.at[e];
      }
      if (s > top) {
        const float shrink = expf(top - s);
        sum *= shrink;
        top = s;
        SIMT_UNROLL
        for (int c = 0; c < kMost; ++c) o[c] *= shrink;
      }
      const float w = expf(s - top);
      sum += w;
      SIMT_UNROLL
      for (int c = 0; c < kMost; c += 4) {
        const Pack<float, 4> v = load<float, 4>(&values[j][c]);
        SIMT_UNROLL
        for (int e = 0; e < 4; ++e) o[c + e] += w * v.at[e];
      }
    }
  }
  SIMT_UNROLL
  for (int c = 0; c < kMost; ++c)
    if (i < a.t && c < a.d) a.y[head + static_cast<int64_t>(i) * a.d + c] = o[c] / sum;
}

// 4. A tile of registers per thread, as in matmul's step 4: 4 x 2 scores, then 4 x 4 outputs. 6 loads of 16
// bytes feed 32 multiply-adds of the scores, 8 feed 64 of the outputs; step 3 took 8 and 16. Weights go
// through shared memory, from the threads that computed them to those that need them; 16 lanes share a row
// and agree on its maximum by shuffles. Four times as many threads for the same queries.
//
// Threads: 16 x 16 a block of 64 queries; each has rows y + 16 i, keys x + 16 j and 4 columns from 4 x on.
// Reads: d / 8 bytes per score; 3 d from shared memory for the scores, 2 d for the outputs.
// Writes: 4 bytes per output.
// Sums: d in order; keys in order; for the sum of weights a lane's first, then 16 lanes as a butterfly.
// Limit: f32 multiply-adds.
// Ladder: step 4 of 5.
__global__ void __launch_bounds__(256) attention_4(Heads<float> a) {
  constexpr int kStep = kMost + 4;   // so that 8 rows, read 16 bytes at a time, lie on 32 banks
  constexpr int kWide = kKeys + 16;  // and so do 2 rows, written 4 bytes at a time
  SIMT_SHARED(float, queries, [kQueries][kStep]);
  SIMT_SHARED(float, keys, [kKeys][kStep]);
  SIMT_SHARED(float, values, [kKeys][kStep]);
  SIMT_SHARED(float, weights, [kQueries][kWide]);
  const int x = static_cast<int>(threadIdx.x % 16), y = static_cast<int>(threadIdx.x / 16);
  const int first = static_cast<int>(gridDim.x - 1 - blockIdx.x) * kQueries, end = min(a.t, first + kQueries);
  const int64_t head = a.head(blockIdx.y);
  rows_to_shared<kQueries, kStep>(&queries[0][0], a.q + head, first, a.t, a.d);
  float o[4][4] = {}, sum[4] = {}, top[4] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
  for (int tile = 0; tile < end; tile += kKeys) {
    __syncthreads();
    rows_to_shared<kKeys, kStep>(&keys[0][0], a.k + head, tile, a.t, a.d);
    rows_to_shared<kKeys, kStep>(&values[0][0], a.v + head, tile, a.t, a.d);
    __syncthreads();
    float s[4][2] = {};
    SIMT_UNROLL
    for (int c = 0; c < kMost; c += 4) {
      const Pack<float, 4> k[2] = {load<float, 4>(&keys[x][c]), load<float, 4>(&keys[x + 16][c])};
      SIMT_UNROLL
      for (int i = 0; i < 4; ++i) {
        const Pack<float, 4> q = load<float, 4>(&queries[y + 16 * i][c]);
        SIMT_UNROLL
        for (int e = 0; e < 4; ++e) {
          s[i][0] += q.at[e] * k[0].at[e];
          s[i][1] += q.at[e] * k[1].at[e];
        }
      }
    }
    SIMT_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int row = first + y + 16 * i;
      SIMT_UNROLL
      for (int j = 0; j < 2; ++j) s[i][j] = tile + x + 16 * j <= row ? s[i][j] * a.scale : -INFINITY;
      float most = fmaxf(top[i], fmaxf(s[i][0], s[i][1]));  // finite: every query sees key 0
      SIMT_UNROLL
      for (int lane = 8; lane > 0; lane /= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, lane));
      const float shrink = expf(top[i] - most);
      top[i] = most;
      sum[i] *= shrink;
      SIMT_UNROLL
      for (int j = 0; j < 2; ++j) {
        const float w = expf(s[i][j] - most);
        sum[i] += w;
        weights[y + 16 * i][x + 16 * j] = w;
      }
      SIMT_UNROLL
      for (int c = 0; c < 4; ++c) o[i][c] *= shrink;
    }
    __syncwarp();  // the same warp writes and reads a row's weights
    SIMT_UNROLL
    for (int j = 0; j < kKeys; j += 4) {
      Pack<float, 4> w[4];
      SIMT_UNROLL
      for (int i = 0; i < 4; ++i) w[i] = load<float, 4>(&weights[y + 16 * i][j]);
      SIMT_UNROLL
      for (int l = 0; l < 4; ++l) {
        const Pack<float, 4> v = load<float, 4>(&values[j + l][4 * x]);
        SIMT_UNROLL
        for (int i = 0; i < 4; ++i) {
          SIMT_UNROLL
          for (int c = 0; c < 4; ++c) o[i][c] += w[i].at[l] * v.at[c];
        }
      }
    }
  }
  SIMT_UNROLL
  for (int i = 0; i < 4; ++i) {
    SIMT_UNROLL
    for (int lane = 8; lane > 0; lane /= 2) sum[i] += __shfl_xor_sync(0xffffffffu, sum[i], lane);
    const int row = first + y + 16 * i;
    SIMT_UNROLL
    for (int c = 0; c < 4; ++c)
      if (row < a.t && 4 * x + c < a.d)
        a.y[head + static_cast<int64_t>(row) * a.d + 4 * x + c] = o[i][c] / sum[i];
  }
}

// 5. Tensor cores and cp.async (Dao 2023): both products by mma.sync in bf16 with f32 sums, and the next tile
// of keys is loaded during the current one. A lane holds its scores exactly as the second product needs its
// left factor, so the weights never leave the registers. Half the bytes, 15 times the arithmetic rate of step
// 4; one exponential per score, which hardly mattered before, now costs as much as the products.
//
// Threads: 4 warps a block of 64 queries, 16 each; tiles of 64 keys and values.
// Reads: d / 16 bytes per score; d / 4 from shared memory. Writes: 2 bytes per output.
// Sums: d and keys in groups of 16 in order; of the weights' sum a lane's first, then 4 lanes as a butterfly.
// Limit: exponentials, 16 a clock and multiprocessor, and mma.sync.
// Ladder: step 5 of 5; cuda/attend_forward.cu has texts, masks, groups of heads, rotation and the cache too.
using Tile = Sizes<bf16, kMost>;
__global__ void __launch_bounds__(Tile::threads) attention_5(Heads<bf16> a, bool wide) {
  constexpr int N = Tile::keys / 8;
  SIMT_SHARED(bf16, own, [Tile::rows * Tile::step]);
  SIMT_SHARED(bf16, keys, [2][Tile::keys * Tile::step]);
  SIMT_SHARED(bf16, values, [2][Tile::keys * Tile::step]);
  const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  const int first = static_cast<int>(gridDim.x - 1 - blockIdx.x) * Tile::rows,
            end = min(a.t, first + Tile::rows);
  const int64_t head = a.head(blockIdx.y);
  auto rows = [&](bf16* to, const bf16* from, int row) {  // 64 rows; beyond t and d they are 0
    load_tile<bf16, kMost, Tile::rows>(to, from + head + static_cast<int64_t>(row) * a.d, a.d, a.t - row, a.d,
                                       wide);
  };
  auto fetch = [&](int t) {
    rows(keys[t % 2], a.k, t * Tile::keys);
    rows(values[t % 2], a.v, t * Tile::keys);
    simt::cp_async_commit();
  };
  rows(own, a.q, first);
  simt::cp_async_commit();
  fetch(0);
  simt::cp_async_wait<1>();
  __syncthreads();
  const Own<bf16, kMost> q[1]{Own<bf16, kMost>(own + warp * 16 * Tile::step)};
  float o[1][kMost / 8][4] = {}, top[2] = {-INFINITY, -INFINITY}, sum[2] = {};
  const int tiles = (end + Tile::keys - 1) / Tile::keys, row = first + warp * 16 + lane / 4;  // and row + 8
  for (int t = 0; t < tiles; ++t) {
    simt::cp_async_wait<0>();
    __syncthreads();  // tile t has arrived, and t - 1 is no longer read
    if (t + 1 < tiles) fetch(t + 1);
    float s[1][N][4];
    product<kMost>(s, q, keys[t % 2]);
    SIMT_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int seen = row + 8 * half - t * Tile::keys - lane % 4 * 2;  // s[0][n][2 half + e]: up to 8 n + e
      float most = -INFINITY;
      SIMT_UNROLL
      for (int n = 0; n < N; ++n) {
        SIMT_UNROLL
        for (int e = 0; e < 2; ++e) {
          float& x = s[0][n][2 * half + e];
          x = 8 * n + e <= seen ? x * a.scale : -INFINITY;
          most = fmaxf(most, x);
        }
      }
      SIMT_UNROLL
      for (int l = 1; l < 4; l *= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, l));
      most = fmaxf(most, top[half]);
      const float shrink = simt::exp2_approx(top[half] - most);
      top[half] = most;
      sum[half] *= shrink;
      SIMT_UNROLL
      for (int n = 0; n < N; ++n) {
        SIMT_UNROLL
        for (int e = 0; e < 2; ++e)
          sum[half] += s[0][n][2 * half + e] = simt::exp2_approx(s[0][n][2 * half + e] - most);
      }
      SIMT_UNROLL
      for (int n = 0; n < kMost / 8; ++n) o[0][n][2 * half] *= shrink, o[0][n][2 * half + 1] *= shrink;
    }
    accumulate<kMost>(o, s, values[t % 2], nullptr);
  }
  SIMT_UNROLL
  for (int half = 0; half < 2; ++half) {
    SIMT_UNROLL
    for (int l = 1; l < 4; l *= 2) sum[half] += __shfl_xor_sync(0xffffffffu, sum[half], l);
    if (row + 8 * half >= a.t) continue;
    SIMT_UNROLL
    for (int n = 0; n < kMost / 8; ++n) {
      const int c = 8 * n + lane % 4 * 2;
      bf16* const to = a.y + head + static_cast<int64_t>(row + 8 * half) * a.d + c;
      const float x = o[0][n][2 * half] / sum[half], y = o[0][n][2 * half + 1] / sum[half];
      if (wide && c < a.d) {
        simt::stv(to, simt::pack_bf(x, y));
      } else {
        if (c < a.d) to[0] = from_float<bf16>(x);
        if (c + 1 < a.d) to[1] = from_float<bf16>(y);
      }
    }
  }
}

template <class T>
Heads<T> heads_of(std::span<const Tensor> in, const Tensor& out, float scale) {
  const int64_t d = out.shape()[2];
  if (d > kMost)
    fail("the ladder's attention: the head has " + std::to_string(d) + " numbers, more than 64");
  return {
      in[0].data<T>(),     in[1].data<T>(), in[2].data<T>(), out.data<T>(), static_cast<int>(out.shape()[1]),
      static_cast<int>(d), scale,           nullptr};
}
float root_scale(const Tensor& out) { return 1 / std::sqrt(static_cast<float>(out.shape()[2])); }
dim3 grid(const Tensor& out, unsigned x, unsigned y) { return {x, y, static_cast<unsigned>(out.shape()[0])}; }
Tensor all_scores(const Tensor& out) {
  return Tensor::empty({out.shape()[0], out.shape()[1], out.shape()[1]}, DType::f32, out.device());
}
void run_1(std::span<const Tensor> in, const Tensor& out) {
  const Tensor scores = all_scores(out);
  Heads<float> a = heads_of<float>(in, out, root_scale(out));
  a.scores = scores.data<float>();
  simt::launch(scores_1, grid(out, blocks(a.t, 16), blocks(a.t, 16)), dim3(16, 16), 0, a);
  simt::launch(weights_1, grid(out, blocks(a.t, 128), 1), dim3(128), 0, a);
  simt::launch(outputs_1, grid(out, blocks(a.d, 16), blocks(a.t, 16)), dim3(16, 16), 0, a);
}
void run_2(std::span<const Tensor> in, const Tensor& out) {
  const Tensor scores = all_scores(out);
  Heads<float> a = heads_of<float>(in, out, root_scale(out));
  a.scores = scores.data<float>();
  simt::launch(scores_2, grid(out, blocks(a.t, 32), blocks(a.t, 32)), dim3(32, 32), 0, a);
  simt::launch(weights_2, grid(out, blocks(a.t, 4), 1), dim3(128), 0, a);
  simt::launch(outputs_2, grid(out, blocks(a.d, 32), blocks(a.t, 32)), dim3(32, 32), 0, a);
}
void run_3(std::span<const Tensor> in, const Tensor& out) {
  const auto a = heads_of<float>(in, out, root_scale(out));
  simt::launch(attention_3, dim3(blocks(a.t, kQueries), static_cast<unsigned>(out.shape()[0])),
               dim3(kQueries), 0, a);
}
void run_4(std::span<const Tensor> in, const Tensor& out) {
  const auto a = heads_of<float>(in, out, root_scale(out));
  simt::launch(attention_4, dim3(blocks(a.t, kQueries), static_cast<unsigned>(out.shape()[0])), dim3(256), 0,
               a);
}
void run_5(std::span<const Tensor> in, const Tensor& out) {
  const auto a = heads_of<bf16>(in, out, attend_scale(out.shape()[2]));  // powers of 2 instead of e
  simt::launch(attention_5, dim3(blocks(a.t, Tile::rows), static_cast<unsigned>(out.shape()[0])),
               dim3(Tile::threads), 0, a, packs<bf16>(a.d, {a.q, a.k, a.v, a.y}));
}
const LadderStep kSteps[] = {{"attention", 1, "three kernels, T x T scores in memory", DType::f32, run_1},
                             {"attention", 2, "shared tiles", DType::f32, run_2},
                             {"attention", 3, "online softmax, no T x T", DType::f32, run_3},
                             {"attention", 4, "a tile of registers per thread", DType::f32, run_4},
                             {"attention", 5, "tensor cores and cp.async", DType::bf16, run_5}};
}  // namespace
std::span<const LadderStep> attention_ladder() { return kSteps; }
}  // namespace rum::cuda
