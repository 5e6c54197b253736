// Learning a task in memory, for a model that is part of something else: nothing is written, and the weights
// that did best on the held-out texts are kept.
#pragma once
#include "base/progress.h"
#include "train/task.h"

namespace rum {
struct Learned {
  int64_t step = 0;  // whose weights the task has now
  double loss = 0;   // theirs on the held-out texts
};
// On the CPU, by the config's seed, optimizer, schedule, train.steps (at most the loader's), train.patience
// and eval_every. Error: a loss that is not finite.
Learned learn(Task&, const RunConfig&, Progress&);
}  // namespace rum
