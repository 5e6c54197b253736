#include "train/classification.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/hash.h"
#include "checkpoint/weights.h"
#include "train/data.h"

namespace rum {
namespace {
constexpr const char* kClasses = "classes";  // the one parameter that no language model has

Loader loader_of(const RunConfig& c, Pooling pooling, std::span<const Corpus> classes,
                 const Tokenizer& tokenizer, int64_t steps) {
  return Loader(shuffled_plan(classes, c.seed), classes, tokenizer,
                {.shape = classifier_shape(c, pooling), .context = c.model.context, .epochs = c.epochs},
                steps);
}
}  // namespace

GptConfig classifier_config(const RunConfig& c, int64_t vocab) {
  GptConfig m = model_config(c, vocab);
  m.tied = true;  // it predicts no tokens
  return m;
}
BatchShape classifier_shape(const RunConfig& c, Pooling pooling) {
  const int64_t tokens = std::max(c.tokens, 2 * c.model.context);  // two sides, each as long as the context
  // The last row has seen all of a text whose rows look back; the mean takes rows that look both ways.
  return {.tokens = tokens,
          .texts = std::max<int64_t>(tokens / 8, 1),
          .mask = pooling == Pooling::last ? Mask::prefix : Mask::full,
          .restart = c.model.restart,
          .labelled = true};
}

Classification::Classification(const RunConfig& c, Pooling pooling, std::span<const Corpus> train,
                               std::span<const Corpus> valid, const Tokenizer& tokenizer,
                               const LoadedRun* from)
    : from_(from),
      model_(Params(params), classifier_config(c, tokenizer.size()), static_cast<int64_t>(train.size()),
             pooling),
      loader_(loader_of(c, pooling, train, tokenizer, c.steps)),
      valid_(loader_of(c, pooling, valid, tokenizer, 0)) {}

std::string Classification::take_weights() {
  if (from_ == nullptr) return "";
  std::map<std::string, Tensor> theirs;
  for (auto& [name, tensor] : named_weights(from_->params, from_->params.master())) theirs[name] = tensor;
  const std::string body = from_->model.encoder_decoder() ? "encoder." : "";
  NamedTensors weights;
  for (auto& [name, tensor] : named_weights(params, params.master())) {
    if (name != kClasses) tensor = theirs[body + name];
    RUM_CHECK(tensor, "{} has no {}{}: its model has another shape", from_->source, body, name);
    weights.emplace_back(name, tensor);
  }
  set_weights(params, params.master(), weights, "", from_->source);
  params.refresh_shadow();
  return fmt::format("starts from {}, weights {}", from_->source, hex64(weights_hash(from_->params)));
}

Evaluation Classification::evaluate(const Stop& stop) const {
  Arena arena(DeviceKind::cpu);
  double sum = 0, weight = 0;
  for (int64_t s = 0; s < valid_.steps(); ++s)
    for (const Packed& p : valid_.at(s)) {
      leave_if(stop);
      arena.settle();
      Tape tape(arena, Tape::Mode::forward_only);
      sum += loss(upload(p)).at(0);
      weight += p.total_weight;
    }
  return {sum / weight, {}, fmt::format("held-out loss {:.4f}", sum / weight)};
}
}  // namespace rum
