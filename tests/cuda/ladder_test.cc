// Every step of the ladder against the formula in double precision: sizes that are not multiples of any tile,
// one row, one column, and sizes that allow accesses of 16 bytes.
#include "cuda/ladder/ladder.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"
#include "parity.h"
#include "tensor/backend.h"

namespace rum::test::ladder_test {
namespace {
using cuda::LadderStep;

// Runs a step over an output full of NaN. Infinity if a result is missing or NaN.
double error_of(const LadderStep& step, std::initializer_list<Tensor> in, const Tensor& truth,
                double scale = 1) {
  const std::vector<Tensor> inputs(in);
  const Tensor out = Tensor::empty(truth.shape(), step.type, kCuda);
  Backend::of(kCuda).fill(out.data<void>(), 0xff, static_cast<size_t>(out.size()) * size_of(step.type));
  step.run(inputs, out);
  const Tensor got = cast(out.to(kCpu), DType::f64).clone(), wanted = truth.clone();
  for (const Tensor& t : {got, wanted})
    for (int64_t i = 0; i < t.size(); ++i) t.data<double>()[i] *= scale;
  return error(fmt::format("ladder {} {}", step.op, step.number), step.type, got, wanted);
}
Tensor zeros(Shape s) {
  Tensor t = Tensor::empty(s, DType::f64, kCpu);
  std::fill_n(t.data<double>(), t.size(), 0.0);
  return t;
}

TEST(CudaLadder, HasFiveToEightStepsEach) {
  for (const auto& ladder :
       {cuda::matmul_ladder(), cuda::softmax_ladder(), cuda::layernorm_ladder(), cuda::attention_ladder()}) {
    EXPECT_GE(ladder.size(), 5U);
    EXPECT_LE(ladder.size(), 8U);
    for (size_t i = 0; i < ladder.size(); ++i) {
      EXPECT_EQ(ladder[i].number, static_cast<int>(i) + 1) << ladder[i].op;
      EXPECT_STREQ(ladder[i].op, ladder[0].op);
    }
  }
}

Tensor matmul_truth(const Tensor& a, const Tensor& b) {
  const int64_t m = a.shape()[0], k = a.shape()[1], n = b.shape()[1];
  const Tensor c = zeros({m, n});
  for (int64_t i = 0; i < m; ++i)
    for (int64_t l = 0; l < k; ++l)
      for (int64_t j = 0; j < n; ++j)
        c.data<double>()[i * n + j] += a.data<double>()[i * k + l] * b.data<double>()[l * n + j];
  return c;
}
TEST(CudaLadder, Matmul) {
  const std::array<int64_t, 3> shapes[] = {{1, 1, 1},  {1, 33, 7},     {33, 1, 65},
                                           {5, 3, 97}, {130, 129, 67}, {136, 264, 72}};
  for (const auto& [m, n, k] : shapes)
    for (const LadderStep& step : cuda::matmul_ladder()) {
      const Both a = numbers({m, k}, step.type, 1), b = numbers({k, n}, step.type, 2);
      EXPECT_LE(error_of(step, {a.cuda, b.cuda}, matmul_truth(a.cpu, b.cpu)), limit(step.type))
          << step.number << " " << step.idea << ": " << m << " x " << n << " x " << k;
    }
}

Tensor softmax_truth(const Tensor& x) {
  const Tensor y = zeros(x.shape());
  const int64_t width = x.shape()[1];
  for (int64_t i = 0; i < x.shape()[0]; ++i) {
    const double* const row = x.data<double>() + i * width;
    const double top = *std::max_element(row, row + width);
    double sum = 0;
    for (int64_t j = 0; j < width; ++j) sum += std::exp(row[j] - top);
    for (int64_t j = 0; j < width; ++j) y.data<double>()[i * width + j] = std::exp(row[j] - top) / sum;
  }
  return y;
}
TEST(CudaLadder, Softmax) {  // times the width: a row of 1000 weights has an RMS of about 1 then
  const std::pair<int64_t, int64_t> shapes[] = {{1, 1},  {5, 1},    {300, 7},  {1, 33},
                                                {3, 64}, {2, 1000}, {2, 2085}, {1, 8452}};
  for (const auto& [rows, width] : shapes)
    for (const LadderStep& step : cuda::softmax_ladder()) {
      const Both x = numbers({rows, width}, step.type, 1, 2);
      EXPECT_LE(error_of(step, {x.cuda}, softmax_truth(x.cpu), static_cast<double>(width)), limit(step.type))
          << step.number << " " << step.idea << ": " << rows << " x " << width;
    }
}
TEST(CudaLadder, SoftmaxOfLargeNumbersAndOfMinusInfinity) {
  for (const LadderStep& step : cuda::softmax_ladder())
    for (int64_t width : {40, 41}) {
      Tensor logits = noise({2, width}, 1, 3);
      for (int64_t j = 0; j < width; ++j) {
        logits.data<double>()[j] += 1e4;                               // exp of it would be infinite
        if (j % 3 != 1) logits.data<double>()[width + j] = -INFINITY;  // masked, from the first one on
      }
      const Both x(logits, step.type);
      EXPECT_LE(error_of(step, {x.cuda}, softmax_truth(x.cpu), static_cast<double>(width)), limit(step.type))
          << step.number << " " << step.idea;
    }
}
TEST(CudaLadder, SoftmaxFindsTheLargestWhereverItIs) {  // exp of it less any other would be infinite
  for (const LadderStep& step : cuda::softmax_ladder())
    for (int64_t place : {0, 3001, 8191, 8192, 8451}) {
      Tensor logits = noise({1, 8452}, 1);
      logits.data<double>()[place] = 200;
      const Both x(logits, step.type);
      EXPECT_LE(error_of(step, {x.cuda}, softmax_truth(x.cpu)), limit(step.type))
          << step.number << " " << step.idea << ": " << place;
    }
}

Tensor layernorm_truth(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Tensor y = zeros(x.shape());
  const int64_t width = x.shape()[1];
  for (int64_t i = 0; i < x.shape()[0]; ++i) {
    const double* const row = x.data<double>() + i * width;
    double mean = 0, square = 0;
    for (int64_t j = 0; j < width; ++j) mean += row[j] / static_cast<double>(width);
    for (int64_t j = 0; j < width; ++j)
      square += (row[j] - mean) * (row[j] - mean) / static_cast<double>(width);
    for (int64_t j = 0; j < width; ++j)
      y.data<double>()[i * width + j] =
          (row[j] - mean) / std::sqrt(square + 1e-5) * weight.data<double>()[j] + bias.data<double>()[j];
  }
  return y;
}
TEST(CudaLadder, Layernorm) {
  const std::pair<int64_t, int64_t> shapes[] = {{1, 1},  {5, 1},   {300, 7},  {1, 33},
                                                {3, 64}, {2, 768}, {2, 1001}, {1, 2180}};
  for (const auto& [rows, width] : shapes)
    for (const LadderStep& step : cuda::layernorm_ladder()) {
      const Both x = numbers({rows, width}, step.type, 1), w = near_one(width, step.type, 2),
                 b = numbers({width}, step.type, 3);
      EXPECT_LE(error_of(step, {x.cuda, w.cuda, b.cuda}, layernorm_truth(x.cpu, w.cpu, b.cpu)),
                limit(step.type))
          << step.number << " " << step.idea << ": " << rows << " x " << width;
    }
}
TEST(CudaLadder, LayernormAroundALargeMean) {  // where mean of x^2 minus mean^2 misses the limit
  Tensor far = noise({2, 300}, 1);
  for (int64_t i = 0; i < far.size(); ++i) far.data<double>()[i] += 30;
  for (const LadderStep& step : cuda::layernorm_ladder()) {
    const Both x(far, step.type), w = near_one(300, step.type, 2), b = numbers({300}, step.type, 3);
    EXPECT_LE(error_of(step, {x.cuda, w.cuda, b.cuda}, layernorm_truth(x.cpu, w.cpu, b.cpu)), kF32)
        << step.number << " " << step.idea;
  }
}

Tensor attention_truth(const Tensor& q, const Tensor& k, const Tensor& v) {
  const Tensor y = zeros(q.shape());
  const int64_t heads = q.shape()[0], t = q.shape()[1], d = q.shape()[2];
  for (int64_t h = 0; h < heads; ++h)
    for (int64_t i = 0; i < t; ++i) {
      std::vector<double> w;
      for (int64_t j = 0; j <= i; ++j) {
        double s = 0;
        for (int64_t c = 0; c < d; ++c)
          s += q.data<double>()[(h * t + i) * d + c] * k.data<double>()[(h * t + j) * d + c];
        w.push_back(s / std::sqrt(static_cast<double>(d)));
      }
      const double top = *std::max_element(w.begin(), w.end());
      double sum = 0;
      for (double& x : w) sum += x = std::exp(x - top);
      for (int64_t j = 0; j <= i; ++j)
        for (int64_t c = 0; c < d; ++c)
          y.data<double>()[(h * t + i) * d + c] +=
              w[static_cast<size_t>(j)] / sum * v.data<double>()[(h * t + j) * d + c];
    }
  return y;
}
TEST(CudaLadder, Attention) {
  const std::array<int64_t, 3> shapes[] = {{1, 1, 1},   {3, 1, 16},  {2, 33, 5},
                                           {1, 64, 64}, {2, 70, 24}, {1, 131, 63}};
  for (const auto& [heads, t, d] : shapes)
    for (const LadderStep& step : cuda::attention_ladder()) {
      const Both q = numbers({heads, t, d}, step.type, 1), k = numbers({heads, t, d}, step.type, 2),
                 v = numbers({heads, t, d}, step.type, 3);
      const double most = step.type == DType::bf16 ? 5e-2 : kF32;  // the weights are rounded to bf16 too
      EXPECT_LE(error_of(step, {q.cuda, k.cuda, v.cuda}, attention_truth(q.cpu, k.cpu, v.cpu)), most)
          << step.number << " " << step.idea << ": " << heads << " x " << t << " x " << d;
    }
}
TEST(CudaLadder, AttentionWithLargeScores) {  // up to 35: weights are rescaled often
  for (const LadderStep& step : cuda::attention_ladder()) {
    const Both q = numbers({1, 150, 32}, step.type, 1, 3), k = numbers({1, 150, 32}, step.type, 2, 3),
               v = numbers({1, 150, 32}, step.type, 3);
    EXPECT_LE(error_of(step, {q.cuda, k.cuda, v.cuda}, attention_truth(q.cpu, k.cpu, v.cpu)),
              step.type == DType::bf16 ? 5e-2 : kF32)
        << step.number << " " << step.idea;
  }
}
TEST(CudaLadder, AttentionSaysWhenAHeadIsTooWide) {
  const Both q = numbers({1, 2, 65}, DType::f32, 1), y = room({1, 2, 65}, DType::f32);
  const std::vector<Tensor> in(3, q.cuda);
  EXPECT_THROW(cuda::attention_ladder()[2].run(in, y.cuda), Error);
}
}  // namespace
}  // namespace rum::test::ladder_test
