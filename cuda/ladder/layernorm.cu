// Layer norm of each row of x (rows, width) in six steps: y = (x - mean) / sqrt(variance + 1e-5) weight +
// bias. Each output must read 4 bytes and write 4 (weight and bias come from the cache): as with softmax,
// memory is the bound from the first step on, and the steps try to get close to it. The last step is the
// program's own kernel.
#include "cuda/kernel.h"
#include "cuda/ladder/ladder.h"

namespace rum::cuda {
namespace {
constexpr int kThreads = 256, kWarps = kThreads / 32;
constexpr float kEpsilon = 1e-5f;
struct Norm {
  const float *x, *weight, *bias;
  float* y;
  int64_t rows;
  int width;
};

// 1. The formula: a thread has a row and walks along it three times: for the mean, for the squared deviations
// and for the output. The lanes of a warp are `width` numbers apart: each load touches 32 sectors of 32 bytes
// for 4 bytes of each. 8192 rows are 8192 threads, where an H200 holds 270,000.
//
// Threads: one a row.
// Reads: 3 x 4 bytes per output, up to 3 x 32. Writes: 4 bytes, up to 32.
// Sums: the row in order: mean first, then the squared deviations.
// Limit: most of each sector read is unused, and there are too few threads.
// Ladder: step 1 of 6.
__global__ void layernorm_1(Norm n) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (row >= n.rows) return;
  const float* const x = n.x + row * n.width;
  float* const y = n.y + row * n.width;
  float m = 0, v = 0;
  for (int j = 0; j < n.width; ++j) m += x[j];
  m /= static_cast<float>(n.width);
  for (int j = 0; j < n.width; ++j) v += (x[j] - m) * (x[j] - m);
  const float s = 1.0f / sqrtf(v / static_cast<float>(n.width) + kEpsilon);
  for (int j = 0; j < n.width; ++j) y[j] = (x[j] - m) * s * n.weight[j] + n.bias[j];
}

// 2. A block a row: neighbouring threads have neighbouring numbers, so every sector is used in full, and
// there are 256 times as many threads to hide the latency of memory. Both sums need the whole block: a tree
// in shared memory, 8 halvings with a barrier each.
//
// Threads: a block a row; each every 256th number.
// Reads: 3 x 4 bytes per output. Writes: 4 bytes.
// Sums: each thread in order, then 256 in a tree: mean first, then the squared deviations.
// Limit: barriers, 20 a row.
// Ladder: step 2 of 6.
__device__ float tree_sum(float v) {  // every thread gets the sum
  SIMT_SHARED(float, part, [kThreads]);
  const int i = static_cast<int>(threadIdx.x);
  __syncthreads();  // no thread reads the previous sum any more
  part[i] = v;
  __syncthreads();
  for (int half = kThreads / 2; half > 0; half /= 2) {
    if (i < half) part[i] += part[i + half];
    __syncthreads();
  }
  return part[0];
}
__global__ void layernorm_2(Norm n) {
  const float* const x = n.x + static_cast<int64_t>(blockIdx.x) * n.width;
  float* const y = n.y + static_cast<int64_t>(blockIdx.x) * n.width;
  const int first = static_cast<int>(threadIdx.x);
  float m = 0, v = 0;
  for (int j = first; j < n.width; j += kThreads) m += x[j];
  m = tree_sum(m) / static_cast<float>(n.width);
  for (int j = first; j < n.width; j += kThreads) v += (x[j] - m) * (x[j] - m);
  const float s = 1.0f / sqrtf(tree_sum(v) / static_cast<float>(n.width) + kEpsilon);
  for (int j = first; j < n.width; j += kThreads) y[j] = (x[j] - m) * s * n.weight[j] + n.bias[j];
}

// 3. Warp shuffles: 32 lanes add up their registers in 5 exchanges, without shared memory or barriers. Only
// the 8 sums of the warps go through shared memory: 2 barriers a sum where the tree has 10.
//
// Threads: a block a row; each every 256th number.
// Reads: 3 x 4 bytes per output. Writes: 4 bytes.
// Sums: each thread in order, 32 lanes as a butterfly, 8 warps in order: mean first, then the squares.
// Limit: two sums one after the other, each with its own pass over the row.
// Ladder: step 3 of 6.
__device__ float shuffled_sum(float v) {  // every thread gets the sum
  SIMT_SHARED(float, part, [kWarps]);
  v = warp_sum(v);
  __syncthreads();  // no thread reads the previous sums any more
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = v;
  __syncthreads();
  float sum = 0;
  for (int w = 0; w < kWarps; ++w) sum += part[w];
  return sum;
}
__global__ void layernorm_3(Norm n) {
  const float* const x = n.x + static_cast<int64_t>(blockIdx.x) * n.width;
  float* const y = n.y + static_cast<int64_t>(blockIdx.x) * n.width;
  const int first = static_cast<int>(threadIdx.x);
  float m = 0, v = 0;
  for (int j = first; j < n.width; j += kThreads) m += x[j];
  m = shuffled_sum(m) / static_cast<float>(n.width);
  for (int j = first; j < n.width; j += kThreads) v += (x[j] - m) * (x[j] - m);
  const float s = 1.0f / sqrtf(shuffled_sum(v) / static_cast<float>(n.width) + kEpsilon);
  for (int j = first; j < n.width; j += kThreads) y[j] = (x[j] - m) * s * n.weight[j] + n.bias[j];
}

// 4. Mean and squared deviations in one pass (Welford 1962; Chan 1979 for joining). The short form, mean of
// x^2 minus mean^2, would lose all digits where the mean is large; this one carries the count, the mean and
// the squared deviations, and two parts of a row join as if they had been one. 12 bytes per output instead of
// 16.
//
// Threads: a block a row; each every 256th number.
// Reads: 2 x 4 bytes per output. Writes: 4 bytes.
// Sums: each thread in order, 32 lanes as a butterfly, then 8 warps in order.
// Limit: memory, and a division per number read.
// Ladder: step 4 of 6.
struct Moments {
  float count, mean, squares;
  __device__ void take(float x) {
    count += 1;
    const float away = x - mean;
    mean += away / count;
    squares += away * (x - mean);
  }
  __device__ void join(const Moments& o) {
    const float all = count + o.count;
    if (all == 0) return;
    const float away = o.mean - mean, share = o.count / all;
    squares += o.squares + away * away * count * share;
    mean += away * share;
    count = all;
  }
};
__device__ Moments joined(Moments p) {  // every thread gets the block's
  SIMT_SHARED(Moments, part, [kWarps]);
  SIMT_UNROLL
  for (int o = 16; o > 0; o /= 2)
    p.join({__shfl_xor_sync(0xffffffffu, p.count, o), __shfl_xor_sync(0xffffffffu, p.mean, o),
            __shfl_xor_sync(0xffffffffu, p.squares, o)});
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = p;
  __syncthreads();
  p = part[0];
  for (int w = 1; w < kWarps; ++w) p.join(part[w]);
  return p;
}
__global__ void layernorm_4(Norm n) {
  const float* const x = n.x + static_cast<int64_t>(blockIdx.x) * n.width;
  float* const y = n.y + static_cast<int64_t>(blockIdx.x) * n.width;
  const int first = static_cast<int>(threadIdx.x);
  Moments p = {0, 0, 0};
  for (int j = first; j < n.width; j += kThreads) p.take(x[j]);
  p = joined(p);
  const float s = 1.0f / sqrtf(p.squares / static_cast<float>(n.width) + kEpsilon);
  for (int j = first; j < n.width; j += kThreads) y[j] = (x[j] - p.mean) * s * n.weight[j] + n.bias[j];
}

// 5. The row stays in registers, 8 numbers a thread: one pass is enough, so the two plain sums of step 3
// return, without divisions and over numbers that are already in registers. Rows wider than 2048 read the
// rest again.
//
// Threads: a block a row; each every 256th number.
// Reads: 4 bytes per output, 3 x 4 beyond 2048 columns. Writes: 4 bytes.
// Sums: each thread in order, 32 lanes as a butterfly, 8 warps in order: mean first, then the squares.
// Limit: memory; at 768 columns a thread has 3 loads in flight between barriers.
// Ladder: step 5 of 6.
__global__ void __launch_bounds__(kThreads) layernorm_5(Norm n) {
  constexpr int kHeld = 8;
  const float* const x = n.x + static_cast<int64_t>(blockIdx.x) * n.width;
  float* const y = n.y + static_cast<int64_t>(blockIdx.x) * n.width;
  const int first = static_cast<int>(threadIdx.x), rest = first + kHeld * kThreads;
  float held[kHeld], m = 0, v = 0;
  SIMT_UNROLL
  for (int k = 0; k < kHeld; ++k) {
    const int j = first + k * kThreads;
    held[k] = j < n.width ? x[j] : 0.0f;
    m += held[k];
  }
  for (int j = rest; j < n.width; j += kThreads) m += x[j];
  m = shuffled_sum(m) / static_cast<float>(n.width);
  SIMT_UNROLL
  for (int k = 0; k < kHeld; ++k)
    if (first + k * kThreads < n.width) v += (held[k] - m) * (held[k] - m);
  for (int j = rest; j < n.width; j += kThreads) v += (x[j] - m) * (x[j] - m);
  const float s = 1.0f / sqrtf(shuffled_sum(v) / static_cast<float>(n.width) + kEpsilon);
  SIMT_UNROLL
  for (int k = 0; k < kHeld; ++k) {
    const int j = first + k * kThreads;
    if (j < n.width) y[j] = (held[k] - m) * s * n.weight[j] + n.bias[j];
  }
  for (int j = rest; j < n.width; j += kThreads) y[j] = (x[j] - m) * s * n.weight[j] + n.bias[j];
}

// 6. A warp a row, packs of 16 bytes: there are no barriers, at which 256 threads had to wait for the
// slowest, and a lane reads 6 packs at 768 columns where a thread of step 5 reads 3 numbers. The row is read
// three times again, but the 64 warps that a multiprocessor holds have 3 KB each: they fit into its 256 KB of
// L1 cache, and memory is read once.
//
// Threads: a warp a row, each lane a pack of V neighbours of every 32 V.
// Reads: 4 bytes per output from memory, 2 x 4 more from the L1 cache. Writes: 4 bytes.
// Sums: each lane in order, then 32 lanes as a butterfly: mean first, then the squared deviations.
// Limit: memory, at its 8 bytes per output.
// Ladder: step 6 of 6; cuda/layernorm.cu is this kernel for f32 and bf16 and with a residual.
constexpr int kRows = 4;  // of a block
template <int V>
__global__ void layernorm_6(Norm n) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRows + threadIdx.x / 32;
  if (row >= n.rows) return;  // the whole warp returns together
  const float* const x = n.x + row * n.width;
  float* const y = n.y + row * n.width;
  const int first = static_cast<int>(threadIdx.x % 32) * V;
  float m = 0, v = 0;
  for (int j = first; j < n.width; j += 32 * V) {
    const Pack<float, V> a = load<float, V>(x + j);
    for (int k = 0; k < V; ++k) m += a.at[k];
  }
  m = warp_sum(m) / static_cast<float>(n.width);
  for (int j = first; j < n.width; j += 32 * V) {
    const Pack<float, V> a = load<float, V>(x + j);
    for (int k = 0; k < V; ++k) v += (a.at[k] - m) * (a.at[k] - m);
  }
  const float s = 1.0f / sqrtf(warp_sum(v) / static_cast<float>(n.width) + kEpsilon);
  for (int j = first; j < n.width; j += 32 * V) {
    Pack<float, V> a = load<float, V>(x + j);
    const Pack<float, V> w = load<float, V>(n.weight + j), b = load<float, V>(n.bias + j);
    for (int k = 0; k < V; ++k) a.at[k] = (a.at[k] - m) * s * w.at[k] + b.at[k];
    store<float, V>(y + j, a);
  }
}

