// GPU twin of src/ops/rmsnorm.cc: forward with and without a residual, and its two gradients.
#include "cuda/norm.h"
#include "ops/rmsnorm.h"

namespace rum::cuda {
namespace {
constexpr int kWarps = 4;  // rows a block works on at once

// Threads: one warp per row, each lane V neighbouring numbers of every 32 V.
// Reads: x (and delta) once from memory, r once more from the cache; weight from the cache.
// Writes: y once, r once where there is a delta; rstd once per row.
// Sums: squares: each lane in order, then the 32 lanes as a butterfly.
// Limit: memory.
// Ladder: none: layernorm.cu has the same form.
template <class T, int V>
__global__ void forward_rows(const T* x, const T* delta, const T* weight, float epsilon, T* r, T* y,
                             float* rstd, int64_t rows, int width) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32;
  if (row >= rows) return;  // the whole warp returns together
  const int lane = static_cast<int>(threadIdx.x % 32) * V;
  const T* xi = x + row * width;
  float squares = 0;
  for (int j = lane; j < width; j += 32 * V) {
    Pack<T, V> a = load<T, V>(xi + j);
    if (delta != nullptr) {
      const Pack<T, V> d = load<T, V>(delta + row * width + j);
      for (int k = 0; k < V; ++k) a.at[k] = from_float<T>(to_float(a.at[k]) + to_float(d.at[k]));
      store<T, V>(r + row * width + j, a);
    }
    for (int k = 0; k < V; ++k) squares += to_float(a.at[k]) * to_float(a.at[k]);
  }
  if (delta != nullptr) xi = r + row * width;  // each lane reads back only what it wrote itself
  const float s = 1.0f / sqrtf(warp_sum(squares) / static_cast<float>(width) + epsilon);
  for (int j = lane; j < width; j += 32 * V) {
    const Pack<T, V> a = load<T, V>(xi + j), w = load<T, V>(weight + j);
    Pack<T, V> out;
    for (int k = 0; k < V; ++k) out.at[k] = from_float<T>(to_float(a.at[k]) * s * to_float(w.at[k]));
    store<T, V>(y + row * width + j, out);
  }
  if (lane == 0) rstd[row] = s;
}

// Threads: one warp per row, as forward.
// Reads: r and dy once from memory and once more from the cache; dr too when it adds.
// Writes: dr once.
// Sums: mean of dy weight xhat: each lane in order, then a butterfly.
// Limit: memory.
// Ladder: none: layernorm.cu has the same form.
template <class T, int V>
__global__ void backward_rows(const T* r, const T* weight, const float* rstd, const T* dy, T* dr, bool add,
                              int64_t rows, int width) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32;
  if (row >= rows) return;
  const int lane = static_cast<int>(threadIdx.x % 32) * V;
  const T *ri = r + row * width, *gi = dy + row * width;
  T* out = dr + row * width;
  const float s = rstd[row];
  float products = 0;
  for (int j = lane; j < width; j += 32 * V) {
    const Pack<T, V> x = load<T, V>(ri + j), g = load<T, V>(gi + j), w = load<T, V>(weight + j);
    for (int k = 0; k < V; ++k) products += to_float(g.at[k]) * to_float(w.at[k]) * to_float(x.at[k]);
  }
  const float b = warp_sum(products) * s / static_cast<float>(width);
  for (int j = lane; j < width; j += 32 * V) {
    const Pack<T, V> x = load<T, V>(ri + j), g = load<T, V>(gi + j), w = load<T, V>(weight + j);
    Pack<T, V> to;
    if (add) to = load<T, V>(out + j);
    for (int k = 0; k < V; ++k) {
      const float dx = (to_float(g.at[k]) * to_float(w.at[k]) - to_float(x.at[k]) * s * b) * s;
      to.at[k] = from_float<T>(add ? dx + to_float(to.at[k]) : dx);
    }
    store<T, V>(out + j, to);
  }
}

template <class T>
struct WeightTerm {  // dweight += dy xhat
  static constexpr int kSums = 1;
  const T *r, *dy;
  const float* rstd;
  int64_t width;
  template <int V>
  __device__ void at(int64_t i, int64_t j, float (&sum)[1][V]) const {
    const Pack<T, V> x = load<T, V>(r + i * width + j), d = load<T, V>(dy + i * width + j);
    const float s = rstd[i];
    for (int k = 0; k < V; ++k) sum[0][k] += to_float(d.at[k]) * to_float(x.at[k]) * s;
  }
};

void forward(const Tensor& x, const Tensor& delta, const Tensor& weight, float epsilon, Tensor& r, Tensor& y,
             Tensor& rstd) {
  by_device_type(x.dtype(), [&]<class T> {
    const int64_t n = x.shape().rows(), c = x.shape()[-1];
    const T* d = delta ? delta.data<T>() : nullptr;
    if (norm_held<T, false>(x, d, weight.data<T>(), nullptr, epsilon, r, y, nullptr, rstd)) return;
    const bool wide = packs<T>(c, {x.data<T>(), d, weight.data<T>(), r.data<T>(), y.data<T>()});
    simt::launch(wide ? forward_rows<T, kPack<T>> : forward_rows<T, 1>, dim3(blocks(n, kWarps)),
                 dim3(32 * kWarps), 0, x.data<T>(), d, weight.data<T>(), epsilon, r.data<T>(), y.data<T>(),
                 rstd.data<float>(), n, static_cast<int>(c));
  });
}
void backward(const Tensor& r, const Tensor& weight, const Tensor& rstd, const Tensor& dy, const Grad& dr,
              const Grad& dweight) {
  by_device_type(r.dtype(), [&]<class T> {
    const int64_t n = r.shape().rows(), c = r.shape()[-1];
    if (norm_fits_together<T>(r, weight, dy, dr, static_cast<bool>(dweight)))
      return norm_backward<T, false>(r, weight, {}, rstd, dy, dr, dweight, {});
    if (dr) {
      T* const out = dr.to().data<T>();
      const bool wide = packs<T>(c, {r.data<T>(), weight.data<T>(), dy.data<T>(), out});
      simt::launch(wide ? backward_rows<T, kPack<T>> : backward_rows<T, 1>, dim3(blocks(n, kWarps)),
                   dim3(32 * kWarps), 0, r.data<T>(), weight.data<T>(), rstd.data<float>(), dy.data<T>(), out,
                   dr.add(), n, static_cast<int>(c));
    }
    if (dweight)
      column_sums<kPack<T>>(WeightTerm<T>{r.data<T>(), dy.data<T>(), rstd.data<float>(), c}, n, c,
                            packs<T>(c, {r.data<T>(), dy.data<T>()}), {dweight});
  });
}
const bool provided = kernels::rmsnorm_forward.provide(DeviceKind::cuda, forward) &&
                      kernels::rmsnorm_backward.provide(DeviceKind::cuda, backward);
}  // namespace
}  // namespace rum::cuda
