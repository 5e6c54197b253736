// Shared by the kernels that work on a row of logits: a walk along it in packs, and its softmax in one pass.
// exp(x) is 2^(x log2 e), with the hardware's instruction for powers of 2: for x <= 0 the error is at most 4
// + |x| units in the last place, and the terms where that is large hardly count in the sum.
#pragma once
#include "cuda/bits.h"

namespace rum::cuda {
constexpr int kRowThreads = 512, kRowWarps = kRowThreads / 32;  // a block works on one row
// Enough threads that each has a pack of the row: a small vocabulary needs few, and a thread without one
// would only wait.
inline unsigned row_threads(int64_t width, size_t size) {
  const int64_t warps = (width * static_cast<int64_t>(size) + 32 * 16 - 1) / (32 * 16);
  return static_cast<unsigned>(32 * (warps < kRowWarps ? warps : kRowWarps));
}

constexpr float kLog2e = 1.4426950408889634f;
__device__ __forceinline__ float exp_of(float x) { return simt::exp2_approx(x * kLog2e); }

struct Softmax {  // of a part of a row: largest logit, sum of 2^(logit log2 e - base), sum of the logits
  float top, sum, total;  // without a constructor: shared memory takes none
  __device__ static Softmax none() { return {-1e38f, 0, 0}; }  // its base is finite
  __device__ static float base(float top) { return __fmul_rn(top, kLog2e); }
  // log2 of the sum of exp(logit), with the same rounding of the base.
  __device__ float log2_sum() const { return base(top) + log2f(sum); }
  template <int V>
  __device__ __forceinline__ void take(const float (&x)[V]) {
    float highest = top;
    for (int k = 0; k < V; ++k) highest = fmaxf(highest, x[k]);
    const float from = base(highest);
    sum *= simt::exp2_approx(base(top) - from);
    top = highest;
    for (int k = 0; k < V; ++k) {
      sum += simt::exp2_approx(x[k] * kLog2e - from);  // one multiply-add
      total += x[k];
    }
  }
  __device__ __forceinline__ void join(const Softmax& o) {
    const float highest = fmaxf(top, o.top);
    // Not fused, so that a.join(b) and b.join(a) agree in every bit, and so do all lanes after a butterfly.
    const float from = base(highest);
    sum = __fadd_rn(__fmul_rn(sum, simt::exp2_approx(base(top) - from)),
                    __fmul_rn(o.sum, simt::exp2_approx(base(o.top) - from)));
    top = highest;
    total += o.total;
  }
};
__device__ __forceinline__ Softmax join_warp(Softmax p) {  // every lane gets the same
  SIMT_UNROLL
  for (int o = 16; o > 0; o >>= 1) {
    Softmax other;
    other.top = __shfl_xor_sync(0xffffffffu, p.top, o);
    other.sum = __shfl_xor_sync(0xffffffffu, p.sum, o);
    other.total = __shfl_xor_sync(0xffffffffu, p.total, o);
    p.join(other);
  }
  return p;
}
__device__ __forceinline__ Softmax join_block(Softmax p) {  // every thread gets the same; once in a kernel
  SIMT_SHARED(Softmax, parts, [32]);  // a block may have more than kRowThreads: cross_entropy of long rows
  p = join_warp(p);
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = p;
  __syncthreads();
  p = Softmax::none();
  if (threadIdx.x % 32 < blockDim.x / 32) p = parts[threadIdx.x % 32];
  return join_warp(p);
}

// f.operator()<V>(j, numbers) for all V neighbours from j on, j in begin..end: 16 bytes where the address is a
// multiple of them, single numbers at the ends. Rows of 50257 numbers may start at any address. A thread
// loads twice before f gets the first numbers: so more bytes are on their way.
template <class T, class F>
__device__ __forceinline__ void along_row(const T* row, int64_t begin, int64_t end, const F& f) {
  constexpr int V = kPack<T>;
  const int64_t width = end - begin;
  const auto off =
      static_cast<int64_t>((16 - reinterpret_cast<uintptr_t>(row + begin) % 16) % 16 / sizeof(T));
  const int64_t head = off < width ? off : width, whole = (width - head) / V, tail = head + whole * V;
  const int64_t first = begin + head, step = blockDim.x;
  int64_t q = threadIdx.x;
  for (; q + step < whole; q += 2 * step) {
    const int64_t i = first + q * V, j = i + step * V;
    const Bits one = simt::ldv<Bits>(row + i), other = simt::ldv<Bits>(row + j);
    f.template operator()<V>(i, unpack<T>(one).at);
    f.template operator()<V>(j, unpack<T>(other).at);
  }
  if (const int64_t j = first + q * V; q < whole)
    f.template operator()<V>(j, unpack<T>(simt::ldv<Bits>(row + j)).at);
  const int64_t i = threadIdx.x, single = i < head ? i : tail + i - head;
  if (single < width) {
    const float x[1] = {to_float(row[begin + single])};
    f.template operator()<1>(begin + single, x);
  }
}
}  // namespace rum::cuda
