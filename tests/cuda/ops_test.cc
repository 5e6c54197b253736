// Every sample of every op on the device against the CPU: f32 against double precision, bf16 against bf16,
// since what an op rounds on its way belongs to it. An op whose kernels are not all there yet is counted and
// named.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "autograd/tape.h"
#include "base/error.h"
#include "parity.h"

namespace rum::test {
namespace {
struct Result {
  Tensor y;
  std::vector<Tensor> gradients;  // empty where an input is not differentiated
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
    Tensor dy = cast(noise(y.shape(), 99), DType::bf16);  // the same numbers for every type, none far out
    for (int64_t i = 0; i < dy.size(); ++i)
      dy.data<bf16>()[i] = bf16(std::clamp(static_cast<float>(dy.data<bf16>()[i]), -2.0f, 2.0f));
    tape.backward(y, cast(dy, y.dtype()).to(device));
    out.y = kept(y);
    for (const GradSlot& s : slots) out.gradients.push_back(s.grad ? kept(s.grad) : Tensor());
    for (GradSlot& s : slots) s.grad = Tensor();
  }
  return out;
}
// Runs one sample on both; false when a kernel is not there yet.
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
}  // namespace
}  // namespace rum::test
