// Ten training steps against PyTorch: the losses that tests/golden/torch_losses.py recorded.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/file.h"
#include "text/json.h"
#include "toy.h"

namespace rum::torch_test {
namespace {
const Json& golden() {
  static const Json all =
      parse_json(Disk::real().read("tests/golden/torch_losses.json"), "torch_losses.json");
  return all;
}
double number(const Json& j, const char* key) {
  double v = 0;
  EXPECT_TRUE(j.find(key) && j.find(key)->number(v)) << key;
  return v;
}
bool yes(const Json& j, const char* key) { return *j.find(key)->boolean(); }
std::vector<double> numbers(const Json& j) {
  std::vector<double> out;
  for (const Json& v : *j.array()) v.number(out.emplace_back());
  return out;
}
// The same integer hash as in torch_losses.py.
double uniform(uint64_t k, uint64_t i) {
  uint64_t x = (i * 2654435761u + k * 40503 + 12345) & 0xFFFFFFFFu;
  x ^= x >> 16;
  x = (x * 2246822519u) & 0xFFFFFFFFu;
  x ^= x >> 13;
  return static_cast<double>(x) / 4294967296.0 - 0.5;
}
void fill(ParameterBlock& params) {
  std::vector<std::string> names;
  for (auto& e : params.entries()) names.push_back(e.name);
  std::sort(names.begin(), names.end());
  for (auto& e : params.entries()) {
    const auto k = static_cast<uint64_t>(std::find(names.begin(), names.end(), e.name) - names.begin());
    for (int64_t i = 0; i < e.shape.size(); ++i) {
      const double u = uniform(k, static_cast<uint64_t>(i));
      const double v = e.shape.rank == 2 ? u * 0.5 : e.name.ends_with("weight") ? 1 + u * 0.5 : u;
      by_type(params.master().dtype(), [&]<class T> {
        params.master().data<T>()[e.offset + i] = static_cast<T>(static_cast<Stats<T>>(v));
      });
    }
  }
  params.changed();
}
void compare(const Json& run, DType t, double bound) {
  const Json& c = *run.find("config");
  auto whole = [&](const char* key) { return static_cast<int64_t>(number(c, key)); };
  const bool llama = yes(c, "llama");
  const GptConfig config{.vocab = whole("vocab"),
                         .context = whole("context"),
                         .layers = whole("layers"),
                         .heads = whole("heads"),
                         .kv_heads = whole("kv_heads"),
                         .width = whole("width"),
                         .inner = whole("inner"),
                         .norm = llama ? Norm::rmsnorm : Norm::layernorm,
                         .activation = llama ? Activation::swiglu : Activation::gelu,
                         .positions = llama ? Positions::rope : Positions::learned,
                         .rope_base = static_cast<float>(number(c, "rope_base")),
                         .bias = llama ? Biases::none : Biases::all,
                         .tied = yes(c, "tied"),
                         .smoothing = static_cast<float>(number(c, "smoothing"))};
  toy::World w(config, t);
  fill(w.params);
  std::vector<Example> examples;
  for (const Json& text : *golden().find("texts")->array()) {
    Example& e = examples.emplace_back();
    for (const double v : numbers(*text.find("tokens"))) e.tokens.push_back(static_cast<Token>(v));
    e.prefix = static_cast<int32_t>(number(text, "prefix"));
  }
  // Two micro-batches, one of them with `rows`: neither may change the losses.
  const BatchShape shape{.tokens = 48, .texts = 5, .mask = Mask::prefix, .restart = true};
  BatchShape rows = shape;
  rows.scored = 20;
  const std::vector<Batch> micro{upload(pack(std::span(examples).first(4), shape)),
                                 upload(pack(std::span(examples).subspan(4), rows))};
  AdamW adam(w.params, {});
  Step step(w.params, adam, w.loss());
  const std::vector<double> truth = numbers(*run.find(t == DType::f64 ? "f64" : "f32"));
  ASSERT_EQ(truth.size(), 10u);
  double worst = 0;
  for (uint32_t i = 0; i < 10; ++i) {
    step.run(micro, i, 3e-3f);
    worst = std::max(worst, std::abs(step.loss() - truth[i]) / truth[i]);
    EXPECT_NEAR(step.loss(), truth[i], bound * truth[i]) << "step " << i;
  }
  EXPECT_LT(truth[9], truth[0] * 0.95) << "nothing was learned: the comparison would be empty";
  std::printf("  %s %s: loss %.5f to %.5f, worst relative difference from PyTorch %.1e\n",
              run.find("name")->text()->c_str(), t == DType::f64 ? "f64" : "f32", truth[0], truth[9], worst);
}
TEST(TenStepsOfPyTorch, Gpt2F32) { compare(golden().find("runs")->array()->at(0), DType::f32, 1e-5); }
// The error that remains in f64 comes from settings in single precision: clipping and bias corrections.
TEST(TenStepsOfPyTorch, Gpt2F64) { compare(golden().find("runs")->array()->at(0), DType::f64, 1e-8); }
TEST(TenStepsOfPyTorch, LlamaF32) { compare(golden().find("runs")->array()->at(1), DType::f32, 1e-5); }
TEST(TenStepsOfPyTorch, LlamaF64) { compare(golden().find("runs")->array()->at(1), DType::f64, 1e-8); }
}  // namespace
}  // namespace rum::torch_test
