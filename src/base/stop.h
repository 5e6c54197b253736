// Work that can be asked to stop.
#pragma once
#include <functional>

namespace rum {
using Stop = std::function<bool()>;  // polled now and then; true: stop
// Leaves work that was asked to stop. No Error, since nothing went wrong: what is unfinished is dropped, or
// has been saved to be continued.
struct Interrupted {};
inline void leave_if(const Stop& stop) {
  if (stop && stop()) throw Interrupted();
}
}  // namespace rum
