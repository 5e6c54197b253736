// GPU twin of src/ops/head_loss.cc: cross-entropy and, in place of the logits, its gradient (`scale`
// is in pointwise.cu).
#include "cuda/softmax.h"
#include "ops/head_loss.h"

namespace rum::cuda {
namespace {
// Threads: one block per row.
// Reads: each logit once from memory and, for the gradient, once more from the cache.
// Writes: the gradient over the logits; nll once per row.
// Sums: each thread its packs in order, relative to its largest so far; then 32 lanes, then the
// warps, as butterflies.
// Limit: memory.
// Ladder: none.
template <class T>
__global__ void __launch_bounds__(2 * kRowThreads, 2)
    cross_entropy_row(T* logits, const int32_t* targets, const float* weights, float smoothing,
                      const StepInputs* in, bool gradient, float* nll, int64_t width) {
  const int64_t row = blockIdx.x, target = targets[row];
  T* const z = logits + row * width;
  // A target outside the vocabulary makes loss and gradient NaN, and the step is skipped.
  const float right = target >= 0 && target < width ? to_float(z[target]) : NAN;
  Softmax p = Softmax::none();
  along_row(z, 0, width, [&]<int V>(int64_t, const float(&x)[V]) { p.take(x); });
  p = join_block(p);  // from here on the logits may be overwritten
  const float log2_sum = p.log2_sum(), spread = smoothing / static_cast<float>(width);
  if (threadIdx.x == 0) nll[row] = log2_sum / kLog2e - (1 - smoothing) * right - spread * p.total;
  if (!gradient) return;
  const float w = weights[row] / (in != nullptr ? in->total_weight : 1.0f);
  const float shift = w * ((right == right ? 0.0f : right) - spread);
  const float mended = w * (simt::exp2_approx(right * kLog2e - log2_sum) - (1 - smoothing)) + shift;
  auto slope = [&](float x) { return w * simt::exp2_approx(x * kLog2e - log2_sum) + shift; };
  along_row(z, 0, width, [&]<int V>(int64_t j, const float(&x)[V]) {
    if constexpr (V == 1) {
      z[j] = from_float<T>(slope(x[0]));
    } else {
      Floats<T> to;
      for (int k = 0; k < V; ++k) to.at[k] = slope(x[k]);
      simt::stv(z + j, pack<T>(to));
    }
  });
  __syncthreads();  // the target's number is corrected afterwards, so the loop has no test for it
  if (threadIdx.x == 0 && target >= 0 && target < width) z[target] = from_float<T>(mended);
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
  for (int64_t i = threadIdx.x; i < n; i += kRowThreads) sum += weights[i] / divisor * nll[i];
  sum = block_sum<float, kRowThreads>(sum);
  if (threadIdx.x == 0) *loss = first ? sum : *loss + sum;
}

void cross_entropy(Tensor& logits, const Tensor& targets, const Tensor& weights, float smoothing,
                   const StepInputs* in, bool gradient, bool first, Tensor& nll, Tensor& loss) {
  by_device_type(logits.dtype(), [&]<class T> {
    const int64_t n = logits.shape()[0], v = logits.shape()[1];
    // A multiprocessor works on the rows of 2048 threads at once. Long rows get twice as many threads each, so
    // there are half as many of them: more would not stay in the cache until they are read again.
    const bool doubled = v * static_cast<int64_t>(sizeof(T)) > 64 * 1024;
    const unsigned threads = doubled ? 2 * kRowThreads : row_threads(v, sizeof(T));
    simt::launch(cross_entropy_row<T>, dim3(static_cast<unsigned>(n)), dim3(threads), 0, logits.data<T>(),
                 targets.data<int32_t>(), weights.data<float>(), smoothing, in, gradient, nll.data<float>(),
                 v);
    simt::launch(sum_rows, dim3(1), dim3(kRowThreads), 0, nll.data<float>(), weights.data<float>(), in, first,
                 n, loss.data<float>());
  });
}
const bool provided = kernels::cross_entropy.provide(DeviceKind::cuda, cross_entropy);
}  // namespace
}  // namespace rum::cuda
