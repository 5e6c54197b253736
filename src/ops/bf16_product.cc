#include "ops/bf16_product.h"

#include <algorithm>

#include "base/round_up.h"
#include "base/threads.h"
#include "ops/micro.h"

namespace rum {
namespace {
using Floats = simd::Vec<float>;
constexpr int64_t kLanes = simd::kLanes<float>;
// A piece of C: its rows of weights, widened, stay in the L2 cache while the rows of A pass.
constexpr int64_t kPieceRows = 16 * kMicroRows, kPieceCols = 4 * kMicroVectors;
constexpr int64_t kFew = 2 * kMicroRows;  // rows of A that do not pay for widening anything beforehand
constexpr int64_t kFewCols = 16 * kMicroVectors;  // most columns of a piece of C that has so few rows

// R rows of k numbers of bf16, `step` apart. In pairs of 32 bits the numbers at even places are the lower
// halves.
template <int R>
struct Narrow {
  const bf16* data;
  int64_t step, k;
  template <bool odd>
  Floats at(int r, int64_t j) const {  // of the 2 kLanes numbers from j on those at even or at odd places
    const auto pairs =
        reinterpret_cast<simd::Vec<int32_t>>(simd::read(reinterpret_cast<const float*>(data + r * step + j)));
    return reinterpret_cast<Floats>(odd ? pairs & int32_t(0xFFFF0000) : pairs << 16);
  }
  Floats last(int r, int64_t j) const {  // at most kLanes of them
    const bf16* const at = data + r * step + j;
    return j + kLanes <= k ? simd::read(at) : simd::read(at, k - j);
  }
};
// The same widened, vector by vector of all rows.
template <int R>
struct Wide {
  const float* data;
  int64_t k;
  template <bool odd>
  Floats at(int r, int64_t j) const {
    return simd::read(data + (j + (odd ? kLanes : 0)) * R + r * kLanes);
  }
  Floats last(int r, int64_t j) const { return at<false>(r, j); }
};
template <int R>
void widen(Narrow<R> from, float* to) {
  const int64_t k = from.k, whole = k / (2 * kLanes) * (2 * kLanes);
  for (int r = 0; r < R; ++r, to += kLanes) {
    for (int64_t j = 0; j < whole; j += 2 * kLanes) {
      simd::write(to + j * R, from.template at<false>(r, j));
      simd::write(to + (j + kLanes) * R, from.template at<true>(r, j));
    }
    for (int64_t j = whole; j < k; j += kLanes) simd::write(to + j * R, from.last(r, j));
  }
}

template <bool odd, int R, int V, template <int> class Rows>
[[gnu::always_inline]] inline void add_products(Rows<R> a, Rows<V> w, int64_t j, Floats (&sums)[R][V]) {
  Floats weight[V];
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) weight[v] = w.template at<odd>(v, j);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    const Floats one = a.template at<odd>(r, j);
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sums[r][v] += one * weight[v];
  }
}
// out[r][v] = the products of row r of A and row v of the weights, as far as they fill pairs of vectors;
// returns how many numbers those are. A function of its own: the rest calls memcpy, and around a call GCC
// would keep the sums in memory, even in this loop.
template <int R, int V, template <int> class Rows>
[[gnu::noinline]] int64_t whole_pairs(Rows<R> a, Rows<V> w, Floats (&out)[R][V]) {
  Floats sums[R][V];
  clear<float>(sums);
  int64_t j = 0;
  for (; j + 2 * kLanes <= a.k; j += 2 * kLanes) {
    add_products<false>(a, w, j, sums);
    add_products<true>(a, w, j, sums);
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) out[r][v] = sums[r][v];
  return j;
}
// out[r][v] = the product of row r of A and row v of the weights.
template <int R, int V, template <int> class Rows>
void dots(Rows<R> a, Rows<V> w, float (&out)[R][V]) {
  Floats sums[R][V];
  int64_t j = whole_pairs(a, w, sums);
  for (; j < a.k; j += kLanes)
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < V; ++v) sums[r][v] += a.last(r, j) * w.last(v, j);
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) out[r][v] = simd::sum(sums[r][v]);
}
// Columns of a piece with few rows: the weights come from memory, and do so fastest in kMicroVectors long
// streams far apart, each of which the processor sees coming. Enough pieces for all threads come first.
int64_t few_cols(int64_t n) {
  const int64_t each = n / (4 * threads()) / kMicroVectors * kMicroVectors;
  return std::clamp(each, kPieceCols, kFewCols);
}
}  // namespace

void bf16_product(const Tensor& a, const Tensor& weights, Tensor& c, const Tensor& bias) {
  const int64_t m = a.shape().rows(), n = weights.shape().rows(), k = a.shape()[-1],
                size = round_up(k, kLanes);
  const bf16 *const x = a.data<bf16>(), *const w = weights.data<bf16>();
  const int64_t cols = m > kFew ? kPieceCols : few_cols(n);
  const int64_t down = (m + kPieceRows - 1) / kPieceRows, across = (n + cols - 1) / cols;
  Tensor wide;
  if (m > kFew) {
    wide = Tensor::empty({m, size}, DType::f32, DeviceKind::cpu);
    parallel(down, [&](int64_t p) {
      by_rows(p * kPieceRows, std::min(m, (p + 1) * kPieceRows), [&]<int R>(int64_t i) {
        widen<R>({x + i * k, k, k}, wide.data<float>() + i * size);
      });
    });
  }
  parallel(down * across, [&](int64_t p) {
    const int64_t i0 = p % down * kPieceRows, i1 = std::min(m, i0 + kPieceRows);
    const int64_t j0 = p / down * cols, j1 = std::min(n, j0 + cols), part = (j1 - j0) / kMicroVectors;
    Scratch<float> scratch(wide ? kPieceCols * size : 0);
    float* const rows = scratch.take(0);
    if (wide)
      by_rows<kMicroVectors>(j0, j1, [&]<int V>(int64_t j) {
        widen<V>({w + j * k, k, k}, rows + (j - j0) * size);
      });
    by_rows(i0, i1, [&]<int R>(int64_t i) {
      by_rows<kMicroVectors>(j0, j1, [&]<int V>(int64_t j) {
        float sums[R][V];
        const bool apart = !wide && V == kMicroVectors;
        const int64_t first = apart ? j0 + (j - j0) / V : j, step = apart ? part : 1;  // columns of C
        if (wide)
          dots(Wide<R>{wide.data<float>() + i * size, k}, Wide<V>{rows + (j - j0) * size, k}, sums);
        else
          dots(Narrow<R>{x + i * k, k, k}, Narrow<V>{w + first * k, step * k, k}, sums);
        for (int r = 0; r < R; ++r)
          for (int v = 0; v < V; ++v) {
            const int64_t col = first + v * step, at = (i + r) * n + col;
            const float sum = bias ? sums[r][v] + static_cast<float>(bias.data<bf16>()[col]) : sums[r][v];
            if (c.dtype() == DType::bf16)
              c.data<bf16>()[at] = bf16(sum);
            else
              c.data<float>()[at] = sum;
          }
      });
    });
  });
}
}  // namespace rum
