// Recording and replay of training steps: a tiny model made of ops that have CUDA kernels,
// eagerly and replayed.
#include "train/step.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/random.h"
#include "model/layers.h"
#include "ops/gelu.h"
#include "parity.h"

namespace rum::test::step_test {
namespace {
constexpr int64_t kN = 9, kC = 24, kInner = 40;  // rows, width

// A residual block and a learned projection of its output to one number, to involve many kernels. The inputs
// are passed in Batch::weights; dropout reads step and micro-batch on the device.
struct Tiny {
  ParameterBlock block;
  Params p{block};
  Normalise first{p / "first", kC, Norm::layernorm, 1e-5f}, last{p / "last", kC, Norm::layernorm, 1e-5f};
  Linear up{p / "up", kC, kInner, true, 0.2f}, down{p / "down", kInner, kC, true, 0.2f};
  Linear out{p / "out", kC, kC, true, 0.2f};
  Tensor project = (p / "project").matrix({1, kN* kC}, {Init::normal, 0.02f});
  Tensor unused = (p / "unused").vector(5, {Init::ones});
  std::optional<AdamW> adamw;
  explicit Tiny(DeviceKind d, DType t) {
    block.materialise(d, t, 5);
    adamw.emplace(block, AdamWConfig{});
  }
  Tensor input(const Batch& b) const {  // in the compute type
    GradSlot x = GradSlot::of(project);
    x.shape = {kN, kC};
    kernels::accumulate(x.device, b.weights.as(x.shape), Grad(&x));
    return x.grad;
  }
  Tensor loss(const Batch& b) const {
    const Tensor x = input(b), h = first(x);
    const auto [y, r] = last.after(h, dropout(down(gelu(up(h))), 0.2f, 3));
    return linear(view(out(y) + r, {1, kN * kC}), project);
  }
};
Batch batch(uint32_t step, uint32_t micro, int64_t n = kN * kC) {
  Batch b;
  b.weights = cast(noise({n}, 1000 * step + micro), DType::f32);
  b.total_weight = 1;
  return b;
}
struct Trace {
  std::vector<double> losses;
  std::vector<float> master;
  int recorded = 0;
  bool operator==(const Trace& o) const { return losses == o.losses && master == o.master; }
};
Trace train(DeviceKind d, DType t, bool eager, uint32_t steps) {
  Tiny m(d, t);
  Step step(
      m.block, *m.adamw, [&](const Batch& b) { return m.loss(b); }, 11);
  const Eagerly way(eager);
  Trace out;
  for (uint32_t s = 0; s < steps; ++s) {
    std::vector<Batch> batches;
    for (uint32_t i = 0; i <= s % 3; ++i) batches.push_back(batch(s, i));  // 1, 2, 3, 1, 2, ... micro-batches
    step.run(batches, s, 2e-3f);
    out.losses.push_back(step.loss());
  }
  const Tensor w = m.block.master().to(DeviceKind::cpu);
  out.master.assign(w.data<float>(), w.data<float>() + w.size());
  out.recorded = step.recorded();
  return out;
}

// With three parts the gradient is the sum of theirs, in order, and so is the loss.
TEST(CudaStep, PartsAreAddedInTheirOrder) {
  constexpr size_t parts = 3;
  const std::vector<Batch> batches{batch(0, 0), batch(0, 1), batch(0, 2)};
  std::vector<float> sum;
  double loss = 0;
  Tiny single(kCuda, DType::f32);
  Step part(
      single.block, *single.adamw, [&](const Batch& b) { return single.loss(b); }, 11);
  for (uint32_t i = 0; i < parts; ++i) {
    StepInputs in = single.adamw->inputs(0, 2e-3f, parts, 11);
    in.micro = i;
    part.gradients({&batches[i], 1}, in);
    const Tensor g = single.block.grads().to(DeviceKind::cpu);
    sum.resize(static_cast<size_t>(g.size()));
    for (size_t k = 0; k < sum.size(); ++k) sum[k] += g.data<float>()[k];
    loss = static_cast<double>(static_cast<float>(loss) + static_cast<float>(part.loss()));
  }
  Tiny m(kCuda, DType::f32);
  Step step(
      m.block, *m.adamw, [&](const Batch& b) { return m.loss(b); }, 11, parts);
  step.run(batches, 0, 2e-3f);
  const Tensor g = m.block.grads().to(DeviceKind::cpu);
  EXPECT_EQ(std::vector<float>(g.data<float>(), g.data<float>() + g.size()), sum);
  EXPECT_EQ(step.loss(), loss);
  for (uint32_t s = 1; s < 8; ++s) step.run(batches, s, 2e-3f);
  EXPECT_EQ(step.recorded(), 2);  // the first micro-batch of each part, and the update
}

TEST(CudaStep, ReplayHasTheBitsOfEager) {
  for (DType t : {DType::f32, DType::bf16}) {
    const Trace eager = train(kCuda, t, true, 200), replay = train(kCuda, t, false, 200);
    EXPECT_EQ(eager.recorded, 0);
    EXPECT_EQ(replay.recorded, 3);
    EXPECT_TRUE(eager == replay) << name(t);
    EXPECT_NE(eager.losses.front(), eager.losses.back());
    note(fmt::format("step replayed against eager, {}: 200 steps, {}", name(t),
                     eager == replay ? "equal bits" : "DIFFERENT BITS"));
  }
}
TEST(CudaStep, AgreesWithTheCpuAfter100Steps) {
  const std::pair<DType, double> limits[] = {{DType::f32, 1e-4}, {DType::bf16, 2e-2}};
  for (const auto& [t, most] : limits) {
    const Trace cpu = train(DeviceKind::cpu, t, true, 100), cuda = train(kCuda, t, false, 100);
    double worst = 0;
    for (size_t i = 0; i < cpu.losses.size(); ++i) {
      const double d = std::abs(cpu.losses[i] - cuda.losses[i]) / (1 + std::abs(cpu.losses[i]));
      worst = d <= worst ? worst : std::isnan(d) ? INFINITY : d;
    }
    EXPECT_LE(worst, most) << name(t);
    note(fmt::format("loss against the CPU over 100 steps, {}: worst {:.1e}", name(t), worst));
  }
}
TEST(CudaStep, OtherShapesAreRecordedAgain) {
  std::vector<double> losses[2];
  for (bool eager : {true, false}) {
    Tiny m(kCuda, DType::f32);
    // Any number of values is folded into the model's rows.
    Step step(m.block, *m.adamw, [&](const Batch& b) {
      Batch cut = b;
      cut.weights = b.weights.rows(0, kN * kC);
      return m.loss(cut);
    });
    const Eagerly way(eager);
    for (uint32_t s = 0; s < 24; ++s) {
      const Batch one[] = {batch(s, 0, s < 8 || s >= 16 ? kN * kC : kN * kC + 7)};
      step.run(one, s, 2e-3f);
      losses[eager].push_back(step.loss());
      if (eager) continue;
      if (s == 8 || s == 16) {
        EXPECT_EQ(step.recorded(), 0);
      } else if (s == 7 || s == 15 || s == 23) {
        EXPECT_EQ(step.recorded(), 2);
      }
    }
  }
  EXPECT_EQ(losses[0], losses[1]);
}
// the first one is replayed by now, a further one still runs eagerly
TEST(CudaStep, MoreMicroBatchesMayComeLater) {
  std::vector<double> losses[2];
  for (bool eager : {true, false}) {
    Tiny m(kCuda, DType::f32);
    Backend::of(kCuda).fill(m.block.grads().data<void>(), 0x3f,
                            4 * static_cast<size_t>(m.block.grads().size()));
    Step step(m.block, *m.adamw, [&](const Batch& b) { return m.loss(b); });
    const Eagerly way(eager);
    for (uint32_t s = 0; s < 12; ++s) {
      const Batch three[] = {batch(s, 0), batch(s, 1), batch(s, 2)};
      step.run(std::span(three).first(s < 5 ? 1 : s < 8 ? 2 : 3), s, 2e-3f);
      losses[eager].push_back(step.loss());
    }
    for (int64_t i = 0; i < 5; ++i)
      EXPECT_EQ(m.unused.at(i), 1);  // its gradient was cleared, not left as it was
  }
  EXPECT_EQ(losses[0], losses[1]);
}
TEST(CudaStep, MicroBatchesAreNumbered) {
  Tiny m(DeviceKind::cpu, DType::f32);
  std::vector<uint32_t> seen;
  Step step(m.block, *m.adamw, [&](const Batch& b) {
    seen.push_back(Tape::current()->inputs()->micro);
    return m.loss(b);
  });
  const Batch three[] = {batch(0, 0), batch(0, 1), batch(0, 2)};
  step.run(three, 0, 1e-3f), step.run(three, 1, 1e-3f);
  EXPECT_EQ(seen, (std::vector<uint32_t>{0, 1, 2, 0, 1, 2}));
}
TEST(CudaStep, AGradientThatOnlyLaterMicroBatchesWriteIsRefused) {
  Tiny m(kCuda, DType::f32);
  int call = 0;
  Step step(m.block, *m.adamw, [&](const Batch& b) {
    const Tensor y = m.loss(b);
    return call++ % 2 == 0 ? y : y + view(linear(m.unused, view(m.unused, {1, 5})), {1, 1});
  });
  const Batch two[] = {batch(0, 0), batch(0, 1)};
  try {
    for (uint32_t s = 0; s < 6; ++s) step.run(two, s, 1e-3f);
    FAIL() << "nothing was said";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("a further micro-batch writes the gradient"), std::string::npos)
        << e.what();
  }
}
TEST(CudaStep, ReadingANumberWhileRecordingIsRefused) {
  Tiny m(kCuda, DType::f32);
  Step step(m.block, *m.adamw, [&](const Batch& b) {
    const Tensor y = m.loss(b);
    y.at(0);
    return y;
  });
  const Batch one[] = {batch(0, 0)};
  try {
    for (uint32_t s = 0; s < 6; ++s) step.run(one, s, 1e-3f);
    FAIL() << "nothing was said";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("while a step is recorded"), std::string::npos) << e.what();
  }
  const Eagerly now;  // and nothing is broken
  step.run(one, 6, 1e-3f);
  EXPECT_TRUE(std::isfinite(step.loss()));
}
TEST(CudaStep, MemoryStaysWhereItIs) {
  Tiny m(kCuda, DType::f32);
  Step step(m.block, *m.adamw, [&](const Batch& b) { return m.loss(b); });
  size_t peak = 0;
  for (uint32_t s = 0; s < 30; ++s) {
    const Batch two[] = {batch(s, 0), batch(s, 1)};
    step.run(two, s, 1e-3f);
    EXPECT_EQ(step.arena().in_use(), 0u);
    if (s == 5) peak = step.arena().peak();
  }
  EXPECT_EQ(step.arena().peak(), peak);
  EXPECT_EQ(step.arena().chunks(), 1u);
}
}  // namespace
}  // namespace rum::test::step_test
