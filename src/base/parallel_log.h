// What a program would gain from more processors, from measurements with one: while a log is on, parallel()
// does its pieces one after the other and notes the processor time of each, and of what ran between.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/threads.h"

namespace rum {
// Some serial work, then pieces that may all run at once and that the caller waits for. Seconds.
struct Lap {
  std::string part;  // who did it
  double serial = 0;
  std::vector<double> pieces;

  double work() const;     // everything: the time on one processor
  double longest() const;  // piece
  double span() const;     // on any number of processors: serial + longest()
  // At most this on a number of processors, whoever takes which piece: the bound of Graham (1966) and Brent
  // (1974), span + (work - span) / processors. Waking threads and the memory they share are not counted.
  double on(int processors) const;
};

class ParallelLog {
 public:
  ParallelLog();  // of this thread, from now until it is destroyed; one at a time
  ~ParallelLog();
  ParallelLog(const ParallelLog&) = delete;
  ParallelLog& operator=(const ParallelLog&) = delete;
  static ParallelLog* current();  // of this thread, or null
  void run(int64_t pieces, const Work& work);
  void mark(std::string part);  // what ran since the last mark was done by this part
  const std::vector<Lap>& laps() const { return laps_; }

 private:
  double since_last();  // processor time of this thread since it was asked last
  std::vector<Lap> laps_;
  size_t marked_ = 0;
  double last_ = 0;
  bool inside_ = false;  // a piece, whose own pieces belong to it
};
}  // namespace rum
