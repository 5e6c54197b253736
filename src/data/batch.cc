#include "data/batch.h"

#include <algorithm>

#include "base/error.h"

namespace rum {
bool Load::fits(const BatchShape& b) const {
  return tokens <= b.tokens && texts <= b.texts && (b.scored == 0 || scored <= b.scored) &&
         (b.sources == 0 || sources <= b.sources);
}
// Rows that get a loss: the last token of the prefix predicts the first of the target; the text's last
// predicts nothing, and of a piece that goes on it has no row at all.
Load load_of(int64_t tokens, int32_t prefix, bool goes_on, const BatchShape& b) {
  if (b.labelled) return {tokens, 1, 1, 0};
  const int64_t scored = std::max<int64_t>(tokens - std::max(prefix, 1), 0);
  return b.sources > 0 ? Load{scored, 1, scored, prefix} : Load{tokens - goes_on, 1, scored, 0};
}
Load load_of(const Example& e, const BatchShape& b) {
  return load_of(static_cast<int64_t>(e.tokens.size()), e.prefix, e.goes_on, b);
}

bool fits(std::span<const Example> examples, const BatchShape& b) {
  Load all;
  for (const Example& e : examples) all = all + load_of(e, b);
  return all.fits(b);
}

Packed figures(std::span<const Example> examples, const BatchShape& b) {
  Packed p;
  p.mask = b.mask;
  for (const Example& e : examples) {
    for (int64_t n = load_of(e, b).scored; n > 0; --n) p.total_weight += static_cast<double>(e.weight);
    p.used += static_cast<int64_t>(e.tokens.size()) - e.goes_on;
  }
  return p;
}

Packed pack(std::span<const Example> examples, const BatchShape& b) {
  RUM_CHECK(fits(examples, b), "pack: {} texts do not fit {} tokens, {} texts, {} scored, {} of sources",
            examples.size(), b.tokens, b.texts, b.scored, b.sources);
  const bool apart = b.sources > 0;
  const auto n = static_cast<size_t>(b.tokens), s = static_cast<size_t>(b.texts),
             m = static_cast<size_t>(b.sources);
  size_t r = b.scored == 0 ? n : static_cast<size_t>(b.scored);
  if (b.labelled) r = s;
  Packed p = figures(examples, b);
  p.ids.resize(n);
  p.positions.resize(n);
  p.prefix.resize(s);
  p.offsets.resize(s + 1, static_cast<int32_t>(n));
  p.rows.resize(b.scored == 0 ? 0 : r);
  p.targets.resize(r);
  p.weights.resize(r);
  p.source_ids.resize(m);
  p.source_positions.resize(m);
  p.source_offsets.resize(apart ? s + 1 : 0, static_cast<int32_t>(m));
  size_t at = 0, row = 0, text = 0, source = 0;
  for (const Example& e : examples) {
    RUM_CHECK(!apart || e.prefix > 0, "pack: text {} has no source for the encoder to read", text);
    p.offsets[text] = static_cast<int32_t>(at);
    p.prefix[text] = apart ? 0 : e.prefix;
    if (apart) p.source_offsets[text] = static_cast<int32_t>(source);
    for (int32_t i = 0; apart && i < e.prefix; ++i, ++source) {
      p.source_ids[source] = e.tokens[static_cast<size_t>(i)];
      p.source_positions[source] = i;
    }
    const size_t first = apart ? static_cast<size_t>(e.prefix) - 1 : 0, cut = apart || e.goes_on ? 1 : 0;
    for (size_t i = first; i + cut < e.tokens.size(); ++i, ++at) {
      p.ids[at] = e.tokens[i];
      const auto place = static_cast<int32_t>(i);
      const bool again = (b.restart || apart) && e.prefix > 0 && place >= e.prefix - 1;
      p.positions[at] = again ? place - e.prefix + 1 : place;
      const bool learned = place + 1 >= e.prefix && i + 1 < e.tokens.size();  // the source is not
      if (b.labelled || !learned) continue;
      const size_t to = b.scored == 0 ? at : row++;
      if (b.scored != 0) p.rows[to] = static_cast<int32_t>(at);
      p.targets[to] = e.tokens[i + 1];
      p.weights[to] = e.weight;
    }
    if (b.labelled) {
      p.targets[text] = e.label;
      p.weights[text] = e.weight;
    }
    ++text;
  }
  // The tail is a text of its own, or none when all S are taken. Its positions stay 0: it may be
  // longer than the context.
  p.offsets[text] = static_cast<int32_t>(at);
  if (apart) p.source_offsets[text] = static_cast<int32_t>(source);
  return p;
}

Batch upload(const Packed& p, DeviceKind device) {
  auto ints = [&](const std::vector<int32_t>& v) {
    return v.empty() ? Tensor()
                     : Tensor::from<int32_t>(v, {static_cast<int64_t>(v.size())}, DType::i32, device);
  };
  Batch b{ints(p.ids),
          ints(p.rows),
          ints(p.targets),
          Tensor::from<float>(p.weights, {static_cast<int64_t>(p.weights.size())}, DType::f32, device),
          {ints(p.offsets), ints(p.prefix), ints(p.positions), p.mask},
          p.total_weight,
          ints(p.source_ids),
          {}};
  if (b.source_ids) b.source = {ints(p.source_offsets), ints(p.prefix), ints(p.source_positions), Mask::full};
  return b;
}
}  // namespace rum
