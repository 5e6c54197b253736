// Predicting the next token of plain text, and everything that translation shares with it.
#pragma once

#include "model/lora.h"
#include "model/model.h"
#include "train/data.h"
#include "train/evaluate.h"
#include "train/task.h"

namespace rum {
class LanguageModel : public RunTask {
 public:
  LanguageModel(const RunConfig&, bool resume, Progress&);

  Tensor loss(const Batch& b) const override { return model_.loss(b).loss; }
  const Loader& loader() const override { return loader_; }
  int64_t texts() const override { return loader_.pieces(); }
  int64_t frozen_bytes() const override;
  Packed largest_batch(int64_t tokens) const override;

  std::string take_weights() override;  // those of train.from; adapters start at random beside them
  Evaluation evaluate(const Stop&) const override;
  TestReport test(Progress&, const Stop&) const override;

  std::vector<Fingerprint> fingerprints() const override;
  uint64_t evaluated_on() const override { return hash_of(validation_, 0); }
  void write_files(const RunFolder&) const override;

 protected:
  Loader lay_out();
  Model make_model();
  void note_if_learned(const char* key, const Corpus&);  // the same file as one that is trained on
  TestReport test_loss(const EvaluationBatches&, const Stop&) const;

  RunConfig config_;
  std::vector<Corpus> texts_;  // to train on, until they are tokens
  Corpus valid_;
  std::unique_ptr<StoredRun> from_;  // until its weights are taken
  Tokenizer tokenizer_;
  ParameterBlock frozen_;    // with adapters: all other weights, those of train.from
  std::string frozen_hash_;  // of these
  std::optional<Adapters> adapters_;
  Model model_;
  std::vector<CorpusFile> train_;
  uint64_t plan_hash_ = 0;
  Loader loader_;
  EvaluationBatches validation_;
};
}  // namespace rum
