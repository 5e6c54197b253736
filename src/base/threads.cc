#include "base/threads.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/threads.h"

namespace rum {
namespace {
class Pool {
 public:
  explicit Pool(int count) { resize(count); }
  ~Pool() { resize(1); }
  void resize(int count) {
    {
      std::lock_guard lock(mutex_);
      stop_ = true, ++job_;
    }
    wake_.notify_all();
    for (auto& t : threads_) t.join();
    threads_.clear();
    stop_ = false;
    const uint64_t seen = job_;
    for (int i = 1; i < count; ++i) threads_.emplace_back([this, seen] { serve(seen); });
  }
  int size() const { return static_cast<int>(threads_.size()) + 1; }
  void run(int64_t pieces, const std::function<void(int64_t)>& work) {
    if (threads_.empty() || pieces <= 1 || busy_) {  // a piece that asks for pieces gets them done in place
      for (int64_t i = 0; i < pieces; ++i) work(i);
      return;
    }
    {
      std::lock_guard lock(mutex_);
      work_ = &work, pieces_ = pieces, next_ = 0, left_ = static_cast<int>(threads_.size()), error_ = nullptr;
      ++job_;
    }
    wake_.notify_all();
    busy_ = true, take(), busy_ = false;
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return left_ == 0; });
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void take() {
    for (int64_t i; (i = next_.fetch_add(1)) < pieces_;) try {
        (*work_)(i);
      } catch (...) {
        std::lock_guard lock(mutex_);
        if (!error_) error_ = std::current_exception();
      }
  }
  void serve(uint64_t seen) {
    busy_ = true;
    for (;;) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return job_ != seen; });
      seen = job_;
      if (stop_) return;
      lock.unlock();
      take();
      lock.lock();
      if (--left_ == 0) done_.notify_one();
    }
  }
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const std::function<void(int64_t)>* work_ = nullptr;
  std::atomic<int64_t> next_{0};
  int64_t pieces_ = 0;
  uint64_t job_ = 0;
  int left_ = 0;
  bool stop_ = false;
  std::exception_ptr error_;
  static thread_local bool busy_;
};
thread_local bool Pool::busy_ = false;
int processors() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}
Pool& pool() {
  static Pool p(processors());
  return p;
}
}  // namespace
void set_threads(int count) { pool().resize(std::max(count, 1)); }
int threads() { return pool().size(); }
void parallel(int64_t pieces, const std::function<void(int64_t)>& work) { pool().run(pieces, work); }
}  // namespace rum
