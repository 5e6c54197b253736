// Small models and data for tests of the engine: a toy language, translated by reversing the sentence and
// replacing every word by its predecessor.
#pragma once
#include <cmath>
#include <vector>

#include "base/random.h"
#include "model/gpt.h"
#include "train/step.h"

namespace rum::toy {
constexpr Token kSeparator = 0, kEnd = 1;  // words are 2 .. vocab-1

inline std::vector<Example> pairs(int count, uint32_t seed, int longest, int vocab) {
  std::vector<Example> out;
  const Random r{seed, Stream::sample};
  const auto words = static_cast<uint32_t>(vocab - 2);
  for (uint32_t i = 0; i < static_cast<uint32_t>(count); ++i) {
    const uint32_t n = 2 + r.bits({0, 0, 1, i}).at[0] % static_cast<uint32_t>(longest - 1);
    Example e;
    for (uint32_t j = 0; j < n; ++j)
      e.tokens.push_back(2 + static_cast<Token>(r.bits({0, j, 2, i}).at[0] % words));
    e.tokens.push_back(kSeparator);
    for (uint32_t j = n; j-- > 0;)
      e.tokens.push_back(2 +
                         static_cast<Token>((static_cast<uint32_t>(e.tokens[j]) - 2 + words - 1) % words));
    e.tokens.push_back(kEnd);
    e.prefix = static_cast<int32_t>(n) + 1;
    out.push_back(e);
  }
  return out;
}
inline GptConfig tiny(float dropout = 0) {
  return {.vocab = 14,
          .context = 64,
          .layers = 2,
          .heads = 2,
          .kv_heads = 2,
          .width = 32,
          .inner = 64,
          .dropout = dropout};
}
struct World {  // a model with its parameters
  ParameterBlock params;
  Gpt model;
  World(const GptConfig& c, DType t, uint32_t seed = 1) : model(Params(params), c) {
    params.materialise(DeviceKind::cpu, t, seed);
  }
  Step::Loss loss() {
    return [this](const Batch& b) { return model.loss(b).loss; };
  }
};
inline Batch batch(const std::vector<Example>& e, const BatchShape& s) { return upload(pack(e, s)); }
inline std::vector<Batch> batches(int count, const BatchShape& shape, uint32_t seed) {
  std::vector<Batch> out;
  for (int i = 0; i < count; ++i)
    out.push_back(batch(pairs(6 + i % 5, seed + static_cast<uint32_t>(i), 7, 14), shape));
  return out;
}
inline uint64_t hash(const Tensor& t) {
  uint64_t h = 1469598103934665603u;
  for (size_t i = 0; i < static_cast<size_t>(t.size()) * size_of(t.dtype()); ++i)
    h = (h ^ static_cast<uint8_t>(t.data<char>()[i])) * 1099511628211u;
  return h;
}
inline double distance(const Tensor& a, const Tensor& b) {  // relative, L2
  double d = 0, n = 0;
  for (int64_t i = 0; i < a.size(); ++i)
    d += (a.at(i) - b.at(i)) * (a.at(i) - b.at(i)), n += a.at(i) * a.at(i);
  return std::sqrt(d / n);
}
}  // namespace rum::toy
