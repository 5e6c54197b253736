// Work that makes the same calls each time, on the same addresses. It runs eagerly until two runs in a row
// have taken the same memory from the arena, is then recorded, and replayed from there on. A device that
// cannot record always runs it eagerly.
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
  // `arena` is empty before and after the work. Whatever else the work reads or writes must lie where it did
  // last time. If the arena's memory has moved since, everything starts over.
  void play(Arena& arena, const std::function<void()>& work);
  bool recorded() const { return graph_ != nullptr; }
  void forget();  // drops the graph; the next runs are eager again

  // Never record: slower, same bits. Initially on if the environment has RUM_EAGER; tests switch it.
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
