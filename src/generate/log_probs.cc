// Scoring: log p(target | source) of given texts, many to a forward.
#include <algorithm>

#include "base/error.h"
#include "data/loader.h"
#include "generate/generate.h"
#include "ops/head_loss.h"

namespace rum {
namespace {
int64_t filled(int64_t n, int64_t step) { return std::max<int64_t>((n + step - 1) / step * step, step); }

// The smallest shape of a batch that holds the examples; without them, the kind of shape.
BatchShape shape_of(const Model& model, std::span<const Example> examples) {
  const bool pair = model.encoder_decoder() != nullptr;
  BatchShape shape{
      .mask = pair ? Mask::causal : Mask::prefix, .restart = model.config().restart, .sources = pair ? 1 : 0};
  Load all;
  for (const Example& e : examples) all = all + load_of(e, shape);
  shape.tokens = filled(all.tokens, 64), shape.texts = all.texts + 1;
  if (pair)
    shape.sources = filled(all.sources, 64);
  else
    shape.scored = filled(all.scored, 64);
  return shape;
}

void score(const Model& model, Arena& arena, std::span<const Example> examples, double* out) {
  arena.settle();
  Tape tape(arena, Tape::Mode::forward_only);
  const BatchShape shape = shape_of(model, examples);
  const Batch b = upload(pack(examples, shape), model.tokens().device());
  // Not loss(): in blocks of rows, for the logits of many texts are large.
  const Tensor nll = head_loss(model.hidden(b), model.head(), b.targets, b.weights, 0, 256).nll;
  int64_t row = 0;
  for (const Example& e : examples) {
    double sum = 0;
    for (const int64_t end = row + load_of(e, shape).scored; row < end; ++row) sum -= nll.at(row);
    *out++ = sum;
  }
}
}  // namespace

std::vector<double> log_probs(const Model& model, std::span<const Example> examples, int64_t batch_tokens) {
  std::vector<double> out(examples.size());
  Arena arena(model.tokens().device());
  const BatchShape shape = shape_of(model, {});
  for (size_t begin = 0, end = 0; begin < examples.size(); begin = end) {
    int64_t tokens = 0;
    for (; end < examples.size(); ++end) {
      const auto n = static_cast<int64_t>(examples[end].tokens.size());
      RUM_CHECK(examples[end].prefix >= 0 && examples[end].prefix <= n,
                "log_probs: text {} has {} tokens and a prefix of {}", end, n, examples[end].prefix);
      RUM_CHECK(positions_of(examples[end], shape) <= model.config().context,
                "log_probs: text {} has {} tokens, the model's context holds {}", end, n,
                model.config().context);
      if (end > begin && tokens + n > batch_tokens) break;
      tokens += n;
    }
    score(model, arena, examples.subspan(begin, end - begin), &out[begin]);
  }
  return out;
}
}  // namespace rum
