// An approximate inverse of the Hessian H = penalty + X' D X of a regression on sparse rows: exact for the
// most frequent columns and the constant, which make it ill-conditioned, and diagonal elsewhere.
#pragma once
#include <span>
#include <vector>

#include "detect/logistic.h"

namespace rum::detect {
class Preconditioner {
 public:
  // Rows with their entries in column order, where columns are in order of frequency. curve: D; diagonal:
  // that of H, for all columns and the constant.
  void set(const SparseRows&, std::span<const double> curve, std::span<const double> diagonal);
  void apply(std::span<const double> r, std::span<double> out) const;

 private:
  float* row(size_t a) { return factor_.data() + a * size_; }
  const float* row(size_t a) const { return factor_.data() + a * size_; }
  void add_up(const SparseRows&, std::span<const double> curve);
  void factorise();

  size_t size_ = 0;            // of the block; the constant is its last column
  std::vector<float> factor_;  // (size, size): the block's lower half, then L of the block = L L'
  std::vector<double> diagonal_;
};
}  // namespace rum::detect
