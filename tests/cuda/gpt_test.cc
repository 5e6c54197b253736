// A whole GPT on the device against the CPU: training, scoring, writing.
#include "model/gpt.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "generate/generate.h"
#include "parity.h"
#include "tests/scratch.h"
#include "train/run.h"
#include "train/step.h"
#include "train/trainer.h"

namespace rum::test {
namespace {
constexpr Token kEnd = 0;
GptConfig config_of(Positions positions) {
  GptConfig c{.vocab = 29, .context = 32, .layers = 2, .heads = 2, .kv_heads = 2, .width = 16, .inner = 24};
  c.positions = positions, c.dropout = 0.1f, c.smoothing = 0.1f;
  if (positions == Positions::rope)  // Llama's blocks
    c.norm = Norm::rmsnorm, c.activation = Activation::swiglu, c.kv_heads = 1, c.bias = c.tied = false;
  return c;
}
struct Model {
  ParameterBlock block;
  Gpt gpt;
  AdamW adamw;
  Model(DeviceKind d, DType t, Positions p)
      : gpt(Params(block), config_of(p)),
        adamw(made(d, t), AdamWConfig{}) {}
  ParameterBlock& made(DeviceKind d, DType t) {
    block.materialise(d, t, 5);
    return block;
  }
};
// Each text says its first token again and again, then ends.
Example text(int64_t i) {
  Example e;
  const auto word = static_cast<Token>(1 + i * 7 % 28);
  for (int64_t k = 0; k < 3 + i % 5; ++k) e.tokens.push_back(word);
  e.tokens.push_back(kEnd), e.prefix = 1 + static_cast<int32_t>(i % 2);
  return e;
}
std::vector<Batch> batches(uint32_t step) {
  std::vector<Batch> out;
  for (uint32_t micro = 0; micro < 1 + step % 2; ++micro) {
    std::vector<Example> texts;
    for (int64_t i = 0; i < 4; ++i) texts.push_back(text(4 * (2 * step + micro) + i));
    out.push_back(upload(pack(texts, {.tokens = 32, .texts = 6, .scored = 28, .mask = Mask::prefix})));
  }
  return out;
}
std::vector<double> train(Model& m, uint32_t steps) {
  Step step(
      m.block, m.adamw, [&](const Batch& b) { return m.gpt.loss(b).loss; }, 11);
  std::vector<double> losses;
  for (uint32_t s = 0; s < steps; ++s) {
    step.run(batches(s), s, 3e-3f);
    losses.push_back(step.loss());
  }
  return losses;
}
TEST(CudaGpt, TrainsAsOnTheCpu) {
  for (Positions p : {Positions::learned, Positions::rope})
    for (DType t : kTypes) {
      Model cpu(kCpu, t, p), cuda(kCuda, t, p);
      const std::vector<double> a = train(cpu, 24), b = train(cuda, 24);
      double worst = 0;
      for (size_t i = 0; i < a.size(); ++i) {
        const double d = std::abs(a[i] - b[i]) / (1 + std::abs(a[i]));
        worst = d <= worst ? worst : std::isnan(d) ? INFINITY : d;
      }
      EXPECT_LE(worst, t == DType::f32 ? 1e-4 : 2e-2) << name(t);
      EXPECT_LT(b.back(), 0.9 * b.front());
      note(fmt::format("GPT, {}, {}: loss against the CPU over 24 steps: worst {:.1e}, {:.3f} to {:.3f}",
                       p == Positions::rope ? "RoPE" : "learned positions", name(t), worst, b.front(),
                       b.back()));
    }
}
TEST(CudaGpt, ScoresAndWritesAsOnTheCpu) {
  for (Positions p : {Positions::learned, Positions::rope}) {
    Model cpu(kCpu, DType::f32, p), cuda(kCuda, DType::f32, p);
    train(cpu, 30);
    cuda.block.master().copy_from(cpu.block.master());
    cuda.block.refresh_shadow();
    std::vector<Example> texts;
    std::vector<Prompt> prompts;
    for (int64_t i = 0; i < 5; ++i) {
      texts.push_back(text(3 * i));
      prompts.push_back(
          {{texts.back().tokens.begin(), texts.back().tokens.begin() + 2}, texts.back().prefix});
    }
    const std::vector<double> a = log_probs(cpu.gpt, texts, 24), b = log_probs(cuda.gpt, texts, 24);
    for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-4 * (1 + std::abs(a[i])));
    const Decoding ways[] = {{.beam = 1, .max_new = 8},
                             {.beam = 3, .best = 2, .max_new = 8},
                             {.sample = true, .best = 2, .max_new = 8},
                             {.sample = true, .temperature = 1.2f, .top_k = 12, .top_p = 0.9f, .max_new = 8}};
    for (const Decoding& d : ways) {
      const auto x = generate(cpu.gpt, prompts, kEnd, d), y = generate(cuda.gpt, prompts, kEnd, d);
      for (size_t i = 0; i < x.size(); ++i) {
        ASSERT_EQ(x[i].size(), y[i].size());
        for (size_t h = 0; h < x[i].size(); ++h) {
          EXPECT_EQ(x[i][h].tokens, y[i][h].tokens) << "beam " << d.beam << " text " << i;
          EXPECT_NEAR(x[i][h].log_prob, y[i][h].log_prob, 1e-4 * (1 + std::abs(x[i][h].log_prob)));
        }
      }
    }
  }
}

// A run with `ruminate train`'s own loop: learns as on the CPU, and resumes to the same bits.
std::vector<float> weights_of(const RunConfig& c) {
  const auto run = load_run(c.folder);
  const Tensor w = run->params.master();
  return {w.data<float>(), w.data<float>() + w.size()};
}
TEST(CudaGpt, ARunFromItsConfigToItsModel) {
  const Scratch scratch;
  const std::string corpus = scratch.path + "/pairs.tsv";
  std::ofstream out(corpus);
  for (const char* word : {"ab", "cd", "ef", "gh", "kl", "mn"}) out << word << '\t' << word << word << '\n';
  out.close();
  RunConfig c;
  c.train = {corpus}, c.valid = corpus, c.bpe.vocab = 264, c.bpe.min_frequency = 1;
  c.model = {
      .context = 32, .layers = 1, .heads = 2, .kv_heads = 0, .width = 16, .inner = 24, .dropout = 0.1f};
  c.tokens = 48, c.schedule = {.peak = 5e-3f, .warmup = 2}, c.steps = 8, c.bleu_texts = 1;
  c.eval_every = 4, c.save_every = 1, c.keep = 3, c.average = 2, c.decoding.beam = 2, c.decoding.max_new = 4;
  testing::internal::CaptureStderr();
  double loss[2] = {};
  for (const char* device : {"cpu", "cuda"}) {
    c.device = device, c.folder = scratch.path + "/" + device;
    Progress progress;
    loss[c.device == "cuda"] = Trainer(c, progress, false).run().valid_loss;
  }
  const std::vector<float> whole = weights_of(c);
  c.folder = scratch.path + "/resumed";
  {
    Progress progress;
    Trainer(c, progress, false).run([](int64_t step) { return step == 3; });
    Trainer(resumed_config(c.folder), progress, true).run();
  }
  testing::internal::GetCapturedStderr();
  EXPECT_EQ(whole, weights_of(c));
  EXPECT_NEAR(loss[0], loss[1], 1e-4);
  EXPECT_LT(loss[1], std::log(264.0));
}
}  // namespace
}  // namespace rum::test
