#include "tensor/dtype.h"

#include "base/error.h"

namespace rum {
void fail_no_type(DType t) { fail(fmt::format("no kernel for dtype {}", static_cast<int>(t))); }
}  // namespace rum
