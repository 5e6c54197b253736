#include "train/evaluate.h"

#include <algorithm>

namespace rum {
std::vector<Packed> evaluation_batches(const Corpus& corpus, const Tokenizer& tokenizer,
                                       const BatchShape& shape, int64_t count) {
  const auto n = static_cast<int64_t>(corpus.texts.size());
  std::vector<Packed> out;
  std::vector<Example> open;
  for (int64_t i = 0; i < (count > 0 ? std::min(count, n) : n); ++i) {
    Example e = to_example(corpus.texts[static_cast<size_t>(i)], tokenizer);
    if (!fits({&e, 1}, shape)) continue;
    open.push_back(std::move(e));
    if (fits(open, shape)) continue;
    Example last = std::move(open.back());
    open.pop_back();
    out.push_back(pack(open, shape));
    open.assign(1, std::move(last));
  }
  if (!open.empty()) out.push_back(pack(open, shape));
  return out;
}

double mean_nll(const Model& model, std::span<const Packed> batches) {
  Arena arena(model.tokens().device());
  double sum = 0, weight = 0;
  for (const Packed& p : batches) {
    Batch b = upload(p, model.tokens().device());
    Tape tape(arena, Tape::Mode::forward_only);
    sum += model.loss(b, false).loss.at(0), weight += p.total_weight;
  }
  return weight > 0 ? sum / weight : 0;
}
}  // namespace rum
