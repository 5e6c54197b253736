// Adapters (LoRA): what they compute, that nothing else is trained, saved or changed, and that every command
// reads a run with adapters as the adapted model.
#include "model/lora.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/file.h"
#include "base/hash.h"
#include "checkpoint/checkpoint.h"
#include "huggingface/export.h"
#include "huggingface/import.h"
#include "run/folder.h"
#include "run/resume.h"
#include "run/run.h"
#include "tests/error_of.h"
#include "tests/hub_folder.h"
#include "tests/program.h"
#include "tests/run_folder.h"
#include "tests/scratch.h"
#include "tests/stopped_run.h"
#include "tests/toy.h"
#include "text/json.h"
#include "train/trainer.h"

namespace rum::lora_test {
namespace fs = std::filesystem;
namespace {
const ParameterBlock::Entry& entry(const ParameterBlock& block, const std::string& name) {
  for (const ParameterBlock::Entry& e : block.entries())
    if (e.name == name) return e;
  throw std::runtime_error("no parameter " + name);
}
Tensor part(const ParameterBlock& block, const Tensor& flat, const std::string& name) {
  return entry(block, name).part_of(flat);
}
double at(const Tensor& t, int64_t i, int64_t j) { return t.at(i * t.shape()[1] + j); }

struct Shapes {
  const char* name;
  GptConfig config;
  std::vector<std::string> targets;
};
std::vector<Shapes> shapes() {
  GptConfig llama = toy::tiny();
  llama.norm = Norm::rmsnorm, llama.activation = Activation::swiglu, llama.positions = Positions::rope;
  llama.bias = Biases::qkv, llama.kv_heads = 1;
  GptConfig again = llama;
  again.recompute = true;
  return {{"gpt2", toy::tiny(), {"qkv", "project", "up", "down"}},
          {"one", toy::tiny(), {"down"}},
          {"llama", llama, {"qkv", "project", "up", "down"}},
          {"recomputed", again, {"qkv", "up"}}};
}

// Against the same model with its weights W + s B A: the same logits, and since the loss depends on A and B
// through these sums alone, dA = s B' dW and dB = s dW A', where dW is what training all of W would get.
TEST(Lora, LogitsAndGradientsAreThoseOfTheSums) {
  constexpr int64_t rank = 3;
  constexpr double s = 1.75;
  for (const Shapes& c : shapes()) {
    ParameterBlock frozen, trained;
    std::vector<double> diagonal(rank * rank);
    for (size_t i = 0; i < rank; ++i) diagonal[i * (rank + 1)] = s;
    Adapters adapters{trained, rank, c.targets, Tensor::from<double>(diagonal, {rank, rank}, DType::f64)};
    const Gpt model(Params(frozen, "", &adapters), c.config);
    frozen.materialise_to_read(DeviceKind::cpu, DType::f64, 1),
        trained.materialise(DeviceKind::cpu, DType::f64, 2);
    for (int64_t i = 0; i < trained.master().size(); ++i)
      trained.master().data<double>()[i] += 0.1 * std::sin(static_cast<double>(i));
    trained.changed();
    EXPECT_EQ(trained.entries().size(), 2 * c.targets.size() * static_cast<size_t>(c.config.layers));

    toy::World whole(c.config, DType::f64, 1);
    std::set<std::string> layers;
    for (const ParameterBlock::Entry& e : trained.entries())
      layers.insert(e.name.substr(0, e.name.rfind('.')));
    for (const std::string& layer : layers) {
      const Tensor w = part(whole.params, whole.params.master(), layer + ".weight"),
                   a = part(trained, trained.master(), layer + ".lora_a"),
                   b = part(trained, trained.master(), layer + ".lora_b");
      for (int64_t i = 0; i < w.shape()[0]; ++i)
        for (int64_t j = 0; j < w.shape()[1]; ++j)
          for (int64_t r = 0; r < rank; ++r)
            w.data<double>()[i * w.shape()[1] + j] += s * at(b, i, r) * at(a, r, j);
    }
    whole.params.changed();

    const Batch batch = toy::batch(toy::pairs(6, 1, 7, 14), {.tokens = 96, .texts = 8, .mask = Mask::prefix});
    Arena arena(DeviceKind::cpu);
    const auto loss_of = [&](const Gpt& m) {
      Tape tape(arena);
      const Tensor loss = m.loss(batch).loss;
      const double value = loss.at(0);
      tape.backward(loss);
      return value;
    };
    EXPECT_NEAR(loss_of(model), loss_of(whole.model), 1e-11) << c.name;
    for (const std::string& layer : layers) {
      const Tensor dw = part(whole.params, whole.params.grads(), layer + ".weight"),
                   a = part(trained, trained.master(), layer + ".lora_a"),
                   b = part(trained, trained.master(), layer + ".lora_b"),
                   da = part(trained, trained.grads(), layer + ".lora_a"),
                   db = part(trained, trained.grads(), layer + ".lora_b");
      for (int64_t r = 0; r < rank; ++r) {
        for (int64_t j = 0; j < dw.shape()[1]; ++j) {
          double sum = 0;
          for (int64_t i = 0; i < dw.shape()[0]; ++i) sum += s * at(b, i, r) * at(dw, i, j);
          ASSERT_NEAR(at(da, r, j), sum, 1e-11 + 1e-9 * std::abs(sum)) << c.name << ' ' << layer << " A";
        }
        for (int64_t i = 0; i < dw.shape()[0]; ++i) {
          double sum = 0;
          for (int64_t j = 0; j < dw.shape()[1]; ++j) sum += s * at(dw, i, j) * at(a, r, j);
          ASSERT_NEAR(at(db, i, r), sum, 1e-11 + 1e-9 * std::abs(sum)) << c.name << ' ' << layer << " B";
        }
      }
    }
  }
}

struct Scene {  // a run, and the config of one that trains adapters for it
  Scratch scratch;
  Progress progress;
  RunConfig config;
  explicit Scene(const NoiseRun& kind = {})
      : Scene([&](const std::string& base) { write_run(base, kind); }) {}
  explicit Scene(const std::function<void(const std::string&)>& make) {
    make(file("base"));
    config = read_config(file("base/config.toml"));
    std::ofstream train(file("train.txt")), valid(file("valid.txt"));
    const bool pairs = config.kind == CorpusKind::pairs;
    const auto all = grammar_pairs(90, 7);
    for (size_t i = 0; i < all.size(); ++i) {
      std::ofstream& to = i < 70 ? train : valid;
      to << (pairs ? all[i].source + '\t' : "") << all[i].target << (pairs ? "\n" : "\n\n");
    }
    config.folder = file("run"), config.from = file("base");
    config.train = {file("train.txt")}, config.valid = file("valid.txt");
    config.lora = {.rank = 4, .alpha = 6};
    config.tokens = 192, config.steps = 12, config.schedule.peak = 2e-2f, config.schedule.warmup = 2;
    config.save_every = 1, config.keep = 20, config.eval_every = 6, config.bleu_texts = 2,
    config.best = Best::last;
    testing::internal::CaptureStderr();
  }
  ~Scene() { testing::internal::GetCapturedStderr(); }
  std::string file(const std::string& name) const { return scratch.path + "/" + name; }
  Outcome train(const RunConfig& c, bool resume = false) { return Trainer(c, progress, resume).run(); }
  std::string checkpoint(int64_t step) const {
    return checkpoint_path(RunFolder{config.folder}.checkpoints(), step);
  }
};
// Swaps two rows of a matrix in a model file: another model, and a valid file.
void change_weights(const std::string& path) {
  TensorFile file = read_safetensors(path);
  for (auto& [name, t] : file.tensors)
    if (name.ends_with("qkv.weight")) std::swap(t.data<float>()[0], t.data<float>()[t.size() - 1]);
  write_safetensors(file, path);
}

TEST(Lora, TrainsAndKeepsAdaptersAlone) {
  for (const ModelKind kind : {ModelKind::gpt, ModelKind::encoder_decoder}) {
    Scene s(NoiseRun{.model = kind});
    if (kind == ModelKind::encoder_decoder) s.config.lora.targets = {"memory", "up", "qkv"};
    const std::string before = Disk::real().read(s.file("base/model.safetensors"));
    ASSERT_TRUE(s.train(s.config).finished);
    EXPECT_EQ(Disk::real().read(s.file("base/model.safetensors")), before);
    for (const auto& [name, t] : load(s.checkpoint(12)).tensors)
      EXPECT_TRUE(name.ends_with(".lora_a") || name.ends_with(".lora_b")) << name;

    const auto base = load_run(s.file("base")), tuned = load_run(s.config.folder);
    EXPECT_EQ(weights_hash(load_run(s.checkpoint(0))->params), weights_hash(base->params))
        << "B begins as zeros";
    const TensorFile adapters = read_safetensors(RunFolder{s.config.folder}.model());
    std::map<std::string, Tensor> of;
    for (const auto& [name, t] : adapters.tensors) of[name] = t;
    size_t adapted = 0;
    for (const ParameterBlock::Entry& e : base->params.entries()) {
      const std::string layer = e.name.substr(0, e.name.rfind('.'));
      const Tensor now = part(tuned->params, tuned->params.master(), e.name);
      if (!e.name.ends_with(".weight") || !of.contains(layer + ".lora_a")) {
        EXPECT_EQ(toy::hash(now), toy::hash(e.value)) << e.name;
        continue;
      }
      const Tensor a = of[layer + ".lora_a"], b = of[layer + ".lora_b"];
      double moved = 0;
      for (int64_t i = 0; i < now.shape()[0]; ++i)
        for (int64_t j = 0; j < now.shape()[1]; ++j) {
          double wanted = at(e.value, i, j);
          for (int64_t r = 0; r < 4; ++r) wanted += 6.0 / 4 * at(b, i, r) * at(a, r, j);
          ASSERT_NEAR(at(now, i, j), wanted, 1e-6) << e.name;
          moved += std::abs(at(now, i, j) - at(e.value, i, j));
        }
      EXPECT_GT(moved, 0) << e.name << " has learned nothing";
      ++adapted;
    }
    EXPECT_EQ(2 * adapted, of.size());
  }
}

// In int8 each number is within half a step of the sum's, a step being a 127th of the largest in its row.
TEST(Lora, QuantizedItIsOneModelAndNeedsNoOther) {
  Scene s;
  ASSERT_TRUE(s.train(s.config).finished);
  const auto tuned = load_run(s.config.folder);
  const Program p;
  const Ran r = p.run({"quantize", s.config.folder, s.file("int8")});
  ASSERT_EQ(r.status, 0) << r.err;
  fs::remove_all(s.file("base"));
  const auto small = load_run(s.file("int8"), DeviceKind::cpu, DType::f32);
  EXPECT_EQ(load_run(s.file("int8"))->dtype, DType::i8);
  for (const ParameterBlock::Entry& e : tuned->params.entries()) {
    const Tensor wanted = part(tuned->params, tuned->params.master(), e.name),
                 found = part(small->params, small->params.master(), e.name);
    const int64_t n = e.multiplies() ? e.shape[1] : e.shape.size();
    for (int64_t row = 0; row < e.shape.size() / n; ++row) {
      double most = 0;
      for (int64_t j = 0; j < n; ++j) most = std::max(most, std::abs(wanted.at(row * n + j)));
      for (int64_t j = 0; j < n; ++j)
        ASSERT_NEAR(found.at(row * n + j), wanted.at(row * n + j), e.multiplies() ? most / 253 : 0) << e.name;
    }
  }
}
// Its base model lies in memory as well. A long table of positions outweighs all else.
TEST(Lora, AnEstimateCountsWhatIsFrozen) {
  for (const DType type : {DType::f32, DType::bf16}) {
    Scene s(NoiseRun{.context = 1 << 15});
    s.config.dtype = type, s.config.tokens = 64;
    const double frozen = (type == DType::f32 ? 4.0 : 2.0) * (1 << 15) * 32;
    const Estimate beside = Trainer(s.config, s.progress, false, Purpose::estimate).estimate();
    EXPECT_GT(beside.bytes, frozen);
    EXPECT_LT(beside.bytes, 2 * frozen);
    s.config.lora = {};
    const Estimate whole = Trainer(s.config, s.progress, false, Purpose::estimate).estimate();
    const double each = type == DType::f32 ? 16 : 18, n = static_cast<double>(whole.parameters);
    EXPECT_GT(whole.bytes, each * n);
    EXPECT_LT(whole.bytes, (each + 2) * n);
  }
}

TEST(Lora, ResumesToTheSameBits) {
  Scene s;
  s.config.model.recompute = true, s.config.model.dropout = 0.1f;
  ASSERT_TRUE(s.train(s.config).finished);
  const auto bits = [](const std::string& path) {
    std::string all;
    for (const auto& [name, t] : load(path).tensors) all += name + hex64(toy::hash(t));
    return all;
  };
  for (const int64_t step : {1, 7, 11}) {
    const RunConfig again = stopped_run(s.config, step, s.file("again"));
    ASSERT_EQ(s.train(again, true).step, 12);
    EXPECT_EQ(bits(checkpoint_path(RunFolder{again.folder}.checkpoints(), 12)), bits(s.checkpoint(12)))
        << step;
  }
  // Also if the base run has moved; not if it has changed.
  RunConfig moved = stopped_run(s.config, 7, s.file("again"));
  fs::rename(s.file("base"), s.file("elsewhere"));
  EXPECT_NE(error_of([&] { load_run(s.config.folder); }).find("which is not there"), std::string::npos);
  moved.from = s.file("elsewhere");
  EXPECT_TRUE(s.train(moved, true).finished);
  change_weights(s.file("elsewhere/model.safetensors"));
  const RunConfig other = stopped_run(moved, 7, s.file("third"));
  EXPECT_NE(error_of([&] { s.train(other, true); }).find("is not what this run began with"),
            std::string::npos);
  EXPECT_NE(error_of([&] { load_run(moved.folder); }).find("beside other weights than those of"),
            std::string::npos);
  RunConfig wider = other;
  wider.lora.rank = 5;
  EXPECT_NE(error_of([&] { s.train(wider, true); }).find("adapters are of another shape"), std::string::npos);
}

TEST(Lora, RefusesWhatItCannotTrain) {
  Scene s;
  const auto says = [&](const std::function<void(RunConfig&)>& change) {
    RunConfig c = s.config;
    change(c);
    const std::string error = error_of([&] { s.train(c); });
    EXPECT_FALSE(fs::exists(c.folder)) << error;
    return error;
  };
  EXPECT_NE(says([](RunConfig& c) { c.from.clear(); }).find("name it (train.from, or "), std::string::npos);
  // The mean of two products is not the product of the means.
  EXPECT_NE(
      says([](RunConfig& c) { c.average = 2, c.keep = 2; }).find("train.average = 2 with lora.rank = 4"),
      std::string::npos);
  EXPECT_NE(says([](RunConfig& c) { c.lora.targets = {"qkw"}; }).find("did you mean \"qkv\""),
            std::string::npos);
  EXPECT_NE(says([](RunConfig& c) {
              c.lora.targets = {"qkv", "memory"};
            }).find("no layer \"memory\""),
            std::string::npos);
  EXPECT_NE(says([](RunConfig& c) {
              c.lora.targets = {"qkw"}, c.lora.rank = 0, c.from.clear();  // without adapters, too
            }).find("did you mean \"qkv\""),
            std::string::npos);
  EXPECT_NE(says([](RunConfig& c) { c.lora.rank = 33; }).find("32 at most"), std::string::npos);
  EXPECT_NE(says([](RunConfig& c) { c.model.layers = 1; }).find("only a model of the same shape"),
            std::string::npos);
  RunConfig c = s.config;
  EXPECT_NE(error_of([&] { set_key(c, "lora.alpha", "0"); }).find("lora.alpha"), std::string::npos);
  EXPECT_NE(error_of([&] { export_adapters(s.file("base"), s.file("out")); }).find("has no adapters"),
            std::string::npos);
}

// Adapters can only be added to weights, not to other adapters; and a config that leads back to itself is
// refused.
TEST(Lora, NoAdaptersStandBesideAdapters) {
  Scene s;
  ASSERT_TRUE(s.train(s.config).finished);
  RunConfig second = s.config;
  second.from = s.config.folder, second.folder = s.file("second");
  EXPECT_NE(error_of([&] { s.train(second); }).find("has adapters itself"), std::string::npos);
  EXPECT_FALSE(fs::exists(second.folder));
  const std::string path = RunFolder{s.config.folder}.config();
  RunConfig round = read_config(path);
  round.from = s.config.folder;
  Disk::real().replace_text(path, to_toml(round));
  EXPECT_NE(error_of([&] { load_run(s.config.folder); }).find("has adapters itself"), std::string::npos);
}

// By PEFT's rule, W + alpha / r B A with the names in its file, the imported folder becomes the exported one.
TEST(Lora, PeftMakesOfItsAdaptersWhatIsExported) {
  for (const char* family : {"gpt2", "llama", "qwen2"}) {
    hub::Spec spec;
    spec.family = family;
    if (spec.family == "gpt2") spec.kv_heads = spec.heads, spec.tied = true;
    std::optional<hub::Folder> folder;
    Scene s([&](const std::string& base) {
      folder.emplace(spec, base + "-hub");
      import_folder(base + "-hub", base);
    });
    if (spec.family == "gpt2")
      s.config.lora.targets = {"project"};  // c_proj of attention, not that of the MLP
    ASSERT_TRUE(s.train(s.config).finished) << family;
    export_adapters(s.config.folder, s.file("adapters")), export_folder(s.config.folder, s.file("whole"));

    const std::string path = s.file("adapters/adapter_config.json");
    const Json config = parse_json(Disk::real().read(path), path);
    double alpha = 0;
    int64_t rank = 0;
    ASSERT_TRUE(config.find("lora_alpha")->number(alpha) && config.find("r")->whole(rank));
    std::map<std::string, Tensor> adapters, whole;
    for (auto& [name, t] : read_safetensors(s.file("adapters/adapter_model.safetensors")).tensors)
      adapters[name] = t;
    for (auto& [name, t] : read_safetensors(s.file("whole/model.safetensors")).tensors) whole[name] = t;
    size_t used = 0;
    for (const auto& [name, stored] : folder->tensors) {
      if (!whole.contains(name)) continue;  // buffers
      const Tensor& now = whole[name];
      const std::string module = "base_model.model." + name.substr(0, name.rfind('.'));
      const bool adapted = adapters.contains(module + ".lora_A.weight") && name.ends_with(".weight");
      const Tensor a = adapted ? adapters[module + ".lora_A.weight"] : Tensor(),
                   b = adapted ? adapters[module + ".lora_B.weight"] : Tensor();
      if (adapted) {
        used += 2;
        bool named = false;  // PEFT finds modules by the end of their names
        for (const Json& target : *config.find("target_modules")->array())
          named = named || module.ends_with("." + *target.text());
        EXPECT_TRUE(named) << module;
      }
      for (int64_t i = 0; i < now.size(); ++i) {
        double wanted = stored.numbers[static_cast<size_t>(i)];
        if (adapted) {
          const int64_t row = i / now.shape()[1], column = i % now.shape()[1];
          const bool turned = spec.family == "gpt2";  // fan_in_fan_out
          for (int64_t r = 0; r < rank; ++r)
            wanted += alpha / static_cast<double>(rank) * at(b, turned ? column : row, r) *
                      at(a, r, turned ? row : column);
        }
        ASSERT_NEAR(now.at(i), wanted, adapted ? 1e-6 : 0) << name;
      }
    }
    EXPECT_EQ(used, adapters.size()) << family;
  }
}
}  // namespace
}  // namespace rum::lora_test
