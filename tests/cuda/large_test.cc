// More than 2^31 numbers in one tensor, where a 32-bit index would wrap. All rows except the last are 0, and
// those are compared with the CPU. The same code also runs at small sizes, so it is tested without a GPU.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ops/add.h"
#include "ops/embedding.h"
#include "ops/gelu.h"
#include "ops/head_loss.h"
#include "ops/layernorm.h"
#include "ops/linear.h"
#include "optim/adamw.h"
#include "parity.h"

namespace rum::test::large_test {
namespace {
constexpr int64_t kLast = 3;

Tensor zeros(Shape s, DType t) {
  const Tensor out = Tensor::empty(s, t, kCuda);
  Backend::of(kCuda).fill(out.data<void>(), 0, static_cast<size_t>(out.size()) * size_of(t));
  return out;
}
void check(int64_t rows, int64_t width) {
  constexpr DType t = DType::bf16;
  const auto last = [&](const Tensor& x) { return x.rows(rows - kLast, rows); };
  Both some = numbers({kLast, width}, t, 1), weight = near_one(width, t, 2), bias = numbers({width}, t, 3),
       truth = room({kLast, width}, t), mean = room({kLast}, DType::f32), rstd = room({kLast}, DType::f32);
  {  // the norm of all gradients
    Tensor grads = zeros({rows, width}, DType::f32), got = Tensor::empty({1}, DType::f32, kCuda),
           parts = Tensor::empty({(grads.size() + 16383) / 16384}, DType::f64, kCuda);
    const Both g = numbers({kLast, width}, DType::f32, 4);
    last(grads).copy_from(g.cuda);
    kernels::gradient_norm(kCuda, grads, parts, got);
    double square = 0;
    for (int64_t i = 0; i < g.cpu.size(); ++i) square += g.cpu.at(i) * g.cpu.at(i);
    EXPECT_NEAR(got.at(0) / std::sqrt(square), 1, 1e-6);
  }
  Tensor x = zeros({rows, width}, t), y = Tensor::like(x);
  last(x).copy_from(some.cuda);

  kernels::gelu_forward(kCuda, x, y), kernels::gelu_forward(kCpu, some.cpu, truth.cpu);
  expect("gelu_forward", t, last(y), truth.cpu);
  kernels::add(kCuda, x, x, y), kernels::add(kCpu, some.cpu, some.cpu, truth.cpu);
  expect("add", t, last(y), truth.cpu);

  Slots sum(numbers({width}, DType::f32, 5), false);
  kernels::sum_rows(kCuda, x, Grad(&sum.cuda)), kernels::sum_rows(kCpu, some.cpu, Grad(&sum.cpu));
  expect("sum_rows", DType::f32, sum.cuda.grad, sum.cpu.grad);

  Tensor means = Tensor::empty({rows}, DType::f32, kCuda), rstds = Tensor::like(means);
  kernels::layernorm_forward(kCuda, x, {}, weight.cuda, bias.cuda, 1e-5f, x, y, means, rstds);
  kernels::layernorm_forward(kCpu, some.cpu, {}, weight.cpu, bias.cpu, 1e-5f, some.cpu, truth.cpu, mean.cpu,
                             rstd.cpu);
  expect("layernorm_forward", t, last(y), truth.cpu);

  const std::vector<int32_t> which{static_cast<int32_t>(rows - 1), 0, static_cast<int32_t>(rows - 2)};
  Tensor ids = Tensor::from<int32_t>(which, {kLast}, DType::i32),
         got = Tensor::empty({kLast, width}, t, kCuda);
  kernels::embedding_forward(kCuda, ids.to(kCuda), x, got);
  expect("embedding_forward", t, got.rows(0, 1), some.cpu.rows(kLast - 1, kLast));
  expect("embedding_forward", t, got.rows(2, 3), some.cpu.rows(kLast - 2, kLast - 1));

  Tensor targets =
             Tensor::from<int32_t>(std::vector<int32_t>(static_cast<size_t>(rows), 1), {rows}, DType::i32),
         weights = Tensor::from<float>(std::vector<float>(static_cast<size_t>(rows), 1), {rows}, DType::f32),
         nll = Tensor::empty({rows}, DType::f32, kCuda), loss = Tensor::empty({1}, DType::f32, kCuda);
  Both logits = numbers({kLast, width}, t, 1), nll_truth = room({kLast}, DType::f32),
       loss_truth = room({1}, DType::f32);
  kernels::cross_entropy(kCuda, x, targets.to(kCuda), weights.to(kCuda), 0, nullptr, true, true, nll, loss);
  kernels::cross_entropy(kCpu, logits.cpu, targets.rows(0, kLast), weights.rows(0, kLast), 0, nullptr, true,
                         true, nll_truth.cpu, loss_truth.cpu);
  expect("cross_entropy nll", DType::f32, last(nll), nll_truth.cpu);
  EXPECT_LE(error("cross_entropy, in place", t, last(x), logits.cpu), limit(t));
}
TEST(CudaLarge, TheSameSmall) { check(37, 64); }
TEST(CudaLarge, MoreThan2To31Numbers) {
  if (Backend::of(kCuda).describe().find("emulation") != std::string::npos)
    GTEST_SKIP() << "skipped: no GPU (this needs 9 GB of its memory)";
  check((int64_t{1} << 31) / 50304 + 64, 50304);
}
}  // namespace
}  // namespace rum::test::large_test
