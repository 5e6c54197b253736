#include "detect/logistic.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/threads.h"
#include "detect/curves.h"
#include "detect/precondition.h"

namespace rum::detect {
namespace {
// Newton's method stops when a step promises less than the share kClose of the objective; the remaining error
// is then far smaller. Conjugate gradients stop when the last iteration brings less than the share kWorth of
// the mean (Nash and Sofer 1990).
constexpr double kClose = 1e-7, kWorth = 0.1;
// The preconditioner is rebuilt when the objective has fallen by this share.
constexpr double kChanged = 0.1;
// With a larger C, the products in single precision no longer find the way down.
constexpr double kLargestC = 1e6;
using Vector = std::vector<double>;  // one number per column, then the constant's

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Columns by the number of rows that have them, the most frequent first, so that columns used together are
// close in memory; columns that no row has are left out.
std::vector<int32_t> by_frequency(const SparseRows& rows) {
  std::vector<int32_t> count(static_cast<size_t>(rows.columns)), order;
  for (const int32_t c : rows.column) ++count[static_cast<size_t>(c)];
  for (int32_t c = 0; c < rows.columns; ++c)
    if (count[static_cast<size_t>(c)] > 0) order.push_back(c);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return count[static_cast<size_t>(a)] > count[static_cast<size_t>(b)];
  });
  return order;
}
void renumber(SparseRows& rows, const std::vector<int32_t>& order) {
  std::vector<int32_t> number(static_cast<size_t>(rows.columns));
  for (size_t i = 0; i < order.size(); ++i) number[static_cast<size_t>(order[i])] = static_cast<int32_t>(i);
  for (int32_t& c : rows.column) c = number[static_cast<size_t>(c)];
  rows.columns = static_cast<int32_t>(order.size());
}
void sort_rows(SparseRows& rows) {  // sorts each row by column
  constexpr size_t kPiece = 512;
  parallel(static_cast<int64_t>((rows.size() + kPiece - 1) / kPiece), [&](int64_t piece) {
    std::vector<std::pair<int32_t, float>> row;
    const size_t from = static_cast<size_t>(piece) * kPiece, to = std::min(from + kPiece, rows.size());
    for (size_t i = from; i < to; ++i) {
      const auto begin = static_cast<size_t>(rows.begin[i]), end = static_cast<size_t>(rows.begin[i + 1]);
      row.clear();
      for (size_t e = begin; e < end; ++e) row.emplace_back(rows.column[e], rows.value[e]);
      std::sort(row.begin(), row.end());
      for (size_t e = begin; e < end; ++e) std::tie(rows.column[e], rows.value[e]) = row[e - begin];
    }
  });
}

struct Cell {  // what is needed of one column
  float v, sum;
};
class Newton {
 public:
  Newton(const SparseRows& rows, std::span<const uint8_t> machine, double c)
      : rows_(rows),
        c_(c),
        width_(static_cast<size_t>(rows.columns) + 1),
        sign_(rows.size()),
        z_(rows.size()),
        along_(rows.size()),
        slope_(rows.size()),
        curve_(rows.size()),
        w_(width_),
        gradient_(width_),
        diagonal_(width_),
        direction_(width_) {
    for (size_t i = 0; i < sign_.size(); ++i) sign_[i] = machine[i] ? 1 : -1;
    const auto entries = static_cast<int64_t>(rows.column.size());
    pieces_ = std::clamp<int64_t>(entries / static_cast<int64_t>(2 * width_), 1, 8);
    partial_.assign(static_cast<size_t>(pieces_), Vector(width_));
    partial_diagonal_ = partial_;
    cells_.assign(partial_.size(), std::vector<Cell>(width_));
  }
  Logistic solve() {
    double now = objective(0), made = INFINITY;
    for (int step = 0; step < 100; ++step) {
      differentiate();
      if (now < (1 - kChanged) * made) {
        inverse_.set(rows_, curve_, diagonal_);
        made = now;
      }
      const double promised = solve_direction(), before = now;
      now = search(before, promised);
      if (promised <= kClose * before || now >= before) break;
    }
    const double constant = w_.back();
    w_.pop_back();
    return {std::move(w_), constant, now};
  }

