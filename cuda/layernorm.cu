// GPU twin of src/ops/layernorm.cc: forward with and without a residual, and its three gradients.
#include "cuda/norm.h"
#include "ops/layernorm.h"

namespace rum::cuda {
namespace {
constexpr int kWarps = 4;  // rows a block works on at once

// Threads: one warp per row, each lane V neighbouring numbers of every 32 V.
// Reads: x (and delta) once from memory, r twice more from the cache; weight and bias from the cache.
// Writes: y once, r once where there is a delta; mean and rstd once per row.
// Sums: each lane in order, then the 32 lanes as a butterfly: mean first, then the squares around it.
// Limit: memory.
// Ladder: cuda/ladder/layernorm.cu, six steps to this kernel.
template <class T, int V>
__global__ void forward_rows(const T* x, const T* delta, const T* weight, const T* bias, float epsilon, T* r,
                             T* y, float* mean, float* rstd, int64_t rows, int width) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32;
  if (row >= rows) return;  // the whole warp returns together
  const int lane = static_cast<int>(threadIdx.x % 32) * V;
  const T* xi = x + row * width;
  T* yi = y + row * width;
  float m = 0, v = 0;
  for (int j = lane; j < width; j += 32 * V) {
    Pack<T, V> a = load<T, V>(xi + j);
    if (delta != nullptr) {
      const Pack<T, V> d = load<T, V>(delta + row * width + j);
      for (int k = 0; k < V; ++k) a.at[k] = from_float<T>(to_float(a.at[k]) + to_float(d.at[k]));
      store<T, V>(r + row * width + j, a);
    }
    for (int k = 0; k < V; ++k) m += to_float(a.at[k]);
  }
  if (delta != nullptr) xi = r + row * width;  // each lane reads back only what it wrote itself
  m = warp_sum(m) / static_cast<float>(width);
  for (int j = lane; j < width; j += 32 * V) {
    const Pack<T, V> a = load<T, V>(xi + j);
    for (int k = 0; k < V; ++k) v += (to_float(a.at[k]) - m) * (to_float(a.at[k]) - m);
  }
  const float s = 1.0f / sqrtf(warp_sum(v) / static_cast<float>(width) + epsilon);
  for (int j = lane; j < width; j += 32 * V) {
    const Pack<T, V> a = load<T, V>(xi + j), w = load<T, V>(weight + j), b = load<T, V>(bias + j);
    Pack<T, V> out;
    for (int k = 0; k < V; ++k)
      out.at[k] = from_float<T>((to_float(a.at[k]) - m) * s * to_float(w.at[k]) + to_float(b.at[k]));
    store<T, V>(yi + j, out);
  }
  if (lane == 0) {
    mean[row] = m;
    rstd[row] = s;
  }
}

// Threads: one warp per row, as forward.
// Reads: r and dy once from memory and once more from the cache; dr too when it adds.
// Writes: dr once.
// Sums: mean of d and of d xhat (d = dy weight): each lane in order, then a butterfly.
// Limit: memory.
// Ladder: none; the sums and the walk are those of forward, cuda/ladder/layernorm.cu.
template <class T, int V>
__global__ void backward_rows(const T* r, const T* weight, const float* mean, const float* rstd, const T* dy,
                              T* dr, bool add, int64_t rows, int width) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32;
  if (row >= rows) return;
  const int lane = static_cast<int>(threadIdx.x % 32) * V;
  const T *ri = r + row * width, *gi = dy + row * width;
  T* out = dr + row * width;
  const float m = mean[row], s = rstd[row];
  float a = 0, b = 0;
  for (int j = lane; j < width; j += 32 * V) {
    const Pack<T, V> x = load<T, V>(ri + j), g = load<T, V>(gi + j), w = load<T, V>(weight + j);
    for (int k = 0; k < V; ++k) {
      const float d = to_float(g.at[k]) * to_float(w.at[k]);
      a += d;
      b += d * (to_float(x.at[k]) - m) * s;
    }
  }
  a = warp_sum(a) / static_cast<float>(width);
  b = warp_sum(b) / static_cast<float>(width);
  for (int j = lane; j < width; j += 32 * V) {
    const Pack<T, V> x = load<T, V>(ri + j), g = load<T, V>(gi + j), w = load<T, V>(weight + j);
    Pack<T, V> to;
    if (add) to = load<T, V>(out + j);
    for (int k = 0; k < V; ++k) {
      const float d = to_float(g.at[k]) * to_float(w.at[k]);
      const float dx = (d - a - (to_float(x.at[k]) - m) * s * b) * s;
      to.at[k] = from_float<T>(add ? dx + to_float(to.at[k]) : dx);
    }
    store<T, V>(out + j, to);
  }
}

