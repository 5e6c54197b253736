// The one thread pool. Work is cut into pieces by its shape alone, never by the number of threads, and each
// piece writes its own output: so results have the same bits with any number of threads.
#pragma once
#include <cstdint>
#include <functional>

namespace rum {
void set_threads(int count);  // at least 1; the caller of parallel() is one of them
int threads();                // as set; at first the number of processors this process may use
// Runs work(0) .. work(pieces - 1), in any order, and returns when all are done; rethrows the first
// exception.
void parallel(int64_t pieces, const std::function<void(int64_t piece)>& work);
}  // namespace rum
