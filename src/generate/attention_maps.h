// Where a model looks: the attention weights of each layer and head over one text. The kernels keep no T x T
// matrix; but attention is linear in its values, so its outputs for unit vectors are its weights.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "model/model.h"

namespace rum {
struct AttentionMaps {   // of one layer
  std::string part;      // "self"; of an encoder-decoder "encoder", "decoder" or "cross"
  int64_t layer = 0;     // from 0
  size_t rows_from = 0;  // which token of the example the first row is
  size_t columns_from = 0;
  int64_t rows = 0, columns = 0;
  std::vector<std::vector<float>> heads;  // of each (rows x columns), each row with the sum 1
};
// Layer by layer; with an encoder-decoder first the encoder's, then decoder and cross in turn. Of each map the
// first `most` rows and columns: what lies beyond costs at most one pass over the text. Error: the example
// needs more positions than the context has.
std::vector<AttentionMaps> attention_maps(const Model&, const Example&, int64_t most);
}  // namespace rum
