#include "tensor/dtype.h"

#include "base/error.h"

namespace rum {
void fail_no_type(DType t) {
  constexpr const char* names[] = {"f32", "bf16", "f64", "i32", "i8"};
  fail(fmt::format("no kernel computes in {}", names[static_cast<int>(t)]));
}
}  // namespace rum
