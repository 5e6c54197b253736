// `make bench-gpu`: what each kernel of cuda/ and each step of the ladder takes at the sizes of GPT-2 124M,
// as a share of what this card can do (a copy, a large product, measured in the same run); then the training
// step and generation. One table of cases (kernels.cc), one function that times (timing.cc).
#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "model/gpt.h"
#include "tensor/backend.h"
#include "text/json.h"

namespace rum::bench {
constexpr DeviceKind kCuda = DeviceKind::cuda;
struct Sizes {  // GPT-2 124M unless said otherwise
  int64_t texts = 64, length = 1024, layers = 12, heads = 12, width = 768, vocab = 50304;
  int64_t product = 8192, copied = int64_t{1} << 30;  // for the limits: rows of a square product, bytes
  int64_t written = 256, prompt = 64, fresh = 192;    // generation: texts at once, tokens read and written
  int64_t steps = 200, warmup = 20;                   // of training
  double burst = 0.01;                                // seconds that one measurement lasts at least
  int rounds = 11;                                    // measurements, of which the median counts
  int64_t tokens() const { return texts * length; }
  GptConfig config() const;
};
Sizes tiny();  // runs on the emulation in a moment: shows that all of it works, the times mean nothing

struct Work {
  double bytes = 0, flops = 0;  // that it must move at least, or calculate: the one that is not 0 limits it
  double in_step = 0;           // how often a training step of config() does it
  bool eager = false;           // not recorded: it reads back, uploads, or is another thing when replayed
  std::function<void()> run = {};  // queues it once
};
struct Case {
  std::string name;
  DType type;
  std::function<Work(const Sizes&)> make;  // with its tensors: make one at a time
};
std::vector<Case> limits();  // copy; product in bf16 and in f32
std::vector<Case> kernels(DType);
std::vector<Case> ladder();

// Median seconds of one run. As many runs as fill a burst are recorded and replayed as one graph, so neither
// the host nor the wait at the end counts; scratch comes from an arena that has settled before.
double seconds(const Work&, const Sizes&);

Tensor filled(Shape, DType);                                 // random numbers in [-1, 1)
Tensor random_ids(int64_t n, int64_t below, uint32_t seed);  // on the device

// Each result is a line of a Markdown table, to stdout at once, and a JSON line, kept for `lines`.
struct Report {
  std::vector<std::string> lines;
  void heading(const std::string& title);  // of a table, name | type | time | rate | share
  void row(const std::string& name, const std::string& type, const std::string& time, const std::string& rate,
           const std::string& share, Json::Object);
};
// What is to be timed: cases with `name` in their name, of that type; empty: all.
struct Only {
  std::string name, type;
  bool all() const { return name.empty() && type.empty(); }
  bool takes(const Case&) const;
};
// Limits, kernels in both types, the ladder; then, if all are wanted, the step eagerly, replayed, and as the
// sum of its kernels.
void kernels_and_step(const Sizes&, const Only&, Report&);
// Training with a loader running and the loss logged every tenth step: tokens/s and MFU.
void train(const Sizes&, Report&);
// Greedy, `written` texts at once from prompts of random tokens; tokens/s counts what is written.
void generate(const Sizes&, Report&);
// FLOP of a token in training: 6 N + 6 L T C, N without the position table, causal attention counted at half.
double flops_per_token(const GptConfig&, int64_t parameters);
constexpr double kPeak = 989e12;  // what MFU is a share of: dense bf16 of an H100 or H200 (SXM)
}  // namespace rum::bench
