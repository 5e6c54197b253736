// What one call of attention is, for the kernels that self- and cross-attention share. A block works on one
// tile of rows of one text: tiles are numbered so that the grid depends on shapes alone, and each block finds
// its text in the offsets, which are data on the device.
#pragma once
#include <cmath>

#include "cuda/kernel.h"

namespace rum::cuda {
constexpr float kLn2 = 0.693147181f;
constexpr int kMostHead = 128;  // a wider head's two results of backward do not fit into a warp's registers
constexpr int kFew = 16;        // rows of a block that splits the keys among its warps

struct Text {  // rows of the queries, then of the keys; token `before` of the keys is the first query's
  int q, m, n, before, least;
  int64_t k, v;  // where the keys' and the values' rows begin
  __device__ int seen(int i) const { return min(n, max(before + i + 1, least)); }  // keys that query i sees
};

template <class T>
struct Attend {
  const T *q = nullptr, *k = nullptr, *v = nullptr;  // row i of head h: q + i q_step + h d
  int64_t q_step = 0, k_step = 0, v_step = 0;
  const int32_t *offsets = nullptr, *k_offsets = nullptr;  // (texts + 1) each, of queries and of keys
  int texts = 0, rows = 0, k_rows = 0;                     // total rows
  const int32_t* prefix = nullptr;                         // null: causal unless full
  bool full = false;                                       // every query sees all keys of its text
  const int32_t* used = nullptr;                           // with a cache: tokens per slot
  int64_t k_slot = 0, v_slot = 0;                          // rows per slot
  int limit = 0;                                           // tokens that fit into a slot
  int heads = 0, group = 1, d = 0;
  float scale = 0;              // log2(e) / sqrt(d): weights are powers of 2
  const float* turn = nullptr;  // (rows, d): d / 2 cosines, then the sines; null: nothing is rotated
  bool wide = false;            // rows can be copied 16 bytes at a time
  T* y = nullptr;
  int64_t y_step = 0;
  float* lse = nullptr;                                                       // (rows, heads)
  bool few() const { return rows <= (2 * texts > kFew ? 2 * texts : kFew); }  // decoding: one token per text

