// Compares the device with the CPU and keeps the worst error of each kernel for data/evidence/.
#pragma once
#include <string>
#include <vector>

#include "autograd/tape.h"
#include "tensor/recording.h"

namespace rum::test {
constexpr DeviceKind kCuda = DeviceKind::cuda, kCpu = DeviceKind::cpu;
// Largest |difference| / RMS of the reference.
constexpr double kF32 = 1e-5, kBf16 = 2e-2;
inline const char* name(DType t) { return t == DType::bf16 ? "bf16" : "f32"; }
inline double limit(DType t) { return t == DType::bf16 ? kBf16 : kF32; }

Tensor cast(const Tensor& t, DType to);  // on the CPU; i32 stays
// Largest |got - truth| / RMS(truth), less the cost of storing `got` in bf16: half a step at the truth, which
// beyond 5 RMS is above the limit. A row larger than the others is measured by its own RMS; with f32 results
// also a number beyond 4 RMS by a quarter of itself. Infinity if anything is NaN.
double distance(const Tensor& got, const Tensor& truth);
// The same, recorded for the evidence as an error of `kernel`.
double error(const std::string& kernel, DType, const Tensor& got, const Tensor& truth);
void note(const std::string& line);  // a line for the evidence
std::string evidence();              // device, worst error of each kernel, notes

struct Both {  // the same numbers on the device in the tested type, and on the CPU in double precision
  Tensor cuda, cpu;
  Both() = default;
  Both(const Tensor& f64, DType);
};
Both numbers(Shape, DType, uint32_t seed, double scale = 1);
Both near_one(int64_t n, DType, uint32_t seed);  // a norm's weight
Both room(Shape, DType);                         // to be written
struct Slots {  // a gradient on both sides, starting from the same numbers, which matter only when adding
  GradSlot cuda, cpu;
  Slots(const Both& start, bool add);
};
// EXPECTs that the error is within the limit of the type.
void expect(const char* kernel, DType, const Tensor& got, const Tensor& truth);
struct Eagerly {  // or, with false, the default: recorded and replayed
  explicit Eagerly(bool on = true) { Recording::set_eager(on); }
  ~Eagerly() { Recording::set_eager(false); }
};
constexpr DType kTypes[] = {DType::f32, DType::bf16};
}  // namespace rum::test
