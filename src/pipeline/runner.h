// Makes all stages of an experiment, several at a time, each in a process of its own: the same command that a
// cluster's scheduler would run. Stopped at any moment and started again it repeats nothing and loses
// nothing.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "pipeline/store.h"

namespace rum {
struct RunnerConfig {
  std::vector<std::string>
      command;       // makes one stage when its id is added: {"ruminate", "experiment", "stage", ...}
  int64_t jobs = 1;  // processes side by side
};
struct RunnerResult {
  int64_t made = 0, there = 0;  // stages made now, and found finished
  bool stopped = false;
};
// Stages whose checksums do not hold are removed and made again, which is said. One failed stage lets those
// that run end, then throws Error with the stage's label, what it said last, and where its log lies. Error at
// once when another process runs this experiment.
RunnerResult run_stages(const Graph&, Store&, const RunnerConfig&, Progress&,
                        const std::function<bool()>& stop);

// Expected seconds of work that is left, on one process: costs of what is not made, scaled by how long what
// is made took.
double seconds_left(const Graph&, const Store&);
}  // namespace rum
