// CUDA kernels that work on whole rows or sort them: embedding, cross-entropy, RMS norm, SwiGLU, pooling.
// Outside a tape, each tensor in its own memory; the reference is the CPU in double precision.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "ops/embedding.h"
#include "ops/head_loss.h"
#include "ops/pool.h"
#include "ops/rmsnorm.h"
#include "ops/swiglu.h"
#include "parity.h"

namespace rum::test::rows_test {
namespace {
Tensor ints(const std::vector<int32_t>& v, DeviceKind d) {
  return Tensor::from<int32_t>(v, {static_cast<int64_t>(v.size())}, DType::i32, d);
}
std::vector<double> host(const Tensor& t) {
  const Tensor c = cast(t.to(kCpu), DType::f64);
  return {c.data<double>(), c.data<double>() + c.size()};
}

// Ids: spread, all one, rising, a run that crosses several pieces of 32 and chunks of 512.
std::vector<int32_t> some_ids(int kind, int64_t n, int64_t rows) {
  std::vector<int32_t> v;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t spread = i * 7919 % 104729 % rows;
    v.push_back(static_cast<int32_t>(kind == 0   ? spread
                                     : kind == 1 ? rows - 1
                                     : kind == 2 ? i % rows
                                     : i % 3 > 0 ? rows / 2
                                                 : spread));
  }
  return v;
}
TEST(CudaRows, Embedding) {
  struct Case {
    int64_t n, rows, c;
  };
  for (const Case& k : {Case{1, 1, 1}, {5, 6, 3}, {31, 4, 8}, {33, 40, 17}, {1100, 9, 24}, {513, 700, 64}})
    for (int kind = 0; kind < 4; ++kind)
      for (DType t : kTypes) {
        SCOPED_TRACE(fmt::format("{} ids of {}, width {}, kind {} {}", k.n, k.rows, k.c, kind, name(t)));
        const std::vector<int32_t> v = some_ids(kind, k.n, k.rows);
        const Tensor there = ints(v, kCuda), here = ints(v, kCpu);
        Both table = numbers({k.rows, k.c}, t, 1), y = room({k.n, k.c}, t), dy = numbers({k.n, k.c}, t, 2);
        kernels::embedding_forward(kCuda, there, table.cuda, y.cuda);
        kernels::embedding_forward(kCpu, here, table.cpu, y.cpu);
        EXPECT_EQ(host(y.cuda), host(y.cpu));
        for (DType g : kTypes)
          for (bool add : {false, true}) {
            Slots d(numbers({k.rows, k.c}, g, 3), add);
            kernels::embedding_backward(kCuda, there, dy.cuda, Grad(&d.cuda));
            kernels::embedding_backward(kCpu, here, dy.cpu, Grad(&d.cpu));
            expect("embedding_backward", g, d.cuda.grad, d.cpu.grad);
          }
      }
}
TEST(CudaRows, EmbeddingHasTheSameBitsTwiceAndIdsOutsideAreNan) {
  const Tensor ids = ints(some_ids(3, 700, 20), kCuda), bad = ints({1, -1, 2, 3, 1 << 30}, kCuda);
  Both dy = numbers({700, 5}, DType::f32, 1), dbad = numbers({5, 5}, DType::f32, 2),
       table = numbers({3, 5}, DType::f32, 3), y = room({5, 5}, DType::f32);
  std::vector<double> first;
  for (int run = 0; run < 3; ++run) {
    Slots d(numbers({20, 5}, DType::f32, 4), true);
    kernels::embedding_backward(kCuda, ids, dy.cuda, Grad(&d.cuda));
    if (run == 0) first = host(d.cuda.grad);
    EXPECT_EQ(first, host(d.cuda.grad));
  }
  kernels::embedding_forward(kCuda, bad, table.cuda, y.cuda);
  for (int64_t i = 0; i < 25; ++i) EXPECT_EQ(std::isnan(y.cuda.at(i)), i / 5 % 2 == 1 || i / 5 == 4) << i;
  Slots d(numbers({3, 5}, DType::f32, 4), false);
  kernels::embedding_backward(kCuda, bad, dbad.cuda, Grad(&d.cuda));
  for (int64_t j = 0; j < 5; ++j) {
    EXPECT_EQ(d.cuda.grad.at(j), 0);
    EXPECT_EQ(d.cuda.grad.at(5 + j), dbad.cuda.at(j));
    EXPECT_EQ(d.cuda.grad.at(10 + j), dbad.cuda.at(10 + j));
  }
}

struct Loss {  // inputs and outputs of cross_entropy, on both sides
  std::vector<int32_t> targets;
  std::vector<float> weights;
  Both z, nll, loss;
  Tensor inputs = Tensor::empty({sizeof(StepInputs) / 4}, DType::i32, kCuda);
  StepInputs step{.total_weight = 3.5f};
  Loss(int64_t n, int64_t v, DType t, double scale) : z(numbers({n, v}, t, 1, scale)) {
    nll = room({n}, DType::f32), loss = numbers({1}, DType::f32, 5);
    for (int64_t i = 0; i < n; ++i)
      targets.push_back(static_cast<int32_t>(i * 31 % v)),
          weights.push_back(0.5f * static_cast<float>(i % 4));
    Backend::of(kCuda).upload(inputs.data<void>(), &step, sizeof step);
  }
  void run(float smoothing, bool gradient, bool first, bool both = true) {
    const int64_t n = nll.cuda.size();
    const Tensor w = Tensor::from<float>(weights, {n}, DType::f32);
    kernels::cross_entropy(kCuda, z.cuda, ints(targets, kCuda), w.to(kCuda), smoothing,
                           inputs.data<StepInputs>(), gradient, first, nll.cuda, loss.cuda);
    if (both)
      kernels::cross_entropy(kCpu, z.cpu, ints(targets, kCpu), w, smoothing, &step, gradient, first, nll.cpu,
                             loss.cpu);
  }
};
TEST(CudaRows, CrossEntropy) {
  // Odd vocabularies: a row may begin anywhere between two multiples of 16 bytes. 5000 takes more than one
  // round, 40001 uses blocks with twice the threads.
  for (const auto& [n, v] : {std::pair<int64_t, int64_t>{1, 1},
                             {3, 2},
                             {5, 7},
                             {4, 64},
                             {9, 509},
                             {2, 512},
                             {3, 5003},
                             {1, 10000},
                             {2, 40001}})
    for (DType t : kTypes)
      for (float smoothing : {0.0f, 0.1f})
        for (bool gradient : {false, true})
          for (bool first : {false, true}) {
            SCOPED_TRACE(fmt::format("{} x {} {} smoothing {} gradient {} first {}", n, v, name(t), smoothing,
                                     gradient, first));
            Loss l(n, v, t, 3);
            l.run(smoothing, gradient, first);
            expect("cross_entropy nll", DType::f32, l.nll.cuda, l.nll.cpu);
            expect("cross_entropy loss", DType::f32, l.loss.cuda, l.loss.cpu);
            // most of a row is close to 0: relative to its largest number, as products use it
            if (gradient) {
              const std::vector<double> a = host(l.z.cuda), b = host(l.z.cpu);
              double most = 1e-30, worst = 0;
              for (const double x : b) most = std::max(most, std::abs(x));
              for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]) / most);
              EXPECT_LE(worst, v == 1 ? 1 : limit(t));
            }
          }
}
TEST(CudaRows, WhatIsNotANumberStaysInItsRow) {
  for (float bad : {NAN, INFINITY, -INFINITY}) {
    Loss l(5, 37, DType::f32, 3), fine(5, 37, DType::f32, 3);
    std::vector<double> v = host(l.z.cuda);
    v[2 * 37 + 11] = static_cast<double>(bad);
    l.z.cuda.copy_from(Tensor::from<double>(v, {5, 37}, DType::f32));
    l.run(0, true, true, false), fine.run(0, true, true, false);
    const std::vector<double> a = host(l.nll.cuda), b = host(fine.nll.cuda), da = host(l.z.cuda),
                              db = host(fine.z.cuda);
    for (size_t i = 0; i < 5; ++i) {
      if (i == 2) continue;
      EXPECT_EQ(a[i], b[i]);
      for (size_t j = 0; j < 37; ++j) EXPECT_EQ(da[i * 37 + j], db[i * 37 + j]);
    }
    EXPECT_NE(a[2], b[2]);
    EXPECT_TRUE(std::isnan(l.loss.cuda.at(0)));  // so that the step is skipped

    for (int64_t c : {37, 64}) {  // norms: the row alone
      Both w = near_one(c, DType::f32, 3), y = room({5, c}, DType::f32), rstd = room({5}, DType::f32);
      std::vector<double> x = host(numbers({5, c}, DType::f32, 2).cpu);
      x[static_cast<size_t>(2 * c + 3)] = static_cast<double>(bad);
      Tensor in = Tensor::from<double>(x, {5, c}, DType::f32, kCuda);
      kernels::rmsnorm_forward(kCuda, in, Tensor(), w.cuda, 1e-5f, in, y.cuda, rstd.cuda);
      for (int64_t i = 0; i < 5 * c; ++i) EXPECT_TRUE(i / c == 2 || std::isfinite(y.cuda.at(i))) << i;
      EXPECT_TRUE(std::isnan(y.cuda.at(2 * c + 3)));
    }
  }
  Loss outside(3, 9, DType::f32, 1);
  outside.targets = {1, 9, 2};
  outside.run(0, true, true, false);
  EXPECT_TRUE(std::isnan(outside.nll.cuda.at(1)) && std::isnan(outside.z.cuda.at(9)) &&
              std::isnan(outside.loss.cuda.at(0)));
  EXPECT_TRUE(std::isfinite(outside.nll.cuda.at(2)) && std::isfinite(outside.z.cuda.at(18)));
}

