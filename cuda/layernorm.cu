// GPU twin of src/ops/layernorm.cc: forward with and without a residual, and its three gradients.
#include "cuda/kernel.h"
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

// All three gradients in one pass, if a lane can hold its part of a row: width <= 1024.
constexpr int kSpan = 256;  // columns that a warp takes at a time, 8 per lane
constexpr int kWidest = 4;  // spans
// This many blocks fit into a multiprocessor's registers; the grid is one wave of blocks on an H100, each
// with its own rows.
template <int kSpans>
constexpr int kResident = kSpans < kWidest ? 3 : 2;
template <int kSpans>
int64_t rows_together(int64_t rows) {
  const int64_t all = 132 * kResident<kSpans>, even = (rows + all - 1) / all, least = 4 * kWarps;
  return even < least ? least : even;
}
// Threads: a block has some neighbouring rows, each of its warps every 4th of them; a lane has the same 8
// columns of each span in all rows.
// Reads: r and dy once; dr too when it adds; weight once per block.
// Writes: dr once; two numbers per column and block.
// Sums: mean of d and of d xhat as in backward_rows; of a column each warp its rows in order, then
// the warps in order.
// Limit: memory.
// Ladder: none; backward_rows above with the sums of WeightTerm.
template <class T, int kSpans>
__global__ void __launch_bounds__(32 * kWarps, kResident<kSpans>)
    backward_together(const T* r, const T* weight, const float* mean, const float* rstd, const T* dy, T* dr,
                      bool add, int64_t rows, int width, int64_t each, float* partial) {
  constexpr int V = kPack<T>, kPacks = kSpans * kSpan / 32 / V;
  SIMT_SHARED(float, part, [kWarps][kSpans * kSpan]);
  const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  const int64_t first = blockIdx.x * each, end = first + each < rows ? first + each : rows;
  Pack<T, V> w[kPacks] = {};
  float sum[2][kPacks][V] = {};  // dweight, dbias
  SIMT_UNROLL
  for (int q = 0; q < kPacks; ++q)
    if (const int j = (q * 32 + lane) * V; j < width) w[q] = load<T, V>(weight + j);
  for (int64_t row = first + warp; row < end; row += kWarps) {
    const int64_t at = row * width + lane * V;
    Pack<T, V> x[kPacks] = {}, g[kPacks] = {}, to[kPacks];  // 0 past the end of the row: adds nothing
    SIMT_UNROLL
    for (int q = 0; q < kPacks; ++q)
      if ((q * 32 + lane) * V < width) {
        x[q] = load<T, V>(r + at + q * 32 * V);
        g[q] = load<T, V>(dy + at + q * 32 * V);
        if (add) to[q] = load<T, V>(dr + at + q * 32 * V);
      }
    const float m = mean[row], s = rstd[row];
    float a = 0, b = 0;
    SIMT_UNROLL
    for (int q = 0; q < kPacks; ++q) {
      SIMT_UNROLL
      for (int k = 0; k < V; ++k) {
        const float dyk = to_float(g[q].at[k]), d = dyk * to_float(w[q].at[k]),
                    xhat = (to_float(x[q].at[k]) - m) * s;
        a += d;
        b += d * xhat;
        sum[0][q][k] += dyk * xhat;
        sum[1][q][k] += dyk;
      }
    }
    a = warp_sum(a) / static_cast<float>(width);
    b = warp_sum(b) / static_cast<float>(width);
    SIMT_UNROLL
    for (int q = 0; q < kPacks; ++q) {
      if ((q * 32 + lane) * V >= width) continue;
      SIMT_UNROLL
      for (int k = 0; k < V; ++k) {
        const float d = to_float(g[q].at[k]) * to_float(w[q].at[k]);
        const float dx = (d - a - (to_float(x[q].at[k]) - m) * s * b) * s;
        to[q].at[k] = from_float<T>(add ? dx + to_float(to[q].at[k]) : dx);
      }
      store<T, V>(dr + at + q * 32 * V, to[q]);
    }
  }
  SIMT_UNROLL
  for (int which = 0; which < 2; ++which) {
    if (which > 0) __syncthreads();
    SIMT_UNROLL
    for (int q = 0; q < kPacks; ++q) {
      SIMT_UNROLL
      for (int k = 0; k < V; ++k) part[warp][(q * V + k) * 32 + lane] = sum[which][q][k];
    }
    __syncthreads();
    for (int t = static_cast<int>(threadIdx.x); t < kSpans * kSpan; t += 32 * kWarps) {
      const int q = t / 32 / V, j = (q * 32 + t % 32) * V + t / 32 % V;
      float all = 0;
      for (int n = 0; n < kWarps; ++n) all += part[n][t];
      if (j < width) partial[(static_cast<int64_t>(which) * gridDim.x + blockIdx.x) * width + j] = all;
    }
  }
}
template <class G>
struct Wanted {  // one of the two sums; null: not needed
  G* to = nullptr;
  bool add = false;
};
// Threads: 32 columns x 8 of the previous kernel's blocks, for dweight and for dbias.
// Reads: two numbers per column and block. Writes: one number per column and sum.
// Sums: each thread every 8th block in order, then the 8 in order.
// Limit: the launch.
// Ladder: none.
template <class G>
__global__ void finish_weights(const float* partial, int count, int width, Wanted<G> dweight,
                               Wanted<G> dbias) {
  SIMT_SHARED(float, part, [kColumnLanes][32]);
  const int j = static_cast<int>(blockIdx.x * 32 + threadIdx.x), which = static_cast<int>(blockIdx.y);
  float sum = 0;
  if (j < width)
    for (int c = static_cast<int>(threadIdx.y); c < count; c += kColumnLanes)
      sum += partial[(static_cast<int64_t>(which) * count + c) * width + j];
  part[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  const Wanted<G> wanted = which == 0 ? dweight : dbias;
  if (threadIdx.y != 0 || j >= width || wanted.to == nullptr) return;
  float all = wanted.add ? to_float(wanted.to[j]) : 0.0f;
  for (int l = 0; l < kColumnLanes; ++l) all += part[l][threadIdx.x];
  wanted.to[j] = from_float<G>(all);
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
    const bool wide =
        packs<T>(c, {x.data<T>(), d, weight.data<T>(), bias.data<T>(), r.data<T>(), y.data<T>()});
    simt::launch(wide ? forward_rows<T, kPack<T>> : forward_rows<T, 1>, dim3(blocks(n, kWarps)),
                 dim3(32 * kWarps), 0, x.data<T>(), d, weight.data<T>(), bias.data<T>(), epsilon, r.data<T>(),
                 y.data<T>(), mean.data<float>(), rstd.data<float>(), n, static_cast<int>(c));
  });
}
template <class T>
void together(const Tensor& r, const Tensor& weight, const Tensor& mean, const Tensor& rstd, const Tensor& dy,
              const Grad& dr, const Grad& dweight, const Grad& dbias) {
  const int64_t n = r.shape().rows(), c = r.shape()[-1];
  Tensor partial;
  auto run = [&]<int kSpans> {
    const int64_t each = rows_together<kSpans>(n), count = (n + each - 1) / each;
    partial = Tensor::empty({2, count, c}, DType::f32, DeviceKind::cuda);
    simt::launch(backward_together<T, kSpans>, dim3(static_cast<unsigned>(count)), dim3(32 * kWarps), 0,
                 r.data<T>(), weight.data<T>(), mean.data<float>(), rstd.data<float>(), dy.data<T>(),
                 dr.to().data<T>(), dr.add(), n, static_cast<int>(c), each, partial.data<float>());
  };
  if (c <= kSpan)
    run.template operator()<1>();
  else if (c <= 2 * kSpan)
    run.template operator()<2>();
  else if (c <= 3 * kSpan)
    run.template operator()<3>();
  else
    run.template operator()<kWidest>();
  by_device_type((dweight ? dweight : dbias).to().dtype(), [&]<class G> {
    auto wanted = [](const Grad& d) {
      return d ? Wanted<G>{d.to().template data<G>(), d.add()} : Wanted<G>{};
    };
    simt::launch(finish_weights<G>, dim3(blocks(c, 32), 2), dim3(32, kColumnLanes), 0, partial.data<float>(),
                 static_cast<int>(partial.shape()[1]), static_cast<int>(c), wanted(dweight), wanted(dbias));
  });
}
void backward(const Tensor& r, const Tensor& weight, const Tensor& mean, const Tensor& rstd, const Tensor& dy,
              const Grad& dr, const Grad& dweight, const Grad& dbias) {
  by_device_type(r.dtype(), [&]<class T> {
    const int64_t n = r.shape().rows(), c = r.shape()[-1];
    if (dr && (dweight || dbias) && c <= kWidest * kSpan &&
        packs<T>(c, {r.data<T>(), weight.data<T>(), dy.data<T>(), dr.to().data<T>()}))
      return together<T>(r, weight, mean, rstd, dy, dr, dweight, dbias);
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
