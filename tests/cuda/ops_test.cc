// Every sample of every op on the device against the CPU in double precision, on the same (rounded) inputs:
// intermediate rounding counts as an op's error, storing the result in bf16 does not. Ops without all of
// their kernels are counted and named.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "autograd/tape.h"
#include "base/error.h"
#include "parity.h"

namespace rum::test::ops_test {
namespace {
struct Result {
  Tensor y;
  std::vector<Tensor> gradients;  // empty for an input that is not differentiated
};
Tensor kept(const Tensor& t) {  // on the CPU, in memory that outlives the tape
  Arena* const arena = std::exchange(current_arena(), nullptr);
  const Tensor out = t.to(DeviceKind::cpu).clone();
  current_arena() = arena;
  return out;
}
Result run(const Sample& sample, const std::vector<Tensor>& inputs, DeviceKind device) {
  Arena arena(device);
  Result out;
  const StepInputs step{3, 1, 7, 1e-3f, 1, 1, 4};
  const Tensor on_device = Tensor::empty({sizeof step / 4}, DType::i32, device);
  Backend::of(device).upload(on_device.data<void>(), &step, sizeof step);
  std::vector<GradSlot> slots(inputs.size());
  std::vector<Tensor> leaves;
  for (size_t i = 0; i < inputs.size(); ++i) {
    leaves.push_back(inputs[i].to(device).clone());
    slots[i] = GradSlot::of(leaves[i]);
    if (sample.inputs[i].dtype() == DType::f64) leaves[i].body()->leaf = &slots[i];
  }
  {
    Tape tape(arena, Tape::Mode::record, on_device.data<StepInputs>());
    const Tensor y = sample.apply(leaves);
    Tensor dy = cast(noise(y.shape(), 99), DType::bf16);  // the same numbers for every type, without outliers
    for (int64_t i = 0; i < dy.size(); ++i)
      dy.data<bf16>()[i] = bf16(std::clamp(static_cast<float>(dy.data<bf16>()[i]), -2.0f, 2.0f));
    tape.backward(y, cast(dy, y.dtype()).to(device));
    out.y = kept(y);
    for (const GradSlot& s : slots) out.gradients.push_back(s.grad ? kept(s.grad) : Tensor());
    for (GradSlot& s : slots) s.grad = Tensor();
  }
  return out;
}
// Runs one sample on both; false if a kernel does not exist yet.
bool compare(const Op& op, const Sample& sample, DType t) {
  std::vector<Tensor> rounded, truths;
  for (const Tensor& x : sample.inputs) {  // ids and weights of rows keep their type
    rounded.push_back(x.dtype() == DType::f64 ? cast(x, t) : x);
    truths.push_back(x.dtype() == DType::f64 ? cast(rounded.back(), DType::f64) : rounded.back());
  }
  Result cuda;
  try {
    cuda = run(sample, rounded, kCuda);
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("has no cuda kernel"), std::string::npos) << e.what();
    return false;
  }
  const Result cpu = run(sample, truths, DeviceKind::cpu);
  const double most = t == DType::bf16 ? op.tolerance.bf16 : op.tolerance.f32;
  EXPECT_LE(error(fmt::format("op {}", op.name), t, cuda.y, cpu.y), most);
  for (size_t i = 0; i < cpu.gradients.size(); ++i) {
    EXPECT_EQ(static_cast<bool>(cuda.gradients[i]), static_cast<bool>(cpu.gradients[i]));
    if (cpu.gradients[i]) {
      EXPECT_LE(error(fmt::format("op {} gradient", op.name), t, cuda.gradients[i], cpu.gradients[i]), most);
    }
  }
  return true;
}
TEST(CudaParity, TheMeasureSeesWhatIsWrong) {
  const Tensor truth = Tensor::from<double>(std::vector<double>{1, -1, 1, -1}, {2, 2}, DType::f64);
  const auto off = [&](DType t, double by) {
    const Tensor got = cast(truth, t).clone();
    by_type(t, [&]<class T> { got.data<T>()[3] = static_cast<T>(static_cast<Stats<T>>(-1 + by)); });
    return distance(got, truth);
  };
  EXPECT_EQ(off(DType::f32, 0), 0);
  EXPECT_NEAR(off(DType::f32, 0.03), 0.03, 1e-6);
  EXPECT_NEAR(off(DType::bf16, -0.03125), 0.03125 - 0.00390625, 1e-12);  // less half a step of 1
  for (const double bad : {double{NAN}, double{INFINITY}, -double{INFINITY}})
    for (const DType t : kTypes) EXPECT_EQ(off(t, bad), INFINITY);
  EXPECT_EQ(distance(truth.rows(0, 1), truth), INFINITY);
}
TEST(CudaOps, EverySampleAgreesWithTheCpu) {
  std::set<std::string> there, missing;
  int samples = 0;
  for (const Op* op : Op::all())
    for (const Sample& sample : op->samples())
      for (DType t : {DType::f32, DType::bf16}) {
        SCOPED_TRACE(fmt::format("{}: {} {}", op->name, sample.label, name(t)));
        if (compare(*op, sample, t))
          there.insert(op->name), ++samples;
        else
          missing.insert(op->name);
      }
  note(fmt::format("ops on the device: {} ({} samples)", there.size(), samples));
  EXPECT_EQ(missing, std::set<std::string>()) << "ops without their kernels";
}

std::string finite(const Tensor& t) {  // one character a number
  std::string out;
  for (int64_t i = 0; t && i < t.size(); ++i) out += std::isfinite(t.at(i)) ? '.' : 'x';
  return out;
}
// A NaN affects the same rows and columns on the device as on the CPU. In gradients of attention it may
// affect more of its own text (0 times NaN), and differently: attention_test.cc covers that.
TEST(CudaOps, WhatIsNotFiniteSpreadsAsOnTheCpu) {
  int spoilt = 0;
  for (const Op* op : Op::all())
    for (const Sample& sample : op->samples())
      for (size_t i = 0; i < sample.inputs.size(); ++i)
        for (const double bad : {double{NAN}, double{INFINITY}, -double{INFINITY}}) {
          if (sample.inputs[i].dtype() != DType::f64 || sample.inputs[i].size() > 4096) continue;
          SCOPED_TRACE(fmt::format("{}: {}, input {} with {}", op->name, sample.label, i, bad));
          std::vector<Tensor> inputs;
          for (const Tensor& x : sample.inputs)
            inputs.push_back(x.dtype() == DType::f64 ? cast(x, DType::f32).clone() : x);
          inputs[i].data<float>()[inputs[i].size() / 2] = static_cast<float>(bad);
          const Result cuda = run(sample, inputs, kCuda), cpu = run(sample, inputs, kCpu);
          EXPECT_EQ(finite(cuda.y), finite(cpu.y));
          const bool attention = std::string(op->name).find("attention") != std::string::npos;
          for (size_t g = 0; g < cpu.gradients.size() && !attention; ++g) {
            EXPECT_EQ(finite(cuda.gradients[g]), finite(cpu.gradients[g])) << "gradient of input " << g;
          }
          spoilt += finite(cpu.y).find('x') != std::string::npos;
        }
  EXPECT_GT(spoilt, 300);
}
}  // namespace
}  // namespace rum::test::ops_test
