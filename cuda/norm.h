// Layer norm and RMS norm where a lane can hold its part of a row (width <= 1024): forward, and the backward
// pass in one kernel, in which r and dy are read once for the gradients of the input and of the weights. RMS
// norm is layer norm with a mean of 0 and without a bias.
#pragma once
#include "cuda/bits.h"
#include "cuda/kernel.h"

namespace rum::cuda {
constexpr int kNormWarps = 4;  // rows a block works on at once
constexpr int kSpan = 256;     // columns that a warp takes at a time, 8 per lane
constexpr int kWidest = 4;     // spans
// f(constant) for the fewest spans that hold a row.
template <class F>
void by_spans(int64_t width, F&& f) {
  if (width <= kSpan)
    f.template operator()<1>();
  else if (width <= 2 * kSpan)
    f.template operator()<2>();
  else if (width <= 3 * kSpan)
    f.template operator()<3>();
  else
    f.template operator()<kWidest>();
}

// Forward in bf16: all of a row, the weight and the bias are on their way before the first sum, so that memory
// is waited for once.
// Threads: one warp per row, each lane 8 neighbouring numbers of every 256.
// Reads: x (and delta) once; weight and bias from the cache.
// Writes: y once, r once where there is a delta; mean (layer norm) and rstd once per row.
// Sums: as forward_rows of the two norms, with the same bits.
// Limit: memory; with few rows its latency.
// Ladder: none; forward_rows without its second and third reading.
template <int kSpans, bool kLayer>
__global__ void __launch_bounds__(32 * kNormWarps, kSpans < kWidest ? 8 : 6)
    forward_held(const simt::bf16* x, const simt::bf16* delta, const simt::bf16* weight,
                 const simt::bf16* bias, float epsilon, simt::bf16* r, simt::bf16* y, float* mean,
                 float* rstd, int64_t rows, int width) {
  using T = simt::bf16;
  constexpr int V = kPack<T>;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kNormWarps + threadIdx.x / 32;
  if (row >= rows) return;
  const int lane = static_cast<int>(threadIdx.x % 32) * V;
  const int64_t at = row * width;
  auto each = [&](auto f) {  // f(span, column) where the row has one
    SIMT_UNROLL
    for (int q = 0; q < kSpans; ++q)
      if (const int j = lane + q * kSpan; j < width) f(q, j);
  };
  Bits a[kSpans], w[kSpans], b[kSpans];
  each([&](int q, int j) { a[q] = simt::ldv<Bits>(x + at + j); });
  each([&](int q, int j) {
    w[q] = simt::ldv<Bits>(weight + j), b[q] = kLayer ? simt::ldv<Bits>(bias + j) : Bits{};
  });
  if (delta != nullptr) {
    Bits d[kSpans];
    each([&](int q, int j) { d[q] = simt::ldv<Bits>(delta + at + j); });
    each([&](int q, int j) {
      Floats<T> sum = unpack<T>(a[q]);
      const Floats<T> more = unpack<T>(d[q]);
      for (int k = 0; k < V; ++k) sum.at[k] += more.at[k];
      a[q] = pack<T>(sum);
      simt::stv(r + at + j, a[q]);
    });
  }
  float m = 0, v = 0;
  if constexpr (kLayer) {
    each([&](int q, int) {
      const Floats<T> f = unpack<T>(a[q]);
      for (int k = 0; k < V; ++k) m += f.at[k];
    });
    m = warp_sum(m) / static_cast<float>(width);
  }
  each([&](int q, int) {
    const Floats<T> f = unpack<T>(a[q]);
    for (int k = 0; k < V; ++k) v += (f.at[k] - m) * (f.at[k] - m);
  });
  const float s = 1.0f / sqrtf(warp_sum(v) / static_cast<float>(width) + epsilon);
  each([&](int q, int j) {
    Floats<T> f = unpack<T>(a[q]);
    const Floats<T> g = unpack<T>(w[q]), h = unpack<T>(b[q]);
    for (int k = 0; k < V; ++k) {
      f.at[k] = (f.at[k] - m) * s * g.at[k];
      if constexpr (kLayer) f.at[k] += h.at[k];
    }
    simt::stv(y + at + j, pack<T>(f));
  });
  if (lane != 0) return;
  if constexpr (kLayer) mean[row] = m;
  rstd[row] = s;
}
// False: nothing was done, since forward_rows is for this type, width or address.
template <class T, bool kLayer>
bool norm_held(const Tensor& x, const T* delta, const T* weight, const T* bias, float epsilon, Tensor& r,
               Tensor& y, float* mean, Tensor& rstd) {
  const int64_t n = x.shape().rows(), c = x.shape()[-1];
  if constexpr (sizeof(T) == 2)
    if (c <= kWidest * kSpan && packs<T>(c, {x.data<T>(), delta, weight, bias, r.data<T>(), y.data<T>()})) {
      by_spans(c, [&]<int kSpans> {
        simt::launch(forward_held<kSpans, kLayer>, dim3(blocks(n, kNormWarps)), dim3(32 * kNormWarps), 0,
                     x.data<T>(), delta, weight, bias, epsilon, r.data<T>(), y.data<T>(), mean,
                     rstd.data<float>(), n, static_cast<int>(c));
      });
      return true;
    }
  return false;
}

// This many blocks fit into a multiprocessor's registers; the grid is one wave of blocks on an H100, each
// with its own rows.
template <class T, int kSpans>
constexpr int kResident = kSpans == kWidest               ? 2
                          : sizeof(T) == 2 || kSpans == 1 ? 4
                                                          : 3;
template <class T, int kSpans>
int64_t rows_together(int64_t rows) {
  const int64_t all = 132 * kResident<T, kSpans>, even = (rows + all - 1) / all, least = 4 * kNormWarps;
  return even < least ? least : even;
}
// Threads: a block has some neighbouring rows, each of its warps every 4th of them; a lane has the same 8
// columns of each span in all rows.
// Reads: r and dy once; dr too when it adds; weight once per block.
// Writes: dr once; one number per column, block and sum.
// Sums: mean of d and of d xhat (d = dy weight): each lane in order, then a butterfly; of a column each warp its
// rows in order, then the warps in order.
// Limit: memory.
// Ladder: none; the sums and the walk are those of cuda/ladder/layernorm.cu.
template <class T, int kSpans, bool kLayer>
__global__ void __launch_bounds__(32 * kNormWarps, kResident<T, kSpans>)
    backward_together(const T* r, const T* weight, const float* mean, const float* rstd, const T* dy, T* dr,
                      bool add, int64_t rows, int width, int64_t each, float* partial) {
  constexpr int V = kPack<T>, kPacks = kSpans * kSpan / 32 / V, kSums = kLayer ? 2 : 1;
  SIMT_SHARED(float, part, [kNormWarps][kSpans * kSpan]);
  const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  const int64_t first = blockIdx.x * each, end = first + each < rows ? first + each : rows;
  Bits w[kPacks] = {};
  float sum[kSums][kPacks][V] = {};  // dweight, dbias
  SIMT_UNROLL
  for (int q = 0; q < kPacks; ++q)
    if (const int j = (q * 32 + lane) * V; j < width) w[q] = simt::ldv<Bits>(weight + j);
  for (int64_t row = first + warp; row < end; row += kNormWarps) {
    const int64_t at = row * width + lane * V;
    Bits x[kPacks] = {}, g[kPacks] = {}, old[kPacks] = {};  // 0 past the end of the row: adds nothing
    SIMT_UNROLL
    for (int q = 0; q < kPacks; ++q)
      if ((q * 32 + lane) * V < width) {
        x[q] = simt::ldv<Bits>(r + at + q * 32 * V);
        g[q] = simt::ldv<Bits>(dy + at + q * 32 * V);
        if (add) old[q] = simt::ldv<Bits>(dr + at + q * 32 * V);
      }
    const float m = kLayer ? mean[row] : 0.0f, s = rstd[row];
    float a = 0, b = 0;
    SIMT_UNROLL
    for (int q = 0; q < kPacks; ++q) {
      const Floats<T> xs = unpack<T>(x[q]), gs = unpack<T>(g[q]), ws = unpack<T>(w[q]);
      SIMT_UNROLL
      for (int k = 0; k < V; ++k) {
        const float d = gs.at[k] * ws.at[k], xhat = (xs.at[k] - m) * s;
        if constexpr (kLayer) a += d;
        b += d * xhat;
        sum[0][q][k] += gs.at[k] * xhat;
        if constexpr (kLayer) sum[1][q][k] += gs.at[k];
      }
    }
    if constexpr (kLayer) a = warp_sum(a) / static_cast<float>(width);
    b = warp_sum(b) / static_cast<float>(width);
    SIMT_UNROLL
    for (int q = 0; q < kPacks; ++q) {
      if ((q * 32 + lane) * V >= width) continue;
      forget_floats(x[q]);
      forget_floats(g[q]);
      forget_floats(w[q]);
      const Floats<T> xs = unpack<T>(x[q]), gs = unpack<T>(g[q]), ws = unpack<T>(w[q]),
                      to = unpack<T>(old[q]);
      Floats<T> dx;
      SIMT_UNROLL
      for (int k = 0; k < V; ++k) {
        dx.at[k] = (gs.at[k] * ws.at[k] - a - (xs.at[k] - m) * s * b) * s;
        if (add) dx.at[k] += to.at[k];
      }
      simt::stv(dr + at + q * 32 * V, pack<T>(dx));
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
  by_spans(c, [&]<int kSpans> {
    const int64_t each = rows_together<T, kSpans>(n), count = (n + each - 1) / each;
    partial = Tensor::empty({kSums, count, c}, DType::f32, DeviceKind::cuda);
    simt::launch(backward_together<T, kSpans, kLayer>, dim3(static_cast<unsigned>(count)),
                 dim3(32 * kNormWarps), 0, r.data<T>(), weight.data<T>(),
                 kLayer ? mean.data<float>() : nullptr, rstd.data<float>(), dy.data<T>(), dr.to().data<T>(),
                 dr.add(), n, static_cast<int>(c), each, partial.data<float>());
  });
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
