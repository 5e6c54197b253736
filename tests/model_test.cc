// The whole GPT: against the independent reference and finite differences, learning a toy translation, and
// with the same bits for any number of threads, whether blocks are kept or recomputed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/threads.h"
#include "reference/gpt.h"
#include "toy.h"

namespace rum::model_test {
using namespace rum::toy;
namespace {
const StepInputs kInputs{3, 1, 7, 1e-3f, 1, 1, 2.5f};

// ---- against tests/reference ------------------------------------------------------------------------------
struct Variant {
  const char* name;
  GptConfig config;
  BatchShape shape;
};
std::vector<Variant> variants() {
  GptConfig gpt2 = {.vocab = 19,
                    .context = 24,
                    .layers = 2,
                    .heads = 3,
                    .kv_heads = 3,
                    .width = 18,
                    .inner = 30,
                    .smoothing = 0.1f};
  GptConfig llama = {.vocab = 19,
                     .context = 24,
                     .layers = 2,
                     .heads = 4,
                     .kv_heads = 2,
                     .width = 16,
                     .inner = 22,
                     .norm = Norm::rmsnorm,
                     .activation = Activation::swiglu,
                     .positions = Positions::rope,
                     .rope_base = 500,
                     .bias = Biases::none,
                     .tied = false};
  GptConfig mixed = llama;
  mixed.kv_heads = 4, mixed.tied = true, mixed.smoothing = 0.2f;
  const BatchShape prefix{.tokens = 96, .texts = 8, .mask = Mask::prefix, .restart = true};
  BatchShape rows = prefix, causal = prefix;
  rows.scored = 60, causal.mask = Mask::causal, causal.restart = false;
  return {{"Gpt2Prefix", gpt2, prefix},  {"Gpt2PrefixRows", gpt2, rows}, {"Gpt2Causal", gpt2, causal},
          {"Llama", llama, prefix},      {"LlamaRows", llama, rows},     {"LlamaAllHeadsTied", mixed, prefix},
          {"LlamaCausal", llama, causal}};
}
void PrintTo(const Variant& v, std::ostream* out) { *out << v.name; }
class Reference : public testing::TestWithParam<Variant> {};
INSTANTIATE_TEST_SUITE_P(Gpt, Reference, testing::ValuesIn(variants()),
                         [](const auto& i) { return std::string(i.param.name); });

// Loss and every parameter's gradient, by name, over two micro-batches.
void compare(const Variant& v, DType t, double bound) {
  World w(v.config, t, 3);
  by_type(t, [&]<class T> {  // far from the small initial values, including biases
    for (auto& e : w.params.entries())
      for (int64_t i = 0; i < e.shape.size(); ++i) {
        T& x = w.params.master().data<T>()[e.offset + i];
        x = static_cast<T>(static_cast<float>(x) * (t == DType::f64 ? 12 : 4) +
                           (e.shape.rank == 1 ? 0.3f * std::sin(static_cast<float>(i)) : 0));
      }
  });
  w.params.changed();
  std::vector<Example> examples = pairs(8, 5, 6, 19);
  examples[2].prefix = 0, examples[4].weight = 0.5f, examples[5].tokens.resize(1);
  examples[5].prefix = 0;
  std::vector<Batch> micro;
  double total = 0;
  for (const size_t begin : {0u, 4u}) {
    micro.push_back(upload(pack(std::span(examples).subspan(begin, 4), v.shape)));
    total += micro.back().total_weight;
  }
  AdamW adam(w.params, {});
  Step step(w.params, adam, w.loss());
  StepInputs in = kInputs;
  in.micro = 0, in.total_weight = static_cast<float>(total);
  step.gradients(micro, in);

  const GptConfig& c = v.config;
  auto whole = [](int64_t n) { return static_cast<int>(n); };
  const reference::Config rc{whole(c.vocab),
                             whole(c.layers),
                             whole(c.heads),
                             whole(c.kv_heads),
                             whole(c.width),
                             whole(c.inner),
                             c.norm == Norm::rmsnorm,
                             c.tied,
                             v.shape.restart,
                             v.shape.mask == Mask::prefix,
                             static_cast<double>(c.rope_base),
                             static_cast<double>(c.smoothing)};
  reference::Weights weights;
  for (auto& e : w.params.entries())
    for (int64_t i = 0; i < e.shape.size(); ++i) weights[e.name].push_back(e.value.at(i));
  std::vector<reference::Text> texts;
  for (const Example& e : examples)
    texts.push_back({{e.tokens.begin(), e.tokens.end()}, e.prefix, static_cast<double>(e.weight)});
  const reference::Outcome truth = reference::gpt(rc, weights, texts, static_cast<double>(in.total_weight));

  EXPECT_NEAR(step.loss(), truth.loss, bound * truth.loss);
  EXPECT_EQ(w.params.entries().size(), truth.grads.size());
  double worst = 0;
  for (auto& e : w.params.entries()) {
    const std::vector<double>& g = truth.grads.at(e.name);
    double far = 0, square = 0;
    for (int64_t i = 0; i < e.shape.size(); ++i) {
      const double d = w.params.grads().at(e.offset + i) - g[static_cast<size_t>(i)];
      far += d * d, square += g[static_cast<size_t>(i)] * g[static_cast<size_t>(i)];
    }
    EXPECT_GT(square, 0) << e.name << " has no gradient: the test would not see it";
    EXPECT_LE(std::sqrt(far), bound * std::sqrt(square)) << e.name;
    worst = std::max(worst, std::sqrt(far / square));
  }
  testing::Test::RecordProperty("worst", std::to_string(worst));
  std::printf("  %s %s: loss %.6f, off by %.1e; worst gradient of %zu parameters %.1e\n", v.name,
              t == DType::f64 ? "f64" : "f32", truth.loss, std::abs(step.loss() - truth.loss),
              w.params.entries().size(), worst);
}
TEST_P(Reference, SameLossAndGradientsInF64) { compare(GetParam(), DType::f64, 1e-9); }
TEST_P(Reference, SameLossAndGradientsInF32) { compare(GetParam(), DType::f32, 1e-5); }

// ---- what the reference has not: dropout and recomputation ------------------------------------------------
TEST(Model, GradientWithDropoutAgainstDifferences) {
  for (const bool recompute : {false, true}) {
    GptConfig c = tiny(0.1f);
    c.smoothing = 0.1f, c.recompute = recompute;
    World w(c, DType::f64);
    const Batch b = batch(pairs(5, 3, 4, 14), {.tokens = 56, .texts = 8, .mask = Mask::prefix});
    for (int64_t i = 0; i < w.params.master().size(); ++i) w.params.master().data<double>()[i] *= 6;
    AdamW adam(w.params, {});
    Step step(w.params, adam, w.loss());
    StepInputs in = kInputs;
    in.total_weight = static_cast<float>(b.total_weight);
    auto value = [&] {
      w.params.changed();
      step.gradients({&b, 1}, in);
      return step.loss();
    };
    value();
    const Tensor g = w.params.grads().clone();
    double worst = 0;
    for (auto& e : w.params.entries())
      for (int k = 0; k < 3; ++k) {
        const int64_t i = e.offset + (k * 37) % e.shape.size();
        double& v = w.params.master().data<double>()[i];
        const double keep = v, h = 1e-4;
        auto at = [&](double d) {
          v = keep + d;
          return value();
        };
        const double numeric = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
        v = keep;
        worst = std::max(worst, std::abs(numeric - g.at(i)) / (1e-3 + std::abs(g.at(i))));
      }
    EXPECT_LT(worst, 1e-6) << (recompute ? "recomputed" : "kept");
  }
}
TEST(Model, RecomputedEqualsKeptInEveryBit) {
  uint64_t bits[2];
  for (int i = 0; i < 2; ++i) {
    GptConfig c = tiny(0.2f);
    c.recompute = i == 1;
    World w(c, DType::f32);
    AdamW adam(w.params, {});
    Step step(w.params, adam, w.loss());
    step.gradients(batches(2, {.tokens = 192, .texts = 12, .mask = Mask::causal}, 40), kInputs);
    bits[i] = hash(w.params.grads());
  }
  EXPECT_EQ(bits[0], bits[1]);
}
TEST(Model, AnyNumberOfThreadsGivesTheSameBits) {
  for (const DType t : {DType::f32, DType::bf16}) {
    uint64_t first = 0;
    for (const int n : {1, 2, 3, 8}) {
      set_threads(n);
      World w({.vocab = 300,
               .context = 64,
               .layers = 2,
               .heads = 4,
               .kv_heads = 4,
               .width = 64,
               .inner = 200,
               .dropout = 0.1f,
               .smoothing = 0.1f},
              t);
      AdamW adam(w.params, {});
      Step step(w.params, adam, w.loss());
      const auto data = batches(5, {.tokens = 192, .texts = 12, .mask = Mask::prefix}, 60);
      for (uint32_t i = 0; i < 5; ++i) step.run({&data[i], 1}, i, 1e-3f);
      const uint64_t h = hash(w.params.master());
      if (n == 1) first = h;
      EXPECT_EQ(h, first) << n << " threads";
    }
  }
  set_threads(2);
}
TEST(Model, UnevenMicroBatchesGiveTheGradientOfTheWhole) {
  const auto examples = pairs(16, 5, 7, 14);
  for (const DType t : {DType::f32, DType::f64}) {
    World w(tiny(), t);
    AdamW adam(w.params, {});
    Tensor whole;
    for (const size_t parts : {1u, 2u, 4u}) {
      Step step(w.params, adam, w.loss());
      std::vector<Batch> micro;
      double total = 0;
      for (size_t p = 0; p < parts; ++p) {  // 1 of 16, then the rest
        const size_t a = p == 0 ? 0 : 1 + (p - 1) * 15 / (parts > 1 ? parts - 1 : 1),
                     z = parts == 1 ? 16 : 1 + p * 15 / (parts - 1);
        micro.push_back(upload(
            pack(std::span(examples).subspan(a, z - a), {.tokens = 300, .texts = 20, .mask = Mask::prefix})));
        total += micro.back().total_weight;
      }
      StepInputs in = kInputs;
      in.total_weight = static_cast<float>(total);
      step.gradients(micro, in);
      if (!whole) whole = w.params.grads().clone();
      EXPECT_LT(distance(whole, w.params.grads()), t == DType::f32 ? 2e-6 : 1e-14) << parts << " parts";
    }
  }
}
TEST(Model, LearnsToyTranslation) {
  for (const DType t : {DType::f32, DType::bf16}) {
    World w({.vocab = 14, .context = 24, .layers = 2, .heads = 4, .kv_heads = 4, .width = 32, .inner = 128},
            t, 5);
    AdamW adam(w.params, {.weight_decay = 0.0f});
    Step step(w.params, adam, w.loss());
    const Batch b = batch(pairs(32, 11, 7, 14), {.tokens = 448, .texts = 33, .mask = Mask::prefix});
    double first = 0;
    for (uint32_t i = 0; i < 150; ++i) {
      const float warm = std::min(1.0f, static_cast<float>(i + 1) / 20.0f), cool = i < 110 ? 1.0f : 0.2f;
      step.run({&b, 1}, i, 3e-3f * warm * cool);
      if (i == 0) first = step.loss();
    }
    EXPECT_NEAR(first, std::log(14.0), 0.2);  // still untrained
    EXPECT_LT(step.loss(), 0.05);
  }
}
}  // namespace
}  // namespace rum::model_test
