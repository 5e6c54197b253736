// Scoring: log p(target | source) of given texts, many to a forward.
#include <algorithm>

#include "base/error.h"
#include "generate/generate.h"
#include "ops/head_loss.h"

namespace rum {
namespace {
// Tokens that are predicted: those after the prefix, or all but the first.
int64_t predicted(const Example& e) {
  return std::max<int64_t>(static_cast<int64_t>(e.tokens.size()) - std::max(e.prefix, 1), 0);
}
int64_t filled(int64_t n, int64_t step) { return std::max<int64_t>((n + step - 1) / step * step, step); }

void score(const Gpt& model, Arena& arena, std::span<const Example> examples, double* out) {
  int64_t tokens = 0, rows = 0;
  for (const Example& e : examples) tokens += static_cast<int64_t>(e.tokens.size()), rows += predicted(e);
  const BatchShape shape{filled(tokens, 64), static_cast<int64_t>(examples.size()) + 1, filled(rows, 64),
                         Mask::prefix, model.config.restart};
  arena.settle();
  Tape tape(arena, Tape::Mode::forward_only);
  Packed packed = pack(examples, shape);
  std::fill(packed.positions.begin() + packed.used, packed.positions.end(), 0);  // may exceed the context
  const Batch b = upload(packed, model.tokens.device());
  // Not Gpt::loss: its nll carries the label smoothing of the training.
  const Tensor nll =
      head_loss(model.hidden(b.ids, b.layout, b.rows), model.head, b.targets, b.weights, 0, 256)
          .nll.to(DeviceKind::cpu);
  int64_t row = 0;
  for (const Example& e : examples) {
    double sum = 0;
    for (int64_t i = 0; i < predicted(e); ++i) sum -= nll.at(row++);
    *out++ = sum;
  }
}
}  // namespace

std::vector<double> log_probs(const Gpt& model, std::span<const Example> examples, int64_t batch_tokens) {
  std::vector<double> out(examples.size());
  Arena arena(model.tokens.device());
  for (size_t begin = 0, end = 0; begin < examples.size(); begin = end) {
    int64_t tokens = 0;
    for (; end < examples.size(); ++end) {
      const auto n = static_cast<int64_t>(examples[end].tokens.size());
      RUM_CHECK(n <= model.config.context, "log_probs: text {} has {} tokens, the model's context holds {}",
                end, n, model.config.context);
      RUM_CHECK(examples[end].prefix >= 0 && examples[end].prefix <= n,
                "log_probs: text {} has {} tokens and a prefix of {}", end, n, examples[end].prefix);
      if (end > begin && tokens + n > batch_tokens) break;
      tokens += n;
    }
    score(model, arena, examples.subspan(begin, end - begin), &out[begin]);
  }
  return out;
}
}  // namespace rum
