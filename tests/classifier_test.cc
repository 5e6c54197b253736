// The classification head: gradients, independence from the batch, empty texts, and learning.
#include "model/classifier.h"

#include <gtest/gtest.h>

#include <cmath>

#include "toy.h"

namespace rum::classifier_test {
using namespace rum::toy;
namespace {
struct World {
  ParameterBlock params;
  Classifier model;
  World(const GptConfig& c, DType t, Pooling kind) : model(Params(params), c, 3, kind) {
    params.materialise(DeviceKind::cpu, t, 1);
  }
};
struct Labelled {
  Batch batch;
  Tensor labels, weights;
  double total;
};
// Class: the first word modulo 3. Texts that the batch has no examples for get weight 0.
Labelled labelled(const std::vector<Example>& examples, const BatchShape& s) {
  std::vector<int32_t> label(static_cast<size_t>(s.texts));
  std::vector<float> weight(label.size());
  for (size_t i = 0; i < examples.size(); ++i)
    label[i] = static_cast<int32_t>(examples[i].tokens[0] % 3), weight[i] = 1;
  return {batch(examples, s), Tensor::from<int32_t>(label, {s.texts}, DType::i32),
          Tensor::from<float>(weight, {s.texts}, DType::f32), static_cast<double>(examples.size())};
}
double loss_of(World& w, const Labelled& data, bool backward) {
  Arena arena(DeviceKind::cpu);
  StepInputs in;
  in.total_weight = static_cast<float>(data.total);
  Tape tape(arena, Tape::Mode::record, &in);
  const Tensor loss = w.model.loss(data.batch.ids, data.batch.layout, data.labels, data.weights).loss;
  const double value = loss.at(0);
  if (backward) {
    w.params.begin_step();
    tape.backward(loss);
    w.params.finish_grads();
  }
  return value;
}
const BatchShape kShape{.tokens = 80, .texts = 9, .mask = Mask::full};

TEST(Classifier, GradientAgainstDifferences) {
  for (const Pooling kind : {Pooling::mean, Pooling::last}) {
    World w(tiny(), DType::f64, kind);
    for (int64_t i = 0; i < w.params.master().size(); ++i) w.params.master().data<double>()[i] *= 6;
    w.params.changed();
    const Labelled data = labelled(pairs(5, 3, 5, 14), kShape);
    loss_of(w, data, true);
    const Tensor g = w.params.grads().clone();
    for (auto& e : w.params.entries())
      for (int k = 0; k < 3; ++k) {
        const int64_t i = e.offset + (k * 37) % e.shape.size();
        double& v = w.params.master().data<double>()[i];
        const double keep = v, h = 1e-4;
        auto at = [&](double d) {
          v = keep + d, w.params.changed();
          return loss_of(w, data, false);
        };
        const double numeric = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
        at(0);
        EXPECT_NEAR(g.at(i), numeric, 1e-7 + 1e-6 * std::abs(numeric)) << e.name;
      }
  }
}
TEST(Classifier, ScoresDoNotDependOnCompany) {
  World w(tiny(), DType::f64, Pooling::mean);
  const auto examples = pairs(5, 3, 5, 14);
  Arena arena(DeviceKind::cpu);
  Tape tape(arena, Tape::Mode::forward_only);
  const Batch all = batch(examples, kShape);
  const Tensor z = w.model.logits(all.ids, all.layout);
  EXPECT_EQ(z.shape(), Shape({9, 3}));
  for (size_t i = 0; i < examples.size(); ++i) {
    const Batch alone = batch({examples[i]}, {.tokens = 30, .texts = 2, .mask = Mask::full});
    const Tensor one = w.model.logits(alone.ids, alone.layout);
    for (int64_t j = 0; j < 3; ++j) EXPECT_EQ(z.at(static_cast<int64_t>(i) * 3 + j), one.at(j));
  }
  for (int64_t j = 6 * 3; j < 27; ++j) EXPECT_EQ(z.at(j), 0);  // texts 6 to 8 are empty
}
TEST(Classifier, Learns) {
  for (const Pooling kind : {Pooling::mean, Pooling::last}) {
    World w(tiny(), DType::f32, kind);
    const Labelled data = labelled(pairs(8, 7, 4, 14), kShape);
    AdamW adam(w.params, {.weight_decay = 0});
    const double first = loss_of(w, data, true);
    EXPECT_NEAR(first, std::log(3.0), 0.2);
    double last = first;
    for (uint32_t i = 0; i < 80; ++i) {
      const StepInputs in = adam.inputs(i, 3e-3f, 1, 1);
      adam.step(&in);
      last = loss_of(w, data, true);
    }
    EXPECT_LT(last, 0.1);
  }
}
}  // namespace
}  // namespace rum::classifier_test