template <void (*kernel)(Norm), int kEach, int kBlock, void (*packed)(Norm) = kernel>
void run(std::span<const Tensor> in, const Tensor& out) {  // kEach rows a block of kBlock threads
  const Norm n{in[0].data<float>(), in[1].data<float>(), in[2].data<float>(),
               out.data<float>(),   out.shape()[0],      static_cast<int>(out.shape()[1])};
  simt::launch(packs<float>(n.width, {n.x, n.weight, n.bias, n.y}) ? packed : kernel,
               dim3(blocks(n.rows, kEach)), dim3(kBlock), 0, n);
}
const LadderStep kSteps[] = {
    {"layernorm", 1, "one thread a row", DType::f32, run<layernorm_1, kThreads, kThreads>},
    {"layernorm", 2, "a block a row", DType::f32, run<layernorm_2, 1, kThreads>},
    {"layernorm", 3, "warp shuffles", DType::f32, run<layernorm_3, 1, kThreads>},
    {"layernorm", 4, "mean and squares in one pass", DType::f32, run<layernorm_4, 1, kThreads>},
    {"layernorm", 5, "in registers", DType::f32, run<layernorm_5, 1, kThreads>},
    {"layernorm", 6, "a warp a row, in packs", DType::f32,
     run<layernorm_6<1>, kRows, 32 * kRows, layernorm_6<4>>}};
}  // namespace
std::span<const LadderStep> layernorm_ladder() { return kSteps; }
}  // namespace rum::cuda
