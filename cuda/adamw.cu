// GPU twin of src/optim/adamw.cc: the norm of all gradients, and the update in one pass over the flat block.
#include "cuda/kernel.h"
#include "optim/adamw.h"

namespace rum::cuda {
namespace {
constexpr int kThreads = 256;
constexpr int64_t kChunk = 16384;  // gradients in one partial sum: AdamW sizes `partial` for it

// Threads: a block per 16384 gradients, each thread V neighbours of every 256 V.
// Reads: each gradient once. Writes: one f64 per block.
// Sums: squares in f64, each thread its own in order, then a butterfly, then the warps in order.
// Limit: memory.
// Ladder: none.
template <int V>  // divides n
__global__ void squares(const float* g, int64_t n, double* partial) {
  const int64_t first = blockIdx.x * kChunk, end = first + kChunk < n ? first + kChunk : n;
  double sum = 0;
  for (int64_t i = first + threadIdx.x * V; i < end; i += kThreads * V) {
    const Pack<float, V> x = load<float, V>(g + i);
    for (int k = 0; k < V; ++k) sum += static_cast<double>(x.at[k]) * static_cast<double>(x.at[k]);
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

template <bool kShadow>
struct Update {  // 4 numbers: gradient, weight and moments read (16 bytes each), weight, moments, shadow
                 // written
  float* w;
  const float* g;
  float *m, *v;
  simt::bf16* shadow;
  int64_t decayed;
  AdamWConfig c;
  const StepInputs* in;
  const float* norm;
  template <int V>
  __device__ void at(int64_t i) const {
    const float length = *norm;
    if (!(length <= 3.402823466e38f)) return;  // infinite or NaN: the step is skipped
    const float clip = c.clip > 0 && length > c.clip ? c.clip / length : 1.0f;
    const Pack<float, V> dw = load<float, V>(g + i);
    Pack<float, V> x = load<float, V>(w + i), a = load<float, V>(m + i), b = load<float, V>(v + i);
    Pack<simt::bf16, V> rounded;
    for (int k = 0; k < V; ++k) {
      const float d = clip * dw.at[k];
      a.at[k] = c.beta1 * a.at[k] + (1 - c.beta1) * d;
      b.at[k] = c.beta2 * b.at[k] + (1 - c.beta2) * d * d;
      const float decay = i + k < decayed ? c.weight_decay : 0.0f;
      const float step = a.at[k] / in->bias1 / (sqrtf(b.at[k] / in->bias2) + c.epsilon);
      x.at[k] -= in->learning_rate * (step + decay * x.at[k]);
      rounded.at[k] = simt::to_bf(x.at[k]);
    }
    store<float, V>(m + i, a), store<float, V>(v + i, b), store<float, V>(w + i, x);
    if constexpr (kShadow) store<simt::bf16, V>(shadow + i, rounded);
  }
};

void norm(const Tensor& grads, Tensor& partial, Tensor& out) {
  if (grads.dtype() != DType::f32) fail_no_type(grads.dtype());
  simt::launch(packs<float>(grads.size(), {grads.data<float>()}) ? squares<kPack<float>> : squares<1>,
               dim3(blocks(grads.size(), kChunk)), dim3(kThreads), 0, grads.data<float>(), grads.size(),
               partial.data<double>());
  simt::launch(root, dim3(1), dim3(kThreads), 0, partial.data<double>(), partial.size(), out.data<float>());
}
void update(ParameterBlock& params, const AdamWConfig& c, const StepInputs* in, const Tensor& norm, Tensor& m,
            Tensor& v) {
  if (m.dtype() != DType::f32) fail_no_type(m.dtype());
  auto run = [&]<bool kShadow> {
    simt::bf16* const shadow = kShadow ? params.shadow().data<simt::bf16>() : nullptr;
    float *const w = params.master().data<float>(), *const g = params.grads().data<float>();
    for_each<4>(m.size(), aligned({w, g, m.data<float>(), v.data<float>(), shadow}),
                Update<kShadow>{w, g, m.data<float>(), v.data<float>(), shadow, params.decayed(), c, in,
                                norm.data<float>()});
  };
  params.shadow() ? run.operator()<true>() : run.operator()<false>();
}
const bool provided = kernels::gradient_norm.provide(DeviceKind::cuda, norm) &&
                      kernels::adamw.provide(DeviceKind::cuda, update);
}  // namespace
}  // namespace rum::cuda
