// The original Transformer shape (Vaswani et al. 2017, with norms in front): an encoder that sees a whole
// source, and a decoder that sees its own beginning and, through cross-attention, the source. GptConfig
// describes both.
#pragma once
#include "model/gpt.h"

namespace rum {
struct DecoderBlock {
  Normalise norm1, norm2, norm3;
  Linear qkv, project, query, memory, mix;
  FeedForward feed;
  Heads heads;
  int layer;
  float rope, rate;
  DecoderBlock(Params p, const GptConfig& c, int i)
      : norm1(p / "norm1", c.width, c.norm),
        norm2(p / "norm2", c.width, c.norm),
        norm3(p / "norm3", c.width, c.norm),
        qkv(p / "qkv", c.width, c.width + 2 * keys(c), c.bias),
        project(p / "project", c.width, c.width, c.bias, Block::residual_scale(c)),
        query(p / "query", c.width, c.width, c.bias),
        memory(p / "memory", c.width, 2 * keys(c), c.bias),
        mix(p / "mix", c.width, c.width, c.bias, Block::residual_scale(c)),
        feed(p / "feed", c.width, c.inner, c.activation, c.bias, Block::residual_scale(c)),
        heads{static_cast<int>(c.heads), static_cast<int>(c.kv_heads)},
        layer(i),
        rope(c.positions == Positions::rope ? c.rope_base : 0),
        rate(c.dropout) {}
  static int64_t keys(const GptConfig& c) { return c.width / c.heads * c.kv_heads; }

  // x: (N, C) of the targets, source: (M, C) from the encoder; text s of one belongs to text s of the other.
  Tensor operator()(const Tensor& x, const Tensor& source, const Layout& targets,
                    const Layout& sources) const {
    const uint32_t site = kSites + 3 * static_cast<uint32_t>(layer);
    const Tensor a = attention(qkv(norm1(x)), heads, targets, layer, rope);
    const auto [h, r] = norm2.after(x, dropout(project(a), rate, site));
    const Tensor b = cross_attention(query(h), memory(source), heads, targets, sources);
    const auto [h2, r2] = norm3.after(r, dropout(mix(b), rate, site + 1));
    return r2 + dropout(feed(h2), rate, site + 2);
  }
  static constexpr uint32_t kSites = 1000;  // dropout's call sites, after all of the encoder's
};

struct EncoderDecoder {
  Gpt encoder;       // its `tokens` serve both sides
  Tensor positions;  // (context, C) of the targets, or empty with RoPE
  std::vector<DecoderBlock> blocks;
  Normalise last;
  EncoderDecoder(Params p, const GptConfig& c)
      : encoder(p / "encoder", c),
        positions(c.positions == Positions::learned
                      ? (p / "positions").matrix({c.context, c.width}, {Init::normal})
                      : Tensor()),
        last(p / "last", c.width, c.norm) {
    for (int i = 0; i < c.layers; ++i) blocks.emplace_back(p / "decoder" / std::to_string(i), c, i);
  }
  // source: ids of the texts to read, its layout with Mask::full; ids: those to write, Mask::causal: (N, C).
  Tensor hidden(const Tensor& source, const Layout& sources, const Tensor& ids, const Layout& targets) const {
    const GptConfig& c = encoder.config;
    const Tensor memory = encoder.hidden(source, sources);
    Tensor x = embedding(ids, encoder.tokens);
    if (positions) x = x + embedding(targets.positions, positions);
    x = dropout(x, c.dropout, DecoderBlock::kSites - 1);
    for (const DecoderBlock& block : blocks) x = block(x, memory, targets, sources);
    return last(x);
  }
  // source: a batch of the sources (targets and weights unused), b: the batch of the targets, text by text.
  HeadLoss loss(const Batch& source, const Batch& b) const {
    return head_loss(hidden(source.ids, source.layout, b.ids, b.layout), encoder.head, b.targets, b.weights,
                     encoder.config.smoothing);
  }
};
}  // namespace rum
