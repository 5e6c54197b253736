// Every CUDA kernel against the CPU in double precision, on the same (rounded) numbers. Outside a tape, so
// that each tensor has its own memory and the checker sees an access past its end.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "cuda/gemm.h"
#include "ops/add.h"
#include "ops/gemm.h"
#include "ops/head_loss.h"
#include "ops/layernorm.h"
#include "ops/linear.h"
#include "optim/adamw.h"
#include "parity.h"

namespace rum::test::kernels_test {
namespace {
void layernorm_case(int64_t n, int64_t c, DType t, bool residual, bool add) {
  SCOPED_TRACE(fmt::format("({}, {}) {} residual {} add {}", n, c, name(t), residual, add));
  Both x = numbers({n, c}, t, 1, 3), delta = numbers({n, c}, t, 2), w = near_one(c, t, 3),
       b = numbers({c}, t, 4), dy = numbers({n, c}, t, 5), y = room({n, c}, t);
  Both r = residual ? room({n, c}, t) : x, mean = room({n}, DType::f32), rstd = room({n}, DType::f32);
  kernels::layernorm_forward(kCuda, x.cuda, residual ? delta.cuda : Tensor(), w.cuda, b.cuda, 1e-5f, r.cuda,
                             y.cuda, mean.cuda, rstd.cuda);
  kernels::layernorm_forward(kCpu, x.cpu, residual ? delta.cpu : Tensor(), w.cpu, b.cpu, 1e-5f, r.cpu, y.cpu,
                             mean.cpu, rstd.cpu);
  expect("layernorm_forward", t, y.cuda, y.cpu), expect("layernorm_forward", t, r.cuda, r.cpu);
  expect("layernorm_forward", t, rstd.cuda, rstd.cpu);

  // Backward from the same r on both sides, the device's rounded one.
  Both from(cast(r.cuda.to(kCpu), DType::f64), t);
  kernels::layernorm_forward(kCpu, from.cpu, Tensor(), w.cpu, b.cpu, 1e-5f, from.cpu, y.cpu, mean.cpu,
                             rstd.cpu);
  Slots dr(numbers({n, c}, t, 6), add), dw(numbers({c}, DType::f32, 7), add),
      db(numbers({c}, DType::f32, 8), add);
  kernels::layernorm_backward(kCuda, from.cuda, w.cuda, mean.cuda, rstd.cuda, dy.cuda, Grad(&dr.cuda),
                              Grad(&dw.cuda), Grad(&db.cuda));
  kernels::layernorm_backward(kCpu, from.cpu, w.cpu, mean.cpu, rstd.cpu, dy.cpu, Grad(&dr.cpu), Grad(&dw.cpu),
                              Grad(&db.cpu));
  expect("layernorm_backward", t, dr.cuda.grad, dr.cpu.grad);
  expect("layernorm_backward", t, dw.cuda.grad, dw.cpu.grad);
  expect("layernorm_backward", t, db.cuda.grad, db.cpu.grad);
}
TEST(CudaKernels, Layernorm) {
  // 1 row, widths one below and above a warp, odd widths, several chunks of rows, more than 64k numbers.
  const std::pair<int64_t, int64_t> shapes[] = {{1, 9},   {6, 5},    {3, 31},   {5, 33},    {70, 64},
                                                {7, 768}, {2, 1027}, {300, 40}, {65, 1024}, {5, 264}};
  for (const auto& [n, c] : shapes)
    for (DType t : kTypes)
      for (bool residual : {false, true})
        for (bool add : {false, true}) layernorm_case(n, c, t, residual, add);
}
TEST(CudaKernels, LayernormWritesOnlyWhatIsWanted) {
  for (int wanted = 0; wanted < 8; ++wanted) {
    const Both x = numbers({5, 12}, DType::f32, 1), w = numbers({12}, DType::f32, 2),
               mean = numbers({5}, DType::f32, 3), rstd = numbers({5}, DType::f32, 4),
               dy = numbers({5, 12}, DType::f32, 5);
    Slots dr(numbers({5, 12}, DType::f32, 6), false), dw(numbers({12}, DType::f32, 7), false),
        db(numbers({12}, DType::f32, 8), false);
    auto grad = [&](int bit, GradSlot& s) { return (wanted >> bit & 1) != 0 ? Grad(&s) : Grad(); };
    kernels::layernorm_backward(kCuda, x.cuda, w.cuda, mean.cuda, rstd.cuda, dy.cuda, grad(0, dr.cuda),
                                grad(1, dw.cuda), grad(2, db.cuda));
    kernels::layernorm_backward(kCpu, x.cpu, w.cpu, mean.cpu, rstd.cpu, dy.cpu, grad(0, dr.cpu),
                                grad(1, dw.cpu), grad(2, db.cpu));
    for (Slots* s : {&dr, &dw, &db}) expect("layernorm_backward", DType::f32, s->cuda.grad, s->cpu.grad);
  }
}
TEST(CudaKernels, LayernormHasTheSameBitsTwice) {
  const Both x = numbers({300, 40}, DType::f32, 1), w = numbers({40}, DType::f32, 2),
             dy = numbers({300, 40}, DType::f32, 5), mean = numbers({300}, DType::f32, 3),
             rstd = numbers({300}, DType::f32, 4);
  std::vector<std::vector<double>> seen;
  for (int run = 0; run < 3; ++run) {
    Slots dw(numbers({40}, DType::f32, 7), false);
    kernels::layernorm_backward(kCuda, x.cuda, w.cuda, mean.cuda, rstd.cuda, dy.cuda, Grad(), Grad(&dw.cuda),
                                Grad());
    auto& now = seen.emplace_back();
    for (int64_t j = 0; j < 40; ++j) now.push_back(dw.cuda.grad.at(j));
    EXPECT_EQ(seen[0], now);
  }
}
TEST(CudaKernels, Gemm) {
  const std::array<int64_t, 3> shapes[] = {{1, 1, 1},    {1, 33, 7},   {5, 3, 9},
                                           {64, 40, 24}, {33, 65, 70}, {1, 1, 513}};
  for (auto [m, n, k] : shapes)
    for (int flags = 0; flags < 8; ++flags)
      for (DType t : kTypes)
        for (DType out : {t, DType::f32})
          for (bool biased : {false, true}) {
            if (out != t && (flags & 4) == 0 && biased)
              continue;  // f32 from bf16: gradients of weights, no bias
            if (out != t && biased) continue;
            const GemmFlags f{(flags & 1) != 0, (flags & 2) != 0, (flags & 4) != 0};
            SCOPED_TRACE(
                fmt::format("{} x {} x {} flags {} bias {} out {}", m, n, k, flags, biased, name(out)));
            Both a = numbers(f.transpose_a ? Shape{k, m} : Shape{m, k}, t, 1),
                 b = numbers(f.transpose_b ? Shape{n, k} : Shape{k, n}, t, 2), bias = numbers({n}, t, 3),
                 c = numbers({m, n}, out, 4);
            gemm(a.cuda, b.cuda, c.cuda, f, biased ? bias.cuda : Tensor());
            gemm(a.cpu, b.cpu, c.cpu, f, biased ? bias.cpu : Tensor());
            expect("gemm", t, c.cuda, c.cpu);
          }
}
TEST(CudaKernels, GemmWithoutTheLibrary) {
  const std::array<int64_t, 3> shapes[] = {{1, 1, 1}, {1, 33, 7}, {40, 1, 70}, {24, 65, 1}, {33, 65, 70}};
  for (auto [m, n, k] : shapes)
    for (int flags = 0; flags < 8; ++flags)
      for (DType t : kTypes)
        for (bool biased : {false, true}) {
          const GemmFlags f{(flags & 1) != 0, (flags & 2) != 0, (flags & 4) != 0};
          SCOPED_TRACE(fmt::format("{} x {} x {} flags {} bias {} {}", m, n, k, flags, biased, name(t)));
          const DType out = f.add && !biased ? DType::f32 : t;  // as the gradients of weights
          Both a = numbers(f.transpose_a ? Shape{k, m} : Shape{m, k}, t, 1),
               b = numbers(f.transpose_b ? Shape{n, k} : Shape{k, n}, t, 2), bias = numbers({n}, t, 3),
               c = numbers({m, n}, out, 4);
          cuda::plain_gemm(a.cuda, b.cuda, c.cuda, f, biased ? bias.cuda : Tensor());
          gemm(a.cpu, b.cpu, c.cpu, f, biased ? bias.cpu : Tensor());
          expect("plain_gemm", out, c.cuda, c.cpu);
        }
}
TEST(CudaKernels, Pointwise) {
  for (int64_t n : {1, 7, 1023, 1024, 1025, 70001})
    for (DType t : kTypes)
      for (DType to : kTypes)
        for (bool add : {false, true}) {
          SCOPED_TRACE(fmt::format("{} numbers {} to {} add {}", n, name(t), name(to), add));
          Both x = numbers({n}, t, 1), x2 = numbers({n}, t, 2), sum = room({n}, t), f = numbers({1}, t, 3);
          Slots y(numbers({n}, to, 4), add), z(numbers({n}, to, 5), add);
          kernels::accumulate(kCuda, x.cuda, Grad(&y.cuda)), kernels::accumulate(kCpu, x.cpu, Grad(&y.cpu));
          expect("accumulate", to, y.cuda.grad, y.cpu.grad);
          kernels::scale(kCuda, x.cuda, f.cuda, Grad(&z.cuda)),
              kernels::scale(kCpu, x.cpu, f.cpu, Grad(&z.cpu));
          expect("scale", to, z.cuda.grad, z.cpu.grad);
          kernels::add(kCuda, x.cuda, x2.cuda, sum.cuda), kernels::add(kCpu, x.cpu, x2.cpu, sum.cpu);
          expect("add", t, sum.cuda, sum.cpu);
        }
}
TEST(CudaKernels, SumRows) {
  for (const auto& [n, c] : {std::pair<int64_t, int64_t>{1, 3}, {65, 33}, {64, 32}, {400, 70}, {4200, 5}})
    for (DType t : kTypes)
      for (bool add : {false, true}) {
        const Both dy = numbers({n, c}, t, 1);
        Slots db(numbers({c}, DType::f32, 2), add);
        kernels::sum_rows(kCuda, dy.cuda, Grad(&db.cuda)), kernels::sum_rows(kCpu, dy.cpu, Grad(&db.cpu));
        expect("sum_rows", t, db.cuda.grad, db.cpu.grad);
      }
}
TEST(CudaKernels,
     AdamW) {  // against the CPU in f32, as moments have the type of the weights
  for (DType t : kTypes) {
    for (float scale : {1e-3f, 1.0f}) {  // below and above the clip
      ParameterBlock on[2];
      Tensor norms[2], weights[2], shadows[2];
      for (int d = 0; d < 2; ++d) {
        const auto device = static_cast<DeviceKind>(d);
        const Params p(on[d]);
        (p / "a").matrix({130, 257}, {Init::normal, 0.5f}), (p / "b").vector(77, {Init::ones});
        on[d].materialise(device, t, 3);
        AdamW adamw(on[d], {});
        const Tensor in = Tensor::empty({7}, DType::i32, device);
        for (uint32_t step = 0; step < 3; ++step) {
          const Tensor g =
              cast(noise(on[d].grads().shape(), step + 1, static_cast<double>(scale)), DType::f32);
          on[d].grads().copy_from(g);
          const StepInputs inputs = adamw.inputs(step, 1e-2f, 1, 1);
          Backend::of(device).upload(in.data<void>(), &inputs, sizeof inputs);
          adamw.step(in.data<StepInputs>());
        }
        norms[d] = adamw.norm(), weights[d] = on[d].master(), shadows[d] = on[d].shadow();
      }
      EXPECT_LE(error("gradient_norm", DType::f32, norms[1], norms[0]), kF32);
      EXPECT_LE(error("adamw", DType::f32, weights[1], weights[0]), kF32);
      if (t == DType::bf16) {
        EXPECT_LE(error("adamw", t, shadows[1], shadows[0]), kBf16);
      }
    }
  }
}
TEST(CudaKernels, AdamWSkipsAStepThatIsNotFinite) {
  for (float bad : {INFINITY, -INFINITY, NAN}) {
    ParameterBlock block;
    (Params(block) / "a").matrix({4, 5}, {Init::normal, 0.5f});
    block.materialise(kCuda, DType::f32, 3);
    AdamW adamw(block, {});
    std::vector<float> g(static_cast<size_t>(block.grads().size()), 1.0f);
    g[7] = bad;
    block.grads().copy_from(Tensor::from<float>(g, block.grads().shape(), DType::f32));
    const double before = block.master().at(3);
    const StepInputs inputs = adamw.inputs(0, 1e-2f, 1, 1);
    const Tensor in = Tensor::empty({7}, DType::i32, kCuda);
    Backend::of(kCuda).upload(in.data<void>(), &inputs, sizeof inputs);
    adamw.step(in.data<StepInputs>());
    EXPECT_FALSE(std::isfinite(adamw.norm().at(0)));
    EXPECT_EQ(block.master().at(3), before);
  }
}
TEST(CudaKernels, CopiesAndFills) {
  // up to 1024 bytes are uploaded as a kernel's argument, more by a copy
  for (int64_t n : {1, 256, 257, 5000}) {
    const Tensor x = cast(noise({n}, 1), DType::f32), there = x.to(kCuda), again = there.clone();
    for (int64_t i = 0; i < n; i += 97) EXPECT_EQ(again.at(i), x.at(i));
    EXPECT_EQ(again.at(n - 1), x.at(n - 1));
    Backend::of(kCuda).fill(again.data<void>(), 0, static_cast<size_t>(n) * 4);
    EXPECT_EQ(again.at(n - 1), 0);
    EXPECT_EQ(there.at(n - 1), x.at(n - 1));
  }
}
}  // namespace
}  // namespace rum::test::kernels_test