 private:
  template <class EachRow>
  void walk(EachRow&& each) {  // each(row, piece), pieces in parallel
    const auto n = static_cast<int64_t>(rows_.size());
    parallel(pieces_, [&](int64_t piece) {
      const auto p = static_cast<size_t>(piece);
      for (int64_t i = n * piece / pieces_; i < n * (piece + 1) / pieces_; ++i)
        each(static_cast<size_t>(i), p);
    });
  }
  void add_up(std::vector<Vector>& partial, Vector& sum) {  // and resets the partial sums to 0
    constexpr size_t kBlock = 8192;
    parallel(static_cast<int64_t>((width_ + kBlock - 1) / kBlock), [&](int64_t block) {
      const size_t from = static_cast<size_t>(block) * kBlock, to = std::min(from + kBlock, width_);
      std::fill(sum.begin() + static_cast<int64_t>(from), sum.begin() + static_cast<int64_t>(to), 0.0);
      for (Vector& p : partial)
        for (size_t j = from; j < to; ++j) {
          sum[j] += p[j];
          p[j] = 0;
        }
    });
  }
  double objective(double step) {
    double sum = 0, squares = 0;
    for (size_t j = 0; j + 1 < width_; ++j) {
      const double w = w_[j] + step * direction_[j];
      squares += w * w;
    }
    Vector by_piece(static_cast<size_t>(pieces_));
    walk(
        [&](size_t i, size_t piece) { by_piece[piece] += softplus(-sign_[i] * (z_[i] + step * along_[i])); });
    for (const double s : by_piece) sum += s;
    return squares / 2 + c_ * sum;
  }
  // Gradient and diagonal of the Hessian at w.
  void differentiate() {
    walk([&](size_t i, size_t piece) {
      const double p = 1 / (1 + std::exp(sign_[i] * z_[i]));  // probability of the wrong answer
      const double r = -c_ * sign_[i] * p, h = c_ * p * (1 - p);
      curve_[i] = h;
      double *g = partial_[piece].data(), *d = partial_diagonal_[piece].data();
      for (int64_t k = rows_.begin[i]; k < rows_.begin[i + 1]; ++k) {
        const auto e = static_cast<size_t>(k);
        const double x = rows_.value[e];
        g[rows_.column[e]] += r * x;
        d[rows_.column[e]] += h * x * x;
      }
      g[width_ - 1] += r;
      d[width_ - 1] += h;
    });
    add_up(partial_, gradient_);
    add_up(partial_diagonal_, diagonal_);
    for (size_t j = 0; j + 1 < width_; ++j) {
      gradient_[j] += w_[j];
      diagonal_[j] += 1;
    }
  }
  // out = H v; slope_ = X v. Each piece keeps v next to its own sums, so that a row touches every cell once.
  void multiply(const Vector& v, Vector& out) {
    const auto n = static_cast<int64_t>(rows_.size());
    parallel(pieces_, [&](int64_t piece) {
      std::vector<Cell>& cells = cells_[static_cast<size_t>(piece)];
      for (size_t j = 0; j < width_; ++j) cells[j] = {static_cast<float>(v[j]), 0};
      for (int64_t i = n * piece / pieces_; i < n * (piece + 1) / pieces_; ++i)
        multiply_row(static_cast<size_t>(i), cells);
    });
    constexpr size_t kBlock = 8192;
    parallel(static_cast<int64_t>((width_ + kBlock - 1) / kBlock), [&](int64_t block) {
      const size_t from = static_cast<size_t>(block) * kBlock, to = std::min(from + kBlock, width_);
      for (size_t j = from; j < to; ++j) out[j] = j + 1 < width_ ? v[j] : 0;  // from the penalty
      for (const std::vector<Cell>& cells : cells_)
        for (size_t j = from; j < to; ++j) out[j] += cells[j].sum;
    });
  }
  void multiply_row(size_t i, std::vector<Cell>& cells) {
    const auto begin = static_cast<size_t>(rows_.begin[i]), end = static_cast<size_t>(rows_.begin[i + 1]);
    const int32_t* column = rows_.column.data();
    const float* value = rows_.value.data();
    constexpr size_t kAtOnce = 8;
    typedef float Few __attribute__((vector_size(kAtOnce * sizeof(float))));
    Few sum{};
    size_t e = begin;
    for (; e + kAtOnce <= end; e += kAtOnce) {
      Few v, x;
      for (size_t k = 0; k < kAtOnce; ++k) v[k] = cells[static_cast<size_t>(column[e + k])].v;
      std::memcpy(&x, value + e, sizeof x);
      sum += v * x;
    }
    float rest = cells[width_ - 1].v;
    for (; e < end; ++e) rest += cells[static_cast<size_t>(column[e])].v * value[e];
    for (size_t k = 0; k < kAtOnce; ++k) rest += sum[k];
    slope_[i] = rest;
    const auto t = static_cast<float>(curve_[i] * slope_[i]);
    for (e = begin; e < end; ++e) cells[static_cast<size_t>(column[e])].sum += t * value[e];
    cells[width_ - 1].sum += t;
  }
  // Newton's direction, and along_ = X direction. Returns the decrease that the quadratic model promises.
  double solve_direction() {
    Vector r(width_), s(width_), p(width_), hp(width_);
    std::fill(direction_.begin(), direction_.end(), 0.0);
    std::fill(along_.begin(), along_.end(), 0.0);
    for (size_t j = 0; j < width_; ++j) r[j] = -gradient_[j];
    inverse_.apply(r, s);
    p = s;
    double rs = dot(r, s);
    double promised = 0, gain = 0;
    for (int k = 0; k < 1000 && rs > 0 && (k == 0 || k * gain > kWorth * promised); ++k) {
      multiply(p, hp);
      const double a = rs / dot(p, hp);
      gain = a * rs / 2;
      promised += gain;
      for (size_t j = 0; j < width_; ++j) {
        direction_[j] += a * p[j];
        r[j] -= a * hp[j];
      }
      inverse_.apply(r, s);
      for (size_t i = 0; i < along_.size(); ++i) along_[i] += a * slope_[i];
      const double next = dot(r, s), b = next / rs;
      rs = next;
      for (size_t j = 0; j < width_; ++j) p[j] = s[j] + b * p[j];
    }
    return promised;
  }
  double at_row(size_t i) const {  // its w x + b, recomputed: the products use single precision
    double sum = w_.back();
    for (auto e = static_cast<size_t>(rows_.begin[i]); e < static_cast<size_t>(rows_.begin[i + 1]); ++e)
      sum += w_[static_cast<size_t>(rows_.column[e])] * rows_.value[e];
    return sum;
  }
  // Line search along the direction: halves the step until it achieves a tenth of the promised decrease.
  double search(double now, double promised) {
    double step = 1, next = objective(step);
    while (!(next <= now - 0.1 * step * promised) && step > 1e-8) {
      step /= 2;
      next = objective(step);
    }
    if (!(next < now)) return now;
    for (size_t j = 0; j < width_; ++j) w_[j] += step * direction_[j];
    walk([&](size_t i, size_t) { z_[i] = at_row(i); });
    std::fill(direction_.begin(), direction_.end(), 0.0);
    return objective(0);
  }

  const SparseRows& rows_;
  double c_;
  size_t width_;
  int64_t pieces_ = 1;
  std::vector<double> sign_, z_, along_, slope_, curve_;  // one number per row
  Vector w_, gradient_, diagonal_, direction_;
  std::vector<Vector> partial_, partial_diagonal_;
  std::vector<std::vector<Cell>> cells_;  // one per piece
  Preconditioner inverse_;
};
}  // namespace

Logistic fit_logistic(SparseRows rows, std::span<const uint8_t> machine, double c) {
  RUM_CHECK(rows.size() == machine.size(), "{} rows and {} labels", rows.size(), machine.size());
  RUM_CHECK(c > 0 && c <= kLargestC, "C = {}: expected a number above 0 and at most {:.0f}", c, kLargestC);
  const auto columns = static_cast<size_t>(rows.columns);
  const std::vector<int32_t> order = by_frequency(rows);
  renumber(rows, order);
  sort_rows(rows);
  Logistic found = Newton(rows, machine, c).solve();
  Vector weights(columns);
  for (size_t i = 0; i < order.size(); ++i) weights[static_cast<size_t>(order[i])] = found.weights[i];
  found.weights = std::move(weights);
  return found;
}
}  // namespace rum::detect
