// Makes all stages of a graph, several at a time, each in its own process, by the same command that a
// cluster's scheduler would run. Stopped at any moment and started again, it loses and repeats nothing.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "pipeline/store.h"

namespace rum {
struct RunnerConfig {
  std::vector<std::string> command;  // makes one stage, given its id: {"ruminate", "experiment", "stage"}
  int64_t jobs = 1;                  // processes side by side
  std::string when_busy = {};        // what to do where another process runs these stages, for the message
};
struct RunnerResult {
  int64_t made = 0, there = 0;  // stages made now, and found finished
  bool stopped = false;
};
// Stages with a wrong checksum are removed and made again, with a message. When a stage fails, those that are
// running end first; then Error with its label, the last line of its output, and where its log is. Error at
// once when another process runs the stages of this store.
RunnerResult run_stages(const Graph&, Store&, const RunnerConfig&, Progress&,
                        const std::function<bool()>& stop);

// Expected seconds of work that is left, on one process: costs of what is not made, scaled by how long what
// is made took.
double seconds_left(const Graph&, const Store&);
}  // namespace rum
