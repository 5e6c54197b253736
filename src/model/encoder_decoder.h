// The original Transformer (Vaswani et al. 2017), with pre-norm blocks: an encoder that sees a whole source,
// and a decoder that sees its own earlier tokens and, through cross-attention, the source. GptConfig
// describes both: `layers` is the number of blocks of each. `recompute` serves the encoder's blocks alone.
#pragma once
#include "model/gpt.h"

namespace rum {
struct DecoderBlock {  // self-attention, cross-attention, feed-forward
  Normalise norm1, norm2, norm3;
  Linear qkv, project;        // of self-attention
  Linear query, memory, mix;  // of cross-attention: mix projects what its heads have read
  FeedForward feed;
  Heads heads;
  int layer;
  Rope rope;
  float rate;
  DecoderBlock(Params p, const GptConfig& c, int i)
      : norm1(p / "norm1", c.width, c.norm, c.epsilon),
        norm2(p / "norm2", c.width, c.norm, c.epsilon),
        norm3(p / "norm3", c.width, c.norm, c.epsilon),
        qkv(p / "qkv", c.width, c.query_width() + 2 * c.key_width(), c.qkv_bias()),
        project(p / "project", c.query_width(), c.width, c.project_bias(), Block::residual_scale(c)),
        query(p / "query", c.width, c.query_width(), c.qkv_bias()),
        memory(p / "memory", c.width, 2 * c.key_width(), c.qkv_bias()),
        mix(p / "mix", c.query_width(), c.width, c.project_bias(), Block::residual_scale(c)),
        feed(p / "feed", c.width, c.inner, c.activation, c.feed_bias(), Block::residual_scale(c)),
        heads{static_cast<int>(c.heads), static_cast<int>(c.kv_heads)},
        layer(i),
        rope(c.rope()),
        rate(c.dropout) {}

  // in: (N, C) of the targets, read: (M, 2 keys), what `memory` made of the encoder's output. Text s of
  // `readers` (rows of `in`) sees text s of `sources` (rows of `read`).
  Residual operator()(Residual in, const Layout& targets, const Tensor& read, const Layout& readers,
                      const Layout& sources) const {
    const uint32_t site = kSites + 3 * static_cast<uint32_t>(layer);
    auto [y, x] = norm1(std::move(in));
    const Tensor a = attention(qkv(std::exchange(y, {})), heads, targets, layer, rope);
    const auto [h, r] = norm2.after(x, dropout(project(a), rate, site));
    const Tensor b = cross_attention(query(h), read, heads, readers, sources);
    const auto [h2, r2] = norm3.after(r, dropout(mix(b), rate, site + 1));
    return {r2, dropout(feed(h2), rate, site + 2)};
  }
  static constexpr uint32_t kSites = 1000;              // dropout's call sites, after all of the encoder's:
  static constexpr int kMostBlocks = (kSites - 2) / 2;  // two for each of its blocks, one before each side
};

// What the decoder reads from the sources: computed once per text, used for every generated token. Of the
// layouts only the offsets count.
struct Memory {
  std::vector<Tensor> read;  // of each block: keys and values, (M, 2 keys)
  Layout readers, sources;   // text s of `readers` (rows of the targets) sees text s of `sources` (rows of M)
};

struct EncoderDecoder {
  Gpt encoder;       // its `tokens` serve both sides, its `head` is the output layer
  Tensor positions;  // (context, C) of the targets, or empty with RoPE
  std::vector<DecoderBlock> blocks;
  Normalise last;
  EncoderDecoder(Params p, const GptConfig& c)
      : encoder(p / "encoder", c),
        positions(c.positions == Positions::learned
                      ? (p / "positions").table({c.context, c.width}, {Init::normal})
                      : Tensor()),
        last(p / "last", c.width, c.norm, c.epsilon) {
    for (int i = 0; i < c.layers; ++i) blocks.emplace_back(p / "decoder" / std::to_string(i), c, i);
  }
  // source: (M) ids of the texts to read, their layout with Mask::full: for each block (M, 2 keys).
  std::vector<Tensor> encode(const Tensor& source, const Layout& sources) const {
    const Tensor states = encoder.hidden(source, sources);
    std::vector<Tensor> out;
    for (const DecoderBlock& block : blocks) out.push_back(block.memory(states));
    return out;
  }
  // ids: (N), what has been generated so far, Mask::causal: (N, C). `states` as in Gpt::hidden.
  Tensor decode(const Tensor& ids, const Layout& targets, const Memory& memory,
                std::vector<Tensor>* states = nullptr) const {
    Residual x{embedding(ids, encoder.tokens)};
    if (positions) x.delta = embedding(targets.positions, positions);
    const float rate = encoder.config.dropout;
    if (drops(rate)) x = {dropout(x.sum(), rate, DecoderBlock::kSites - 1)};
    auto keep = [&] {
      if (!states) return;
      x = {x.sum()};
      states->push_back(x.x);
    };
    keep();
    for (size_t i = 0; i < blocks.size(); ++i) {
      x = blocks[i](std::move(x), targets, memory.read[i], memory.readers, memory.sources);
      keep();
    }
    return last(std::move(x)).y;
  }
  Tensor hidden(const Batch& b, std::vector<Tensor>* states = nullptr) const {  // with sources: (N, C)
    return decode(b.ids, b.layout, {encode(b.source_ids, b.source), b.layout, b.source}, states);
  }
  std::vector<Tensor> states(const Batch& b) const {  // of every row, each (N, C)
    std::vector<Tensor> out;
    hidden(b, &out);
    return out;
  }
  HeadLoss loss(const Batch& b, bool smoothed = true) const {  // as Gpt::loss
    return head_loss(hidden(b), encoder.head, b.targets, b.weights, smoothed ? encoder.config.smoothing : 0);
  }
};
}  // namespace rum
