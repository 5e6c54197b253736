// The one thread pool. Each piece of work writes its own output, and no sum depends on how many pieces there
// are, so results are bit-identical with any number of threads.
#pragma once
#include <cstdint>
#include <memory>
#include <type_traits>

namespace rum {
// A reference to a callable that takes the number of a piece: no copy, no allocation.
class Work {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, Work>) Work(F&& f)
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* o, int64_t piece) { (*static_cast<std::remove_reference_t<F>*>(o))(piece); }) {}
  void operator()(int64_t piece) const { call_(object_, piece); }

 private:
  void* object_;
  void (*call_)(void*, int64_t);
};

void set_threads(int count);  // at least 1; the caller of parallel() is one of them
int threads();                // as set; at first the number of processors this process may use
// Runs work(0) .. work(pieces - 1), in any order, and returns when all are done; rethrows
// the first exception.
void parallel(int64_t pieces, const Work& work);
}  // namespace rum
