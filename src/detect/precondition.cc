#include "detect/precondition.h"

#include <algorithm>
#include <cmath>

#include "base/threads.h"
#include "tensor/simd.h"

namespace rum::detect {
namespace {
// Factorising takes size^3 / 6 operations, a product with H one or two per entry: this keeps both in
// proportion.
constexpr double kCubeToEntries = 300;
constexpr size_t kSample = 12;  // sampled rows for each column of the block

float dot(const float* a, const float* b, size_t n) {
  simd::Vec<float> sum{};
  simd::each<float>(0, static_cast<int64_t>(n),
                    [&](int64_t i, auto count) { sum += simd::get(a + i, count) * simd::get(b + i, count); });
  return simd::sum(sum);
}
}  // namespace

void Preconditioner::set(const SparseRows& rows, std::span<const double> curve,
                         std::span<const double> diagonal) {
  const double size = std::cbrt(kCubeToEntries * static_cast<double>(rows.column.size()));
  size_ = std::min(static_cast<size_t>(size) + 1, diagonal.size());
  factor_.assign(size_ * size_, 0);
  diagonal_.assign(diagonal.begin(), diagonal.end());
  add_up(rows, curve);
  factorise();
}
// Penalty + X' D X of the block, from a sample of the rows.
void Preconditioner::add_up(const SparseRows& rows, std::span<const double> curve) {
  const size_t constant = size_ - 1, stride = std::max<size_t>(1, rows.size() / (kSample * size_));
  // Bands of the block's rows, each small enough for a core's own cache, go over X in parallel.
  constexpr size_t kBand = 64;
  parallel(static_cast<int64_t>((constant + kBand - 1) / kBand), [&](int64_t band) {
    const size_t from = static_cast<size_t>(band) * kBand, to = std::min(constant, from + kBand);
    for (size_t a = from; a < to; ++a) row(a)[a] = 1;
    for (size_t i = 0; i < rows.size(); i += stride) {
      const int32_t* column = rows.column.data() + rows.begin[i];
      const float* value = rows.value.data() + rows.begin[i];
      const int64_t n = rows.begin[i + 1] - rows.begin[i];
      const auto scale = static_cast<float>(static_cast<double>(stride) * curve[i]);
      int64_t e = std::lower_bound(column, column + n, static_cast<int32_t>(from)) - column;
      for (; e < n && column[e] < static_cast<int32_t>(to); ++e) {
        const float x = scale * value[e];
        float* of_a = row(static_cast<size_t>(column[e]));
        for (int64_t k = 0; k <= e; ++k) of_a[column[k]] += x * value[k];
        row(constant)[column[e]] += x;
      }
    }
  });
  double sum = 0;
  for (size_t i = 0; i < rows.size(); i += stride) sum += static_cast<double>(stride) * curve[i];
  row(constant)[constant] = static_cast<float>(sum);
}
// Cholesky factorisation, a band of rows at a time: first against the rows before the band, then within it.
void Preconditioner::factorise() {
  constexpr size_t kBand = 16;
  const auto reduce = [&](size_t a, size_t from, size_t to) {
    float* of_a = row(a);
    for (size_t b = from; b < to; ++b) of_a[b] = (of_a[b] - dot(of_a, row(b), b)) / row(b)[b];
  };
  for (size_t begin = 0; begin < size_; begin += kBand) {
    const size_t end = std::min(begin + kBand, size_);
    parallel(static_cast<int64_t>(end - begin),
             [&](int64_t k) { reduce(begin + static_cast<size_t>(k), 0, begin); });
    for (size_t a = begin; a < end; ++a) {
      reduce(a, begin, a);
      // With the penalty no pivot is below 1, except by rounding; that of the constant, which has none, may
      // be, and is raised to 1.
      row(a)[a] = std::sqrt(std::max(1.0f, row(a)[a] - dot(row(a), row(a), a)));
    }
  }
}
void Preconditioner::apply(std::span<const double> r, std::span<double> out) const {
  const size_t columns = size_ - 1;
  for (size_t j = columns; j + 1 < r.size(); ++j) out[j] = r[j] / diagonal_[j];
  std::vector<float> x(size_);
  for (size_t a = 0; a < columns; ++a) x[a] = static_cast<float>(r[a]);
  x[columns] = static_cast<float>(r.back());
  for (size_t a = 0; a < size_; ++a) x[a] = (x[a] - dot(row(a), x.data(), a)) / row(a)[a];
  for (size_t a = size_; a-- > 0;) {
    x[a] /= row(a)[a];
    for (size_t b = 0; b < a; ++b) x[b] -= x[a] * row(a)[b];
  }
  std::copy(x.begin(), x.end() - 1, out.begin());
  out.back() = x.back();
}
}  // namespace rum::detect
