// The innermost loop of our products in f32 and f64 and of attention's (bf16_product.cc and int8.cc have
// their own): R rows times V vectors of columns, all sums in registers. Each sum runs over k in order, one
// fused multiply-add a step, whatever R and V are, so a number has the same bits in any tile, batch or number
// of threads.
#pragma once
#include <algorithm>
#include <utility>
#include <vector>

#include "tensor/simd.h"

namespace rum {
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kMicroRows = 6, kMicroVectors = 4;  // 24 sums, 4 of B, 1 of A: 29 of 32 registers
#else
constexpr int kMicroRows = 4, kMicroVectors = 3;  // 12 sums, 3 of B, 1 of A: all 16
#endif

template <class S>
struct MatrixView {  // a matrix: rows `step` apart, the numbers of a row `stride` apart
  S* data;
  int64_t step, stride = 1;
  S* at(int64_t i, int64_t j) const { return data + i * step + j * stride; }
};

// Scratch memory of this thread, reused from one piece of work to the next. A copy of a Scratch takes again
// from where the original stood.
template <class S>
class Scratch {
 public:
  explicit Scratch(int64_t numbers) {
    static thread_local std::vector<S> memory;
    const auto need = static_cast<size_t>(numbers) + 64;
    if (memory.size() < need) memory.resize(need);
    at_ = memory.data();
    at_ += (64 - reinterpret_cast<uintptr_t>(at_) % 64) % 64 / sizeof(S);
  }
  S* take(int64_t numbers) { return std::exchange(at_, at_ + numbers); }

 private:
  S* at_;
};

// sums[r][v] += A (R, k) B (k, V vectors). In B `step` leads from row to row, `stride` from vector to vector.
template <class S, int R, int V>
[[gnu::always_inline]] inline void multiply(MatrixView<const S> a, MatrixView<const S> b, int64_t k,
                                            simd::Vec<S> (&sums)[R][V]) {
  const S *x = a.data, *y = b.data;
  for (int64_t j = 0; j < k; ++j, x += a.stride, y += b.step) {
    simd::Vec<S> row[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) row[v] = simd::read(y + v * b.stride);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const simd::Vec<S> one = simd::all(x[r * a.step]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sums[r][v] += one * row[v];
    }
  }
}

template <class S, int R, int V>
[[gnu::always_inline]] inline void clear(simd::Vec<S> (&sums)[R][V]) {  // "= {}" would go through memory
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sums[r][v] = simd::Vec<S>{};
}

// to[j * step + r] = from[r * from_step + j] for r < n <= width and j < k: rows become columns.
template <class S, class T>
void transpose_into(const T* from, int64_t from_step, int64_t n, int64_t k, S* to, int64_t step) {
  constexpr int64_t lanes = simd::kLanes<S>;
  int64_t r = 0;
  for (; r + lanes <= n; r += lanes) {
    int64_t j = 0;
    for (; j + lanes <= k; j += lanes) {
      simd::Vec<S> square[lanes];
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i)
        square[i] = simd::get_as<S>(from + (r + i) * from_step + j, std::integral_constant<int64_t, lanes>());
      simd::transpose<S>(square);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) simd::write(to + (j + i) * step + r, square[i]);
    }
    for (; j < k; ++j)
      for (int64_t i = r; i < r + lanes; ++i) to[j * step + i] = static_cast<S>(from[i * from_step + j]);
  }
  for (; r < n; ++r)
    for (int64_t j = 0; j < k; ++j) to[j * step + r] = static_cast<S>(from[r * from_step + j]);
}

// f.operator()<n>(i), for the n <= R rows that are left.
template <int R, class F>
void last_rows(int64_t i, int64_t n, F&& f) {
  if constexpr (R > 0) {
    if (n == R)
      f.template operator()<R>(i);
    else
      last_rows<R - 1>(i, n, f);
  }
}
// f.operator()<R>(i) for rows begin, begin + most, ... with R = most rows each, fewer at the end.
template <int most = kMicroRows, class F>
void by_rows(int64_t begin, int64_t end, F&& f) {
  int64_t i = begin;
  for (; i + most <= end; i += most) f.template operator()<most>(i);
  last_rows<most - 1>(i, end - i, f);
}

// C (R rows, n columns) = or += A (R, k) B (k, n) through vectors of columns; B must be readable up to whole
// vectors, C is written no further than n.
template <class S, int R>
void small_product(MatrixView<const S> a, MatrixView<const S> b, int64_t n, int64_t k, MatrixView<S> c,
                   bool add) {
  constexpr int64_t lanes = simd::kLanes<S>;
  auto run = [&]<int V>(int64_t j) {
    simd::Vec<S> sums[R][V];
    const int64_t used = std::min(n - j, V * lanes);
    auto each_vector = [&](auto&& f) {
      for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v) {
          S* at = c.at(r, j + v * lanes);
          if (v * lanes + lanes <= used)
            f(r, v, at, std::integral_constant<int64_t, lanes>());
          else
            f(r, v, at, used - v * lanes);
        }
    };
    if (!add) clear<S>(sums);
    if (add) each_vector([&](int r, int v, S* at, auto count) { sums[r][v] = simd::get(at, count); });
    multiply<S, R, V>(a, {b.data + j / lanes * b.stride, b.step, b.stride}, k, sums);
    each_vector([&](int r, int v, S* at, auto count) { simd::put(at, sums[r][v], count); });
  };
  int64_t j = 0;
  for (; j + kMicroVectors * lanes <= n; j += kMicroVectors * lanes)
    run.template operator()<kMicroVectors>(j);
  const int64_t left = (n - j + lanes - 1) / lanes;
  if (left > 0) last_rows<kMicroVectors>(j, left, run);
}
// The same for m rows.
template <class S>
void small_product(MatrixView<const S> a, MatrixView<const S> b, int64_t m, int64_t n, int64_t k,
                   MatrixView<S> c, bool add) {
  by_rows(0, m, [&]<int R>(int64_t i) {
    small_product<S, R>({a.at(i, 0), a.step, a.stride}, b, n, k, {c.at(i, 0), c.step, c.stride}, add);
  });
}
}  // namespace rum
