// Softmax over each row of x (rows, width) in six steps: y = exp(x - max) / sum of exp(x - max). Each output
// must read 4 bytes and write 4, so at the 4.8 TB/s of an H200 no kernel can write more than 600 outputs a
// nanosecond. Every step is about reading a row fewer times, in larger pieces, and waiting less while it is
// summed.
#include "cuda/kernel.h"
#include "cuda/ladder/ladder.h"

namespace rum::cuda {
namespace {
constexpr int kThreads = 256, kWarps = kThreads / 32;
constexpr float kLeast = -3.402823466e38f;  // below every logit but -infinity; minus itself it is 0, not NaN
struct Larger {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};
struct Plus {
  __device__ float operator()(float a, float b) const { return a + b; }
};

// 1. The formula: a thread has a row and walks along it three times. The lanes of a warp are `width` numbers
// apart, so each load touches 32 sectors of 32 bytes for 4 bytes of each: up to 8 times the traffic, unless
// the cache keeps a sector until its other 7 numbers are needed. With few rows most of the GPU is idle.
//
// Threads: one a row.
// Reads: 3 x 4 bytes per output, up to 3 x 32. Writes: 4 bytes, up to 32.
// Sums: the row in order.
// Limit: most of each sector read is unused, and there are too few threads.
// Ladder: step 1 of 6.
__global__ void softmax_1(const float* x, float* y, int64_t rows, int width) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (row >= rows) return;
  const float* const xi = x + row * width;
  float* const yi = y + row * width;
  float top = kLeast, sum = 0;
  for (int j = 0; j < width; ++j) top = fmaxf(top, xi[j]);
  for (int j = 0; j < width; ++j) sum += expf(xi[j] - top);
  for (int j = 0; j < width; ++j) yi[j] = expf(xi[j] - top) / sum;
}

// 2. A block a row: neighbouring threads have neighbouring numbers, every sector is used in full, and there
// are 256 times as many threads. The price is that the block must agree on the maximum and the sum: a tree in
// shared memory, 8 halvings with a barrier each. It also rounds less: at 8452 columns the error is 5e-7 of
// the RMS instead of 8e-6.
//
// Threads: a block a row; each every 256th number.
// Reads: 3 x 4 bytes per output. Writes: 4 bytes.
// Sums: each thread in order, then 256 in a tree.
// Limit: barriers, 18 a row, and the second and third pass.
// Ladder: step 2 of 6.
template <class F>
__device__ float tree(float v, const F& f) {  // every thread gets f over the block; once for each F
  SIMT_SHARED(float, part, [kThreads]);
  const int i = static_cast<int>(threadIdx.x);
  part[i] = v;
  __syncthreads();
  for (int half = kThreads / 2; half > 0; half /= 2) {
    if (i < half) part[i] = f(part[i], part[i + half]);
    __syncthreads();
  }
  return part[0];
}
__global__ void softmax_2(const float* x, float* y, int width) {
  const float* const xi = x + static_cast<int64_t>(blockIdx.x) * width;
  float* const yi = y + static_cast<int64_t>(blockIdx.x) * width;
  float top = kLeast, sum = 0;
  for (int j = static_cast<int>(threadIdx.x); j < width; j += kThreads) top = fmaxf(top, xi[j]);
  top = tree(top, Larger());
  for (int j = static_cast<int>(threadIdx.x); j < width; j += kThreads) sum += expf(xi[j] - top);
  sum = tree(sum, Plus());
  for (int j = static_cast<int>(threadIdx.x); j < width; j += kThreads) yi[j] = expf(xi[j] - top) / sum;
}

// 3. Warp shuffles: 32 lanes exchange their registers in 5 steps, without shared memory or barriers. Only the
// 8 results of the warps go through shared memory: 1 barrier where the tree has 9.
//
// Threads: a block a row; each every 256th number.
// Reads: 3 x 4 bytes per output. Writes: 4 bytes.
// Sums: each thread in order, 32 lanes as a butterfly, then 8 warps as one more.
// Limit: the second and third pass, which at best come from the L2 cache.
// Ladder: step 3 of 6.
template <class F>
__device__ float shuffled(float v, const F& f) {  // every thread gets f over the block; once for each F
  SIMT_SHARED(float, part, [kWarps]);
  SIMT_UNROLL
  for (int o = 16; o > 0; o /= 2) v = f(v, __shfl_xor_sync(0xffffffffu, v, o));
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = v;
  __syncthreads();
  v = part[threadIdx.x % kWarps];
  SIMT_UNROLL
  for (int o = kWarps / 2; o > 0; o /= 2) v = f(v, __shfl_xor_sync(0xffffffffu, v, o));
  return v;
}
__global__ void softmax_3(const float* x, float* y, int width) {
  const float* const xi = x + static_cast<int64_t>(blockIdx.x) * width;
  float* const yi = y + static_cast<int64_t>(blockIdx.x) * width;
  float top = kLeast, sum = 0;
  for (int j = static_cast<int>(threadIdx.x); j < width; j += kThreads) top = fmaxf(top, xi[j]);
  top = shuffled(top, Larger());
  for (int j = static_cast<int>(threadIdx.x); j < width; j += kThreads) sum += expf(xi[j] - top);
  sum = shuffled(sum, Plus());
  for (int j = static_cast<int>(threadIdx.x); j < width; j += kThreads) yi[j] = expf(xi[j] - top) / sum;
}

// 4. Online (Milakov and Gimelshein 2018): maximum and sum in one pass. When a larger number comes, the sum
// so far is scaled down by exp(old maximum - new), so parts of a row, each with its own maximum, can be
// joined in any grouping. 12 bytes per output instead of 16, for one more exp.
//
// Threads: a block a row; each every 256th number.
// Reads: 2 x 4 bytes per output. Writes: 4 bytes.
// Sums: each thread in order, 32 lanes as a butterfly, then 8 warps as one more.
// Limit: memory, and 4 bytes in flight per load.
// Ladder: step 4 of 6.
struct Online {    // of a part of a row
  float top, sum;  // largest number, sum of exp(number - top)
  __device__ void take(float x) {
    const float highest = fmaxf(top, x);
    sum = sum * expf(top - highest) + expf(x - highest);
    top = highest;
  }
  __device__ void join(const Online& o) {
    const float highest = fmaxf(top, o.top);
    sum = sum * expf(top - highest) + o.sum * expf(o.top - highest);
    top = highest;
  }
  template <int kLanes>
  __device__ void join_lanes() {
    SIMT_UNROLL
    for (int o = kLanes / 2; o > 0; o /= 2)
      join({__shfl_xor_sync(0xffffffffu, top, o), __shfl_xor_sync(0xffffffffu, sum, o)});
  }
};
__device__ Online joined(Online p) {  // every thread gets the block's
  SIMT_SHARED(Online, part, [kWarps]);
  p.join_lanes<32>();
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = p;
  __syncthreads();
  p = part[threadIdx.x % kWarps];
  p.join_lanes<kWarps>();
  return p;
}
__global__ void softmax_4(const float* x, float* y, int width) {
  const float* const xi = x + static_cast<int64_t>(blockIdx.x) * width;
  float* const yi = y + static_cast<int64_t>(blockIdx.x) * width;
  Online p = {kLeast, 0};
  for (int j = static_cast<int>(threadIdx.x); j < width; j += kThreads) p.take(xi[j]);
  p = joined(p);
  for (int j = static_cast<int>(threadIdx.x); j < width; j += kThreads) yi[j] = expf(xi[j] - p.top) / p.sum;
}

// 5. Packs: 16 bytes a load, so a quarter of the instructions and 4 times the bytes in flight per thread,
// which hides the latency of memory. A pack has one maximum: 5 exps for 4 numbers instead of 8. Rows whose
// address is not a multiple of 16 bytes are read number by number (V = 1).
//
// Threads: a block a row; each every 256th pack.
// Reads: 2 x 4 bytes per output. Writes: 4 bytes.
// Sums: each thread in order, 32 lanes as a butterfly, then 8 warps as one more.
// Limit: memory: 12 bytes per output where 8 would do.
// Ladder: step 5 of 6.
template <int V>
__global__ void softmax_5(const float* x, float* y, int width) {
  const float* const xi = x + static_cast<int64_t>(blockIdx.x) * width;
  float* const yi = y + static_cast<int64_t>(blockIdx.x) * width;
  Online p = {kLeast, 0};
  for (int j = static_cast<int>(threadIdx.x) * V; j < width; j += kThreads * V) {
    const Pack<float, V> a = load<float, V>(xi + j);
    float highest = p.top;
    for (int k = 0; k < V; ++k) highest = fmaxf(highest, a.at[k]);
    p.sum *= expf(p.top - highest);
    p.top = highest;
    for (int k = 0; k < V; ++k) p.sum += expf(a.at[k] - highest);
  }
  p = joined(p);
  const float factor = 1 / p.sum;
  for (int j = static_cast<int>(threadIdx.x) * V; j < width; j += kThreads * V) {
    Pack<float, V> a = load<float, V>(xi + j);
    for (int k = 0; k < V; ++k) a.at[k] = expf(a.at[k] - p.top) * factor;
    store<float, V>(yi + j, a);
  }
}

// 6. The row stays in registers, read once: 1 to 8 packs a thread, as many as the row needs, hold up to 8192
// numbers. Finding the maximum first now costs no extra pass, so step 2's formula returns, with one exp per
// output. The rest of wider rows is read again.
//
// Threads: a block a row; each every 256th pack.
// Reads: 4 bytes per output, 3 x 4 beyond the packs. Writes: 4 bytes.
// Sums: each thread in order, 32 lanes as a butterfly, then 8 warps as one more.
// Limit: memory, at its 8 bytes per output; rows below 1024 numbers waste threads.
// Ladder: step 6 of 6; cuda/softmax.h handles rows of any address and width.
template <int V, int kHeld>
__global__ void __launch_bounds__(kThreads) softmax_6(const float* x, float* y, int width) {
  constexpr int kStep = kThreads * V;
  const float* const xi = x + static_cast<int64_t>(blockIdx.x) * width;
  float* const yi = y + static_cast<int64_t>(blockIdx.x) * width;
  const int first = static_cast<int>(threadIdx.x) * V;
  Pack<float, V> held[kHeld];
  float top = kLeast, sum = 0;
  SIMT_UNROLL
  for (int p = 0; p < kHeld; ++p) {
    const bool there = first + p * kStep < width;
    if (there) held[p] = load<float, V>(xi + first + p * kStep);
    for (int k = 0; k < V; ++k) {
      if (!there) held[p].at[k] = -INFINITY;  // exp of it is 0
      top = fmaxf(top, held[p].at[k]);
    }
  }
  for (int j = first + kHeld * kStep; j < width; j += kStep) {
    const Pack<float, V> a = load<float, V>(xi + j);
    for (int k = 0; k < V; ++k) top = fmaxf(top, a.at[k]);
  }
  top = shuffled(top, Larger());
  SIMT_UNROLL
  for (int p = 0; p < kHeld; ++p)
    for (int k = 0; k < V; ++k) sum += held[p].at[k] = expf(held[p].at[k] - top);
  for (int j = first + kHeld * kStep; j < width; j += kStep) {
    const Pack<float, V> a = load<float, V>(xi + j);
    for (int k = 0; k < V; ++k) sum += expf(a.at[k] - top);
  }
  const float factor = 1 / shuffled(sum, Plus());
  SIMT_UNROLL
  for (int p = 0; p < kHeld; ++p) {
    for (int k = 0; k < V; ++k) held[p].at[k] *= factor;
    if (first + p * kStep < width) store<float, V>(yi + first + p * kStep, held[p]);
  }
  for (int j = first + kHeld * kStep; j < width; j += kStep) {
    Pack<float, V> a = load<float, V>(xi + j);
    for (int k = 0; k < V; ++k) a.at[k] = expf(a.at[k] - top) * factor;
    store<float, V>(yi + j, a);
  }
}

void run_1(std::span<const Tensor> in, const Tensor& out) {
  const int64_t rows = out.shape()[0];
  simt::launch(softmax_1, dim3(blocks(rows, kThreads)), dim3(kThreads), 0, in[0].data<float>(),
               out.data<float>(), rows, static_cast<int>(out.shape()[1]));
}
using Rows = void (*)(const float*, float*, int);
template <Rows scalar, Rows packed = scalar>
void run(std::span<const Tensor> in, const Tensor& out) {  // a block a row
  const float* const x = in[0].data<float>();
  float* const y = out.data<float>();
  const int64_t width = out.shape()[1];
  simt::launch(packs<float>(width, {x, y}) ? packed : scalar, dim3(blocks(out.shape()[0], 1)), dim3(kThreads),
               0, x, y, static_cast<int>(width));
}
void run_6(std::span<const Tensor> in, const Tensor& out) {
  const int64_t width = out.shape()[1];
  if (width <= 4 * kThreads)
    run<softmax_6<1, 4>, softmax_6<4, 1>>(in, out);
  else if (width <= 8 * kThreads)
    run<softmax_6<1, 8>, softmax_6<4, 2>>(in, out);
  else if (width <= 16 * kThreads)
    run<softmax_6<1, 8>, softmax_6<4, 4>>(in, out);
  else
    run<softmax_6<1, 8>, softmax_6<4, 8>>(in, out);
}
const LadderStep kSteps[] = {{"softmax", 1, "one thread a row", DType::f32, run_1},
                             {"softmax", 2, "a block a row", DType::f32, run<softmax_2>},
                             {"softmax", 3, "warp shuffles", DType::f32, run<softmax_3>},
                             {"softmax", 4, "online: one pass less", DType::f32, run<softmax_4>},
                             {"softmax", 5, "packs of 16 bytes", DType::f32, run<softmax_5<1>, softmax_5<4>>},
                             {"softmax", 6, "in registers", DType::f32, run_6}};
}  // namespace
std::span<const LadderStep> softmax_ladder() { return kSteps; }
}  // namespace rum::cuda
