// The benchmark of `make bench-gpu` at tiny sizes: its clock, its counts, and that every case runs.
#include "tools/bench/gpu/bench.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <map>
#include <thread>

#include "../error_of.h"
#include "ops/add.h"

namespace rum::test::bench_test {
namespace {
const bench::Case& find(const std::vector<bench::Case>& all, const std::string& name) {
  for (const bench::Case& c : all)
    if (c.name == name) return c;
  throw std::out_of_range(name);
}
TEST(CudaBench, TheClockIsRight) {  // 5 ms per run, longer on a busy machine
  const bench::Work nap{.eager = true,
                        .run = [] { std::this_thread::sleep_for(std::chrono::milliseconds(5)); }};
  bench::Sizes s = bench::tiny();
  s.rounds = 3;
  const double one = bench::seconds(nap, s);
  s.burst = 0.1;  // 20 runs, so 0.1 s without the division
  const double several = bench::seconds(nap, s);
  for (const double t : {one, several}) EXPECT_TRUE(t >= 0.005 && t < 0.05) << t;
}
TEST(CudaBench, WhatIsRecordedRunsAsOftenAsItIsDividedBy) {
  Tensor one = Tensor::from<float>(std::vector<float>{1}, {1}, DType::f32, bench::kCuda),
         sum = Tensor::from<float>(std::vector<float>{0}, {1}, DType::f32, bench::kCuda);
  int calls = 0;
  const bench::Work work{.run = [&] { ++calls, kernels::add(bench::kCuda, sum, one, sum); }};
  bench::Sizes s = bench::tiny();
  s.burst = 1e9, s.rounds = 3;  // as many runs as are allowed: 500 in a graph, replayed 1 + 3 times
  bench::seconds(work, s);
  EXPECT_EQ(calls, 3 + 500);
  EXPECT_EQ(sum.at(0), 3 + 4 * 500);
}
TEST(CudaBench, FillsAllOfATensorWithNumbers) {
  for (const int64_t n : {1, 65536, 65537, 200001}) {
    const Tensor t = bench::filled({n}, DType::f32).to(DeviceKind::cpu);
    double sum = 0, square = 0;
    for (int64_t i = 0; i < n; ++i) {
      const double v = static_cast<double>(t.data<float>()[i]);
      EXPECT_TRUE(v >= -1 && v < 1);
      sum += v, square += v * v;
    }
    if (n == 1) continue;
    EXPECT_NEAR(sum / static_cast<double>(n), 0, 0.01);  // of [-1, 1)
    EXPECT_NEAR(square / static_cast<double>(n), 1.0 / 3, 0.01);
  }
}
// By hand, 2 texts of 16 tokens, width 32, 2 heads, vocabulary 50.
TEST(CudaBench, CountsWhatAKernelMustDo) {
  const bench::Sizes s = bench::tiny();
  const std::vector<bench::Case> bf16 = bench::kernels(DType::bf16), f32 = bench::kernels(DType::f32);
  auto work = [&](const std::vector<bench::Case>& all, const char* name) { return find(all, name).make(s); };
  EXPECT_EQ(work(bf16, "gemm qkv y").flops, 2.0 * 32 * 32 * 96);
  EXPECT_EQ(work(bf16, "gemm down dw").flops, 2.0 * 32 * 32 * 128);
  EXPECT_EQ(work(bf16, "layernorm_forward, residual").bytes, 2.0 * 4 * 32 * 32);
  EXPECT_EQ(work(f32, "gelu_backward").bytes, 4.0 * 3 * 32 * 128);
  EXPECT_EQ(work(f32, "swiglu_forward").bytes, 4.0 * 3 * 32 * 128);
  EXPECT_EQ(work(bf16, "cross_entropy").bytes, 2.0 * 2 * 32 * 50);
  // Two products of 16 wide heads: 2 * 16 flop for each pair of a query and a key, half of 16 x 16 pairs.
  EXPECT_EQ(work(bf16, "attention_forward").flops, 2.0 * (2 * 16) * (2 * 2 * 128));
  EXPECT_EQ(work(bf16, "attention_backward, as in Llama").flops, 5.0 * (2 * 32) * (2 * 128));  // one head
  EXPECT_EQ(work(bf16, "cross_attention_backward").flops, 5.0 * (2 * 16) * (2 * 2 * 256));
}
TEST(CudaBench, FlopsPerTokenOfGpt2) {  // 123,689,472 parameters without the position table
  ParameterBlock block;
  const GptConfig c = bench::Sizes{}.config();
  const Gpt model(Params(block), c);
  EXPECT_EQ(bench::flops_per_token(c, block.numbers()), 6.0 * 123689472 + 6.0 * 12 * 1024 * 768);
}

// The tape of a step gives the number of calls of each op; the table those of the kernels.
TEST(CudaBench, TheTableHasTheStepsKernels) {
  bench::Sizes s = bench::tiny();
  s.layers = 3;
  ParameterBlock block;
  const Gpt model(Params(block), s.config());
  block.materialise(bench::kCuda, DType::f32, 1);
  std::vector<Example> texts(2);
  for (Example& e : texts) e.tokens.assign(16, 7);
  std::vector<TapeLine> lines;
  {
    Arena arena(bench::kCuda);
    Tape tape(arena);
    Tape::log = &lines;
    model.loss(upload(pack(texts, {.tokens = 32, .texts = 2}), bench::kCuda));
    Tape::log = nullptr;
  }
  std::map<std::string, double> ops, kernels;
  for (const TapeLine& l : lines) ++ops[l.op->name];
  for (const bench::Case& c : bench::kernels(DType::f32)) {
    const bench::Work w = c.make(s);
    const std::string kernel = c.name.substr(0, c.name.find_first_of(", "));
    kernels[kernel == "gemm" ? "gemm" + c.name.substr(c.name.rfind(' ')) : kernel] += w.in_step;
  }
  EXPECT_GT(ops["gelu_mlp"], 0);  // two linear layers; two of their products include GELU and its slope
  const double layers = ops["linear"] + 2 * ops["gelu_mlp"];
  EXPECT_EQ(kernels["linear_gelu"], ops["gelu_mlp"]);
  EXPECT_EQ(kernels["linear_gelu_backward"], ops["gelu_mlp"]);
  EXPECT_EQ(kernels["gemm y"], layers - ops["gelu_mlp"] + ops["head_loss"]);
  EXPECT_EQ(kernels["gemm dx"], layers - ops["gelu_mlp"] + ops["head_loss"]);
  EXPECT_EQ(kernels["gemm dw"], ops["head_loss"]);
  EXPECT_EQ(kernels["linear_backward_weights"], layers);
  EXPECT_EQ(kernels["layernorm_forward"], ops["layernorm"] + ops["residual_layernorm"]);
  EXPECT_EQ(kernels["layernorm_backward"], ops["layernorm"] + ops["residual_layernorm"]);
  for (const char* op : {"attention", "embedding"}) {
    EXPECT_GT(ops[op], 0) << op;
    EXPECT_EQ(kernels[std::string(op) + "_forward"], ops[op]) << op;
    EXPECT_EQ(kernels[std::string(op) + "_backward"], ops[op]) << op;
  }
  EXPECT_EQ(kernels["add"], ops["add"]);
  EXPECT_EQ(kernels["cross_entropy"], ops["head_loss"]);
  EXPECT_EQ(kernels["scale"], 2 * ops["head_loss"]);
  double counted = 0;
  for (const char* op : {"linear", "head_loss", "layernorm", "residual_layernorm", "attention", "gelu_mlp",
                         "embedding", "add"})
    counted += ops[op];
  EXPECT_EQ(counted, static_cast<double>(lines.size()));  // every op has a kernel in the table
}

TEST(CudaBench, OnlyWhatIsAskedForRuns) {
  bench::Report report;
  testing::internal::CaptureStdout();
  bench::kernels_and_step(bench::tiny(), {"add", "bf16"}, report);
  const std::string refused = error_of([&] {
    bench::kernels_and_step(bench::tiny(), {"adwm", "bf16"}, report);
  });
  testing::internal::GetCapturedStdout();
  EXPECT_EQ(refused, "no kernel has \"adwm\" in its name and is there in bf16");
  int asked = 0;
  for (const std::string& line : report.lines) {
    if (line.find("\"limit\"") != std::string::npos) continue;
    ++asked;
    EXPECT_NE(line.find("{\"name\":\"add"), std::string::npos) << line;
    EXPECT_NE(line.find("\"type\":\"bf16\""), std::string::npos) << line;
  }
  EXPECT_GE(asked, 1);
}
TEST(CudaBench, EverythingRuns) {
  bench::Report report;
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();  // the logged loss
  bench::kernels_and_step(bench::tiny(), {}, report);
  bench::train(bench::tiny(), report);
  bench::generate(bench::tiny(), report);
  const std::string table = testing::internal::GetCapturedStdout();
  EXPECT_NE(testing::internal::GetCapturedStderr().find("step 0 loss 3.9"), std::string::npos);  // log(50)
  std::map<std::string, int> parts;
  for (const std::string& line : report.lines) {
    const Json row = parse_json(line, "row");
    ++parts[*row.find("part")->text()];
    double ms = 0;
    EXPECT_TRUE(row.find("ms") && row.find("ms")->number(ms) && ms > 0) << line;
    EXPECT_NE(table.find(*row.find("name")->text() + " | "), std::string::npos);
  }
  EXPECT_EQ(parts["limit"], 3);
  EXPECT_EQ(parts["kernel"],
            std::ssize(bench::kernels(DType::f32)) + std::ssize(bench::kernels(DType::bf16)));
  EXPECT_EQ(parts["ladder"], std::ssize(bench::ladder()));
  EXPECT_EQ(parts["step"], 3);
  EXPECT_EQ(parts["train"], 1);
  EXPECT_EQ(parts["generate"], 1);
}
}  // namespace
}  // namespace rum::test::bench_test
