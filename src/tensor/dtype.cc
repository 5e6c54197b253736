#include "tensor/dtype.h"

#include "base/error.h"

namespace rum {
const char* name_of(DType t) {
  constexpr const char* names[] = {"f32", "bf16", "f64", "i32", "i8"};
  return names[static_cast<int>(t)];
}
void fail_no_type(DType t) { fail(fmt::format("no kernel computes in {}", name_of(t))); }
}  // namespace rum
