// Runs all stages of a graph, several at a time, each in its own process and by the same command that a
// cluster's scheduler would run. It can be stopped and restarted at any time without losing or repeating
// work.
#pragma once
#include <string>
#include <vector>

#include "pipeline/store.h"

namespace rum {
struct RunnerConfig {
  std::vector<std::string> command;  // makes one stage, given its id: {"ruminate", "experiment", "stage"}
  int64_t jobs = 1;                  // parallel processes
  std::string when_busy = {};        // for the message if another process runs these stages: what to do
};
struct RunnerResult {
  int64_t made = 0, there = 0;  // stages made now, and found finished
  bool stopped = false;
};
// Stages with a wrong checksum are removed and made again, with a message. When a stage fails, all that do not
// need it are still made; then Error with its label, the last line of its output, and the path of its log.
// Error at once if another process runs the stages of this store.
RunnerResult run_stages(const Graph&, Store&, const RunnerConfig&, Progress&, const Stop& stop);

// Expected seconds of remaining work for one process: the costs of the missing stages, scaled by how long
// finished ones took.
double seconds_left(const Graph&, const Store&);
}  // namespace rum
