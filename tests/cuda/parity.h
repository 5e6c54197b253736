// Compares the device with the CPU and keeps the worst error of each kernel for data/evidence/.
#pragma once
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace rum::test {
constexpr DeviceKind kCuda = DeviceKind::cuda;
constexpr double kF32 = 1e-5,
                 kBf16 = 2e-2;  // largest |difference| / RMS of the truth (RELIABILITY, rows 4 and 5)
inline const char* name(DType t) { return t == DType::bf16 ? "bf16" : "f32"; }
inline double limit(DType t) { return t == DType::bf16 ? kBf16 : kF32; }

Tensor cast(const Tensor& t, DType to);  // on the CPU; i32 stays
// Largest |got - truth| / RMS(truth), noted as an error of `kernel`. A number beyond 4 RMS is measured by a
// quarter of itself: half a bf16 step of one beyond 10 RMS is above the limit. Infinity when something is not
// a number.
double error(const std::string& kernel, DType, const Tensor& got, const Tensor& truth);
void note(const std::string& line);  // a line for the evidence
std::string evidence();              // device, worst error of each kernel, notes
}  // namespace rum::test
