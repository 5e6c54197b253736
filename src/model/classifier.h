// A GPT that says which class a text belongs to: its rows pooled into one, then one score per class. The body's
// parameters keep the names they have in a language model, so one can start from its checkpoint.
#pragma once
#include "model/gpt.h"
#include "ops/pool.h"

namespace rum {
struct Classifier {
  Gpt body;
  Pooling kind;
  Tensor classes;  // (K, C)
  // kind: Pooling::last suits a causal body, whose last row alone has seen the whole text;
  // Pooling::mean a full one.
  Classifier(Params p, const GptConfig& c, int64_t count, Pooling pooling)
      : body(p, c),
        kind(pooling),
        classes((p / "classes").matrix({count, c.width}, {Init::normal})) {}
  // ids: (N); one row of K scores for each of the layout's S texts, 0 for an empty text: (S, K).
  Tensor logits(const Tensor& ids, const Layout& layout) const {
    return linear(pool(body.hidden(ids, layout), layout, kind), classes);
  }
  // labels: (S) i32; weights: (S) f32, 0 for empty texts and for the tail of a batch.
  HeadLoss loss(const Tensor& ids, const Layout& layout, const Tensor& labels, const Tensor& weights) const {
    return head_loss(pool(body.hidden(ids, layout), layout, kind), classes, labels, weights,
                     body.config.smoothing);
  }
};
}  // namespace rum
