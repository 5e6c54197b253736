#include "base/parallel_log.h"

#include <algorithm>
#include <ctime>
#include <numeric>
#include <utility>

#include "base/error.h"

namespace rum {
namespace {
thread_local ParallelLog* log_of_thread = nullptr;

double processor_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}
}  // namespace

double Lap::work() const { return std::accumulate(pieces.begin(), pieces.end(), serial); }
double Lap::longest() const { return pieces.empty() ? 0 : *std::max_element(pieces.begin(), pieces.end()); }
double Lap::span() const { return serial + longest(); }
double Lap::on(int processors) const { return span() + (work() - span()) / processors; }

ParallelLog::ParallelLog() : last_(processor_seconds()) {
  RUM_CHECK(log_of_thread == nullptr, "this thread already has a ParallelLog");
  log_of_thread = this;
}
ParallelLog::~ParallelLog() { log_of_thread = nullptr; }
ParallelLog* ParallelLog::current() { return log_of_thread; }

double ParallelLog::since_last() {
  const double before = std::exchange(last_, processor_seconds());
  return last_ - before;
}
void ParallelLog::run(int64_t pieces, const Work& work) {
  const bool outermost = !std::exchange(inside_, true);
  if (outermost) {
    laps_.push_back({.part = "", .serial = since_last(), .pieces = {}});
    laps_.back().pieces.reserve(static_cast<size_t>(pieces));
    since_last();  // the time of the log itself is not counted
  }
  for (int64_t i = 0; i < pieces; ++i) {
    work(i);
    if (outermost) laps_.back().pieces.push_back(since_last());
  }
  inside_ = !outermost;
}
void ParallelLog::mark(std::string part) {
  laps_.push_back({.part = "", .serial = since_last(), .pieces = {}});
  for (; marked_ < laps_.size(); ++marked_) laps_[marked_].part = part;
  since_last();
}
}  // namespace rum
