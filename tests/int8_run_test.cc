// Models whose products are in int8, and runs stored in it.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "checkpoint/safetensors.h"
#include "checkpoint/weights.h"
#include "generate/translate.h"
#include "ops/int8.h"
#include "ops/linear.h"
#include "run/provenance.h"
#include "tests/error_of.h"
#include "tests/program.h"
#include "tests/run_folder.h"
#include "tests/toy.h"

namespace rum::int8_run_test {
namespace {
// With independent rounding errors, uniform within half a step, a product of I inputs is off by about
// sqrt(I / 12) steps of each factor: 0.5 to 1 % of its size for normals. Two blocks and the head add up.
TEST(Int8, LogitsStayNearThoseOfF32) {
  for (const bool tied : {true, false}) {
    GptConfig c = toy::tiny();
    c.tied = tied, c.width = 64, c.inner = 256, c.vocab = 200;
    toy::World f32(c, DType::f32), int8(c, DType::f32);
    for (toy::World* w : {&f32, &int8}) {
      for (int64_t i = 0; i < w->params.decayed(); ++i) w->params.master().data<float>()[i] *= 6;
      w->params.changed();
    }
    int8.params.quantize();
    const std::vector<int32_t> ids{3, 17, 150, 9, 42, 77, 199, 0, 5, 61};
    const auto ints = [](const std::vector<int32_t>& v) {
      return Tensor::from<int32_t>(v, {static_cast<int64_t>(v.size())}, DType::i32);
    };
    const Layout text{ints({0, 10}), ints({0}), ints({0, 1, 2, 3, 4, 5, 6, 7, 8, 9}), Mask::causal};
    const double off = toy::distance(int8.model.logits(ints(ids), text), f32.model.logits(ints(ids), text));
    EXPECT_LT(off, 0.03);
    EXPECT_GT(off, 1e-4) << "then nothing was in int8";
    // Rows that are only looked up keep their bits; those of the output layer are the values of its int8.
    EXPECT_EQ(toy::hash(int8.model.positions), toy::hash(f32.model.positions));
    Tensor tokens = f32.model.tokens.clone();
    if (tied) dequantize(quantize(f32.model.tokens), tokens);
    EXPECT_EQ(toy::hash(embedding(ints(ids), int8.model.tokens)), toy::hash(embedding(ints(ids), tokens)));
  }
}
TEST(Int8, RefusesGradientsAndOtherWeights) {
  toy::World w(toy::tiny(), DType::f32);
  w.params.quantize();
  const Batch b = toy::batch(toy::pairs(6, 1, 7, 14), {.tokens = 96, .texts = 8, .mask = Mask::prefix});
  Arena arena(DeviceKind::cpu);
  {
    Tape tape(arena, Tape::Mode::forward_only);
    EXPECT_TRUE(std::isfinite(w.model.loss(b).loss.at(0)));
  }
  {
    Tape tape(arena);
    const std::string e = error_of([&] { w.model.loss(b); });
    EXPECT_NE(e.find("it has no gradients"), std::string::npos) << e;
  }
  w.params.changed();
  const std::string e = error_of([&] {
    linear(Tensor::empty({1, 32}, DType::f32, DeviceKind::cpu), w.model.head);
  });
  EXPECT_NE(e.find("has changed"), std::string::npos) << e;
  toy::World half(toy::tiny(), DType::bf16);
  EXPECT_NE(error_of([&] { half.params.quantize(); }).find("int8 is for models of f32"), std::string::npos);
}

// ---- runs that are stored in int8
struct Int8Run : testing::Test {
  Program p;
  std::string f32 = p.file("f32"), int8 = p.file("int8");
  void SetUp() override {
    write_run(f32, {});
    const Ran r = p.run({"quantize", f32, int8});
    ASSERT_EQ(r.status, 0) << r.err;
    ASSERT_NE(r.out.find("int8: "), std::string::npos) << r.out;
  }
  static std::string sources() {
    std::string out;
    for (const Pair& t : grammar_pairs(20, 9)) out += t.source + "\n";
    return out;
  }
};
TEST_F(Int8Run, SaysWhatQuantizingOnTheFlySays) {
  const std::vector<std::vector<std::string>> ways = {{}, {"--sample", "--seed", "3"}};
  for (const auto& way : ways) {
    const auto run = [&](std::vector<std::string> words) {
      words.insert(words.begin(), "translate");
      words.insert(words.end(), {"--scores", "--max-new", "12"});
      words.insert(words.end(), way.begin(), way.end());
      const Ran r = p.run(words, sources());
      EXPECT_EQ(r.status, 0) << r.err;
      return r.out;
    };
    const std::string stored = run({int8});
    EXPECT_EQ(stored, run({f32, "--dtype", "int8"}));
    EXPECT_EQ(stored, run({int8, "--dtype", "int8", "--batch", "3"}));
    EXPECT_NE(stored, run({f32}));
    EXPECT_NE(stored, run({int8, "--dtype", "f32"}));  // the same weights, other products
    EXPECT_NE(run({f32, "--dtype", "bf16"}), run({f32}));
  }
  const Ran asked = p.run({"perplexity", int8, "-i", "-"}, "das Haus\tthe house\n"),
            wanted = p.run({"perplexity", f32, "-i", "-"}, "das Haus\tthe house\n");
  EXPECT_EQ(asked.status, 0) << asked.err;
  EXPECT_NE(asked.out, wanted.out);
  const std::string pair = "das Haus\tthe house\n";
  EXPECT_EQ(p.run({"perplexity", f32, "-i", "-", "--dtype", "int8"}, pair).out, asked.out);
  EXPECT_EQ(p.run({"perplexity", f32, "-i", "-", "--dtype", "f32"}, pair).out, wanted.out);
  EXPECT_NE(p.run({"perplexity", f32, "-i", "-", "--dtype", "bf16"}, pair).out, wanted.out);
}
TEST_F(Int8Run, IsAQuarterOfTheSizeAndNamesItsType) {
  const auto run = load_run(int8), from = load_run(f32);
  EXPECT_EQ(run->dtype, DType::i8);
  EXPECT_EQ(from->dtype, DType::f32);
  int64_t wanted = 0;
  for (const ParameterBlock::Entry& e : from->params.entries())
    wanted += e.multiplies() ? e.shape.size() + 4 * e.shape[0] : 4 * e.shape.size();
  int64_t found = 0;
  const TensorFile file = read_safetensors(RunFolder{int8}.model());
  for (const auto& [name, t] : file.tensors) found += t.size() * static_cast<int64_t>(size_of(t.dtype()));
  EXPECT_EQ(found, wanted);
  EXPECT_EQ(weights_hash(run->params), weights_hash(load_run(f32, DeviceKind::cpu, DType::i8)->params));
  EXPECT_TRUE(provenance_of(*run, {}).decoding.ends_with(" int8"));
  EXPECT_EQ(provenance_of(*from, {}).decoding.find("int8"), std::string::npos);
}
TEST_F(Int8Run, IsNotTrainedFromQuantizedAgainOrWrittenOver) {
  p.corpora(), p.config();
  expect_refusal(p.run({"train", p.file("c.toml"), "--set", "train.from=" + int8}), "stored in int8");
  expect_refusal(p.run({"quantize", int8, p.file("again")}), "in int8 already");
  expect_refusal(p.run({"quantize", f32, int8}), "already exists");
  const std::string no_gpu = Backend::missing(DeviceKind::cuda);
  expect_refusal(p.run({"translate", int8, "--device", "cuda"}),
                 no_gpu.empty() ? int8 + ": int8 runs on the CPU: give --device cpu" : no_gpu);
  for (const auto& entry : std::filesystem::directory_iterator(p.scratch.path))
    EXPECT_EQ(entry.path().string().find(".tmp"), std::string::npos) << entry.path();
}
TEST_F(Int8Run, DamagedFilesGetASentence) {
  const TensorFile good = read_safetensors(RunFolder{int8}.model());
  const auto says = [&](const std::function<void(TensorFile&)>& damage) {
    TensorFile bad{good.meta, {}, {}};
    for (const auto& [name, t] : good.tensors) bad.tensors.emplace_back(name, t.clone());
    damage(bad);
    write_safetensors(bad, RunFolder{int8}.model());
    return error_of([&] { load_run(int8); });
  };
  const auto at = [](TensorFile& f, const std::string& name) -> Tensor& {
    for (auto& [n, t] : f.tensors)
      if (n == name) return t;
    throw Error("no tensor " + name);
  };
  const std::string name = "block.1.qkv.weight", scale = name + ".scale";
  const auto expect = [&](const std::string& e, const std::string& part) {
    EXPECT_NE(e.find(part), std::string::npos) << e;
    EXPECT_NE(e.find("model.safetensors"), std::string::npos) << e;
  };
  EXPECT_EQ(says([](TensorFile&) {}), "");
  expect(
      says([&](TensorFile& f) { std::erase_if(f.tensors, [&](const auto& t) { return t.first == scale; }); }),
      "has no \"" + scale + "\"");
  expect(
      says([&](TensorFile& f) { std::erase_if(f.tensors, [&](const auto& t) { return t.first == name; }); }),
      "no tensor \"" + name + "\"");
  expect(says([&](TensorFile& f) { at(f, scale) = at(f, scale).as({96, 1}); }), "its scales are");
  expect(says([&](TensorFile& f) { at(f, name) = at(f, name).as({48, 64}); }), "its scales are");
  for (const float x : {INFINITY, std::numeric_limits<float>::quiet_NaN()})
    expect(says([&](TensorFile& f) { at(f, scale).data<float>()[3] = x; }), "has the number");
  for (const float x : {0.0f, -1.0f, 0.1f})
    expect(says([&](TensorFile& f) { at(f, scale).data<float>()[3] = x; }), "does not have the scales");
  expect(says([&](TensorFile& f) { at(f, name).data<int8_t>()[40] = -128; }), "does not have the scales");
}
}  // namespace
}  // namespace rum::int8_run_test
