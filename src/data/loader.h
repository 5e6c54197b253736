// Which examples are in which step, as a pure function of (plan, corpora, tokenizer, shape): the plan's
// examples are packed greedily, in order. There is no state, so resuming needs only the step number.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "data/plan.h"
#include "data/tokens.h"

namespace rum {
struct LoaderConfig {
  BatchShape shape;
  int64_t micro_batches = 1;  // per step
  int64_t context = 0;        // most positions of an example (tokens.h); 0: no limit but the shape's
  int64_t target_tokens = 0;  // not 0: as many steps as it takes to give this many tokens a loss
  int64_t epochs = 0;         // not 0: no step begins after this many
  Windows windows = Windows::documents;
};
// Where each micro-batch begins is laid out: half a gigabyte for this many, more than runs need.
inline constexpr int64_t kMostMicroBatches = int64_t{1} << 25;
// Which micro-batches of a step this process computes; empty: all.
using Mine = std::function<bool(int64_t micro_batch)>;
class Loader {
 public:
  // Tokenizes the corpora (in parallel: call it from the main thread) and indexes where each micro-batch
  // begins. One pass over the plan is an epoch; when `steps` asks for more, the plan's next epoch follows at
  // once, in the same micro-batch (plan.h says in which order). steps = 0 and no target_tokens: one pass;
  // what is left of its last step stays empty. A row of the plan stands for all pieces of its text, one
  // after the other. Windows of a stream are shuffled in each epoch, and shifted by a number of tokens drawn
  // for it. Rows of weight 0, and pieces without a token to predict, are left out: every step has a loss.
  // Error when a corpus is not the one that the plan was made for, a weight is negative, nothing is left to
  // train on, or a run of so many epochs would have more than kMostMicroBatches.
  Loader(Plan, std::span<const Corpus>, const Tokenizer&, const LoaderConfig&, int64_t steps,
         const Tokenized& = {});
  ~Loader();
  Loader(Loader&&) noexcept;
  const std::vector<std::string>& notes() const;  // what was cut or left out, a line for each corpus
  // Most words of a source (count_words()) that is trained on, by corpus; 0: it has no pair that is.
  const std::vector<int64_t>& longest_sources() const;
  int64_t pieces() const;           // of an epoch: texts, or as many windows as they take
  int64_t steps() const;            // of the whole run
  int64_t steps_per_epoch() const;  // that hold the first epoch; the last may hold more
  // Its micro-batches, those of others with their figures alone; thread-safe, a pure function.
  std::vector<Packed> at(int64_t step, const Mine& = {}) const;
  double epoch(int64_t step) const;           // epochs completed when the step begins
  int64_t target_tokens(int64_t step) const;  // how many tokens had a loss before the step begins
  // Rows of the plan, in order, one for each piece; for tests and tracing.
  std::vector<int64_t> examples_of(int64_t step) const;

 private:
  struct Index;
  std::unique_ptr<Index> index_;
};

// Works a few steps ahead, on a thread of its own: next() gives at(step, mine), at(step + 1, mine), ... The
// loader must outlive it.
class Prefetch {
 public:
  Prefetch(const Loader&, int64_t first_step, int64_t ahead = 4, Mine = {});
  ~Prefetch();
  Prefetch(const Prefetch&) = delete;
  Prefetch& operator=(const Prefetch&) = delete;
  std::vector<Packed> next();  // rethrows what the loader threw, also when the step does not exist

 private:
  struct State;
  std::unique_ptr<State> state_;
};
}  // namespace rum
