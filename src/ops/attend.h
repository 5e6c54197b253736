// The arithmetic of attention for one head of one text, shared by self- and cross-attention on the CPU:
// queries times panels of keys, softmax, weights times values, all through the micro-kernel of ops/micro.h.
// A query always sees a leading range of keys, and sums run over keys in their order, so the bits of a text do
// not depend on what else is in the batch.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/round_up.h"
#include "ops/attention.h"
#include "ops/micro.h"
#include "tensor/tensor.h"

namespace rum {
// For each position d / 2 cosines, then d / 2 sines: (positions, d). Computed in double, rounded once.
template <class S>
class Rotation {
 public:
  Rotation(const Tensor& positions, int64_t d, Rope rope) : half_(d / 2), on_(rope.on()) {
    if (!on_) return;
    const int32_t* at = positions.data<int32_t>();
    const int64_t count = *std::max_element(at, at + positions.size()) + 1;
    // Built by the thread that has the tape.
    static std::map<std::pair<Rope, int64_t>, std::vector<S>> tables;
    std::vector<S>& t = tables[{rope, d}];
    for (int64_t i = static_cast<int64_t>(t.size()) / d; i < count; ++i)
      for (int64_t j = 0; j < d; ++j) {
        const double angle =
            static_cast<double>(i) *
            rope.scaled(std::pow(static_cast<double>(rope.base),
                                 -2.0 * static_cast<double>(j % half_) / static_cast<double>(d)));
        t.push_back(static_cast<S>(j < half_ ? std::cos(angle) : std::sin(angle)));
      }
    table_ = t.data();
  }
  bool on() const { return on_; }
  void turn(S* row, int64_t position, S sign) const {  // pairs (j, j + d / 2)
    const S* t = table_ + position * 2 * half_;
    for (int64_t j = 0; j < half_; ++j) {
      const S c = t[j], s = sign * t[half_ + j], a = row[j], b = row[half_ + j];
      row[j] = a * c - b * s;
      row[half_ + j] = a * s + b * c;
    }
  }

