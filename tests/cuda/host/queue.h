// Shared by the two halves of the mock.
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>
#include <deque>
#include <span>

#include "mock.h"

namespace rum::mock {
struct Stream;
struct Event {
  Stream* stream = nullptr;  // of the newest record
  uint64_t at = 0;           // how much of that stream it stands for
  double time = -1;
  bool captured = false, timing = true;
};
struct Work {
  double ms;
  std::function<void()> run;
  bool sum = false;          // of NCCL
  Event* records = nullptr;  // stands from here on for what is done by then
  Stream* behind = nullptr;  // waits until so much of that stream is done
  uint64_t until = 0;
};
struct Stream {
  std::deque<Work> queue;
  uint64_t queued = 0, done = 0;
};
struct Graph {
  std::vector<Work> work;
  int waiting = 0;  // launches of it that have not run
};
// What a sum reads and writes until it ends: nothing else may.
std::span<char>& in_flight();
Stream& stream_of(cudaStream_t);
bool capturing(const Stream&);
void enqueue(Stream&, Work);                                           // into the queue, or into the capture
int enter(const std::string& function, const std::string& more = "");  // 0, or the error to return
void violation(const std::string& what);
void* nccl_symbol(const char* name);  // of nccl.cc; null: it has none of that name
}  // namespace rum::mock
