// How likely a model finds texts that it has not been trained on.
#pragma once
#include <vector>

#include "base/stop.h"
#include "data/loader.h"
#include "model/model.h"
#include "run/config.h"

namespace rum {
struct EvaluationBatches {
  BatchShape shape;
  std::vector<std::vector<Example>> batches;  // packed one at a time: few texts may lie in a large shape
  std::vector<int32_t> texts;  // numbers in the corpus of all that fit a batch, also beyond the first `count`
  std::string note;            // what was cut or left out, for people; or empty
};
// Batches that hold the first `count` texts (windows of a stream; 0: all), in order, each once. Error when
// nothing is left of them.
EvaluationBatches evaluation_batches(const Corpus&, const Tokenizer&, const RunConfig&, int64_t count);
// A hash of the texts that a model is judged by, however the batches are cut: those of the batches, and the
// first `translated` ones.
uint64_t hash_of(const EvaluationBatches&, int64_t translated);
// Mean of -log p (natural) over the scored tokens, without label smoothing. Error when there are none.
// Interrupted once `stop`, asked before each batch, says so.
double mean_nll(const Model&, const EvaluationBatches&, const Stop& stop = {});
}  // namespace rum
