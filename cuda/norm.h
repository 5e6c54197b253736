// The backward pass of layer norm and RMS norm in one kernel, where a lane can hold its part of a row (width <=
// 1024): r and dy are read once for the gradients of the input and of the weights. RMS norm is layer norm with
// a mean of 0 and without a bias.
#pragma once
#include "cuda/kernel.h"

namespace rum::cuda {
constexpr int kNormWarps = 4;  // rows a block works on at once
constexpr int kSpan = 256;     // columns that a warp takes at a time, 8 per lane
constexpr int kWidest = 4;     // spans
// This many blocks fit into a multiprocessor's registers; the grid is one wave of blocks on an H100, each
// with its own rows.
template <int kSpans>
constexpr int kResident = kSpans < kWidest ? 3 : 2;
template <int kSpans>
int64_t rows_together(int64_t rows) {
  const int64_t all = 132 * kResident<kSpans>, even = (rows + all - 1) / all, least = 4 * kNormWarps;
  return even < least ? least : even;
}
// Threads: a block has some neighbouring rows, each of its warps every 4th of them; a lane has the same 8
// columns of each span in all rows.
// Reads: r and dy once; dr too when it adds; weight once per block.
// Writes: dr once; one number per column, block and sum.
// Sums: mean of d and of d xhat (d = dy weight): each lane in order, then a butterfly; of a column each warp its rows in order, then
// the warps in order.
// Limit: memory.
// Ladder: none; the sums and the walk are those of cuda/ladder/layernorm.cu.
template <class T, int kSpans, bool kLayer>
__global__ void __launch_bounds__(32 * kNormWarps, kResident<kSpans>)
    backward_together(const T* r, const T* weight, const float* mean, const float* rstd, const T* dy, T* dr,
                      bool add, int64_t rows, int width, int64_t each, float* partial) {
  constexpr int V = kPack<T>, kPacks = kSpans * kSpan / 32 / V, kSums = kLayer ? 2 : 1;
  SIMT_SHARED(float, part, [kNormWarps][kSpans * kSpan]);
  const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  const int64_t first = blockIdx.x * each, end = first + each < rows ? first + each : rows;
  Pack<T, V> w[kPacks] = {};
  float sum[kSums][kPacks][V] = {};  // dweight, dbias
  SIMT_UNROLL
  for (int q = 0; q < kPacks; ++q)
    if (const int j = (q * 32 + lane) * V; j < width) w[q] = load<T, V>(weight + j);
  for (int64_t row = first + warp; row < end; row += kNormWarps) {
    const int64_t at = row * width + lane * V;
    Pack<T, V> x[kPacks] = {}, g[kPacks] = {}, to[kPacks];  // 0 past the end of the row: adds nothing
    SIMT_UNROLL
    for (int q = 0; q < kPacks; ++q)
      if ((q * 32 + lane) * V < width) {
        x[q] = load<T, V>(r + at + q * 32 * V);
        g[q] = load<T, V>(dy + at + q * 32 * V);
        if (add) to[q] = load<T, V>(dr + at + q * 32 * V);
      }
    const float m = kLayer ? mean[row] : 0.0f, s = rstd[row];
    float a = 0, b = 0;
    SIMT_UNROLL
    for (int q = 0; q < kPacks; ++q) {
      SIMT_UNROLL
      for (int k = 0; k < V; ++k) {
        const float dyk = to_float(g[q].at[k]), d = dyk * to_float(w[q].at[k]),
                    xhat = (to_float(x[q].at[k]) - m) * s;
        if constexpr (kLayer) a += d;
        b += d * xhat;
        sum[0][q][k] += dyk * xhat;
        if constexpr (kLayer) sum[1][q][k] += dyk;
      }
    }
    if constexpr (kLayer) a = warp_sum(a) / static_cast<float>(width);
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
  for (int which = 0; which < kSums; ++which) {
    if (which > 0) __syncthreads();
    SIMT_UNROLL
    for (int q = 0; q < kPacks; ++q) {
      SIMT_UNROLL
      for (int k = 0; k < V; ++k) part[warp][(q * V + k) * 32 + lane] = sum[which][q][k];
    }
    __syncthreads();
    for (int t = static_cast<int>(threadIdx.x); t < kSpans * kSpan; t += 32 * kNormWarps) {
      const int q = t / 32 / V, j = (q * 32 + t % 32) * V + t / 32 % V;
      float all = 0;
      for (int n = 0; n < kNormWarps; ++n) all += part[n][t];
      if (j < width) partial[(static_cast<int64_t>(which) * gridDim.x + blockIdx.x) * width + j] = all;
    }
  }
}
template <class G>
struct Wanted {  // one of the two sums; null: not needed
  G* to = nullptr;
  bool add = false;
};
// Threads: 32 columns x 8 of the previous kernel's blocks, for each sum.
// Reads: one number per column, block and sum. Writes: one number per column and sum.
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

// False: the width, the addresses or what is wanted need other kernels.
template <class T>
bool norm_fits_together(const Tensor& r, const Tensor& weight, const Tensor& dy, const Grad& dr,
                        bool weights) {
  const int64_t c = r.shape()[-1];
  return dr && weights && c <= kWidest * kSpan &&
         packs<T>(c, {r.data<T>(), weight.data<T>(), dy.data<T>(), dr.to().data<T>()});
}
// kLayer: layer norm; else mean and dbias are empty.
template <class T, bool kLayer>
void norm_backward(const Tensor& r, const Tensor& weight, const Tensor& mean, const Tensor& rstd,
                   const Tensor& dy, const Grad& dr, const Grad& dweight, const Grad& dbias) {
  const int64_t n = r.shape().rows(), c = r.shape()[-1];
  constexpr int kSums = kLayer ? 2 : 1;
  Tensor partial;
  auto run = [&]<int kSpans> {
    const int64_t each = rows_together<kSpans>(n), count = (n + each - 1) / each;
    partial = Tensor::empty({kSums, count, c}, DType::f32, DeviceKind::cuda);
    simt::launch(backward_together<T, kSpans, kLayer>, dim3(static_cast<unsigned>(count)),
                 dim3(32 * kNormWarps), 0, r.data<T>(), weight.data<T>(),
                 kLayer ? mean.data<float>() : nullptr, rstd.data<float>(), dy.data<T>(), dr.to().data<T>(),
                 dr.add(), n, static_cast<int>(c), each, partial.data<float>());
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
    simt::launch(finish_weights<G>, dim3(blocks(c, 32), kSums), dim3(32, kColumnLanes), 0,
                 partial.data<float>(), static_cast<int>(partial.shape()[1]), static_cast<int>(c),
                 wanted(dweight), wanted(dbias));
  });
}
}  // namespace rum::cuda
