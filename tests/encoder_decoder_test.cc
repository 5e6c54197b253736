// The encoder-decoder: gradients against differences, who sees whom, and a toy translation learned.
#include "model/encoder_decoder.h"

#include <gtest/gtest.h>

#include <cmath>

#include "toy.h"

using namespace rum;
using namespace rum::toy;
namespace {
struct World {
  ParameterBlock params;
  EncoderDecoder model;
  World(const GptConfig& c, DType t) : model(Params(params), c) { params.materialise(DeviceKind::cpu, t, 1); }
};
struct Pair {
  Batch source, target;
};
// The pairs of toy.h, cut at the separator: sources to read, and targets that begin with it.
Pair cut(const std::vector<Example>& examples) {
  std::vector<Example> sources, targets;
  for (const Example& e : examples) {
    sources.push_back({{e.tokens.begin(), e.tokens.begin() + e.prefix - 1}});
    targets.push_back({{e.tokens.begin() + e.prefix - 1, e.tokens.end()}});
  }
  return {batch(sources, {.tokens = 130, .texts = 20, .mask = Mask::full}),
          batch(targets, {.tokens = 150, .texts = 20, .mask = Mask::causal})};
}
double loss_of(World& w, const Pair& p, bool backward) {
  Arena arena(DeviceKind::cpu);
  StepInputs in;
  in.seed = 7, in.total_weight = static_cast<float>(p.target.total_weight);
  Tape tape(arena, Tape::Mode::record, &in);
  const Tensor loss = w.model.loss(p.source, p.target).loss;
  const double value = loss.at(0);
  if (backward) {
    w.params.begin_step();
    tape.backward(loss);
    w.params.finish_grads();
  }
  return value;
}
GptConfig llama() {
  GptConfig c = tiny(0.1f);
  c.norm = Norm::rmsnorm, c.activation = Activation::swiglu, c.positions = Positions::rope, c.kv_heads = 1;
  c.bias = false, c.tied = false;
  return c;
}
TEST(EncoderDecoder, GradientAgainstDifferences) {
  for (const GptConfig& c : {tiny(0.1f), llama()}) {
    World w(c, DType::f64);
    for (int64_t i = 0; i < w.params.master().size(); ++i) w.params.master().data<double>()[i] *= 6;
    w.params.changed();
    const Pair p = cut(pairs(5, 3, 5, 14));
    loss_of(w, p, true);
    const Tensor g = w.params.grads().clone();
    for (auto& e : w.params.entries()) {
      double any = 0;
      for (int64_t i = 0; i < e.shape.size(); ++i) any += std::abs(g.at(e.offset + i));
      EXPECT_GT(any, 0) << e.name << " has no gradient";
      for (int k = 0; k < 2; ++k) {
        const int64_t i = e.offset + (k * 37) % e.shape.size();
        double& v = w.params.master().data<double>()[i];
        const double keep = v, h = 2e-5;
        auto at = [&](double d) {
          v = keep + d, w.params.changed();
          return loss_of(w, p, false);
        };
        const double numeric = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
        at(0);
        EXPECT_NEAR(g.at(i), numeric, 1e-7 + 1e-6 * std::abs(numeric)) << e.name;
      }
    }
  }
}
TEST(EncoderDecoder, EachTargetSeesItsSourceAndItsOwnBeginning) {
  World w(tiny(), DType::f64);
  auto examples = pairs(4, 3, 5, 14);
  Arena arena(DeviceKind::cpu);
  auto rows = [&](const std::vector<Example>& e) {
    const Pair p = cut(e);
    Tape tape(arena, Tape::Mode::forward_only);
    const Tensor h = w.model.hidden(p.source.ids, p.source.layout, p.target.ids, p.target.layout);
    std::vector<double> out;
    for (int64_t i = 0; i < h.shape()[0]; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < h.shape()[1]; ++j)
        sum += h.at(i * h.shape()[1] + j) * static_cast<double>(j + 1);
      out.push_back(sum);
    }
    return out;
  };
  const auto before = rows(examples);
  const Pair p = cut(examples);
  const int32_t* o = p.target.layout.offsets.data<int32_t>();
  Token& last = examples[1].tokens[static_cast<size_t>(examples[1].prefix) - 2];  // of the source of text 1
  const Token kept = last;
  last = 2 + (last - 1) % 12;
  const auto other = rows(examples);
  last = kept;
  for (int i = 0; i < o[4]; ++i)
    EXPECT_EQ(before[static_cast<size_t>(i)] != other[static_cast<size_t>(i)], i >= o[1] && i < o[2])
        << "row " << i;
  Token& word = examples[2].tokens[static_cast<size_t>(examples[2].prefix) + 1];  // row 2 of target 2
  word = 2 + (word - 1) % 12;
  const auto later = rows(examples);
  for (int i = 0; i < o[4]; ++i)
    EXPECT_EQ(before[static_cast<size_t>(i)] != later[static_cast<size_t>(i)], i >= o[2] + 2 && i < o[3])
        << "row " << i;
}
TEST(EncoderDecoder, LearnsToyTranslation) {
  World w({.vocab = 14, .context = 24, .layers = 2, .heads = 4, .kv_heads = 4, .width = 64, .inner = 128},
          DType::f32);
  const Pair p = cut(pairs(16, 11, 6, 14));
  AdamW adam(w.params, {.weight_decay = 0});
  const double first = loss_of(w, p, true);
  EXPECT_NEAR(first, std::log(14.0), 0.2);
  double last = first;
  for (uint32_t i = 0; i < 120; ++i) {
    const StepInputs in = adam.inputs(i, 3e-3f * std::min(1.0f, static_cast<float>(i + 1) / 20.0f), 1, 1);
    adam.step(&in);
    last = loss_of(w, p, true);
  }
  EXPECT_LT(last, 0.2);
}
}  // namespace
