// Products in int8 against 64-bit integers, the cost of rounding, and runs stored in int8.
#include "ops/int8.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "base/hash.h"
#include "base/threads.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/weights.h"
#include "generate/translate.h"
#include "ops/linear.h"
#include "run/provenance.h"
#include "tests/error_of.h"
#include "tests/program.h"
#include "tests/run_folder.h"
#include "tests/toy.h"

namespace rum::int8_test {
namespace {
// Whole numbers from -127 to 127, and one of +-127 in each row: rounding to 8 bits changes none of them.
Tensor whole_numbers(Shape s, uint32_t seed) {
  Tensor t = Tensor::empty(s, DType::f32, DeviceKind::cpu);
  const Random r{seed, Stream::sample};
  for (int64_t i = 0; i < t.size(); ++i)
    t.data<float>()[i] =
        static_cast<float>(static_cast<int>(r.bits({static_cast<uint32_t>(i), 0, 0, 0}).at[0] % 255) - 127);
  for (int64_t i = 0; i < t.shape().rows(); ++i) t.data<float>()[i * s[-1] + i % s[-1]] = i % 2 ? 127 : -127;
  return t;
}
Tensor filled(Shape s, float x) {
  Tensor t = Tensor::empty(s, DType::f32, DeviceKind::cpu);
  std::fill_n(t.data<float>(), t.size(), x);
  return t;
}
Tensor normals(Shape s, uint32_t seed, double scale = 1) {
  const Tensor wide = noise(s, seed, scale);
  return Tensor::from<double>({wide.data<double>(), static_cast<size_t>(wide.size())}, s, DType::f32);
}

TEST(Int8, EveryPathGivesTheSumsOfIntegers) {
  struct Case {
    int64_t m, n, k;
  };
  const int before = threads();
  ASSERT_GE(int8_paths().size(), 1u);
  for (const Case c :
       {Case{1, 1, 1}, Case{1, 64, 4}, Case{2, 65, 3}, Case{3, 63, 5}, Case{5, 130, 63}, Case{6, 64, 64},
        Case{7, 200, 65}, Case{13, 17, 130}, Case{97, 70, 33}, Case{64, 300, 512}, Case{200, 129, 257}}) {
    const Tensor a = whole_numbers({c.m, c.k}, 1), w = whole_numbers({c.n, c.k}, 2),
                 bias = whole_numbers({c.n}, 3);
    const Int8Weights packed = pack(quantize(w));
    for (const Int8Path& path : int8_paths())
      for (const bool biased : {true, false})
        for (const int n : {1, 3}) {
          set_threads(n);
          const Tensor y = filled({c.m + 1, c.n}, -1);
          Tensor rows = y.rows(0, c.m);
          int8_product(a, packed, rows, biased ? bias : Tensor(), path);
          for (int64_t i = 0; i < c.m; ++i)
            for (int64_t o = 0; o < c.n; ++o) {
              int64_t sum = 0;
              for (int64_t j = 0; j < c.k; ++j)
                sum += static_cast<int64_t>(a.data<float>()[i * c.k + j]) *
                       static_cast<int64_t>(w.data<float>()[o * c.k + j]);
              const float wanted = static_cast<float>(sum) + (biased ? bias.data<float>()[o] : 0);
              ASSERT_EQ(y.data<float>()[i * c.n + o], wanted)
                  << path.name << ": " << c.m << " x " << c.n << " x " << c.k << " at " << i << ", " << o;
            }
          for (int64_t o = 0; o < c.n; ++o) ASSERT_EQ(y.data<float>()[c.m * c.n + o], -1) << "beyond the end";
        }
  }
  set_threads(before);
}
// The largest possible products: in AVX2, unsigned times signed would not fit 16 bits, and the last sum is
// the largest that 32 bits must hold.
TEST(Int8, NothingSaturates) {
  const int64_t k = 1 << 17;
  for (const float x : {127.0f, -127.0f})
    for (const float w : {127.0f, -127.0f})
      for (const Int8Path& path : int8_paths()) {
        Tensor y = filled({7, 3}, 0);
        int8_product(filled({7, k}, x), pack(quantize(filled({3, k}, w))), y, {}, path);
        for (int64_t i = 0; i < y.size(); ++i)
          EXPECT_EQ(y.at(i), static_cast<double>(static_cast<float>(x * w * static_cast<double>(k))))
              << path.name;
      }
  const std::string e = error_of([&] { pack(quantize(filled({1, k + 1}, 1))); });
  EXPECT_NE(e.find("131073 inputs"), std::string::npos) << e;
}

TEST(Int8, WeightsAreRoundedByHalfAStepAtMost) {
  const Tensor w = normals({60, 77}, 4, 0.02);
  std::fill_n(w.data<float>() + 5 * 77, 77, 0.0f);  // a row of zeros
  w.data<float>()[9 * 77 + 3] = 1e9f;               // an outlier
  const Int8Matrix m = quantize(w);
  for (int64_t o = 0; o < 60; ++o) {
    double top = 0, most = 0;
    const double s = m.scale.at(o);
    for (int64_t j = o * 77; j < (o + 1) * 77; ++j) {
      const double q = m.q.data<int8_t>()[j];
      top = std::max(top, std::abs(w.at(j))), most = std::max(most, std::abs(q));
      EXPECT_LE(std::abs(w.at(j) - q * s), s / 2) << o;
      EXPECT_EQ(static_cast<double>(static_cast<float>(q * s)), q * s) << "not exact";
    }
    EXPECT_EQ(most, o == 5 ? 0 : 127) << o;
    EXPECT_GE(s, top / 127 * (1 - 1e-7)) << o;
    EXPECT_LE(s, top / 127 * (1 + 0x1p-16)) << o;
  }
  Tensor back = Tensor::like(w);
  dequantize(m, back);
  const Int8Matrix again = quantize(back);
  EXPECT_EQ(toy::hash(again.q), toy::hash(m.q));
  EXPECT_EQ(toy::hash(again.scale), toy::hash(m.scale));
  for (const float bad : {INFINITY, std::numeric_limits<float>::quiet_NaN()})
    EXPECT_NE(error_of([&] {
                quantize(filled({2, 2}, bad));
              }).find("it has no form in int8"),
              std::string::npos);
}
// With the identity as weights the product is the rounded activations.
TEST(Int8, ActivationsAreRoundedByHalfAStepAtMost) {
  const int64_t k = 70;
  const Tensor unit = filled({k, k}, 0), x = normals({9, k}, 6, 3);
  Tensor y = Tensor::like(x);
  for (int64_t j = 0; j < k; ++j) unit.data<float>()[j * k + j] = 127;
  std::fill_n(x.data<float>() + 2 * k, k, 0.0f);
  std::fill_n(x.data<float>() + 3 * k, k, 1e-38f);  // 127 / 1e-38 is infinite
  for (int64_t j = 0; j < k; ++j) x.data<float>()[4 * k + j] *= 1e30f, x.data<float>()[5 * k + j] *= 1e-20f;
  int8_product(x, pack(quantize(unit)), y, {});
  for (int64_t i = 0; i < 9; ++i) {
    double top = 0;
    for (int64_t j = 0; j < k; ++j) top = std::max(top, std::abs(x.at(i * k + j)));
    for (int64_t j = 0; j < k; ++j)
      EXPECT_LE(std::abs(y.at(i * k + j) / 127 - x.at(i * k + j)), top / 254 * (1 + 1e-5) + 1e-30) << i;
  }
  for (const float bad : {INFINITY, -INFINITY, std::numeric_limits<float>::quiet_NaN()}) {
    x.data<float>()[k + 9] = bad;
    int8_product(x, pack(quantize(unit)), y, {});
    for (int64_t j = 0; j < k; ++j) {
      EXPECT_FALSE(std::isfinite(y.at(k + j))) << bad;
      EXPECT_TRUE(std::isfinite(y.at(j))) << "the row before";
    }
  }
}

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
  const std::string e = error_of([&] { linear(normals({1, 32}, 1), w.model.head); });
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
}  // namespace rum::int8_test
