// What the kernels share: types, and sums over a warp, a block or columns. The shape alone fixes the order of
// every sum, so results have the same bits every time; there are no floating-point atomics. The comment above
// each kernel says what it reads and writes and what limits it, counted from the code where it does not say
// otherwise; data/evidence/bench-nvidia-h200.md has its time on an H200.
#pragma once
#include <type_traits>

#include "autograd/tape.h"
#include "cuda/simt/simt.h"

namespace rum::cuda {
__device__ __forceinline__ float to_float(float v) { return v; }
__device__ __forceinline__ float to_float(simt::bf16 v) { return simt::to_f(v); }
template <class T>
__device__ __forceinline__ T from_float(float v) {
  if constexpr (sizeof(T) == 2)
    return simt::to_bf(v);
  else
    return v;
}

// by_device_type(x.dtype(), [&]<class T> { ... }) for the device: float or simt::bf16.
template <class F>
void by_device_type(DType t, F&& f) {
  if (t == DType::f32)
    f.template operator()<float>();
  else if (t == DType::bf16)
    f.template operator()<simt::bf16>();
  else
    fail_no_type(t);  // f64 is for gradient checks on the CPU
}
inline unsigned blocks(int64_t n, int64_t each) { return static_cast<unsigned>((n + each - 1) / each); }

template <class S>
__device__ S warp_sum(S v) {  // every lane gets the sum, by a butterfly
  SIMT_UNROLL
  for (int o = 16; o > 0; o >>= 1) v += __shfl_xor_sync(0xffffffffu, v, o);
  return v;
}
template <class S, int kThreads>
__device__ S block_sum(S v) {  // thread 0 gets the sum; call it only once in a kernel
  SIMT_SHARED(S, part, [kThreads / 32]);
  v = warp_sum(v);
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = v;
  __syncthreads();
  S sum = 0;
  if (threadIdx.x == 0)
    for (int i = 0; i < kThreads / 32; ++i) sum += part[i];
  return sum;
}

// V numbers in one access of up to 16 bytes. V = 1 serves odd widths and odd addresses.
template <class T, int V>
struct alignas(V * sizeof(T)) Pack {
  T at[V];
};
template <class T, int V>
__device__ __forceinline__ Pack<T, V> load(const T* p) {
  if constexpr (V == 1)
    return {{*p}};
  else
    return simt::ldv<Pack<T, V>>(p);
}
template <class T, int V>
__device__ __forceinline__ void store(T* p, const Pack<T, V>& v) {
  if constexpr (V == 1)
    *p = v.at[0];
  else
    simt::stv(p, v);
}
template <class T>
constexpr int kPack = static_cast<int>(16 / sizeof(T));
inline bool aligned(std::initializer_list<const void*> pointers) {
  bool yes = true;
  for (const void* p : pointers) yes = yes && reinterpret_cast<uintptr_t>(p) % 16 == 0;
  return yes;
}
template <class T>
bool packs(int64_t width, std::initializer_list<const void*> pointers) {  // rows 16 bytes at a time?
  return width % kPack<T> == 0 && aligned(pointers);
}

// Pointwise kernels: f.at<V>(i) handles the V neighbours from i on. One pack per thread: with all threads
// resident that keeps enough bytes in flight, and no load has to wait behind a store.
constexpr int kPointThreads = 256;

// Threads: one pack of V numbers each; the leftover numbers one by one.
// Reads: each input once; the output too when it adds. Writes: each output once.
// Sums: none.
// Limit: memory.
// Ladder: none.
template <int V, class F>
__global__ void each(F f, int64_t n) {
  const int64_t q = static_cast<int64_t>(blockIdx.x) * kPointThreads + threadIdx.x, whole = n / V;
  if (q < whole)
    f.template at<V>(q * V);
  else if (const int64_t i = whole * V + (q - whole); i < n)
    f.template at<1>(i);
}
template <int V, class F>  // wide: every address is a multiple of 16 bytes, or of the pack's size if smaller
void for_each(int64_t n, bool wide, const F& f) {
  const int64_t threads = wide ? n / V + n % V : n;
  if (n > 0)
    simt::launch(wide ? each<V, F> : each<1, F>, dim3(blocks(threads, kPointThreads)), dim3(kPointThreads), 0,
                 f, n);
}
template <class F>
struct One {
  F f;
  template <int V>
  __device__ void at(int64_t i) const {
    f(i);
  }
};
template <class F>
void for_each(int64_t n, const F& f) {  // f(i) for every i below n
  for_each<1>(n, false, One<F>{f});
}
template <class F, class T, class G>
struct Map {  // y (+)= f(a) or f(a, b)
  F f;
  const T *a, *b;
  G* y;
  bool add;
  template <int V>
  __device__ void at(int64_t i) const {
    const Pack<T, V> x = load<T, V>(a + i);
    Pack<T, V> z;
    Pack<G, V> to;
    if constexpr (std::is_invocable_v<F, float, float>) z = load<T, V>(b + i);
    if (add) to = load<G, V>(y + i);
    for (int k = 0; k < V; ++k) {
      float v;
      if constexpr (std::is_invocable_v<F, float, float>)
        v = f(to_float(x.at[k]), to_float(z.at[k]));
      else
        v = f(to_float(x.at[k]));
      to.at[k] = from_float<G>(add ? v + to_float(to.at[k]) : v);
    }
    store<G, V>(y + i, to);
  }
};
template <class F, class T, class G>
void map(const F& f, int64_t n, const T* a, const T* b, G* y, bool add = false) {
  constexpr int V = static_cast<int>(16 / (sizeof(T) > sizeof(G) ? sizeof(T) : sizeof(G)));
  for_each<V>(n, aligned({a, b, y}), Map<F, T, G>{f, a, b, y, add});
}

// Sums over rows, one per column, for gradients of weights and biases: `term.at<V>(i, j, out)` adds K numbers
// of row i to each of the V columns from j. Rows are cut into chunks by the shape alone; a second kernel adds
// the chunks in order.
constexpr int kColumnLanes = 8;  // threads that share columns of a chunk
// Enough chunks for about 512 blocks, four for each multiprocessor of an H100: with fewer, some
// multiprocessors would be idle at the end. At least 64 rows each.
inline int64_t chunk_rows(int64_t rows, int64_t cols) {
  const int64_t across = (cols + 255) / 256, chunks = across < 64 ? 512 / across : 8, least = 64,
                even = (rows + chunks - 1) / chunks;
  return even < least ? least : even;
}
// Threads: 32 V columns x 8 rows of one chunk a block.
// Reads: what `term` reads, once. Writes: K numbers per column and chunk.
// Sums: each thread every 8th row in order, then the 8 in order.
// Limit: memory.
// Ladder: none.
template <int V, class Term>
__global__ void column_partials(Term term, int64_t rows, int64_t cols, int64_t chunk, float* partial) {
  constexpr int K = Term::kSums;
  SIMT_SHARED(float, part, [K][kColumnLanes][32 * V]);
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const int64_t left = static_cast<int64_t>(blockIdx.x) * (32 * V), j = left + x * V;
  const int64_t first = blockIdx.y * chunk, end = first + chunk < rows ? first + chunk : rows;
  float sum[K][V] = {};
  if (j < cols)  // then all V columns exist: cols is a multiple of V
    for (int64_t i = first + y; i < end; i += kColumnLanes) term.template at<V>(i, j, sum);
  for (int k = 0; k < K; ++k)
    for (int v = 0; v < V; ++v) part[k][y][v * 32 + x] = sum[k][v];
  __syncthreads();
  for (int t = y * 32 + x; t < K * 32 * V; t += 32 * kColumnLanes) {
    const int k = t / (32 * V), c = t % (32 * V);
    const int64_t to = left + c % 32 * V + c / 32;
    float all = 0;
    for (int l = 0; l < kColumnLanes; ++l) all += part[k][l][c];
    if (to < cols) partial[(static_cast<int64_t>(k) * gridDim.y + blockIdx.y) * cols + to] = all;
  }
}
// Threads: 32 columns x 8 chunks a block.
// Reads: one number per column and chunk. Writes: one number per column.
// Sums: each thread every 8th chunk in order, then the 8 in order.
// Limit: memory.
// Ladder: none.
template <class G>
__global__ void column_finish(const float* partial, int chunks, int64_t cols, bool add, G* out) {
  SIMT_SHARED(float, part, [kColumnLanes][32]);
  const int64_t j = static_cast<int64_t>(blockIdx.x) * 32 + threadIdx.x;
  float sum = 0;
  if (j < cols)
    for (int c = static_cast<int>(threadIdx.y); c < chunks; c += kColumnLanes) sum += partial[c * cols + j];
  part[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || j >= cols) return;
  float all = add ? to_float(out[j]) : 0.0f;
  for (int l = 0; l < kColumnLanes; ++l) all += part[l][threadIdx.x];
  out[j] = from_float<G>(all);
}
// to[k] may be false: that sum is not needed. wide: `term` may read packs of V columns.
template <int V, class Term>
void column_sums(const Term& term, int64_t rows, int64_t cols, bool wide, const Grad (&to)[Term::kSums]) {
  const int64_t chunk = chunk_rows(rows, cols);
  const unsigned chunks = blocks(rows, chunk);
  const Tensor partial =
      Tensor::empty({Term::kSums, static_cast<int64_t>(chunks), cols}, DType::f32, DeviceKind::cuda);
  simt::launch(wide ? column_partials<V, Term> : column_partials<1, Term>,
               dim3(blocks(cols, wide ? 32 * V : 32), chunks), dim3(32, kColumnLanes), 0, term, rows, cols,
               chunk, partial.data<float>());
  for (int k = 0; k < Term::kSums; ++k) {
    if (!to[k]) continue;
    by_device_type(to[k].to().dtype(), [&]<class G> {
      simt::launch(column_finish<G>, dim3(blocks(cols, 32)), dim3(32, kColumnLanes), 0,
                   partial.data<float>() + k * chunks * cols, static_cast<int>(chunks), cols, to[k].add(),
                   to[k].to().template data<G>());
    });
  }
}
}  // namespace rum::cuda
