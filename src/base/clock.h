// Time as jobs and the tape measure it.
#pragma once
#include <chrono>

namespace rum {
inline double seconds_now() {  // of a steady clock
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
}  // namespace rum