template <class T>
struct WeightTerm {  // dweight += dy xhat, dbias += dy
  static constexpr int kSums = 2;
  const T *r, *dy;
  const float *mean, *rstd;
  int64_t width;
  template <int V>
  __device__ void at(int64_t i, int64_t j, float (&sum)[2][V]) const {
    const Pack<T, V> x = load<T, V>(r + i * width + j), d = load<T, V>(dy + i * width + j);
    const float m = mean[i], s = rstd[i];
    for (int k = 0; k < V; ++k) {
      const float g = to_float(d.at[k]);
      sum[0][k] += g * (to_float(x.at[k]) - m) * s;
      sum[1][k] += g;
    }
  }
};

void forward(const Tensor& x, const Tensor& delta, const Tensor& weight, const Tensor& bias, float epsilon,
             Tensor& r, Tensor& y, Tensor& mean, Tensor& rstd) {
  by_device_type(x.dtype(), [&]<class T> {
    const int64_t n = x.shape().rows(), c = x.shape()[-1];
    const T* d = delta ? delta.data<T>() : nullptr;
    if (norm_held<T, true>(x, d, weight.data<T>(), bias.data<T>(), epsilon, r, y, mean.data<float>(), rstd))
      return;
    const bool wide =
        packs<T>(c, {x.data<T>(), d, weight.data<T>(), bias.data<T>(), r.data<T>(), y.data<T>()});
    simt::launch(wide ? forward_rows<T, kPack<T>> : forward_rows<T, 1>, dim3(blocks(n, kWarps)),
                 dim3(32 * kWarps), 0, x.data<T>(), d, weight.data<T>(), bias.data<T>(), epsilon, r.data<T>(),
                 y.data<T>(), mean.data<float>(), rstd.data<float>(), n, static_cast<int>(c));
  });
}
void backward(const Tensor& r, const Tensor& weight, const Tensor& mean, const Tensor& rstd, const Tensor& dy,
              const Grad& dr, const Grad& dweight, const Grad& dbias) {
  by_device_type(r.dtype(), [&]<class T> {
    const int64_t n = r.shape().rows(), c = r.shape()[-1];
    if (norm_fits_together<T>(r, weight, dy, dr, dweight || dbias))
      return norm_backward<T, true>(r, weight, mean, rstd, dy, dr, dweight, dbias);
    if (dr) {
      T* out = dr.to().data<T>();
      const bool wide = packs<T>(c, {r.data<T>(), weight.data<T>(), dy.data<T>(), out});
      simt::launch(wide ? backward_rows<T, kPack<T>> : backward_rows<T, 1>, dim3(blocks(n, kWarps)),
                   dim3(32 * kWarps), 0, r.data<T>(), weight.data<T>(), mean.data<float>(),
                   rstd.data<float>(), dy.data<T>(), out, dr.add(), n, static_cast<int>(c));
    }
    if (dweight || dbias)
      column_sums<kPack<T>>(
          WeightTerm<T>{r.data<T>(), dy.data<T>(), mean.data<float>(), rstd.data<float>(), c}, n, c,
          packs<T>(c, {r.data<T>(), dy.data<T>()}), {dweight, dbias});
  });
}
const bool provided = kernels::layernorm_forward.provide(DeviceKind::cuda, forward) &&
                      kernels::layernorm_backward.provide(DeviceKind::cuda, backward);
}  // namespace
}  // namespace rum::cuda
