// A whole GPT on the device against the CPU: training, scoring, generation.
#include "model/gpt.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "../error_of.h"
#include "base/error.h"
#include "base/shell.h"
#include "generate/generate.h"
#include "generate/log_probs.h"
#include "parity.h"
#include "run/folder.h"
#include "run/resume.h"
#include "run/run.h"
#include "tests/scratch.h"
#include "train/step.h"
#include "train/trainer.h"

namespace rum::test::gpt_test {
namespace {
constexpr Token kEnd = 0;
GptConfig config_of(Positions positions) {
  GptConfig c{.vocab = 29, .context = 32, .layers = 2, .heads = 2, .kv_heads = 2, .width = 16, .inner = 24};
  c.positions = positions, c.dropout = 0.1f, c.smoothing = 0.1f;
  if (positions == Positions::rope)  // Llama's blocks
    c.norm = Norm::rmsnorm, c.activation = Activation::swiglu, c.kv_heads = 1, c.bias = Biases::none,
    c.tied = false;
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
// Each text repeats its first token, then ends.
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
    const auto each = text_stats(cuda.gpt, texts, 24);
    for (size_t i = 0; i < a.size(); ++i) {
      double sum = 0;
      for (const metrics::TokenStats& token : each[i]) sum += token.log_p;
      EXPECT_NEAR(a[i], sum, 1e-4 * (1 + std::abs(a[i])));
    }
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

// Texts of different lengths that end at different times: forward passes of several sizes, each recorded and
// replayed.
void replayed_as_eagerly(const rum::Model& model, const std::vector<Prompt>& prompts, const Decoding& d) {
  std::vector<std::vector<Hypothesis>> written[2];
  int64_t replays[2];
  for (const bool eager : {false, true}) {
    const Eagerly way(eager);
    const int64_t before = Recording::replays;
    written[eager] = generate(model, prompts, kEnd, d);
    replays[eager] = Recording::replays - before;
  }
  EXPECT_GT(replays[0], 3);
  EXPECT_EQ(replays[1], 0);
  for (size_t i = 0; i < prompts.size(); ++i) {
    ASSERT_EQ(written[0][i].size(), written[1][i].size());
    for (size_t h = 0; h < written[0][i].size(); ++h) {
      EXPECT_EQ(written[0][i][h].tokens, written[1][i][h].tokens) << i;
      EXPECT_EQ(written[0][i][h].log_prob, written[1][i][h].log_prob) << i;
    }
  }
}
std::vector<Prompt> openings(int64_t n) {
  std::vector<Prompt> prompts;
  for (int64_t i = 0; i < n; ++i) {
    const Example e = text(i);
    prompts.push_back({{e.tokens.begin(), e.tokens.begin() + e.prefix}, e.prefix});
  }
  return prompts;
}
TEST(CudaGpt, WritesReplayedAsEagerly) {
  for (const DType t : kTypes) {
    const Positions p = t == DType::f32 ? Positions::learned : Positions::rope;
    Model cpu(kCpu, DType::f32, p), cuda(kCuda, t, p);
    train(cpu, 30);
    cuda.block.master().copy_from(cpu.block.master());
    cuda.block.refresh_shadow();
    std::vector<Decoding> ways{{.beam = 1, .max_new = 10, .batch = 20}};
    if (t == DType::f32) ways.push_back({.beam = 2, .max_new = 8, .batch = 20});
    if (t == DType::f32) ways.push_back({.sample = true, .max_new = 8, .batch = 18});
    for (const Decoding& d : ways) replayed_as_eagerly(cuda.gpt, openings(20), d);
  }
}
// Here the rows of the sources move, too, as seats are reused: there are fewer seats than texts.
TEST(CudaGpt, AnEncoderDecoderWritesReplayedAsEagerly) {
  for (const DType t : kTypes) {
    GptConfig c = config_of(t == DType::f32 ? Positions::learned : Positions::rope);
    c.dropout = 0;
    ParameterBlock block;
    const EncoderDecoder model{Params(block), c};
    block.materialise(kCuda, t, 5);
    replayed_as_eagerly(model, openings(30), {.beam = 1, .max_new = 9, .batch = 16});
    replayed_as_eagerly(model, openings(14), {.beam = 2, .max_new = 6, .batch = 16});
  }
}

// A run with `ruminate train`'s own loop: learns as on the CPU, and resumes to the same bits.
std::vector<float> weights_of(const RunConfig& c) {
  const auto run = load_run(c.folder);
  const Tensor w = run->params.master();
  return {w.data<float>(), w.data<float>() + w.size()};
}
RunConfig small_run(const std::string& folder) {
  const std::string corpus = folder + "/pairs.tsv";
  std::ofstream out(corpus);
  for (const char* word : {"ab", "cd", "ef", "gh", "kl", "mn"}) out << word << '\t' << word << word << '\n';
  RunConfig c;
  c.train = {corpus}, c.valid = corpus, c.bpe.vocab = 264, c.bpe.min_frequency = 1;
  c.model = {
      .context = 32, .layers = 1, .heads = 2, .kv_heads = 0, .width = 16, .inner = 24, .dropout = 0.1f};
  c.tokens = 48, c.schedule = {.peak = 5e-3f, .warmup = 2}, c.steps = 8, c.bleu_texts = 1, c.log_every = 1;
  c.eval_every = 4, c.save_every = 3, c.keep = 3, c.average = 2, c.decoding.beam = 2, c.decoding.max_new = 4;
  return c;
}
// The lines of metrics.jsonl without times.
std::vector<std::string> metrics_of(const std::string& folder) {
  std::vector<std::string> out;
  std::ifstream in(RunFolder{folder}.metrics());
  for (std::string line; std::getline(in, line);)
    out.push_back(line.substr(0, line.find(",\"tokens_per_second\"")));
  return out;
}
TEST(CudaGpt, ARunFromItsConfigToItsModel) {
  const Scratch scratch;
  RunConfig c = small_run(scratch.path);
  testing::internal::CaptureStderr();
  double loss[2] = {};
  for (const char* device : {"cpu", "cuda"}) {
    c.device = device, c.folder = scratch.path + "/" + device;
    Progress progress;
    loss[c.device == "cuda"] = Trainer(c, progress, false).run().valid_loss;
  }
  const std::vector<float> whole = weights_of(c);
  const std::vector<std::string> lines = metrics_of(c.folder);
  // The host learns of a step one step late, but logs each once, with its own loss and norm.
  ASSERT_EQ(lines.size(), 10u);  // and two evaluations
  for (size_t i = 0, step = 1; i < lines.size(); ++i)
    if (lines[i].find("valid_loss") == std::string::npos) {
      EXPECT_EQ(lines[i].find(fmt::format("{{\"step\":{},", step++)), 0u) << lines[i];
    }
  c.folder = scratch.path + "/resumed";
  {
    Progress progress;
    Trainer(c, progress, false).run([](int64_t step) { return step == 3; });
    Trainer(resumed_config(c.folder), progress, true).run();
  }
  testing::internal::GetCapturedStderr();
  EXPECT_EQ(whole, weights_of(c));
  EXPECT_EQ(lines, metrics_of(c.folder));
  EXPECT_NEAR(loss[0], loss[1], 1e-4);
  EXPECT_LT(loss[1], std::log(264.0));
}
// Everything that a run does on a device, for models that the other tests lack: an encoder-decoder, and the
// same in bf16.
TEST(CudaGpt, AnEncoderDecoderRunsAsOnTheCpu) {
  const Scratch scratch;
  for (const DType t : kTypes) {
    RunConfig c = small_run(scratch.path);
    c.model_kind = ModelKind::encoder_decoder, c.dtype = t, c.test = c.valid, c.steps = 24, c.eval_every = 12;
    testing::internal::CaptureStderr();
    double loss[2] = {};
    for (const char* device : {"cpu", "cuda"}) {
      c.device = device, c.folder = fmt::format("{}/{} {}", scratch.path, device, name(t));
      Progress progress;
      loss[c.device == "cuda"] = Trainer(c, progress, false).run().valid_loss;
    }
    testing::internal::GetCapturedStderr();
    EXPECT_NEAR(loss[0], loss[1], t == DType::f32 ? 1e-4 : 2e-2 * loss[0]) << name(t);
    EXPECT_LT(loss[1], std::log(264.0));
  }
}
TEST(CudaGpt, OutOfMemoryInMidRunLosesNothing) {
  if (Backend::of(kCuda).describe().find("emulation") == std::string::npos)
    GTEST_SKIP() << "skipped: only the emulated device can be told how much memory it has";
  const Scratch scratch;
  RunConfig c = small_run(scratch.path);
  c.device = "cuda", c.folder = scratch.path + "/whole";
  testing::internal::CaptureStderr();
  Progress progress;
  Trainer(c, progress, false).run();
  const std::vector<float> whole = weights_of(c);
  setenv("SIMT_MEMORY", "0", 1);
  EXPECT_NE(error_of([&] { Trainer(c, progress, false); }).find("do not fit; use a smaller model"),
            std::string::npos);
  unsetenv("SIMT_MEMORY");
  // in a step (the arena merges its pieces into one block); in an evaluation
  for (const int64_t at : {1, 4}) {
    c.folder = fmt::format("{}/after {}", scratch.path, at);
    std::string said;
    try {
      Trainer(c, progress, false).run([&](int64_t step) {
        if (step == at) setenv("SIMT_MEMORY", "0", 1);
        return false;
      });
    } catch (const OutOfMemory& e) {
      said = e.what();
    }
    unsetenv("SIMT_MEMORY");
    EXPECT_NE(said.find(fmt::format("step {} is saved: continue with `ruminate train --resume {}`", at,
                                    shell_quoted(c.folder))),
              std::string::npos)
        << said;
    EXPECT_NE(said.find(at == 1 ? "not even a small batch fits" : "out of memory"), std::string::npos)
        << said;
    Trainer(resumed_config(c.folder), progress, true).run();
    EXPECT_EQ(whole, weights_of(c)) << at;
  }
  testing::internal::GetCapturedStderr();
}
TEST(CudaGpt, ThreeStepsThatAreNotFiniteEndTheRun) {
  const Scratch scratch;
  RunConfig c = small_run(scratch.path);
  c.device = "cuda", c.folder = scratch.path + "/run", c.schedule.peak = 1e30f, c.schedule.warmup = 0,
  c.adamw.clip = 0;
  testing::internal::CaptureStderr();
  Progress progress;
  std::string said;
  try {
    Trainer(c, progress, false).run();
  } catch (const Error& e) {
    said = e.what();
  }
  testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("three steps in a row were not finite"), std::string::npos) << said;
  int skipped = 0;
  for (const std::string& line : metrics_of(c.folder))
    skipped += line.find("\"skipped\":true") != std::string::npos;
  EXPECT_EQ(skipped, 3);
}
TEST(CudaGpt, ANumberOnItsWayStaysWhatItWas) {
  for (const DeviceKind d : {kCpu, kCuda}) {
    Tensor x = Tensor::from<float>(std::vector<float>{1.5f}, {1}, DType::f32).to(d).clone();
    Readback first{x, x};
    x.copy_from(Tensor::from<float>(std::vector<float>{2}, {1}, DType::f32));
    Readback second{x};
    EXPECT_EQ(second.at(0), 2);
    EXPECT_EQ(first.at(1), 1.5);
    EXPECT_THROW(first.at(2), Error);
    const Readback nobody_asks{x};
  }
  EXPECT_THROW(Readback{Tensor::empty({2}, DType::f32, kCpu)}, Error);
}
}  // namespace
}  // namespace rum::test::gpt_test
