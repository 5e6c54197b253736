// Work that makes the same calls each time, on the same addresses: eager until two runs in a row took the
// same memory of the arena, then recorded, from then on replayed. A device that cannot record runs it eagerly
// always.
#pragma once
#include <functional>

#include "tensor/arena.h"

namespace rum {
class Recording {
 public:
  Recording() = default;
  ~Recording() { forget(); }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  // `arena` is empty before the work and after it. What the work reads and writes besides lies where it did
  // the last time. When the arena's memory has moved since, all begins anew.
  void play(Arena& arena, const std::function<void()>& work);
  bool recorded() const { return graph_ != nullptr; }
  void forget();

  // Never record: slower, same bits. On at first when the environment has RUM_EAGER; tests switch it.
  static void set_eager(bool on);
  static int64_t replays;  // how often anything was replayed

 private:
  Backend* backend_ = nullptr;  // that holds the graph
  void* graph_ = nullptr;
  uint64_t trace_ = 0;    // of the arena's addresses, in the last eager run
  uint64_t moves_ = 0;    // Arena::moves() then
  bool settled_ = false;  // the last two eager runs had the same addresses
};
}  // namespace rum
