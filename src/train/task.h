// What is learned, apart from how: the texts, the model, the loss, how good it is; of a task that has a run's
// folder also what is left behind. The trainer (trainer.cc) takes steps, saves, logs and resumes, and knows
// nothing else about a task; learn.h learns one in memory.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/stop.h"
#include "data/loader.h"
#include "model/params.h"
#include "run/config.h"
#include "run/folder.h"
#include "text/json.h"

namespace rum {
// How good the model is on texts that it has not learned from.
struct Evaluation {
  double loss = 0;              // per target; lower is better
  std::optional<double> score;  // the task's own figure, see score_name(); higher is better
  std::string text;             // both, in a readable line
  std::string samples{};        // for samples.txt; may be empty
};
// Something outside the checkpoint that a resumed run must find as it was.
struct Fingerprint {
  std::string key, name, hash;  // where the checkpoint keeps it, its readable name, and its hash now
  const char* setting = "";     // the key of the config that names it; "": none
};
struct TestReport {
  Json::Object figures;  // for results.json
  std::string text;      // lines for people
};

class Task {
 public:
  virtual ~Task() = default;
  ParameterBlock params;  // declared by the constructor; whoever trains gives them their numbers

  // A single number, made by the same ops for every micro-batch: the weighted sum over its targets, in training
  // divided by the weight of the whole step's, so that micro-batches add up to the mean.
  virtual Tensor loss(const Batch&) const = 0;
  virtual const Loader& loader() const = 0;  // the micro-batches of each step
  // Initial weights other than random ones; says whose they are, or "" when there are none.
  virtual std::string take_weights() { return ""; }
  // On texts that are not trained on. Throws Interrupted once `stop` says so.
  virtual Evaluation evaluate(const Stop& stop) const = 0;
};

class RunTask : public Task {
 public:
  std::vector<std::string> notes;     // what was cut or left out of the texts, a line each for people
  virtual int64_t texts() const = 0;  // in an epoch, or pieces of them
  // Of weights that are read and not trained, beside `params`.
  virtual int64_t frozen_bytes() const { return 0; }
  // A batch of this many tokens, in texts as long as the model takes: what needs the most memory.
  virtual Packed largest_batch(int64_t tokens) const = 0;

  virtual std::string score_name() const { return ""; }       // as a key: "bleu", of 100; "" without one
  virtual std::string score_title() const { return ""; }      // for people: "BLEU"
  virtual TestReport test(Progress&, const Stop&) const = 0;  // the finished model; nothing without data.test

  virtual std::vector<Fingerprint> fingerprints() const = 0;
  // A hash of the texts that evaluate() reads: which ones fit may change with the shape of a batch.
  virtual uint64_t evaluated_on() const = 0;
  // What belongs to the model besides its weights, and what it was made from.
  virtual void write_files(const RunFolder&) const = 0;
};

// The task that data.kind names: reads its corpora and, of a resumed run, its tokenizer. Writes nothing.
std::unique_ptr<RunTask> make_task(const RunConfig&, bool resume, Progress&);
}  // namespace rum
