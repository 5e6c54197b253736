// The kinds of model that a config can ask for, as one type; training, scoring and generation see nothing
// else. A model is handles to its parameters, so a copy is the same model.
#pragma once
#include <variant>

#include "model/encoder_decoder.h"

namespace rum {
enum class ModelKind : uint8_t { gpt, encoder_decoder };

class Model {
 public:
  Model(Gpt m) : of_(std::move(m)) {}
  Model(EncoderDecoder m) : of_(std::move(m)) {}
  Model(ModelKind kind, Params p, const GptConfig& c)
      : Model(kind == ModelKind::gpt ? Model(Gpt(p, c)) : Model(EncoderDecoder(p, c))) {}

  const Gpt* gpt() const { return std::get_if<Gpt>(&of_); }  // or null, as below
  const EncoderDecoder* encoder_decoder() const { return std::get_if<EncoderDecoder>(&of_); }
  const GptConfig& config() const { return embedder().config; }
  const Tensor& tokens() const { return embedder().tokens; }  // (V, C): its device and type are the model's
  const Tensor& head() const { return embedder().head; }      // (V, C)

  Tensor hidden(const Batch& b) const {  // of each row that gets a loss
    return std::visit([&](const auto& m) { return m.hidden(b); }, of_);
  }
  // The embedding of every row and the output of each block: layers + 1 of (N, C), without the last norm.
  std::vector<Tensor> states(const Batch& b) const {
    return std::visit([&](const auto& m) { return m.states(b); }, of_);
  }
  // smoothed: with the config's label smoothing, for training; without it nll is -log p(target), for scoring.
  HeadLoss loss(const Batch& b, bool smoothed = true) const {
    return std::visit([&](const auto& m) { return m.loss(b, smoothed); }, of_);
  }

 private:
  const Gpt& embedder() const { return encoder_decoder() ? encoder_decoder()->encoder : *gpt(); }
  std::variant<Gpt, EncoderDecoder> of_;
};
}  // namespace rum
