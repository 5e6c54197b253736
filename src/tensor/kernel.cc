#include "tensor/kernel.h"

#include "base/error.h"

namespace rum {
void fail_no_kernel(const char* name, DeviceKind d) {
  fail(fmt::format("{} has no {} kernel: it runs on the {} alone (--device {})", name,
                   d == DeviceKind::cpu ? "cpu" : "cuda", d == DeviceKind::cpu ? "GPU" : "CPU",
                   d == DeviceKind::cpu ? "cuda" : "cpu"));
}
}  // namespace rum
