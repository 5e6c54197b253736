#include "data/batch.h"

#include <algorithm>

#include "base/error.h"

namespace rum {
namespace {
// Rows that get a loss: the last token of the prefix predicts the first of the target; the text's last
// predicts nothing.
int64_t scored(const Example& e) {
  const auto n = static_cast<int64_t>(e.tokens.size());
  return std::max<int64_t>(n - std::max(e.prefix, 1), 0);
}
}  // namespace

bool fits(std::span<const Example> examples, const BatchShape& b) {
  int64_t n = 0, r = 0;
  for (const Example& e : examples) n += static_cast<int64_t>(e.tokens.size()), r += scored(e);
  return n <= b.tokens && static_cast<int64_t>(examples.size()) <= b.texts &&
         (b.scored == 0 || r <= b.scored);
}

Packed pack(std::span<const Example> examples, const BatchShape& b) {
  RUM_CHECK(fits(examples, b), "pack: {} texts do not fit {} tokens, {} texts, {} scored", examples.size(),
            b.tokens, b.texts, b.scored);
  const auto n = static_cast<size_t>(b.tokens), s = static_cast<size_t>(b.texts);
  const size_t r = b.scored == 0 ? n : static_cast<size_t>(b.scored);
  Packed p{std::vector<int32_t>(n),
           std::vector<int32_t>(n),
           std::vector<int32_t>(s + 1, static_cast<int32_t>(n)),
           std::vector<int32_t>(s),
           std::vector<int32_t>(b.scored == 0 ? 0 : r),
           std::vector<int32_t>(r),
           std::vector<float>(r),
           0,
           0,
           b.mask};
  size_t at = 0, row = 0, text = 0;
  for (const Example& e : examples) {
    p.offsets[text] = static_cast<int32_t>(at), p.prefix[text++] = e.prefix;
    for (size_t i = 0; i < e.tokens.size(); ++i, ++at) {
      p.ids[at] = e.tokens[i];
      const auto place = static_cast<int32_t>(i);
      p.positions[at] = b.restart && e.prefix > 0 && place >= e.prefix - 1 ? place - e.prefix + 1 : place;
      if (i + 1 == e.tokens.size() || place + 1 < e.prefix) continue;  // the source is not learned
      const size_t to = b.scored == 0 ? at : row++;
      if (b.scored != 0) p.rows[to] = static_cast<int32_t>(at);
      p.targets[to] = e.tokens[i + 1], p.weights[to] = e.weight;
      p.total_weight += static_cast<double>(e.weight);
    }
  }
  // The tail is a text of its own, or none when all S are taken. Its positions stay 0: it may be longer than
  // the context.
  p.offsets[text] = static_cast<int32_t>(at);
  p.used = static_cast<int64_t>(at);
  return p;
}

Batch upload(const Packed& p, DeviceKind device) {
  auto ints = [&](const std::vector<int32_t>& v) {
    return v.empty() ? Tensor()
                     : Tensor::from<int32_t>(v, {static_cast<int64_t>(v.size())}, DType::i32, device);
  };
  return {ints(p.ids),
          ints(p.rows),
          ints(p.targets),
          Tensor::from<float>(p.weights, {static_cast<int64_t>(p.weights.size())}, DType::f32, device),
          {ints(p.offsets), ints(p.prefix), ints(p.positions), p.mask},
          p.total_weight};
}
}  // namespace rum
