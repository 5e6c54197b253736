// The message of the Error that a call throws, or "" if it throws none.
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
