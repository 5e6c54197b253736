#include "generate/log_probs.h"

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"
#include "data/batch.h"
#include "generate/sampler.h"
#include "generate/scoring_batch.h"
#include "ops/head_loss.h"
#include "ops/linear.h"

namespace rum {
namespace {
constexpr int64_t kRows = 256;  // of logits at a time: a table of all would be the largest thing in memory
// One forward. use(index of the first text, texts, their batch, what each takes of it). Of its rows the head
// reads those before each predicted token, text by text; a text's `scored` tells how many.
using Part = std::function<Load(const Example&)>;
using Use = std::function<void(size_t, std::span<const Example>, const Batch&, const Part&)>;
void forward(const Model& model, Arena& arena, size_t first, std::span<const Example> examples,
             const Use& use) {
  arena.settle();
  Tape tape(arena, Tape::Mode::forward_only);
  const BatchShape shape = scoring_shape(model, examples);
  const Batch b = scoring_batch(model, examples);
  use(first, examples, b, [&](const Example& e) { return load_of(e, shape); });
}
// Forwards of at most `batch_tokens` tokens, or of one text.
void in_batches(const char* who, const Model& model, const Model* reference,
                std::span<const Example> examples, int64_t batch_tokens, const Use& use) {
  Arena arena(model.tokens().device());
  for (size_t begin = 0, end = 0; begin < examples.size(); begin = end) {
    int64_t tokens = 0;
    for (; end < examples.size(); ++end) {
      const auto n = static_cast<int64_t>(examples[end].tokens.size());
      RUM_CHECK(examples[end].prefix >= 0 && examples[end].prefix <= n,
                "{}: text {} has {} tokens and a prefix of {}", who, end, n, examples[end].prefix);
      check_room(who, model, examples, end);
      if (reference) check_room(who, *reference, examples, end);
      if (end > begin && tokens + n > batch_tokens) break;
      tokens += n;
    }
    forward(model, arena, begin, examples.subspan(begin, end - begin), use);
  }
}

std::vector<std::vector<metrics::TokenStats>> stats_of(const Model& model, const Model* reference,
                                                       std::span<const Example> examples,
                                                       int64_t batch_tokens) {
  std::vector<std::vector<metrics::TokenStats>> out(examples.size());
  const auto use = [&](size_t first, std::span<const Example> texts, const Batch& b, const Part& part) {
    const Tensor hidden = model.hidden(b);
    struct Place {
      metrics::TokenStats* to;
      Token target;
    };
    std::vector<Place> places;  // by row
    for (size_t i = 0; i < texts.size(); ++i) {
      const std::vector<Token>& tokens = texts[i].tokens;
      std::vector<metrics::TokenStats>& stats = out[first + i];
      stats.resize(static_cast<size_t>(part(texts[i]).scored));
      for (size_t k = 0; k < stats.size(); ++k)
        places.push_back({&stats[k], tokens[tokens.size() - stats.size() + k]});
    }
    Tensor other;  // what the reference's head reads
    if (reference) other = reference->hidden(scoring_batch(*reference, texts));
    const auto rows = static_cast<int64_t>(places.size());
    for (int64_t from = 0; from < rows; from += kRows) {
      const int64_t to = std::min(from + kRows, rows);
      const Tensor logits = linear(hidden.rows(from, to), model.head()).to(DeviceKind::cpu);
      Tensor others;
      if (reference) others = linear(other.rows(from, to), reference->head()).to(DeviceKind::cpu);
      parallel(to - from, [&](int64_t i) {
        const Place& p = places[static_cast<size_t>(from + i)];
        std::vector<float> copy, other_copy;
        const std::span<const float> row = row_of(logits, i, copy);
        *p.to = reference ? metrics::token_stats(row, row_of(others, i, other_copy), p.target)
                          : metrics::token_stats(row, p.target);
      });
    }
  };
  in_batches("text_stats", model, reference, examples, batch_tokens, use);
  return out;
}
}  // namespace

std::vector<double> log_probs(const Model& model, std::span<const Example> examples, int64_t batch_tokens) {
  std::vector<double> out(examples.size());
  in_batches("log_probs", model, nullptr, examples, batch_tokens,
             [&](size_t first, std::span<const Example> texts, const Batch& b, const Part& part) {
               const Tensor hidden = model.hidden(b);
               // Not loss(): it would make the logits of all rows at once.
               const Tensor nll =
                   head_loss(hidden, model.head(), b.targets, b.weights, 0, kRows).nll.to(DeviceKind::cpu);
               int64_t row = 0;
               for (size_t i = 0; i < texts.size(); ++i) {
                 double sum = 0;
                 for (int64_t k = part(texts[i]).scored; k > 0; --k) sum -= nll.at(row++);
                 out[first + i] = sum;
               }
             });
  return out;
}

std::vector<std::vector<metrics::TokenStats>> text_stats(const Model& model,
                                                         std::span<const Example> examples,
                                                         int64_t batch_tokens) {
  return stats_of(model, nullptr, examples, batch_tokens);
}
std::vector<std::vector<metrics::TokenStats>> text_stats(const Model& model, const Model& reference,
                                                         std::span<const Example> examples,
                                                         int64_t batch_tokens) {
  RUM_CHECK(model.config().vocab == reference.config().vocab,
            "text_stats: a vocabulary of {} tokens, the reference has {}", model.config().vocab,
            reference.config().vocab);
  return stats_of(model, &reference, examples, batch_tokens);
}

void hidden_states(const Model& model, std::span<const Example> examples,
                   const std::function<void(size_t, std::span<const Tensor>)>& use, int64_t batch_tokens) {
  in_batches("hidden_states", model, nullptr, examples, batch_tokens,
             [&](size_t first, std::span<const Example> texts, const Batch& b, const Part& part) {
               std::vector<Tensor> states = model.states(b);
               for (Tensor& s : states) s = s.to(DeviceKind::cpu);
               int64_t row = 0;  // where the text begins
               for (size_t i = 0; i < texts.size(); ++i) {
                 // A decoder's rows begin at the separator.
                 const int64_t target = row + (model.encoder_decoder() ? 1 : texts[i].prefix);
                 const int64_t end =
                     target + static_cast<int64_t>(texts[i].tokens.size()) - texts[i].prefix - 1;
                 std::vector<Tensor> own;
                 for (const Tensor& s : states) own.push_back(s.rows(target, end));
                 use(first + i, own);
                 row += part(texts[i]).tokens;
               }
             });
}
}  // namespace rum
