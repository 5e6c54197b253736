// GPU twin of src/ops/head_loss.cc: cross-entropy and, in place of the logits, its gradient. (`scale` is in
// pointwise.cu.) exp(x) is 2^(x log2 e): for x <= 0 the error is at most 2 + |x| units in the last place, and
// terms that far down weigh less in the sum than that.
#include "cuda/kernel.h"
#include "ops/head_loss.h"

namespace rum::cuda {
namespace {
constexpr int kThreads = 512, kWarps = kThreads / 32;
constexpr float kLog2e = 1.4426950408889634f, kLowest = -3.402823466e38f;

__device__ __forceinline__ float exp_of(float x) { return exp2f(x * kLog2e); }

struct Part {  // of a row: largest logit, sum of exp(logit - top), sum of the logits
  float top = kLowest, sum = 0, total = 0;
  __device__ void join(const Part& o) {
    const float highest = fmaxf(top, o.top);
    sum = sum * exp_of(top - highest) + o.sum * exp_of(o.top - highest);
    top = highest, total += o.total;
  }
};
__device__ Part join_warp(Part p) {  // every lane gets the same
  SIMT_UNROLL
  for (int o = 16; o > 0; o >>= 1) {
    Part other;
    other.top = __shfl_xor_sync(0xffffffffu, p.top, o);
    other.sum = __shfl_xor_sync(0xffffffffu, p.sum, o);
    other.total = __shfl_xor_sync(0xffffffffu, p.total, o);
    p.join(other);
  }
  return p;
}
__device__ Part join_block(Part p) {  // every thread gets the same
  SIMT_SHARED(Part, parts, [kWarps]);
  p = join_warp(p);
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = p;
  __syncthreads();
  p = Part();
  if (threadIdx.x % 32 < kWarps) p = parts[threadIdx.x % 32];
  return join_warp(p);
}

// f.operator()<V>(j) for all V neighbours from j on: packs where the row lies on 16 bytes, single numbers at
// its ends. A row of 50257 numbers begins anywhere.
template <class T, class F>
__device__ __forceinline__ void along_row(const T* row, int64_t width, const F& f) {
  constexpr int V = kPack<T>;
  const auto off = static_cast<int64_t>((16 - reinterpret_cast<uintptr_t>(row) % 16) % 16 / sizeof(T));
  const int64_t head = off < width ? off : width, whole = (width - head) / V, tail = head + whole * V;
  for (int64_t q = threadIdx.x; q < whole; q += kThreads) f.template operator()<V>(head + q * V);
  const int64_t i = threadIdx.x, single = i < head ? i : tail + i - head;
  if (single < width && (i < head || single >= tail)) f.template operator()<1>(single);
}

// Threads: one block per row.
// Reads: each logit once from memory and, for the gradient, once more from the cache.
// Writes: the gradient over the logits; nll once per row.
// Sums: each thread its packs in order, relative to its largest so far; then 32 lanes, then 16 warps, as
// butterflies.
// Limit: memory; share not measured yet (no GPU so far).
// Ladder: none.
template <class T>
__global__ void cross_entropy_row(T* logits, const int32_t* targets, const float* weights, float smoothing,
                                  const StepInputs* in, bool gradient, float* nll, int64_t width) {
  const int64_t row = blockIdx.x, target = targets[row];
  T* const z = logits + row * width;
  // A target outside the vocabulary makes loss and gradient NaN, and the step is skipped.
  const float right = target >= 0 && target < width ? to_float(z[target]) : NAN;
  Part p;
  along_row(z, width, [&]<int V>(int64_t j) {
    const Pack<T, V> x = load<T, V>(z + j);
    float highest = p.top;
    for (int k = 0; k < V; ++k) highest = fmaxf(highest, to_float(x.at[k]));
    p.sum *= exp_of(p.top - highest), p.top = highest;
    for (int k = 0; k < V; ++k) p.sum += exp_of(to_float(x.at[k]) - highest), p.total += to_float(x.at[k]);
  });
  p = join_block(p);  // from here on the logits may be overwritten
  const float lse = p.top + logf(p.sum), spread = smoothing / static_cast<float>(width);
  if (threadIdx.x == 0) nll[row] = lse - (1 - smoothing) * right - spread * p.total;
  if (!gradient) return;
  const float w = weights[row] / (in != nullptr ? in->total_weight : 1.0f);
  const float shift = right == right ? 0.0f : right;
  along_row(z, width, [&]<int V>(int64_t j) {
    Pack<T, V> x = load<T, V>(z + j);
    for (int k = 0; k < V; ++k) {
      const float share = exp_of(to_float(x.at[k]) - lse) - spread + shift;
      x.at[k] = from_float<T>(w * (j + k == target ? share - (1 - smoothing) : share));
    }
    store<T, V>(z + j, x);
  });
}
// Threads: one block.
// Reads: weight and nll of each row once. Writes: the loss.
// Sums: each thread every 512th row in order, then a butterfly, then the warps in order.
// Limit: the launch.
// Ladder: none.
__global__ void sum_rows(const float* nll, const float* weights, const StepInputs* in, bool first, int64_t n,
                         float* loss) {
  const float divisor = in != nullptr ? in->total_weight : 1.0f;
  float sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += kThreads) sum += weights[i] / divisor * nll[i];
  sum = block_sum<float, kThreads>(sum);
  if (threadIdx.x == 0) *loss = first ? sum : *loss + sum;
}

void cross_entropy(const Tensor& logits, const Tensor& targets, const Tensor& weights, float smoothing,
                   const StepInputs* in, bool gradient, bool first, const Tensor& nll, const Tensor& loss) {
  by_device_type(logits.dtype(), [&]<class T> {
    const int64_t n = logits.shape()[0], v = logits.shape()[1];
    simt::launch(cross_entropy_row<T>, dim3(static_cast<unsigned>(n)), dim3(kThreads), 0, logits.data<T>(),
                 targets.data<int32_t>(), weights.data<float>(), smoothing, in, gradient, nll.data<float>(),
                 v);
    simt::launch(sum_rows, dim3(1), dim3(kThreads), 0, nll.data<float>(), weights.data<float>(), in, first, n,
                 loss.data<float>());
  });
}
const bool provided = kernels::cross_entropy.provide(DeviceKind::cuda, cross_entropy);
}  // namespace
}  // namespace rum::cuda
