// Classifying texts: each class is a corpus, and the label of a text is its corpus's number.
#pragma once
#include <span>
#include <vector>

#include "model/classifier.h"
#include "run/run.h"
#include "train/task.h"

namespace rum {
// The body of a classifier with the config's shape, and the batches that it reads: all texts of one are
// batch.tokens, or more where the context is longer.
GptConfig classifier_config(const RunConfig&, int64_t vocab);
BatchShape classifier_shape(const RunConfig&, Pooling);

class Classification : public Task {
 public:
  // One corpus per class, all of the config's kind. `from`: the run whose language model, or whose encoder, the
  // body starts as, of the same shape and tokenizer; null: random weights.
  Classification(const RunConfig&, Pooling, std::span<const Corpus> train, std::span<const Corpus> valid,
                 const Tokenizer&, const LoadedRun* from);
  Tensor loss(const Batch& b) const override {
    return model_.loss(b.ids, b.layout, b.targets, b.weights).loss;
  }
  const Loader& loader() const override { return loader_; }
  std::string take_weights() override;
  Evaluation evaluate(const Stop&) const override;  // mean of -log p of the label

 private:
  const LoadedRun* from_;
  Classifier model_;
  Loader loader_, valid_;
};
}  // namespace rum
