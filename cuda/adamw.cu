// GPU twin of src/optim/adamw.cc: the norm of all gradients, and the update in one pass over the flat block.
#include "cuda/kernel.h"
#include "optim/adamw.h"

namespace rum::cuda {
namespace {
constexpr int kThreads = 256;
constexpr int64_t kChunk = 16384;  // gradients in one partial sum: AdamW sizes `partial` for it

// Threads: a block per 16384 gradients.
// Reads: each gradient once. Writes: one f64 per block.
// Sums: squares in f64, each thread every 256th in order, then a butterfly, then the warps in order.
// Limit: memory; share not measured yet (no GPU so far).
// Ladder: none yet.
__global__ void squares(const float* g, int64_t n, double* partial) {
  const int64_t first = blockIdx.x * kChunk, end = first + kChunk < n ? first + kChunk : n;
  double sum = 0;
  for (int64_t i = first + threadIdx.x; i < end; i += kThreads) {
    const double v = static_cast<double>(g[i]);
    sum += v * v;
  }
  sum = block_sum<double, kThreads>(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}
// Threads: one block. Reads: the partial sums. Writes: the norm. Sums: as above, over the partial sums.
// Limit: the launch. Ladder: none.
__global__ void root(const double* partial, int64_t n, float* out) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += kThreads) sum += partial[i];
  sum = block_sum<double, kThreads>(sum);
  if (threadIdx.x == 0) *out = static_cast<float>(sqrt(sum));
}

// Threads: one per number.
// Reads: gradient, weight, both moments once (16 bytes). Writes: weight, moments, bf16 shadow (14 bytes).
// Sums: none.
// Limit: memory; share not measured yet (no GPU so far).
// Ladder: none: it is the simple form.
__global__ void update_each(float* w, const float* g, float* m, float* v, simt::bf16* shadow, int64_t n,
                            int64_t decayed, AdamWConfig c, const StepInputs* in, const float* norm) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const float length = *norm;
  if (i >= n || !(length <= 3.402823466e38f)) return;  // infinite or not a number: the step is skipped
  const float clip = c.clip > 0 && length > c.clip ? c.clip / length : 1.0f;
  const float d = clip * g[i];
  const float a = c.beta1 * m[i] + (1 - c.beta1) * d, b = c.beta2 * v[i] + (1 - c.beta2) * d * d;
  const float decay = i < decayed ? c.weight_decay : 0.0f;
  const float step = a / in->bias1 / (sqrtf(b / in->bias2) + c.epsilon);
  const float next = w[i] - in->learning_rate * (step + decay * w[i]);
  m[i] = a, v[i] = b, w[i] = next;
  if (shadow != nullptr) shadow[i] = simt::to_bf(next);
}

void norm(const Tensor& grads, const Tensor& partial, const Tensor& out) {
  if (grads.dtype() != DType::f32) fail_no_type(grads.dtype());
  simt::launch(squares, dim3(blocks(grads.size(), kChunk)), dim3(kThreads), 0, grads.data<float>(),
               grads.size(), partial.data<double>());
  simt::launch(root, dim3(1), dim3(kThreads), 0, partial.data<double>(), partial.size(), out.data<float>());
}
void update(const ParameterBlock& params, const AdamWConfig& c, const StepInputs* in, const Tensor& norm,
            const Tensor& m, const Tensor& v) {
  if (m.dtype() != DType::f32) fail_no_type(m.dtype());
  simt::launch(update_each, dim3(blocks(m.size(), kThreads)), dim3(kThreads), 0,
               params.master().data<float>(), params.grads().data<float>(), m.data<float>(), v.data<float>(),
               params.shadow() ? params.shadow().data<simt::bf16>() : nullptr, m.size(), params.decayed(), c,
               in, norm.data<float>());
}
const bool provided = kernels::gradient_norm.provide(DeviceKind::cuda, norm) &&
                      kernels::adamw.provide(DeviceKind::cuda, update);
}  // namespace
}  // namespace rum::cuda
