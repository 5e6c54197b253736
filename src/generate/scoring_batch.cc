#include "generate/scoring_batch.h"

#include <algorithm>

#include "base/error.h"
#include "base/round_up.h"
#include "data/tokens.h"

namespace rum {
namespace {
int64_t filled(int64_t n, int64_t step) { return std::max(round_up(n, step), step); }
}  // namespace

BatchShape scoring_shape(const Model& model, std::span<const Example> examples) {
  const bool pair = model.encoder_decoder() != nullptr;
  BatchShape shape{
      .mask = pair ? Mask::causal : Mask::prefix, .restart = model.config().restart, .sources = pair ? 1 : 0};
  Load all;
  for (const Example& e : examples) all = all + load_of(e, shape);
  shape.tokens = filled(all.tokens, 64);
  shape.texts = all.texts + 1;
  if (pair)
    shape.sources = filled(all.sources, 64);
  else
    shape.scored = filled(all.scored, 64);
  return shape;
}
Batch scoring_batch(const Model& model, std::span<const Example> examples) {
  return upload(pack(examples, scoring_shape(model, examples)), model.tokens().device());
}
int64_t positions_needed(const Model& model, const Example& e) {
  return positions_of(e, scoring_shape(model, {}));
}
void check_room(const char* who, const Model& model, std::span<const Example> examples, size_t i) {
  const int64_t needed = positions_needed(model, examples[i]);
  RUM_CHECK(needed <= model.config().context, "{}: text {} needs {} positions, the model's context holds {}",
            who, i, needed, model.config().context);
}
}  // namespace rum
