// L2-regularised logistic regression on sparse rows. Minimises
// 1/2 |w|^2 + C sum log(1 + exp(-y (w x + b))),  y = +-1, b without penalty.
// Strictly convex, so there is one optimum: Newton's method, each step solved by preconditioned conjugate
// gradients (Lin, Weng and Keerthi 2008), where each product is one pass over the rows.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace rum::detect {
struct SparseRows {
  int32_t columns = 0;
  std::vector<int64_t> begin{0};  // row i is [begin[i], begin[i + 1])
  std::vector<int32_t> column;
  std::vector<float> value;
  size_t size() const { return begin.size() - 1; }
};
struct Logistic {
  std::vector<double> weights;
  double constant = 0, objective = 0;
};
// machine: one label per row, 1 or 0. Same bits for any number of threads. Error when the two differ in
// length.
Logistic fit_logistic(SparseRows, std::span<const uint8_t> machine, double C);
}  // namespace rum::detect
