// The encoder-decoder: gradients against finite differences, attention masks, and learning a toy translation.
#include "model/encoder_decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "generate/generate.h"
#include "generate/source_memory.h"
#include "toy.h"

namespace rum::encoder_decoder_test {
using namespace rum::toy;
namespace {
struct World {
  ParameterBlock params;
  EncoderDecoder model;
  World(const GptConfig& c, DType t) : model(Params(params), c) { params.materialise(DeviceKind::cpu, t, 1); }
};
Batch cut(const std::vector<Example>& examples) {
  return batch(examples, {.tokens = 140, .texts = 20, .mask = Mask::causal, .sources = 130});
}
double loss_of(World& w, const Batch& p, bool backward) {
  Arena arena(DeviceKind::cpu);
  StepInputs in;
  in.seed = 7, in.total_weight = static_cast<float>(p.total_weight);
  Tape tape(arena, Tape::Mode::record, &in);
  const Tensor loss = w.model.loss(p).loss;
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
  c.bias = Biases::none, c.tied = false;
  return c;
}
TEST(EncoderDecoder, GradientAgainstDifferences) {
  for (const GptConfig& c : {tiny(0.1f), llama()}) {
    World w(c, DType::f64);
    for (int64_t i = 0; i < w.params.master().size(); ++i) w.params.master().data<double>()[i] *= 6;
    w.params.changed();
    const Batch p = cut(pairs(5, 3, 5, 14));
    loss_of(w, p, true);
    const Tensor g = w.params.grads().clone();
    for (auto& e : w.params.entries()) {
      double any = 0;
      for (int64_t i = 0; i < e.shape.size(); ++i) any += std::abs(g.at(e.offset + i));
      EXPECT_GT(any, 0) << e.name << " has no gradient";
      // Along one direction of length 1 through all of its numbers.
      const Tensor u = noise(e.shape, 11);
      double* const v = w.params.master().data<double>() + e.offset;
      const std::vector<double> keep(v, v + e.shape.size());
      double length = 0, ours = 0;
      for (int64_t i = 0; i < u.size(); ++i) length += u.at(i) * u.at(i);
      length = std::sqrt(length);
      for (int64_t i = 0; i < u.size(); ++i) ours += g.at(e.offset + i) * u.at(i) / length;
      auto at = [&](double d) {
        for (int64_t i = 0; i < u.size(); ++i) v[i] = keep[static_cast<size_t>(i)] + d * u.at(i) / length;
        w.params.changed();
        return loss_of(w, p, false);
      };
      const double h = 5e-6;  // layer norms of small embeddings are strongly curved
      const double numeric = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
      at(0);
      EXPECT_NEAR(ours, numeric, 1e-7 + 1e-6 * std::abs(numeric)) << e.name;
    }
  }
}
TEST(EncoderDecoder, EachTargetSeesItsSourceAndItsOwnBeginning) {
  World w(tiny(), DType::f64);
  auto examples = pairs(4, 3, 5, 14);
  Arena arena(DeviceKind::cpu);
  auto rows = [&](const std::vector<Example>& e) {
    const Batch p = cut(e);
    Tape tape(arena, Tape::Mode::forward_only);
    const Tensor h = w.model.hidden(p);
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
  const Batch p = cut(examples);
  const int32_t* o = p.layout.offsets.data<int32_t>();
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
// Generated token by token, each text in its own seat whose rows hold its source: the same bits as the whole
// forward pass. Seats are reused by other texts, with shorter and longer sources.
TEST(EncoderDecoder, CachedMemoryGivesTheBitsOfTheWholeForward) {
  for (const GptConfig& c : {tiny(), llama()})
    for (const DType type : {DType::f32, DType::bf16}) {
      World w(c, type);
      const auto examples = pairs(9, 3, 7, 14);
      Arena arena(DeviceKind::cpu), other(DeviceKind::cpu);
      auto ints = [](std::vector<int32_t> v) {
        return Tensor::from<int32_t>(v, {static_cast<int64_t>(v.size())}, DType::i32);
      };
      SourceMemory memory(w.model, 3, 8);
      for (size_t round = 0; round < 3; ++round) {
        const std::span<const Example> three = std::span(examples).subspan(3 * round, 3);
        std::vector<SourceMemory::Arrival> arrivals;
        for (size_t i = 0; i < 3; ++i)  // the seats in another order
          arrivals.push_back(
              {(i + round) % 3, std::span(three[i].tokens).first(static_cast<size_t>(three[i].prefix))});
        memory.read(arrivals, other);
        Cache cache(c.layers, 3, 10, c.key_width(), type, DeviceKind::cpu);
        Tape tape(arena, Tape::Mode::forward_only);
        const Batch b = cut({three.begin(), three.end()});
        const Tensor whole = w.model.hidden(b);
        const int32_t* offsets = b.layout.offsets.data<int32_t>();
        for (int32_t at = 0; at < 8; ++at) {
          std::vector<int32_t> ids, rows, places, ends(3), begins{0};
          for (size_t seat = 0; seat < 3; ++seat) {
            const size_t i = (seat + 3 - round) % 3;
            if (const int32_t row = offsets[i] + at; row < offsets[i + 1])
              ids.push_back(b.ids.data<int32_t>()[row]), rows.push_back(row), places.push_back(at);
            ends[seat] = static_cast<int32_t>(ids.size()), begins.push_back(ends[seat]);
          }
          if (ids.empty()) break;
          const Layout layout{ints(begins), ints({0, 0, 0}), ints(places), Mask::causal, &cache};
          memory.seat(ends);
          const Tensor h = w.model.decode(ints(ids), layout, memory.seen());
          for (size_t r = 0; r < rows.size(); ++r)
            for (int64_t j = 0; j < c.width; ++j)
              ASSERT_EQ(h.at(static_cast<int64_t>(r) * c.width + j), whole.at(rows[r] * c.width + j))
                  << "round " << round << " place " << at << " column " << j;
          cache.advance(layout.offsets);
        }
      }
    }
}
TEST(EncoderDecoder, LearnsToyTranslation) {
  World w({.vocab = 14, .context = 24, .layers = 2, .heads = 4, .kv_heads = 4, .width = 64, .inner = 128},
          DType::f32);
  const Batch p = cut(pairs(16, 11, 6, 14));
  AdamW adam(w.params, {.weight_decay = 0});
  const double first = loss_of(w, p, true);
  EXPECT_NEAR(first, std::log(14.0), 0.2);
  double last = first;
  for (uint32_t i = 0; i < 250; ++i) {
    const StepInputs in = adam.inputs(i, 3e-3f * std::min(1.0f, static_cast<float>(i + 1) / 20.0f), 1, 1);
    adam.step(&in);
    last = loss_of(w, p, true);
  }
  EXPECT_LT(last, 0.02);
  std::vector<Prompt> prompts;
  const auto examples = pairs(16, 11, 6, 14);
  for (const Example& e : examples)
    prompts.push_back({{e.tokens.begin(), e.tokens.begin() + e.prefix}, e.prefix});
  for (const int64_t beam : {1, 4}) {
    const auto written = generate(w.model, prompts, kEnd, {.beam = beam});
    for (size_t i = 0; i < examples.size(); ++i) {
      std::vector<Token> wanted(examples[i].tokens.begin() + examples[i].prefix,
                                examples[i].tokens.end() - 1);
      EXPECT_EQ(written[i][0].tokens, wanted) << "text " << i << ", beam " << beam;
      EXPECT_TRUE(written[i][0].finished);
    }
  }
}
}  // namespace
}  // namespace rum::encoder_decoder_test