TEST(CudaRows, Rmsnorm) {
  for (const auto& [n, c] :
       {std::pair<int64_t, int64_t>{1, 9}, {6, 1}, {3, 31}, {70, 64}, {2, 1027}, {300, 40}, {65, 1024}})
    for (DType t : kTypes)
      for (bool residual : {false, true})
        for (bool add : {false, true}) {
          SCOPED_TRACE(fmt::format("({}, {}) {} residual {} add {}", n, c, name(t), residual, add));
          Both x = numbers({n, c}, t, 1, 3), delta = numbers({n, c}, t, 2), w = near_one(c, t, 3),
               dy = numbers({n, c}, t, 5), y = room({n, c}, t), rstd = room({n}, DType::f32);
          Both r = residual ? room({n, c}, t) : x;
          kernels::rmsnorm_forward(kCuda, x.cuda, residual ? delta.cuda : Tensor(), w.cuda, 1e-5f, r.cuda,
                                   y.cuda, rstd.cuda);
          kernels::rmsnorm_forward(kCpu, x.cpu, residual ? delta.cpu : Tensor(), w.cpu, 1e-5f, r.cpu, y.cpu,
                                   rstd.cpu);
          expect("rmsnorm_forward", t, r.cuda, r.cpu);
          Both from(cast(r.cuda.to(kCpu), DType::f64), t);  // as rounded by the device
          kernels::rmsnorm_forward(kCpu, from.cpu, Tensor(), w.cpu, 1e-5f, from.cpu, y.cpu, rstd.cpu);
          expect("rmsnorm_forward", t, y.cuda, y.cpu);
          Slots dr(numbers({n, c}, t, 6), add), dw(numbers({c}, DType::f32, 7), add);
          kernels::rmsnorm_backward(kCuda, from.cuda, w.cuda, rstd.cuda, dy.cuda, Grad(&dr.cuda),
                                    Grad(&dw.cuda));
          kernels::rmsnorm_backward(kCpu, from.cpu, w.cpu, rstd.cpu, dy.cpu, Grad(&dr.cpu), Grad(&dw.cpu));
          if (c > 1) expect("rmsnorm_backward", t, dr.cuda.grad, dr.cpu.grad);
          expect("rmsnorm_backward", DType::f32, dw.cuda.grad, dw.cpu.grad);
        }
}
TEST(CudaRows, Swiglu) {
  for (const auto& [n, f] : {std::pair<int64_t, int64_t>{1, 1}, {3, 7}, {5, 64}, {70, 200}, {2, 1023}})
    for (DType t : kTypes)
      for (bool add : {false, true}) {
        SCOPED_TRACE(fmt::format("({}, {}) {} add {}", n, f, name(t), add));
        Both x = numbers({n, 2 * f}, t, 1), dy = numbers({n, f}, t, 2), y = room({n, f}, t);
        kernels::swiglu_forward(kCuda, x.cuda, y.cuda), kernels::swiglu_forward(kCpu, x.cpu, y.cpu);
        expect("swiglu_forward", t, y.cuda, y.cpu);
        Slots dx(numbers({n, 2 * f}, t, 3), add);
        kernels::swiglu_backward(kCuda, x.cuda, dy.cuda, Grad(&dx.cuda));
        kernels::swiglu_backward(kCpu, x.cpu, dy.cpu, Grad(&dx.cpu));
        expect("swiglu_backward", t, dx.cuda.grad, dx.cpu.grad);
      }
}
TEST(CudaRows, Pool) {
  for (const std::vector<int32_t>& offsets :
       {std::vector<int32_t>{0, 1}, {0, 3, 4, 4, 9, 40, 40, 40}, {0, 0, 39}})
    for (int64_t c : {1, 33, 64})
      for (DType t : kTypes)
        for (Pooling kind : {Pooling::mean, Pooling::last})
          for (bool add : {false, true}) {
            const int64_t n = offsets.back() == 1 ? 1 : 40, s = static_cast<int64_t>(offsets.size()) - 1;
            Both x = numbers({n, c}, t, 1), dy = numbers({s, c}, t, 2), y = room({s, c}, t);
            kernels::pool_forward(kCuda, x.cuda, ints(offsets, kCuda), kind, y.cuda);
            kernels::pool_forward(kCpu, x.cpu, ints(offsets, kCpu), kind, y.cpu);
            expect("pool_forward", t, y.cuda, y.cpu);
            Slots dx(numbers({n, c}, t, 3), add);
            kernels::pool_backward(kCuda, dy.cuda, ints(offsets, kCuda), kind, Grad(&dx.cuda));
            kernels::pool_backward(kCpu, dy.cpu, ints(offsets, kCpu), kind, Grad(&dx.cpu));
            expect("pool_backward", t, dx.cuda.grad, dx.cpu.grad);
          }
}
}  // namespace
}  // namespace rum::test::rows_test
