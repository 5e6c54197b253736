#include "generate/attention_maps.h"

#include <algorithm>
#include <functional>

#include "generate/scoring_batch.h"

namespace rum {
namespace {
// A tensor of rows that end in the values of `kv` heads, `width` numbers each.
struct Values {
  Tensor rows;
  int64_t kv, width;
  // The same with other values: those of row from + d are the d-th unit vector, all others are 0.
  Tensor units(int64_t from) const {
    const Tensor out = rows.to(DeviceKind::cpu).clone();
    const int64_t columns = out.shape()[1], first = columns - kv * width;
    by_type(out.dtype(), [&]<class T> {
      for (int64_t n = 0; n < out.shape()[0]; ++n)
        for (int64_t c = first; c < columns; ++c)
          out.data<T>()[n * columns + c] = static_cast<T>(n == from + (c - first) % width ? 1.f : 0.f);
    });
    return out.to(rows.device());
  }
};
using Attend = std::function<Tensor(const Tensor& with_values)>;
// Rows and columns of the text, which is the first of its batch, `most` of each. As many columns at a time as
// a head has numbers.
void read_weights(AttentionMaps& m, const Values& values, int heads, int64_t most, const Attend& attend) {
  m.rows = std::min(m.rows, most);
  m.columns = std::min(m.columns, most);
  m.heads.assign(static_cast<size_t>(heads), std::vector<float>(static_cast<size_t>(m.rows * m.columns)));
  for (int64_t from = 0; from < m.columns; from += values.width) {
    const Tensor y = attend(values.units(from)).to(DeviceKind::cpu);
    for (int64_t r = 0; r < m.rows; ++r)
      for (int h = 0; h < heads; ++h)
        for (int64_t d = 0; d < values.width && from + d < m.columns; ++d)
          m.heads[static_cast<size_t>(h)][static_cast<size_t>(r * m.columns + from + d)] =
              static_cast<float>(y.at((r * heads + h) * values.width + d));
  }
}
AttentionMaps self_maps(AttentionMaps m, const Tensor& qkv, Heads heads, int64_t width, const Layout& layout,
                        Rope rope, int64_t most) {
  m.columns = m.rows;
  read_weights(m, {qkv, heads.kv, width}, heads.query, most,
               [&](const Tensor& t) { return attention(t, heads, layout, static_cast<int>(m.layer), rope); });
  return m;
}
// The same for blocks of a decoder alone and of an encoder.
void gpt_maps(const Gpt& gpt, const std::vector<Tensor>& states, const Layout& layout, AttentionMaps kind,
              int64_t most, std::vector<AttentionMaps>& out) {
  for (const Block& b : gpt.blocks) {
    const Tensor& x = states[static_cast<size_t>(b.layer)];
    kind.layer = b.layer;
    out.push_back(
        self_maps(kind, b.qkv(b.norm1(x)), b.heads, gpt.config.resolved_head_width(), layout, b.rope, most));
  }
}
void pair_maps(const EncoderDecoder& m, const Batch& b, const Example& e, int64_t most,
               std::vector<AttentionMaps>& out) {
  const int64_t source = e.prefix, width = m.encoder.config.resolved_head_width();
  const auto target = static_cast<int64_t>(e.tokens.size()) - source;
  std::vector<Tensor> read, states;
  const Tensor seen = m.encoder.hidden(b.source_ids, b.source, {}, &read);
  gpt_maps(m.encoder, read, b.source, {"encoder", 0, 0, 0, source, source, {}}, most, out);
  m.hidden(b, &states);
  const size_t from = static_cast<size_t>(source) - 1;
  for (const DecoderBlock& block : m.blocks) {
    const Tensor &x = states[static_cast<size_t>(block.layer)], qkv = block.qkv(block.norm1(x));
    out.push_back(self_maps({"decoder", block.layer, from, from, target, target, {}}, qkv, block.heads, width,
                            b.layout, block.rope, most));
    const Tensor a = attention(qkv, block.heads, b.layout, block.layer, block.rope);
    const Tensor q = block.query(block.norm2.after(x, block.project(a)).y);
    AttentionMaps& cross = out.emplace_back(AttentionMaps{"cross", block.layer, from, 0, target, source, {}});
    read_weights(cross, {block.memory(seen), block.heads.kv, width}, block.heads.query, most,
                 [&](const Tensor& t) { return cross_attention(q, t, block.heads, b.layout, b.source); });
  }
}
// What the first `most` tokens see of a decoder alone: one that reads from left to right, and a prefix in both
// directions, sees nothing behind them.
Example beginning_of(Example e, int64_t most) {
  if (e.prefix > most || static_cast<int64_t>(e.tokens.size()) <= most) return e;
  e.tokens.resize(static_cast<size_t>(most) + 1);  // the last one is only predicted
  e.goes_on = true;
  return e;
}
}  // namespace

std::vector<AttentionMaps> attention_maps(const Model& model, const Example& whole, int64_t most) {
  check_room("attention_maps", model, {&whole, 1}, 0);
  const Example example = model.encoder_decoder() ? whole : beginning_of(whole, most);
  const std::span<const Example> one(&example, 1);
  Arena arena(model.tokens().device());
  Tape tape(arena, Tape::Mode::forward_only);
  const Batch b = scoring_batch(model, one);
  std::vector<AttentionMaps> out;
  if (const EncoderDecoder* pair = model.encoder_decoder()) {
    pair_maps(*pair, b, example, most, out);
  } else {
    const auto n = static_cast<int64_t>(example.tokens.size()) - example.goes_on;
    gpt_maps(*model.gpt(), model.states(b), b.layout, {"self", 0, 0, 0, n, n, {}}, most, out);
  }
  return out;
}
}  // namespace rum
