// Which examples are in which step, as a pure function of (plan, corpus, tokenizer, shape): the plan's
// examples are packed greedily, in order. There is no state, so resuming needs the step number alone.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "data/batch.h"
#include "data/corpus.h"
#include "data/plan.h"

namespace rum {
// How a text becomes tokens. Pair: source <sep> target <eos>, prefix up to and with <sep>. Document: text
// <eos>.
Example to_example(const Text&, const Tokenizer&, float weight = 1);
inline constexpr const char *kSep = "<sep>", *kEos = "<eos>";

struct LoaderConfig {
  BatchShape shape;
  int64_t micro_batches = 1;  // per step
  int64_t context = 0;        // a longer example is refused with its id, line and length
};
class Loader {
 public:
  // Tokenises the corpora (in parallel) and indexes where each step begins. One pass over the plan is an
  // epoch; when `steps` asks for more, the plan's next epoch follows (plan.h says in which order).
  Loader(const Plan&, std::span<const Corpus>, const Tokenizer&, const LoaderConfig&, int64_t steps);
  ~Loader();
  Loader(Loader&&) noexcept;
  int64_t steps() const;
  int64_t steps_per_epoch() const;                       // of the first epoch
  std::vector<Packed> at(int64_t step) const;            // its micro-batches; the same for the same arguments
  double epoch(int64_t step) const;                      // how far through the data, for the log
  std::vector<int64_t> examples_of(int64_t step) const;  // ids, in order; for tests and for tracing

 private:
  struct Index;
  std::unique_ptr<Index> index_;
};

// Works a few steps ahead on a thread of its own; next() gives at(step), at(step + 1), ...
class Prefetch {
 public:
  Prefetch(const Loader&, int64_t first_step, int64_t ahead = 4);
  ~Prefetch();
  std::vector<Packed> next();  // rethrows what the loader threw

 private:
  struct State;
  std::unique_ptr<State> state_;
};
}  // namespace rum
