#include "tensor/recording.h"

#include <cstdlib>

#include "base/error.h"

namespace rum {
namespace {
bool& eager() {
  static bool on = std::getenv("RUM_EAGER") != nullptr;
  return on;
}
}  // namespace

int64_t Recording::replays = 0;
void Recording::set_eager(bool on) { eager() = on; }
void Recording::forget() {
  if (graph_) backend_->discard(graph_);
  graph_ = nullptr;
  settled_ = false;
  trace_ = 0;
}

void Recording::play(Arena& arena, const std::function<void()>& work) {
  if (eager() || arena.moves() != moves_) forget();
  moves_ = arena.moves();
  backend_ = &Backend::of(arena.device());
  arena.retrace();
  if (graph_ == nullptr && settled_ && backend_->begin_recording()) {
    try {
      work();
    } catch (...) {
      try {
        backend_->discard(backend_->end_recording());
      } catch (const Error&) {  // closing it may fail as well; the first error is the one to report
      }
      throw;
    }
    graph_ = backend_->end_recording();
  }
  if (graph_) {
    ++replays;
    return backend_->replay(graph_);
  }
  work();
  settled_ = !eager() && arena.chunks() <= 1 && arena.trace() == trace_;
  trace_ = arena.trace();
}
}  // namespace rum
