#include "base/threads.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/control_groups.h"
#include "base/parallel_log.h"

namespace rum {
namespace {
constexpr auto kSpin = std::chrono::microseconds(40);  // about the price of sleeping and waking once

// Tells the processor that this thread only waits.
inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// True as soon as ready() is, false after kSpin: the longest that anyone waits without sleeping.
template <class Ready>
bool spin(Ready&& ready) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 64; ++i) {
      if (ready()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

// A job is announced by writing ticket_ = (its number, pieces left). Whoever lowers the right half by one
// owns that piece; the number makes sure that a late thread cannot take a piece of a job it has not looked
// at. The caller waits for the pieces, not for the threads: a sleeping or preempted one delays nobody.
class ThreadPool {
 public:
  explicit ThreadPool(int count) { resize(count); }
  ~ThreadPool() { resize(1); }
  void resize(int count) {
    stop_ = true;
    wake_.fetch_add(1);
    wake_.notify_all();
    for (auto& t : threads_) t.join();
    threads_.clear();
    stop_ = false;
    for (int i = 1; i < count; ++i) threads_.emplace_back([this] { serve(); });
  }
  int size() const { return static_cast<int>(threads_.size()) + 1; }
  void run(int64_t pieces, const Work& work) {
    const bool in_place = threads_.empty() || pieces <= 1 || busy_;  // a piece that asks for pieces does them
    std::unique_lock<std::mutex> only(caller_, std::defer_lock);
    if (in_place || pieces > UINT32_MAX || !only.try_lock()) {
      for (int64_t i = 0; i < pieces; ++i) work(i);
      return;
    }
    error_ = nullptr;
    work_.store(&work, std::memory_order_release);
    left_.store(static_cast<uint32_t>(pieces));
    const uint64_t job = (ticket_.load() >> 32) + 1;
    ticket_.store(job << 32 | static_cast<uint64_t>(pieces), std::memory_order_release);
    wake_.fetch_add(1);
    wake_.notify_all();
    busy_ = true;
    while (take()) {
    }
    busy_ = false;
    spin([&] { return left_.load() == 0; });
    for (uint32_t n; (n = left_.load()) != 0;) left_.wait(n);
    if (error_) std::rethrow_exception(error_);
  }

 private:
  bool take() {  // one piece, if there is one
    uint64_t t = ticket_.load(std::memory_order_acquire);
    const Work* work = nullptr;
    do {
      if (static_cast<uint32_t>(t) == 0) return false;
      work = work_.load(std::memory_order_acquire);
    } while (!ticket_.compare_exchange_weak(t, t - 1));
    try {
      (*work)(static_cast<int64_t>(static_cast<uint32_t>(t)) - 1);
    } catch (...) {
      std::lock_guard lock(first_);
      if (!error_) error_ = std::current_exception();
    }
    if (left_.fetch_sub(1) == 1) left_.notify_one();
    return true;
  }
  void serve() {
    busy_ = true;
    while (!stop_) {
      const uint32_t seen = wake_.load();
      if (stop_) return;
      while (take()) {
      }
      if (!spin([&] { return wake_.load() != seen; })) wake_.wait(seen);
    }
  }
  std::vector<std::thread> threads_;
  std::mutex caller_, first_;
  std::atomic<const Work*> work_{nullptr};
  alignas(64) std::atomic<uint64_t> ticket_{0};
  alignas(64) std::atomic<uint32_t> left_{0};
  alignas(64) std::atomic<uint32_t> wake_{0};
  std::atomic<bool> stop_{false};
  std::exception_ptr error_;
  static thread_local bool busy_;
};
thread_local bool ThreadPool::busy_ = false;
int processors() {
  cpu_set_t set;
  const int affine = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return std::min(affine, allowed_processors(control_groups()));
}
ThreadPool& pool() {
  static ThreadPool p(processors());
  return p;
}
}  // namespace
void set_threads(int count) { pool().resize(std::max(count, 1)); }
int threads() { return pool().size(); }
void parallel(int64_t pieces, const Work& work) {
  if (ParallelLog* const log = ParallelLog::current())
    log->run(pieces, work);
  else
    pool().run(pieces, work);
}
}  // namespace rum
