// Two processes with a GPU each, of which a test is rank 0: a thread plays rank 1 for NCCL's start, and ends
// with an error when it is let.
#pragma once
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <future>
#include <thread>

#include "../../forked.h"
#include "base/error.h"
#include "mock.h"
#include "parallel/ranks.h"

namespace rum::test {
// Runs f in a process of its own, where everything is as it was here; whether all went well there.
inline bool in_child(const std::function<void()>& f) {
  std::fflush(nullptr);
  const pid_t child = forked(fork());
  if (child == 0) {
    try {
      f();
    } catch (const std::exception& e) {
      ADD_FAILURE() << e.what();
    }
    for (const std::string& v : mock::violations()) ADD_FAILURE() << v;
    std::fflush(nullptr);
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 1;
  waitpid(child, &status, 0);
  return status == 0;
}

class TwoRanks {
 public:
  ~TwoRanks() {
    if (!failed_) fail();
  }
  void fail() { failed_ = true, may_fail_.set_value(); }
  // The last byte of what names the communicator, as rank 1 has it, once it has.
  int id() { return started_.get_future().get(); }

 private:
  static Launch launch(int rank) {
    Launch l;
    l.rank = rank, l.size = 2, l.port = static_cast<uint16_t>(20000 + getpid() % 10000);
    return l;
  }
  bool failed_ = false;
  std::promise<int> started_;
  std::promise<void> may_fail_;
  std::jthread other_{[this] {  // outlives the ranks here, whose end it waits for
    struct Id {
      char bytes[128];
    };
    Ranks mine(launch(1));
    mine.check_same(22703, "the version of NCCL");
    started_.set_value(mine.from_first(Id{}).bytes[127]);
    may_fail_.get_future().wait_for(std::chrono::seconds(60));
    mine.end(Error("no space left"));
  }};

 public:
  Ranks ranks{launch(0)};
};
}  // namespace rum::test
