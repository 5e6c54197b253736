// Shared by the two halves of the mock.
#pragma once
#include "mock.h"

namespace rum::mock {
struct Work {
  double ms;
  std::function<void()> run;
  bool sum = false;  // of NCCL
};
struct Graph {
  std::vector<Work> work;
  int waiting = 0;  // launches of it that have not run
};
void enqueue(Work);                                                    // into the queue, or into the capture
int enter(const std::string& function, const std::string& more = "");  // 0, or the error to return
void violation(const std::string& what);
void* nccl_symbol(const char* name);  // of nccl.cc; null: it has none of that name
}  // namespace rum::mock
