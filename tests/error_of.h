// What a call says when it refuses: the message of its Error, or "" when there was none.
#pragma once
#include <functional>
#include <string>

#include "base/error.h"

namespace rum {
inline std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}
}  // namespace rum
