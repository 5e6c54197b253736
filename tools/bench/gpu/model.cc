// The whole model: the training step eagerly, replayed and as the sum of its kernels; training; generation.
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <future>
#include <memory>

#include "base/error.h"
#include "base/mean.h"
#include "base/random.h"
#include "generate/generate.h"
#include "ops/gemm.h"
#include "tools/bench/gpu/bench.h"
#include "train/step.h"

namespace rum::bench {
namespace {
double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
Token random_token(const Sizes& s, uint32_t step, int64_t i) {
  return static_cast<Token>(Random{1, Stream::sample}.bits({step, 0, 0, static_cast<uint32_t>(i)}).at[0] %
                            static_cast<uint32_t>(s.vocab));
}
// On the host, so that a helper thread can make it: whole texts of random tokens.
Packed random_batch(const Sizes& s, uint32_t step) {
  std::vector<Example> texts(static_cast<size_t>(s.texts));
  int64_t i = 0;
  for (Example& e : texts)
    for (int64_t k = 0; k < s.length; ++k) e.tokens.push_back(random_token(s, step, i++));
  return pack(texts, {.tokens = s.tokens(), .texts = s.texts});
}
struct Training {  // bf16, as a run of `ruminate train` has it
  ParameterBlock block;
  Gpt model;
  AdamW adamw;
  Step step;
  explicit Training(const Sizes& s)
      : model(Params(block), s.config()),
        adamw(made(), {}),
        step(block, adamw, [this](const Batch& b) { return model.loss(b).loss; }) {}
  ParameterBlock& made() {
    block.materialise(kCuda, DType::bf16, 1);
    return block;
  }
};
std::string thousands(double per_second) { return fmt::format("{:.0f} tokens/s", per_second); }
}  // namespace

GptConfig Sizes::config() const {
  return {.vocab = vocab,
          .context = length,
          .layers = layers,
          .heads = heads,
          .kv_heads = heads,
          .width = width,
          .inner = 4 * width};
}
Sizes tiny() {
  return {.texts = 2,
          .length = 16,
          .layers = 1,
          .heads = 2,
          .width = 32,
          .vocab = 50,
          .product = 32,
          .copied = 4096,
          .written = 4,
          .prompt = 3,
          .fresh = 4,
          .steps = 4,
          .warmup = 1,
          .burst = 0,
          .rounds = 1};
}
double flops_per_token(const GptConfig& c, int64_t parameters) {
  const int64_t n = parameters - c.context * c.width;
  return 6 * static_cast<double>(n) + 6 * static_cast<double>(c.layers * c.context * c.width);
}

void step_beside(double sum_of_kernels, const Sizes& s, Report& report) try {
  report.heading("training step, one batch again and again");
  Training t(s);
  const Batch batch = upload(random_batch(s, 0));
  uint32_t at = 0;
  double found[2] = {};
  for (const bool replayed : {false, true}) {
    Recording::set_eager(!replayed);
    for (int i = 0; i < 5; ++i) t.step.run({&batch, 1}, at++, 3e-4f);
    RUM_CHECK((t.step.recorded() == 2) == replayed, "bench: {} graphs are in use after five steps",
              t.step.recorded());
    std::vector<double> times;
    for (int i = 0; i < s.rounds; ++i) {
      Backend::of(kCuda).wait();
      const double begin = now();
      t.step.run({&batch, 1}, at++, 3e-4f);
      Backend::of(kCuda).wait();
      times.push_back(now() - begin);
    }
    found[replayed] = median(times);
  }
  auto row = [&](const char* name, double seconds) {
    const double ratio = seconds / sum_of_kernels;
    report.row(name, "bf16", fmt::format("{:.3f} ms", 1e3 * seconds),
               thousands(static_cast<double>(s.tokens()) / seconds),
               fmt::format("{:.3f} x its kernels", ratio),
               {{"part", "step"}, {"ms", 1e3 * seconds}, {"of_kernels", ratio}});
  };
  row("the sum of its kernels, each timed above", sum_of_kernels);
  row("eager", found[0]);
  row("replayed", found[1]);
} catch (const OutOfMemory& e) {
  report.row("step", "bf16", "-", "out of memory", "-", {{"part", "step"}, {"error", e.what()}});
}

void train(const Sizes& s, Report& report) {
  if (gemm_choices.load) gemm_choices.load("");
  report.heading(fmt::format("training, {} steps of {} x {}", s.steps, s.texts, s.length));
  Training t(s);
  auto load = [&](int64_t step) {
    return std::async(std::launch::async,
                      [&s, step] { return random_batch(s, static_cast<uint32_t>(step)); });
  };
  auto next = load(0);
  double first = NAN, last = NAN, begin = 0;
  for (int64_t i = 0; i < s.warmup + s.steps; ++i) {
    if (i == s.warmup) Backend::of(kCuda).wait(), begin = now();
    const Batch batch = upload(next.get());
    next = load(i + 1);
    t.step.run({&batch, 1}, static_cast<uint32_t>(i), 3e-4f);
    if (i % 10 != 0) continue;
    last = t.step.loss();
    if (i == 0) first = last;
    std::fprintf(stderr, "step %ld loss %.4f\n", static_cast<long>(i), last);
  }
  last = t.step.loss();  // waits for the device
  const double each = (now() - begin) / static_cast<double>(s.steps),
               rate = static_cast<double>(s.tokens()) / each;
  const double mfu = rate * flops_per_token(s.config(), t.block.numbers()) / kPeak;
  report.row("ours", "bf16", fmt::format("{:.3f} ms", 1e3 * each), thousands(rate),
             fmt::format("MFU {:.1f} %", 100 * mfu),
             {{"part", "train"},
              {"ms", 1e3 * each},
              {"tokens_per_s", rate},
              {"mfu", mfu},
              {"steps", s.steps},
              {"loss_first", first},
              {"loss_last", last}});
}

void generate(const Sizes& s, Report& report) {
  report.heading(
      fmt::format("generation, {} texts at once, {} tokens after {}", s.written, s.fresh, s.prompt));
  ParameterBlock block;
  const Model model(Gpt(Params(block), s.config()));
  block.materialise(kCuda, DType::bf16, 1);
  std::vector<Prompt> prompts(static_cast<size_t>(s.written));
  int64_t at = 0;
  for (Prompt& p : prompts)
    for (int64_t k = 0; k < s.prompt; ++k) p.tokens.push_back(random_token(s, 0, at++));
  const Decoding greedy{.max_new = s.fresh, .batch = s.written};
  std::vector<double> times;
  for (int i = 0; i < 4; ++i) {
    const double begin = now();
    const auto texts = rum::generate(model, prompts, -1, greedy);  // no token ends a text
    if (i > 0) times.push_back(now() - begin);
    for (const auto& t : texts)
      RUM_CHECK(std::ssize(t[0].tokens) == s.fresh, "bench: a text ended after {} tokens",
                t[0].tokens.size());
  }
  const double seconds = median(times), rate = static_cast<double>(s.written * s.fresh) / seconds;
  report.row("ours", "bf16", fmt::format("{:.1f} ms", 1e3 * seconds), thousands(rate), "-",
             {{"part", "generate"}, {"ms", 1e3 * seconds}, {"tokens_per_s", rate}});
}
}  // namespace rum::bench
