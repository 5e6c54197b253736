// A training run, from its config to its finished model. Everything that decides its numbers is in the config
// and the newest checkpoint, so a run can be stopped at any step and resumed to the same bits.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/progress.h"
#include "parallel/ranks.h"
#include "run/config.h"

namespace rum {
struct Outcome {
  int64_t step = 0, best_step = 0;  // optimizer steps done; those of the best checkpoint
  std::vector<int64_t> last_steps;  // those of the checkpoints that train.average takes the mean of
  bool finished = false;
  double loss = 0;        // of the last step
  double valid_loss = 0;  // of the finished model; without one, of the best checkpoint
  std::string results;    // the lines that close a finished run
};
struct Estimate {  // of a run that was only tried for a few steps
  int64_t parameters = 0, steps = 0, done = 0;
  double epochs = 0, bytes = 0, tokens_per_second = 0;
  double seconds = 0;  // for the steps that are not done yet
};

enum class Purpose : uint8_t { train, estimate };  // an estimate leaves the folder to whoever is at work

class Trainer {
 public:
  // Reads corpora and tokenizer, makes model and loader; of a resumed run (run/resume.h) its newest valid
  // checkpoint first. Nothing is written yet. FileError when another process trains in the folder. Of several
  // `ranks` each makes one and calls the same; rank 0 evaluates, decides when to stop, and alone writes.
  Trainer(RunConfig, Progress&, bool resume, Purpose = Purpose::train, Ranks& = Ranks::alone());
  ~Trainer();
  // A fresh run refuses a folder that holds a run. `stop` is asked after every step, and in the middle of
  // evaluations: true saves and returns. RankFailed when another rank has; what was done is saved.
  Outcome run(const std::function<bool(int64_t step)>& stop = {});
  Estimate estimate();  // --dry-run: a few steps, nothing written
 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What pick_device() makes of `name`, once all have the same kind. Error on those that have another than rank
// 0: auto may find a GPU that works for some of them only.
DeviceKind agreed_device(const std::string& name, Ranks&);
// Error when a run cannot begin in this folder, since it holds one, its model, or files of others that a run
// would overwrite.
void refuse_begun_run(const std::string& folder);
}  // namespace rum
