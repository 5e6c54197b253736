// What the kernels share: types, sums over a warp, a block and over columns. All sums have one order, fixed
// by the shape: the same bits every time. No float atomics.
#pragma once
#include "autograd/tape.h"
#include "cuda/simt.h"

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
__device__ S warp_sum(S v) {  // every lane gets the sum, added as a butterfly
  SIMT_UNROLL
  for (int o = 16; o > 0; o >>= 1) v += __shfl_xor_sync(0xffffffffu, v, o);
  return v;
}
template <class S, int kThreads>
__device__ S block_sum(S v) {  // thread 0 gets the sum; call it once in a kernel
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
template <class T>
bool packs(int64_t width,
           std::initializer_list<const void*> pointers) {  // may rows be read 16 bytes at a time?
  bool yes = width % kPack<T> == 0;
  for (const void* p : pointers) yes = yes && reinterpret_cast<uintptr_t>(p) % 16 == 0;
  return yes;
}

// Sums over rows, one per column, for gradients of weights and biases: `term(i, j, out)` adds K numbers of
// row i and column j. Rows are cut into chunks by the shape alone; a second kernel adds the chunks in order.
constexpr int kColumnLanes = 8;  // threads that share a column of a chunk
constexpr int kMostChunks = 64;
inline int64_t chunk_rows(int64_t rows) {
  const int64_t least = 64, even = (rows + kMostChunks - 1) / kMostChunks;
  return even < least ? least : even;
}
// Threads: 32 columns x 8 rows of one chunk a block. Reads: what term reads, once. Writes: K numbers per
// column and chunk. Sums: each thread every 8th row in order, then the 8 in order. Limit: memory; share not
// measured yet. Ladder: none yet.
template <class Term>
__global__ void column_partials(Term term, int64_t rows, int64_t cols, int64_t chunk, float* partial) {
  constexpr int K = Term::kSums;
  SIMT_SHARED(float, part, [K][kColumnLanes][32]);
  const int64_t j = static_cast<int64_t>(blockIdx.x) * 32 + threadIdx.x, first = blockIdx.y * chunk,
                end = first + chunk < rows ? first + chunk : rows;
  float sum[K] = {};
  if (j < cols)
    for (int64_t i = first + threadIdx.y; i < end; i += kColumnLanes) term(i, j, sum);
  for (int k = 0; k < K; ++k) part[k][threadIdx.y][threadIdx.x] = sum[k];
  __syncthreads();
  if (threadIdx.y < K && j < cols) {
    float all = 0;
    for (int l = 0; l < kColumnLanes; ++l) all += part[threadIdx.y][l][threadIdx.x];
    partial[(static_cast<int64_t>(threadIdx.y) * gridDim.y + blockIdx.y) * cols + j] = all;
  }
}
// Threads: one per column. Reads: one number per chunk. Writes: one number. Sums: chunks in order. Limit:
// memory. Ladder: none yet.
template <class G>
__global__ void column_finish(const float* partial, int chunks, int64_t cols, bool add, G* out) {
  const int64_t j = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (j >= cols) return;
  float sum = add ? to_float(out[j]) : 0.0f;
  for (int c = 0; c < chunks; ++c) sum += partial[c * cols + j];
  out[j] = from_float<G>(sum);
}
// to[k] may be false: nobody wants that sum.
template <class Term>
void column_sums(const Term& term, int64_t rows, int64_t cols, const Grad (&to)[Term::kSums]) {
  const int64_t chunk = chunk_rows(rows);
  const unsigned chunks = blocks(rows, chunk);
  const Tensor partial =
      Tensor::empty({Term::kSums, static_cast<int64_t>(chunks), cols}, DType::f32, DeviceKind::cuda);
  simt::launch(column_partials<Term>, dim3(blocks(cols, 32), chunks), dim3(32, kColumnLanes), 0, term, rows,
               cols, chunk, partial.data<float>());
  for (int k = 0; k < Term::kSums; ++k) {
    if (!to[k]) continue;
    by_device_type(to[k].to().dtype(), [&]<class G> {
      simt::launch(column_finish<G>, dim3(blocks(cols, 128)), dim3(128), 0,
                   partial.data<float>() + k * chunks * cols, static_cast<int>(chunks), cols, to[k].add(),
                   to[k].to().template data<G>());
    });
  }
}
}  // namespace rum::cuda