  // Text s; text `texts` is the rows after the last offset: no query sees a key there.
  __device__ Text text(int s) const {
    const bool none = s == texts;
    Text t{};
    t.q = min(offsets[s], rows);
    t.m = (none ? rows : min(offsets[s + 1], rows)) - t.q;
    const int k0 = min(k_offsets[s], k_rows);
    t.k = t.v = k0;
    t.n = (none ? k_rows : min(k_offsets[s + 1], k_rows)) - k0;
    if (used != nullptr && !none) {
      t.before = used[s];
      t.n = min(t.before + t.m, limit);
      t.k = s * k_slot;
      t.v = s * v_slot;
    }
    if (none) return t;
    if (full)
      t.least = t.n;
    else if (prefix != nullptr)
      t.least = prefix[s];
    return t;
  }
};
template <class T>
struct AttendBackward : Attend<T> {
  const T* dy = nullptr;          // rows as of y
  const float2* stats = nullptr;  // (heads, rows): log2 of the sum of weights, dy . y
  T *dq = nullptr, *dk = nullptr, *dv = nullptr;
  int64_t dq_step = 0, dkv_step = 0;
  bool add_q = false, add_kv = false;
};

inline float attend_scale(int64_t d) {
  return static_cast<float>(1.442695040888963407 / std::sqrt(static_cast<double>(d)));
}
template <class T>
void attend_forward(const Attend<T>&);  // y and lse
// The same for a few rows over a cache, which also appends their keys (rotated) and values: k and v are the
// new rows. false: nothing was done, since rows or heads are not of the kind that it supports.
template <class T>
bool attend_few(const Attend<T>&, T* keys, T* values);
// The same with wgmma and bulk copies, for the shapes that it supports; false: nothing was done.
// attend_hopper() says whether to try it: on a GPU that can run it, unless RUM_HOPPER=0; emulated, where a test
// asks for it.
bool attend_forward_hopper(const Attend<simt::bf16>&);
bool& attend_hopper();
template <class T>
void attend_backward(AttendBackward<T>&, const Tensor& y, const Tensor& lse);  // dq, dk, dv; null: not needed
bool backward_queries_hopper(const AttendBackward<simt::bf16>&);               // dq, in the same way
bool backward_keys_hopper(const AttendBackward<simt::bf16>&);                  // dk and dv
inline bool backward_queries_hopper(const AttendBackward<float>&) { return false; }
inline bool backward_keys_hopper(const AttendBackward<float>&) { return false; }

// RoPE for one number of a pair (own, other): s is negative for the first of the two, or when turning back.
__device__ __forceinline__ float turned(float own, float other, float c, float s) {
  return own * c + other * s;
}
template <int V>
struct Several {
  float at[V];
};
template <int V>
__device__ __forceinline__ Several<V> floats(
    const float* p) {  // V of them, 16 bytes at a time if there are 4
  Several<V> v;
  if constexpr (V % 4 == 0) {
    SIMT_UNROLL
    for (int k = 0; k < V; k += 4) {
      const float4 q = simt::ldv<float4>(p + k);
      v.at[k] = q.x;
      v.at[k + 1] = q.y;
      v.at[k + 2] = q.z;
      v.at[k + 3] = q.w;
    }
  } else {
    SIMT_UNROLL
    for (int k = 0; k < V; ++k) v.at[k] = p[k];
  }
  return v;
}

// Tiles of `each` rows: those of text s start at index offsets[s] / each + s, which leaves room for every row
// and needs no sum over the texts. The tiles with the most work start first: under a causal mask those of the
// last queries, and of the first keys.
enum class Order { first_first, last_first };
struct Place {
  int text, row;  // the tile's first row, counted in its text
};
inline unsigned tile_count(int rows, int texts, int each) {
  return static_cast<unsigned>(rows / each + texts + 1);
}
// The last i of low .. high - 1 for which `at` holds, given that it holds for low and up to some place. Called
// by all lanes of a warp: each tries one of 32 places.
template <class F>
__device__ __forceinline__ int find_last(int low, int high, const F& at) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  while (high - low > 1) {
    const int step = (high - low + 31) / 32, i = low + lane * step;
    const bool holds = lane == 0 || (i < high && at(i));
    low += (__popc(__ballot_sync(0xffffffffu, holds)) - 1) * step;
    high = min(high, low + step);
  }
  return low;
}
__device__ inline Place find_tile(const int32_t* offsets, int texts, int each, Order order) {
  const int v = static_cast<int>(order == Order::last_first ? gridDim.x - 1 - blockIdx.x : blockIdx.x),
            text = find_last(0, texts + 1, [&](int i) { return offsets[i] / each + i <= v; });
  return {text, (v - offsets[text] / each - text) * each};
}
// The text of a row; `texts` after the last offset.
__device__ inline int find_row(const int32_t* offsets, int texts, int row) {
  return find_last(0, texts + 1, [&](int i) { return offsets[i] <= row; });
}

// f(constant) for the narrowest kernel that holds a head of d numbers: 32, 64, 96 or 128.
template <class F>
void by_head(const char* op, int64_t d, F&& f) {
  if (d > kMostHead)
    fail(std::string(op) + ": the GPU kernels support heads of at most " + std::to_string(kMostHead) +
         " numbers, but this model has heads of " + std::to_string(d) +
         ": run it on the CPU (--device cpu), or train a model with more, narrower heads");
  if (d <= 32)
    f.template operator()<32>();
  else if (d <= 64)
    f.template operator()<64>();
  else if (d <= 96)
    f.template operator()<96>();
  else
    f.template operator()<128>();
}
}  // namespace rum::cuda
