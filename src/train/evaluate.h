// How likely a model finds texts that it has not been trained on.
#pragma once
#include <span>
#include <vector>

#include "data/loader.h"
#include "model/model.h"

namespace rum {
// Batches that hold the first `count` texts (0: all), in order, each once; texts that do not fit the shape
// are left out.
std::vector<Packed> evaluation_batches(const Corpus&, const Tokenizer&, const BatchShape&, int64_t count);
// Mean of -log p (natural) over the scored tokens, without label smoothing.
double mean_nll(const Model&, std::span<const Packed>);
}  // namespace rum
