// Products in int8, for generation on the CPU: weights of 8 bits, a scale for each of their rows, and rows of
// activations that are rounded to 8 bits on the way. The sums are integers, so they are exact: the bits are
// the same in any batch, with any number of threads and through any of the instruction sets.
#pragma once
#include <cstdint>
#include <span>

#include "tensor/tensor.h"

namespace rum {
// A matrix of weights (O, I) by rows: w_oj is about q_oj scale_o, off by scale_o / 2 at most, |q_oj| <= 127.
// scale_o is the largest |w_oj| / 127, rounded up to 17 bits: so q_oj scale_o is an f32, exactly, and
// quantize(dequantize(m)) gives m again.
struct Int8Matrix {
  Tensor q;      // (O, I) i8
  Tensor scale;  // (O) f32
};
// weight: (O, I) f32 on the CPU. Error: a number in it is not finite.
Int8Matrix quantize(const Tensor& weight);
void dequantize(const Int8Matrix&, Tensor& weight);

// The same matrix in the order in which the kernels read it.
struct Int8Weights {
  int64_t outputs = 0, inputs = 0;
  Tensor panels;  // i8: for each 64 outputs and 4 inputs, 4 numbers of each output
  Tensor starts;  // i32, one per output: -128 times the sum of its q
  Tensor scales;  // f32, one per output
};
Int8Weights pack(const Int8Matrix&);
// The same some rows at a time: room for a matrix of this shape, and its rows from `begin` on.
Int8Weights int8_zeros(const Shape&);
void pack_rows(const Int8Matrix& rows, int64_t begin, Int8Weights&);
// Row o of it as numbers, what dequantize() gives: for embeddings, and for hashes.
void int8_row(const Int8Weights&, int64_t o, float* to);

// One way to do the integer products, by the instructions that it needs.
struct Int8Path {
  const char* name;
  bool apart;  // a row of x is |p|, then their signs (0 or -1) and an i32, the sum of the |p| below 0
  // sums[r][o] = sum over j of p_rj q_oj, where p_rj = x[r][j] - 128 if not apart, for `rows` rows of x,
  // `step` bytes apart, and the 64 outputs of a panel; `groups`: of 4 inputs. As many cache lines from
  // `ahead` on are wanted soon.
  void (*panel)(const uint8_t* x, int64_t step, int64_t rows, int64_t groups, const int8_t* panel,
                const int32_t* starts, int32_t* sums, const int8_t* ahead);
};
std::span<const Int8Path> int8_paths();  // those that this program has, the fastest first

// c (M, O) = a (M, I) weights' [+ bias (O)], in f32.
void int8_product(const Tensor& a, const Int8Weights&, Tensor& c, const Tensor& bias,
                  const Int8Path& = int8_paths()[0]);

// From here on gemm() multiplies by this weight (O, I) of a ParameterBlock through int8_product(), until
// int8_forget(), and embedding() looks rows up in it; the weight's own numbers are not read.
void use_int8(const Tensor& weight, Int8Weights);
// What use_int8() made of it, or null. Error: the weight has changed since.
const Int8Weights* int8_weights(const Tensor& weight);
void int8_forget(const Tensor& block);  // a ParameterBlock goes
}  // namespace rum
