// Sums over the rows of a matrix, one for each column: the gradients of biases and of norms' weights. A few
// columns at a time go through the rows in order, in whole cache lines.
#pragma once
#include <algorithm>

#include "autograd/tape.h"
#include "base/error.h"
#include "tensor/simd.h"

namespace rum {
// to (c) = or += sum over i < n of term(i, j, lanes), a vector of columns j, j + 1, ... Does nothing when
// nobody wants `to`. Error: its numbers are not summed in S.
template <class T, class S, class Term>
void sum_columns(const Grad& to, int64_t n, int64_t c, Term&& term) {
  if (!to) return;
  by_type(to.to().dtype(), [&]<class G> {
    if constexpr (std::is_same_v<Stats<G>, S>) {
      G* out = to.to().data<G>();
      const bool add = to.add();
      constexpr int64_t lanes = simd::kLanes<S>, width = 4 * lanes;
      parallel((c + width - 1) / width, [&](int64_t p) {
        const int64_t begin = p * width, end = std::min(c, begin + width);
        simd::Vec<S> sums[4] = {};
        if (end - begin == width) {
          for (int64_t i = 0; i < n; ++i)
            for (int v = 0; v < 4; ++v)
              sums[v] += term(i, begin + v * lanes, std::integral_constant<int64_t, lanes>());
        } else {
          for (int64_t i = 0; i < n; ++i)
            simd::each<S>(begin, end,
                          [&](int64_t j, auto count) { sums[(j - begin) / lanes] += term(i, j, count); });
        }
        simd::each<S>(begin, end, [&](int64_t j, auto count) {
          simd::Vec<S> sum = sums[(j - begin) / lanes];
          if (add) sum += simd::get(out + j, count);
          simd::put(out + j, sum, count);
        });
      });
    } else {
      fail(fmt::format("no sum over rows in {} for a gradient in {}", sizeof(S) == 8 ? "f64" : "f32",
                       name_of(to.to().dtype())));
    }
  });
}
}  // namespace rum
