// The whole model. N packed tokens, C width, V vocabulary. One forward serves training, scoring and decoding.
// GPT-2's blocks (Radford et al. 2019) and Llama's (Touvron et al. 2023) differ only in the config.
#pragma once
#include <cmath>
#include <utility>
#include <vector>

#include "data/batch.h"
#include "model/layers.h"

namespace rum {
enum class Positions : uint8_t { learned, rope };  // a table, or rotary embedding (Su et al. 2021)
// Which linear layers have a bias: all, none, those for queries, keys and values (Qwen2), all of attention,
// or the feed-forward layer.
enum class Biases : uint8_t { all, none, qkv, attention, feed_forward };

struct GptConfig {  // `inner`: width of the feed-forward layer; the others have their usual names
  int64_t vocab = 0, context = 256, layers = 6, heads = 6, kv_heads = 6, width = 384, inner = 1536;
  int64_t head_width = 0;  // 0: width / heads
  Norm norm = Norm::layernorm;
  float epsilon = 1e-5f;  // of the norms
  Activation activation = Activation::gelu;
  Positions positions = Positions::learned;
  float rope_base = 10000;
  float rope_factor = 1, rope_low = 1, rope_high = 4, rope_context = 8192;  // as in Rope
  Biases bias = Biases::all;
  bool tied = true;     // the output layer is the token embedding (Press and Wolf 2017)
  bool restart = true;  // positions of a target start again at its separator
  float dropout = 0, smoothing = 0;
  bool recompute = false;

  int64_t resolved_head_width() const { return head_width > 0 ? head_width : width / heads; }
  // Width per token of all heads together.
  int64_t query_width() const { return heads * resolved_head_width(); }
  int64_t key_width() const { return kv_heads * resolved_head_width(); }
  Rope rope() const {
    Rope r(positions == Positions::rope ? rope_base : 0);
    r.factor = rope_factor;
    r.low = rope_low;
    r.high = rope_high;
    r.context = rope_context;
    return r;
  }
  bool qkv_bias() const { return project_bias() || bias == Biases::qkv; }
  bool project_bias() const { return bias == Biases::all || bias == Biases::attention; }
  bool feed_bias() const { return bias == Biases::all || bias == Biases::feed_forward; }
};

struct Block {  // attention and feed-forward, each behind a norm, added to the residual stream
  Normalise norm1, norm2;
  Linear qkv, project;
  FeedForward feed;
  Heads heads;
  int layer;
  Rope rope;
  float rate;
  Block(Params p, const GptConfig& c, int i)
      : norm1(p / "norm1", c.width, c.norm, c.epsilon),
        norm2(p / "norm2", c.width, c.norm, c.epsilon),
        qkv(p / "qkv", c.width, c.query_width() + 2 * c.key_width(), c.qkv_bias()),
        project(p / "project", c.query_width(), c.width, c.project_bias(), residual_scale(c)),
        feed(p / "feed", c.width, c.inner, c.activation, c.feed_bias(), residual_scale(c)),
        heads{static_cast<int>(c.heads), static_cast<int>(c.kv_heads)},
        layer(i),
        rope(c.rope()),
        rate(c.dropout) {}
  // Standard deviation for layers that add to the residual stream: smaller the more of them there are, so the
  // stream's variance does not grow with depth (Radford et al. 2019). A Block adds twice. A DecoderBlock,
  // with the same scale, adds three times: half as much variance again, at any depth.
  static float residual_scale(const GptConfig& c) {
    return 0.02f / std::sqrt(2.0f * static_cast<float>(c.layers));
  }

  // in: (N, C) -> (N, C). With `rows` (R) the result is (R, C): only these rows; keys and
  // values come from all.
  Residual operator()(Residual in, const Layout& layout, const Tensor& rows = {}) const {
    const uint32_t site = 2 * static_cast<uint32_t>(layer) + 1;
    auto [y, x] = norm1(std::move(in));
    Tensor a = attention(qkv(std::exchange(y, {})), heads, layout, layer, rope);
    if (rows) {
      a = embedding(rows, a);
      x = embedding(rows, x);
    }
    const auto [h, r] = norm2.after(x, dropout(project(a), rate, site));
    return {r, dropout(feed(h), rate, site + 1)};
  }
};

struct Gpt {
  GptConfig config;
  Tensor tokens;     // (V, C)
  Tensor positions;  // (context, C), or empty with RoPE
  Tensor head;       // (V, C): tokens when tied
  std::vector<Block> blocks;
  Normalise last;
  Gpt(Params p, const GptConfig& c)
      : config(c),
        tokens(c.tied ? (p / "tokens").matrix({c.vocab, c.width}, {Init::normal})
                      : (p / "tokens").table({c.vocab, c.width}, {Init::normal})),
        positions(c.positions == Positions::learned
                      ? (p / "positions").table({c.context, c.width}, {Init::normal})
                      : Tensor()),
        head(c.tied ? tokens : (p / "head").matrix({c.vocab, c.width}, {Init::normal})),
        last(p / "last", c.width, c.norm, c.epsilon) {
    for (int i = 0; i < c.layers; ++i) blocks.emplace_back(p / "block" / std::to_string(i), c, i);
  }
  // ids: (N) -> (N, C), or (R, C) when only `rows` are wanted: then the last block works only on them.
  // `states`, if given, receives the embedding and every block's output.
  Tensor hidden(const Tensor& ids, const Layout& layout, const Tensor& rows = {},
                std::vector<Tensor>* states = nullptr) const {
    Residual x{embedding(ids, tokens)};
    if (positions) x.delta = embedding(layout.positions, positions);
    if (drops(config.dropout)) x = {dropout(x.sum(), config.dropout, 0)};
    auto keep = [&] {
      if (!states) return;
      x = {x.sum()};
      states->push_back(x.x);
    };
    keep();
    for (const Block& block : blocks) {
      const Tensor wanted = &block == &blocks.back() ? rows : Tensor();
      auto run = [&block, layout, wanted](const Tensor& t) { return block({t}, layout, wanted).sum(); };
      x = config.recompute ? Residual{recompute(run, x.sum())} : block(std::move(x), layout, wanted);
      keep();
    }
    return last(std::move(x)).y;
  }
  Tensor hidden(const Batch& b) const { return hidden(b.ids, b.layout, b.rows); }
  std::vector<Tensor> states(const Batch& b) const {  // of every row, each (N, C)
    std::vector<Tensor> out;
    hidden(b.ids, b.layout, {}, &out);
    return out;
  }
  Tensor logits(const Tensor& ids, const Layout& layout, const Tensor& rows = {}) const {
    return linear(hidden(ids, layout, rows), head);
  }
  // smoothed: with the config's label smoothing, for training; without it nll is -log p(target), for scoring.
  HeadLoss loss(const Batch& b, bool smoothed = true) const {
    return head_loss(hidden(b), head, b.targets, b.weights, smoothed ? config.smoothing : 0);
  }
};
}  // namespace rum
