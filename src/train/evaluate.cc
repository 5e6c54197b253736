#include "train/evaluate.h"

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"

namespace rum {
EvaluationBatches evaluation_batches(const Corpus& corpus, const Tokenizer& tokenizer, const RunConfig& c,
                                     int64_t count) {
  const bool stream = c.windows != Windows::documents;
  const BatchShape shape = batch_shape(c);
  const TokenCorpus tokens =
      tokenize(corpus, tokenizer, shape, c.model.context, stream ? Windows::stream_in_order : c.windows);
  EvaluationBatches out{shape, {}, {}, tokens.note};
  for (const TextPiece& p : tokens.pieces)
    if (out.texts.empty() || out.texts.back() != p.text) out.texts.push_back(p.text);
  Load filled;
  for (size_t i = 0; i < tokens.pieces.size(); ++i) {
    const int64_t number = stream ? static_cast<int64_t>(i) : tokens.pieces[i].text;
    if (count > 0 && number >= count) break;
    Example next = tokens.example(i);
    filled = filled + load_of(next, shape);
    if (out.batches.empty() || !filled.fits(shape)) {
      out.batches.emplace_back();
      filled = load_of(next, shape);
    }
    out.batches.back().push_back(std::move(next));
  }
  RUM_CHECK(!out.batches.empty(), "{}; nothing is left to evaluate on: raise the context or the batch",
            tokens.note);
  return out;
}

uint64_t hash_of(const EvaluationBatches& all, int64_t translated) {
  Hash64 hash;
  const size_t first = std::min(all.texts.size(), static_cast<size_t>(translated));
  hash.add({reinterpret_cast<const char*>(all.texts.data()), first * sizeof(all.texts[0])});
  for (const std::vector<Example>& batch : all.batches)
    for (const Example& e : batch) {
      const int64_t head[] = {std::ssize(e.tokens), e.prefix, e.goes_on};
      hash.add({reinterpret_cast<const char*>(head), sizeof head});
      hash.add({reinterpret_cast<const char*>(e.tokens.data()), e.tokens.size() * sizeof(Token)});
    }
  return hash.value();
}

double mean_nll(const Model& model, const EvaluationBatches& all, const Stop& stop) {
  Arena arena(model.tokens().device());
  double sum = 0, weight = 0;
  for (const std::vector<Example>& examples : all.batches) {
    leave_if(stop);
    const Packed p = pack(examples, all.shape);
    Batch b = upload(p, model.tokens().device());
    Tape tape(arena, Tape::Mode::forward_only);
    sum += model.loss(b, false).loss.at(0);
    weight += p.total_weight;
  }
  RUM_CHECK(weight > 0, "no token of {} batches gets a loss: there is no mean", all.batches.size());
  return sum / weight;
}
}  // namespace rum
