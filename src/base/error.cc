#include "base/error.h"

namespace rum {
void fail(const std::string& message) { throw Error(message); }
}  // namespace rum