 private:
  int64_t half_;
  bool on_;
  const S* table_ = nullptr;
};

template <class S>
int64_t padded(int64_t n) {  // to whole vectors
  return round_up(n, simd::kLanes<S>);
}

// Rows of one head, `n` x `d`, ready for arithmetic: in place if they can be read there as whole vectors,
// else a copy. With a rotation, always a copy: rotated and rounded to T as the cache stores them, so that
// decoding gives the bits of the full forward.
template <class T, class S = Stats<T>>
MatrixView<const S> head_rows(MatrixView<const T> from, int64_t n, int64_t d, Scratch<S>& scratch,
                              const Rotation<S>* rotation = nullptr, const int32_t* positions = nullptr) {
  const bool turned = rotation && rotation->on();
  if constexpr (std::is_same_v<T, S>)
    if (!turned && d % simd::kLanes<S> == 0) return {from.data, from.step, simd::kLanes<S>};
  const int64_t step = padded<S>(d);
  S* to = scratch.take(n * step);
  for (int64_t i = 0; i < n; ++i) {
    S* row = to + i * step;
    for (int64_t j = 0; j < step; ++j) row[j] = j < d ? static_cast<S>(from.data[i * from.step + j]) : S{0};
    if (!turned) continue;
    rotation->turn(row, positions[i], S{1});
    for (int64_t j = 0; j < d; ++j) row[j] = static_cast<S>(static_cast<T>(row[j]));
  }
  return {to, step, simd::kLanes<S>};
}
// The same rows as a left factor: single numbers side by side.
template <class S>
MatrixView<const S> broadcast(MatrixView<const S> r) {
  return {r.data, r.step, 1};
}
// Panels of kLanes keys, d vectors each: key j's number e is at panel j / kLanes, vector e, lane j %
// kLanes. As a right factor, rows are e and columns are keys. `first`: the number of the first key.
template <class T, class S>
void fill_panels(MatrixView<const S> rows, int64_t n, int64_t d, T* panels, int64_t panel,
                 int64_t first = 0) {
  constexpr int64_t lanes = simd::kLanes<S>;
  for (int64_t i = 0; i < n;) {
    const int64_t lane = (first + i) % lanes, count = std::min(n - i, lanes - lane);
    T* to = panels + (first + i) / lanes * panel + lane;
    const S* from = rows.data + i * rows.step;
    if constexpr (std::is_same_v<T, S>) {
      transpose_into(from, rows.step, count, d, to, lanes);
    } else {
      for (int64_t r = 0; r < count; ++r)
        for (int64_t e = 0; e < d; ++e) to[e * lanes + r] = static_cast<T>(from[r * rows.step + e]);
    }
    i += count;
  }
}
// Panels of these rows, in scratch memory; the last one is filled up with zeros.
template <class S>
MatrixView<const S> panels_of(MatrixView<const S> rows, int64_t n, int64_t d, Scratch<S>& scratch) {
  constexpr int64_t lanes = simd::kLanes<S>;
  S* to = scratch.take(padded<S>(n) * d);
  if (n % lanes != 0) std::fill(to + n / lanes * lanes * d, to + padded<S>(n) * d, S{0});
  fill_panels(rows, n, d, to, d * lanes);
  return {to, lanes, d * lanes};
}

// A row of a head, d numbers, to where the tensor has it: as factor * row,
template <class T>
void put_row(T* to, const Stats<T>* row, Stats<T> factor, int64_t d) {
  using S = Stats<T>;
  simd::each<S>(0, d, [&](int64_t e, auto n) { simd::put(to + e, factor * simd::get(row + e, n), n); });
}
// and as a gradient, in addition to what is there or not.
template <class T>
void put_gradient(T* to, const Stats<T>* row, int64_t d, bool add) {
  using S = Stats<T>;
  simd::each<S>(0, d, [&](int64_t e, auto n) {
    simd::Vec<S> v = simd::get(row + e, n);
    if (add) v += simd::get(to + e, n);
    simd::put(to + e, v, n);
  });
}
// Error, with the op's name, unless kv divides query.
inline void check_heads(const char* op, Heads hs) {
  RUM_CHECK(hs.query > 0 && hs.kv > 0 && hs.query % hs.kv == 0,
            "{}: {} query heads cannot share {} key heads evenly", op, hs.query, hs.kv);
}

// One head of one text: m queries, of which query i sees the first seen(i) keys; seen never falls. For each,
// emit(i, o, factor, lse): y = o * factor, and lse = log sum_j exp(q k_j / sqrt d), which backward starts
// from. Scratch: p, kMicroRows x `wide` numbers; o, kMicroRows x padded d.
template <class S, class Seen, class Emit>
void attend(MatrixView<const S> q, MatrixView<const S> key_panels, MatrixView<const S> values, int64_t m,
            int64_t d, Seen&& seen, S* p, int64_t wide, S* o, Emit&& emit) {
  constexpr int64_t lanes = simd::kLanes<S>;
  const S scale = 1 / std::sqrt(static_cast<S>(d));
  const int64_t step = padded<S>(d);
  by_rows(0, m, [&]<int R>(int64_t i) {
    const int64_t most = seen(i + R - 1);
    small_product<S, R>({q.at(i, 0), q.step}, key_panels, padded<S>(most), d, {p, wide}, false);
    S tops[R], sums[R];
    for (int r = 0; r < R; ++r) {
      S* row = p + r * wide;
      const int64_t n = seen(i + r), whole = n / lanes * lanes;
      simd::Vec<S> top = simd::all<S>(-INFINITY), sum{};
      for (int64_t j = 0; j < whole; j += lanes) top = simd::max(top, simd::read(row + j));
      tops[r] = simd::max(top);
      for (int64_t j = whole; j < n; ++j) tops[r] = std::max(tops[r], row[j]);
      tops[r] *= scale;
      for (int64_t j = 0; j < whole; j += lanes) {
        const simd::Vec<S> e = simd::exp(scale * simd::read(row + j) - tops[r]);
        simd::write(row + j, e);
        sum += e;
      }
      if (whole < n) {
        const simd::Vec<S> e =
            simd::first_lanes(simd::exp(scale * simd::read(row + whole) - tops[r]), n - whole);
        simd::write(row + whole, e);
        sum += e;
      }
      std::fill(row + padded<S>(n), row + padded<S>(most), S{0});
      sums[r] = simd::sum(sum);
    }
    small_product<S, R>({p, wide}, values, step, most, {o, step}, false);
    for (int r = 0; r < R; ++r) emit(i + r, o + r * step, 1 / sums[r], tops[r] + std::log(sums[r]));
  });
}

constexpr int64_t kBlock = 8 * kMicroRows;  // queries whose weights are kept at once in the backward pass
template <class S>
struct Piece {  // one head of one text: m queries, n keys, d numbers each; o and lse as attend() gave them
  MatrixView<const S> q, keys, key_panels, value_panels, o, dy;
  const S* lse;
  int64_t lse_step, m, n, d;
};
// The gradients of y_i = sum_j p_ij v_j, p_ij = exp(s_ij - lse_i), s_ij = q_i k_j / sqrt d (scaled
// dot-product attention, Vaswani et al. 2017), given dy = d(loss)/dy:
//   dv_j  = sum_i p_ij dy_i
//   dp_ij = dy_i v_j
//   ds_ij = p_ij (dp_ij - sum_k p_ik dp_ik): softmax's gradient. The sum is
//           sum_k p_ik (dy_i v_k) = dy_i y_i =: delta_i, so it does not need a whole row of dp
//           (Dao et al. 2022): ds_ij = p_ij (dp_ij - delta_i)
//   dq_i  = sum_j ds_ij k_j / sqrt d,  dk_j = sum_i ds_ij q_i / sqrt d
// p is computed again from q, k and lse. dk and dv (n rows of padded d) are added to; emit(i, row) gets dq.
// Scratch: p and ds, kBlock x padded n numbers each; dq, kMicroRows x padded d.
template <class S, class Seen, class Emit>
void attend_backward(const Piece<S>& x, Seen&& seen, S* p, S* ds, S* dq, S* dk, S* dv, Emit&& emit) {
  constexpr int64_t lanes = simd::kLanes<S>;
  const int64_t step = padded<S>(x.d), wide = padded<S>(x.n), d = x.d;
  const S scale = 1 / std::sqrt(static_cast<S>(d));
  for (int64_t b = 0; b < x.m; b += kBlock) {
    const int64_t rows = std::min(kBlock, x.m - b), most = padded<S>(seen(b + rows - 1));
    by_rows(0, rows, [&]<int R>(int64_t i) {
      const int64_t some = padded<S>(seen(b + i + R - 1));
      small_product<S, R>({x.q.at(b + i, 0), x.q.step}, x.key_panels, some, d, {p + i * wide, wide}, false);
      small_product<S, R>({x.dy.at(b + i, 0), x.dy.step}, x.value_panels, some, d, {ds + i * wide, wide},
                          false);
      for (int r = 0; r < R; ++r) {
        S *pr = p + (i + r) * wide, *dr = ds + (i + r) * wide;
        const int64_t at = b + i + r, n = seen(at), whole = n / lanes * lanes;
        simd::Vec<S> products{};
        simd::each<S>(0, d, [&](int64_t e, auto count) {
          products += simd::get(x.o.at(at, 0) + e, count) * simd::get(x.dy.at(at, 0) + e, count);
        });
        const S delta = simd::sum(products), z = x.lse[at * x.lse_step];
        for (int64_t j = 0; j < n; j += lanes) {
          simd::Vec<S> w = simd::exp(scale * simd::read(pr + j) - z);
          if (j >= whole) w = simd::first_lanes(w, n - whole);
          simd::write(pr + j, w);
          simd::write(dr + j, scale * w * (simd::read(dr + j) - delta));
        }
        std::fill(pr + padded<S>(n), pr + most, S{0});
        std::fill(dr + padded<S>(n), dr + most, S{0});
      }
      small_product<S, R>({ds + i * wide, wide}, x.keys, step, seen(b + i + R - 1), {dq, step}, false);
      for (int r = 0; r < R; ++r) emit(b + i + r, dq + r * step);
    });
    const int64_t n = seen(b + rows - 1);
    const auto at_block = [&](MatrixView<const S> all) {
      return MatrixView<const S>{all.data + b * all.step, all.step, lanes};
    };
    small_product<S>({p, 1, wide}, at_block(x.dy), n, step, rows, {dv, step}, true);
    small_product<S>({ds, 1, wide}, at_block(x.q), n, step, rows, {dk, step}, true);
  }
}

}  // namespace rum
