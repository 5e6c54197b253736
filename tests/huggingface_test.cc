// Models from and for Hugging Face: folders made by the tests against the same models in plain loops, the way
// there and back, and folders that are wrong in one place.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <functional>

#include "base/whole_folder.h"
#include "checkpoint/safetensors.h"
#include "generate/generate.h"
#include "huggingface/config.h"
#include "huggingface/export.h"
#include "huggingface/import.h"
#include "run/run.h"
#include "tests/error_of.h"
#include "tests/hub_folder.h"
#include "tests/program.h"
#include "tests/run_folder.h"

namespace rum::huggingface_test {
namespace fs = std::filesystem;
using hub::Folder;
using hub::Spec;

namespace {
const std::vector<std::pair<const char*, Spec>>& specs() {
  static const std::vector<std::pair<const char*, Spec>> all = {
      {"gpt2", {.family = "gpt2", .kv_heads = 4, .inner = 128, .tied = true, .prefix = false, .masks = true}},
      {"gpt2_f16_untied", {.family = "gpt2", .type = "F16", .kv_heads = 4, .epsilon = 1e-2, .seed = 2}},
      {"gpt2_bf16_shards",
       {.family = "gpt2", .type = "BF16", .kv_heads = 4, .tied = true, .shards = 3, .seed = 9}},
      {"llama3_scaled",
       {.factor = 8, .low = 1, .high = 4, .original = 16, .template_token = "<|begin|>", .seed = 3}},
      {"llama3_scaled_nested",
       {.tied = true,
        .theta = 500000,
        .factor = 32,
        .low = 0.5,
        .high = 2,
        .original = 32,
        .nested_rope = true,
        .seed = 4}},
      {"llama_biases", {.attention_bias = true, .mlp_bias = true, .epsilon = 1e-3, .seed = 5}},
      {"llama_attention_bias_f16", {.type = "F16", .attention_bias = true, .seed = 6}},
      {"llama_mlp_bias_wide_heads",
       {.kv_heads = 1, .head = 16, .mlp_bias = true, .nested_rope = true, .seed = 7}},
      {"mistral_bf16_shards",
       {.family = "mistral", .type = "BF16", .head = 16, .theta = 1e6, .shards = 3, .seed = 8}},
      {"qwen2_padded", {.family = "qwen2", .padding = 11, .theta = 1e6, .seed = 10}},
      {"qwen2_f16_tied",
       {.family = "qwen2",
        .type = "F16",
        .heads = 6,
        .kv_heads = 3,
        .padding = 3,
        .tied = true,
        .epsilon = 1e-6,
        .shards = 2,
        .seed = 11}},
  };
  return all;
}
std::vector<double> last_logits(const LoadedRun& run, const std::vector<Token>& tokens, bool all) {
  const auto n = static_cast<int64_t>(tokens.size());
  const Batch batch = upload(pack(std::vector<Example>{{tokens}}, {.tokens = n, .texts = 1}));
  Arena arena(DeviceKind::cpu);
  Tape tape(arena, Tape::Mode::forward_only);
  const Tensor z = run.model.gpt()->logits(batch.ids, batch.layout);
  std::vector<double> out;
  for (int64_t i = all ? 0 : (n - 1) * z.shape()[1]; i < z.size(); ++i) out.push_back(z.at(i));
  return out;
}

class HuggingFace : public testing::TestWithParam<size_t> {
 public:
  const Spec& spec() const { return specs()[GetParam()].second; }
};
// Logits of every position, and greedy writing with the cache.
TEST_P(HuggingFace, ComputesWhatItsFamilyDoes) {
  const Scratch s;
  const Folder folder(spec(), s.path + "/in");
  import_folder(s.path + "/in", s.path + "/run");
  const auto run = load_run(s.path + "/run");
  EXPECT_EQ(run->model.config().vocab, folder.vocab);
  std::vector<Token> tokens = run->tokenizer.encode_with_special("the old man sees 12 ships and");
  EXPECT_EQ(tokens.front() == 0, !spec().template_token.empty());
  const auto expected = folder.logits(tokens);
  const std::vector<double> got = last_logits(*run, tokens, true);
  double worst = 0;
  for (size_t t = 0; t < tokens.size(); ++t)
    for (size_t v = 0; v < expected[t].size(); ++v)
      worst = std::max(worst, std::abs(expected[t][v] - got[t * expected[t].size() + v]));
  EXPECT_LT(worst, 1e-4);

  const Prompt prompt{tokens};
  const std::vector<Token> written = generate(run->model, {&prompt, 1}, -1, {.max_new = 8})[0][0].tokens;
  ASSERT_EQ(written.size(), 8u);
  for (const Token t : written) {
    const std::vector<double> row = folder.logits(tokens).back();
    EXPECT_GT(row[static_cast<size_t>(t)] + 1e-4, *std::max_element(row.begin(), row.end()));
    tokens.push_back(t);
  }
}
// The same tensors, to the bit, under the same names (up to an optional prefix), and an equivalent config.
TEST_P(HuggingFace, ComesBackAsItWas) {
  const Scratch s;
  const Folder folder(spec(), s.path + "/in");
  import_folder(s.path + "/in", s.path + "/run");
  EXPECT_EQ(export_folder(s.path + "/run", s.path + "/out").family, spec().family);
  SafetensorsFile out(s.path + "/out/model.safetensors");
  std::map<std::string, hub::Stored> left = folder.tensors;
  std::erase_if(left, [](const auto& t) { return t.first.ends_with(".attn.bias"); });
  for (const StoredTensor& t : out.tensors()) {
    const std::string bare = t.name.starts_with("transformer.") ? t.name.substr(12) : t.name;
    const auto at = left.contains(t.name) ? left.find(t.name) : left.find(bare);
    ASSERT_NE(at, left.end()) << t.name;
    EXPECT_EQ(t.type, spec().type);
    std::string bytes(t.end - t.begin, '\0');
    out.read(t, 0, std::as_writable_bytes(std::span(bytes)));
    EXPECT_TRUE(bytes == hub::bytes_of(at->second, spec().type)) << t.name;
    left.erase(at);
  }
  EXPECT_TRUE(left.empty()) << left.begin()->first;
  const auto config = [&](const char* name) {
    const std::string path = s.path + "/" + name + "/config.json";
    const HubConfig c = parse_hub_config(Disk::real().read(path), path);
    RunConfig r;
    r.model = c.model;
    return to_toml(r) + std::to_string(c.end);
  };
  EXPECT_EQ(config("in"), config("out"));
  EXPECT_EQ(Tokenizer::load(s.path + "/out/tokenizer.json").json(), folder.tokenizer.json());
  for (const char* file : {"generation_config.json", "tokenizer_config.json"})
    EXPECT_TRUE(fs::exists(s.path + "/out/" + file));
}
INSTANTIATE_TEST_SUITE_P(Families, HuggingFace, testing::Range(size_t{0}, specs().size()),
                         [](const auto& i) { return std::string(specs()[i.param].first); });

// A run of ours, there and back: the same numbers.
TEST(HuggingFaceExport, OwnRunsAreReadBackAsTheyWere) {
  const Scratch s;
  for (const std::string family : {"gpt2", "llama", "mistral"}) {
    const std::string run = s.path + "/" + family, out = run + "-out", again = run + "-again";
    write_run(run, {.kind = CorpusKind::documents});
    if (family != "gpt2") {
      RunConfig c = read_config(run + "/config.toml");
      c.model.norm = Norm::rmsnorm, c.model.activation = Activation::swiglu, c.model.bias = Biases::none;
      c.model.positions = Positions::rope, c.model.kv_heads = 1, c.model.tied = false;
      // transformers has no Llama of such heads
      if (family == "mistral") c.model.heads = 3, c.model.head_width = 8;
      LoadedRun fresh(c, Tokenizer::load(run + "/tokenizer.json"), DeviceKind::cpu, DType::f32, c.seed);
      Disk::real().replace_text(run + "/config.toml", to_toml(c));
      write_safetensors({{}, named_weights(fresh.params, fresh.params.master())}, run + "/model.safetensors");
    }
    EXPECT_EQ(export_folder(run, out).family, family);
    import_folder(out, again);
    const auto a = load_run(run), b = load_run(again);
    const std::vector<Token> tokens = a->tokenizer.encode("the old man");
    EXPECT_EQ(tokens, b->tokenizer.encode("the old man"));
    EXPECT_EQ(a->tokenizer.end(), b->tokenizer.end());
    EXPECT_EQ(last_logits(*a, tokens, true), last_logits(*b, tokens, true));
  }
}
TEST(HuggingFaceExport, RefusesWhatNoFamilyExpresses) {
  const Scratch s;
  const auto refusal = [&](const NoiseRun& kind, const std::function<void(RunConfig&)>& change) {
    const std::string run = s.path + "/run";
    fs::remove_all(run);
    write_run(run, kind);
    RunConfig c = read_config(run + "/config.toml");
    change(c);
    LoadedRun fresh(c, Tokenizer::load(run + "/tokenizer.json"), DeviceKind::cpu, DType::f32, c.seed);
    Disk::real().replace_text(run + "/config.toml", to_toml(c));
    write_safetensors({{}, named_weights(fresh.params, fresh.params.master())}, run + "/model.safetensors");
    const std::string error = error_of([&] { export_folder(run, s.path + "/out"); });
    EXPECT_FALSE(fs::exists(s.path + "/out"));
    return error;
  };
  const NoiseRun text{.kind = CorpusKind::documents};
  const auto none = [](RunConfig&) {};
  EXPECT_NE(refusal({}, none).find("data.kind = \"translation\""), std::string::npos);
  EXPECT_NE(refusal({.model = ModelKind::encoder_decoder}, none).find("\"encoder_decoder\""),
            std::string::npos);
  EXPECT_NE(refusal(text, [](RunConfig& c) { c.model.positions = Positions::rope; }).find("model.norm"),
            std::string::npos);
  EXPECT_NE(refusal(text, [](RunConfig& c) { c.model.norm = Norm::rmsnorm; }).find("model.activation"),
            std::string::npos);
  const auto uneven = [](RunConfig& c) {
    c.model.norm = Norm::rmsnorm, c.model.activation = Activation::swiglu,
    c.model.positions = Positions::rope;
    c.model.heads = 3, c.model.head_width = 8, c.model.bias = Biases::attention;
  };
  EXPECT_NE(refusal(text, uneven).find("is not a multiple of model.heads = 3"), std::string::npos);
}

// Folders that are wrong in one place: the message, and that nothing is left behind.
struct Wrong {
  const char* name;
  std::function<void(const std::string& folder)> damage;
  std::vector<const char*> said;
};
std::function<void(const std::string&)> replaced(const char* file, const std::string& from,
                                                 const std::string& to) {
  return [=](const std::string& folder) {
    const std::string path = folder + "/" + file;
    std::string text = slurp(path);
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from << " in " << text.substr(0, 400);
    hub::spit(path, text.replace(at, from.size(), to));
  };
}
std::function<void(const std::string&)> added(const std::string& json) {
  return replaced("config.json", "{", "{" + json + ",");
}
const Wrong kWrong[] = {
    {"missing shard",
     [](const std::string& f) { fs::remove(f + "/model-1.safetensors"); },
     {"model-1.safetensors: the shard is missing", "model.safetensors.index.json"}},
    {"shard outside",
     replaced("model.safetensors.index.json", "\"model-0.saf", "\"../model-0.saf"),
     {"weight_map"}},
    {"tensor elsewhere",
     replaced("model.safetensors.index.json", "lm_head.weight", "lm_head.nothing"),
     {"no tensor \"lm_head.nothing\" in it"}},
    {"truncated shard",
     [](const std::string& f) { fs::resize_file(f + "/model-0.safetensors", 3000); },
     {"model-0.safetensors: byte 3000"}},
    {"hostile header",
     [](const std::string& f) { hub::spit(f + "/model-0.safetensors", std::string(64, '\xff')); },
     {"model-0.safetensors: byte 0"}},
    {"no weights",
     [](const std::string& f) { fs::remove(f + "/model.safetensors.index.json"); },
     {"expected model.safetensors, or shards"}},
    {"pickle",
     [](const std::string& f) {
       fs::remove(f + "/model.safetensors.index.json"), hub::spit(f + "/pytorch_model.bin", "x");
     },
     {"pytorch_model.bin: a pickle file", "can run any program"}},
    {"wrong shape",
     replaced("config.json", "\"intermediate_size\":48", "\"intermediate_size\":64"),
     {"mlp.", "is (", "config.json makes it (64, 32)"}},
    {"too few layers",
     replaced("config.json", "\"num_hidden_layers\":2", "\"num_hidden_layers\":1"),
     {"model.layers.1.", "no such tensor"}},
    {"too many layers",
     replaced("config.json", "\"num_hidden_layers\":2", "\"num_hidden_layers\":3"),
     {"no tensor \"model.layers.2."}},
    {"absurd size",
     replaced("config.json", "\"hidden_size\":32", "\"hidden_size\":99999999999999"),
     {"hidden_size"}},
    {"key missing",
     replaced("config.json", "\"hidden_size\"", "\"hidden\""),
     {"config.json: hidden_size: ", "nothing"}},
    {"unknown family",
     replaced("config.json", "\"llama\"", "\"rwkv\""),
     {"model_type", "gpt2, llama, mistral, qwen2", "rwkv"}},
    {"other task",
     added(R"("architectures": ["LlamaForSequenceClassification"])"),
     {"architectures", "LlamaForCausalLM"}},
    {"yarn",
     replaced("config.json", "\"rope_scaling\":null", R"("rope_scaling":{"type":"yarn","factor":4.0})"),
     {"config.json: rope_scaling.rope_type", "yarn"}},
    {"linear",
     replaced("config.json", "\"rope_scaling\":null", R"("rope_scaling":{"rope_type":"linear","factor":2})"),
     {"rope_scaling.rope_type", "linear"}},
    {"half of llama3",
     replaced("config.json", "\"rope_scaling\":null", R"("rope_scaling":{"type":"llama3","factor":4})"),
     {"rope_scaling.low_freq_factor"}},
    {"rope by layer",
     added(R"("rope_parameters": {"full_attention": {"rope_type": "default"}})"),
     {"rope_parameters.full_attention"}},
    {"rope twice",
     replaced("config.json", "\"rope_scaling\":null",
              R"("rope_parameters":{"rope_type":"default"},"rope_scaling":{"type":"yarn","factor":4.0})"),
     {"config.json: rope_scaling: contradicts rope_parameters", "yarn"}},
    {"rope's context twice",
     replaced(
         "config.json", "\"rope_scaling\":null",
         R"("original_max_position_embeddings":8,"rope_scaling":{"rope_type":"llama3","factor":2,"low_freq_factor":1,)"
         R"("high_freq_factor":4,"original_max_position_embeddings":64})"),
     {"config.json: original_max_position_embeddings: contradicts", "found 8"}},
    {"both directions", added(R"("is_causal": false)"), {"config.json: is_causal: only true is supported"}},
    {"tied, but not",
     replaced("config.json", "\"tie_word_embeddings\":false", "\"tie_word_embeddings\":true"),
     {"\"lm_head.weight\" differs from \"model.embed_tokens.weight\"", "tie_word_embeddings = true"}},
    {"not finite",
     [](const std::string& f) {
       std::string text = slurp(f + "/model-1.safetensors");
       text.replace(text.size() - 2, 2, "\xFF\x7F");
       hub::spit(f + "/model-1.safetensors", text);
     },
     {"model-1.safetensors: \"", "not finite"}},
    {"part of a head", added(R"("partial_rotary_factor": 0.5)"), {"partial_rotary_factor"}},
    {"quantized", added(R"("quantization_config": {"bits": 4})"), {"quantization_config"}},
    {"experts", added(R"("num_local_experts": 8)"), {"num_local_experts"}},
    {"activation", replaced("config.json", "\"silu\"", "\"relu\""), {"hidden_act", "relu"}},
    {"key twice", added(R"("hidden_act": "silu")"), {"config.json", "hidden_act", "twice"}},
    {"no object",
     [](const std::string& f) { hub::spit(f + "/config.json", "[1]"); },
     {"config.json: expected an object"}},
    {"deep",
     [](const std::string& f) { hub::spit(f + "/config.json", std::string(100000, '[')); },
     {"levels"}},
    {"cut off",
     [](const std::string& f) { hub::spit(f + "/config.json", "{\"model_type\": \"lla"); },
     {"config.json: byte"}},
    {"no config", [](const std::string& f) { fs::remove(f + "/config.json"); }, {"config.json: is missing"}},
    {"no tokenizer",
     [](const std::string& f) { fs::remove(f + "/tokenizer.json"); },
     {"tokenizer.json: is missing"}},
    {"small embedding",
     replaced("config.json", "\"vocab_size\":290", "\"vocab_size\":280"),
     {"290 tokens", "vocab_size = 280"}},
    {"end token", replaced("config.json", "\"eos_token_id\":1", "\"eos_token_id\":7"), {"eos_token_id: 7"}},
    {"end beyond",
     replaced("config.json", "\"eos_token_id\":1", "\"eos_token_id\":290"),
     {"eos_token_id", "290"}},
    {"normaliser",
     replaced("tokenizer.json", "\"normalizer\": null", "\"normalizer\": {\"type\": \"Lowercase\"}"),
     {"tokenizer.json: normalizer", "Lowercase"}},
    {"integers",
     [](const std::string& f) {
       for (const char* shard : {"model-0.safetensors", "model-1.safetensors"})
         for (std::string text = slurp(f + "/" + shard); text.find("\"F16\"") < text.size();)
           hub::spit(f + "/" + shard, text.replace(text.find("\"F16\""), 5, "\"I16\""));
     },
     {"F32, BF16 or F16, found I16"}},
};
// transformers 5.24 puts a blank before every text of such a folder, and gives the other tokens ids of their
// own.
TEST(HuggingFaceImport, TokenizerConfigMayNotContradictTheTokenizer) {
  const Scratch s;
  const Folder made(Spec{}, s.path + "/in");
  const std::string in = s.path + "/in", config = in + "/tokenizer_config.json";
  hub::spit(config, R"({"add_prefix_space": true})");
  EXPECT_NE(error_of([&] {
              import_folder(in, s.path + "/a");
            }).find("tokenizer_config.json: add_prefix_space = true contradicts " + in + "/tokenizer.json"),
            std::string::npos);
  EXPECT_FALSE(fs::exists(s.path + "/a"));
  hub::spit(config, R"({"add_prefix_space": true, "tokenizer_class": "GPT2Tokenizer"})");
  EXPECT_NE(error_of([&] { import_folder(in, s.path + "/a"); }), "");
  for (const char* general : {"PreTrainedTokenizerFast", "TokenizersBackend"}) {
    hub::spit(config, to_json(Json::Object{{"add_prefix_space", true}, {"tokenizer_class", general}}));
    EXPECT_TRUE(import_folder(in, s.path + "/" + general).notes.empty());
  }
  hub::spit(config,
            to_json(Json::Object{{"add_prefix_space", false}, {"bos_token", made.tokenizer.name(0)}}));
  EXPECT_TRUE(import_folder(in, s.path + "/b").notes.empty());
  hub::spit(config, R"({"add_prefix_space": null, "pad_token": "<pad>", "mask_token": {"content": "<mask>"},
                        "additional_special_tokens": ["<pad>", "<x>"],
                        "added_tokens_decoder": {"0": {"content": "<mask>"}, "99": {"content": "<y>"}}})");
  const Imported lacking = import_folder(in, s.path + "/c");
  ASSERT_EQ(lacking.notes.size(), 1U);
  EXPECT_NE(lacking.notes[0].find("does not add: <pad>, <mask>, <x>, <y>; "), std::string::npos)
      << lacking.notes[0];
  // Since transformers 5 two keys have others, in a list or by their use; names are somebody else's text.
  std::string many = R"({"bos_token": "a\n\t", "extra_special_tokens": {"image_token": "<i>"},
                         "model_specific_special_tokens": ["<m>")";
  for (int i = 0; i < 400; ++i) many += fmt::format(", \"<{}>\"", i);
  hub::spit(config, many + "]}");
  const std::string note = import_folder(in, s.path + "/d").notes.at(0);
  EXPECT_NE(note.find("does not add: a  , <i>, <m>, <0>, <1>, <2>, <3>, <4> and 395 more; "),
            std::string::npos)
      << note;
}
TEST(HuggingFaceImport, NamesTheEndsThatItDoesNotKeep) {
  const Scratch s;
  const Folder made(Spec{}, s.path + "/in");
  const std::string one = made.tokenizer.name(0), two = made.tokenizer.name(1), in = s.path + "/in";
  ASSERT_TRUE(import_folder(in, s.path + "/a").notes.empty());
  EXPECT_EQ(parse_config(slurp(s.path + "/a/config.toml"), "c").end, two);
  replaced("config.json", "\"eos_token_id\":1", "\"eos_token_id\":[1,0,7]")(in);
  const Imported several = import_folder(in, s.path + "/b");
  EXPECT_EQ(several.config.end, two);
  ASSERT_EQ(several.notes.size(), 1U);
  const std::string& note = several.notes[0];
  EXPECT_NE(note.find("config.json: eos_token_id: a text ends here with " + two + " alone"),
            std::string::npos)
      << note;
  EXPECT_NE(note.find("; " + one + ", 7 would"), std::string::npos) << note;
  // As transformers has it, what is said about generating has precedence, where it says something.
  hub::spit(in + "/generation_config.json", "{\"eos_token_id\": null}");
  EXPECT_EQ(import_folder(in, s.path + "/c").config.end, two);
  hub::spit(in + "/generation_config.json", "{\"eos_token_id\": 0}");
  const Imported own = import_folder(in, s.path + "/d");
  EXPECT_EQ(own.config.end, one);
  EXPECT_TRUE(own.notes.empty());
  hub::spit(in + "/generation_config.json", "{\"eos_token_id\": 100000}");
  EXPECT_NE(error_of([&] { import_folder(in, s.path + "/e"); }).find("generation_config.json: eos_token_id"),
            std::string::npos);
}
TEST(HuggingFaceImport, SaysWhatIsWrongAndLeavesNothing) {
  const Scratch s;
  for (const Wrong& w : kWrong) {
    SCOPED_TRACE(w.name);
    const std::string in = s.path + "/in";
    fs::remove_all(in);
    const Folder folder({.type = "F16", .shards = 2}, in);
    w.damage(in);
    const std::string error = error_of([&] { import_folder(in, s.path + "/run"); });
    for (const char* part : w.said)
      EXPECT_NE(error.find(part), std::string::npos) << part << " in: " << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
    EXPECT_FALSE(fs::exists(s.path + "/run"));
  }
}
TEST(HuggingFaceImport, OfTwoAtOnceTheSecondLeavesTheFirstAlone) {
  const Scratch s;
  const std::string run = s.path + "/run", theirs = run + "/theirs";
  const std::string error =
      error_of([&] { whole_folder(run, [&](const std::string&) { fs::create_directories(theirs); }); });
  EXPECT_EQ(error, run + ": another process has made it meanwhile; name a new folder");
  EXPECT_TRUE(fs::exists(theirs));
  EXPECT_EQ(std::distance(fs::directory_iterator(s.path), fs::directory_iterator{}), 1);
}
TEST(HuggingFaceImport, WhatFailsIsNamedAsItWouldHaveBeen) {
  const Scratch s;
  const std::string run = s.path + "/run";
  EXPECT_EQ(error_of([&] {
              whole_folder(run, [](const std::string& to) { throw FileError(to + "/model: no space left"); });
            }),
            run + "/model: no space left");
  EXPECT_TRUE(fs::is_empty(s.path));
}
TEST(HuggingFaceImport, WhatAKilledOneHasLeftIsRemoved) {
  const Scratch s;
  const std::string run = s.path + "/run", left = run + ".ruminate-0a1b2c3d.tmp",
                    of_another = s.path + "/run2.ruminate-0a1b2c3d.tmp";
  for (const std::string& folder : {left, of_another}) {
    fs::create_directories(folder);
    hub::spit(folder + "/weights", "x");
  }
  whole_folder(run, [](const std::string& unfinished) { hub::spit(unfinished + "/new", "x"); });
  EXPECT_FALSE(fs::exists(left));
  EXPECT_TRUE(fs::exists(of_another + "/weights"));
  EXPECT_TRUE(fs::exists(run + "/new"));
}
TEST(HuggingFaceImport, TheEmbeddingMayStandThereTwice) {
  const Scratch s;
  const Folder folder({.tied = true}, s.path + "/in");
  auto twice = folder.tensors;
  twice["lm_head.weight"] = twice.at("model.embed_tokens.weight");
  hub::write_tensors(twice, "F32", s.path + "/in/model.safetensors");
  EXPECT_TRUE(import_folder(s.path + "/in", s.path + "/run").config.model.tied);
}
TEST(HuggingFaceImport, OfLearnedPositionsAShorterContextHasTheFirst) {
  const Scratch s;
  const Folder folder({.family = "gpt2", .kv_heads = 4}, s.path + "/in");  // a context of 64
  EXPECT_EQ(import_folder(s.path + "/in", s.path + "/run", 32).config.model.context, 32);
  const auto run = load_run(s.path + "/run");
  const std::vector<Token> tokens = run->tokenizer.encode_with_special("the old man sees 12 ships");
  ASSERT_LE(tokens.size(), 32u);
  const std::vector<double> expected = folder.logits(tokens).back(), got = last_logits(*run, tokens, false);
  ASSERT_EQ(got.size(), expected.size());
  for (size_t v = 0; v < got.size(); ++v) EXPECT_NEAR(got[v], expected[v], 1e-4);
}
TEST(HuggingFaceImport, NoRunIsMadeThatNobodyCanRead) {
  Program p;
  const Folder folder({}, p.file("in"));
  expect_refusal(p.run({"import", p.file("in"), p.file("run"), "--context", "1"}),
                 "a context of 1 token: expected at least 2");
  EXPECT_FALSE(fs::exists(p.file("run")));
  ASSERT_EQ(p.run({"import", p.file("in"), p.file("run"), "--context", "2"}).status, 0);
  EXPECT_EQ(load_run(p.file("run"))->model.config().context, 2);
}
// As transformers 5 takes them: the other name of a key counts, an empty object does not, and null is not
// "missing".
TEST(HuggingFaceImport, KeysThatAreGivenTwiceOrAsNothing) {
  const auto error = [](const std::string& json) { return error_of([&] { parse_hub_config(json, "c"); }); };
  const std::string gpt2 =
      R"({"model_type":"gpt2","vocab_size":9,"n_positions":8,"n_embd":8,"n_layer":1,"n_head":2)";
  EXPECT_EQ(error(gpt2 + R"(,"num_attention_heads":2})"), "");
  EXPECT_EQ(error(gpt2 + R"(,"num_attention_heads":1})"),
            "c: num_attention_heads: contradicts n_head; only one of the two is expected, found 1");
  const std::string mistral =
      R"({"model_type":"mistral","vocab_size":9,"max_position_embeddings":8,"hidden_size":16,)"
      R"("num_hidden_layers":1,"num_attention_heads":4,"intermediate_size":8)";
  EXPECT_EQ(parse_hub_config(mistral + R"(,"num_key_value_heads":null})", "c").model.kv_heads, 4);
  EXPECT_NE(error(mistral + "}").find("c: num_key_value_heads: a divisor of"), std::string::npos);
  const std::string two = R"(,"num_key_value_heads":2,"rope_scaling":{},"rope_parameters":)";
  EXPECT_EQ(parse_hub_config(mistral + two + R"({"rope_theta":5000}})", "c").model.rope_base, 5000);
}
TEST(HuggingFaceImport, WhatOneMistypesOrWritesWithAPoint) {
  Program p;
  const Folder folder({}, p.file("in"));
  EXPECT_EQ(p.run({"import", "", p.file("run")}).status, 2);
  replaced("config.json", "\"hidden_size\":32", "\"hidden_size\":32.0")(p.file("in"));
  EXPECT_EQ(import_folder(p.file("in"), p.file("run")).config.model.width, 32);
  expect_refusal(p.run({"inspect", p.file("run"), "--step"}), "data.train is not set in " + p.file("run"));
}
// What a clone without git-lfs leaves in place of a large file.
TEST(HuggingFaceImport, APointerOfGitLfsIsNamed) {
  for (const char* name : {"config.json", "tokenizer.json", "model.safetensors"}) {
    const Scratch s;
    const Folder folder({}, s.path + "/in");
    hub::spit(s.path + "/in/" + name,
              "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 123\n");
    const std::string error = error_of([&] { import_folder(s.path + "/in", s.path + "/run"); });
    EXPECT_EQ(error.find(s.path + "/in/" + name + ": a Git LFS pointer"), 0u) << error;
    EXPECT_NE(error.find("git lfs pull"), std::string::npos) << error;
  }
}
TEST(HuggingFaceImport, OfASlidingWindowOnlyWhatItDoesNotReach) {
  const Scratch s;
  const Folder folder({.family = "mistral"}, s.path + "/in");
  replaced("config.json", "\"sliding_window\":null", "\"sliding_window\":32")(s.path + "/in");
  const std::string error = error_of([&] { import_folder(s.path + "/in", s.path + "/run"); });
  EXPECT_NE(error.find("config.json: sliding_window: "), std::string::npos) << error;
  EXPECT_NE(error.find("--context 32"), std::string::npos) << error;
  EXPECT_EQ(import_folder(s.path + "/in", s.path + "/run", 32).config.model.context, 32);
}

// The commands: an imported model generates, scores text, is inspected, and continues training.
TEST(HuggingFaceProgram, AnImportedRunIsTakenLikeAnyOther) {
  Program p;
  const Folder folder({.type = "BF16", .template_token = "<|begin|>"}, p.file("in"));
  const Ran made = p.run({"import", p.file("in"), p.file("run/")});
  ASSERT_EQ(made.status, 0) << made.err;
  expect_refusal(p.run({"import", p.file("in"), p.file("run")}), "already exists");
  const Ran wrote = p.run({"generate", p.file("run"), "--prompt", "the old", "--greedy", "--max-new", "5"});
  ASSERT_EQ(wrote.status, 0) << wrote.err;
  std::vector<Token> tokens = folder.tokenizer.encode_with_special("the old");
  std::string expected = "the old";
  for (int i = 0; i < 5; ++i) {
    const std::vector<double> row = folder.logits(tokens).back();
    tokens.push_back(static_cast<Token>(std::max_element(row.begin(), row.end()) - row.begin()));
    if (tokens.back() == 1) break;
    expected += folder.tokenizer.decode({&tokens.back(), 1});
  }
  EXPECT_EQ(wrote.out, expected + "\n");
  p.write("text.txt", "the old man sees the ships .\n\nthe man\n");
  const Ran asked = p.run({"perplexity", p.file("run"), "--input", p.file("text.txt"), "--json"});
  ASSERT_EQ(asked.status, 0) << asked.err;
  const std::string rows =
      p.run({"perplexity", p.file("run"), "--input", p.file("text.txt"), "--per-token"}).out;
  EXPECT_NE(rows.find("\t\"<|end|>\"\t"), std::string::npos) << rows;  // as its tokenizer calls it
  EXPECT_EQ(p.run({"inspect", p.file("run")}).status, 0);
  const Ran learned =
      p.run({"train", p.file("run/config.toml"), "--set", "train.from=" + p.file("run"), "--set",
             "run.folder=" + p.file("tuned"), "--set", "data.train=" + p.file("text.txt"), "--set",
             "data.valid=" + p.file("text.txt"), "--set", "train.steps=3", "--set", "schedule.warmup=1",
             "--set", "batch.tokens=64"});
  ASSERT_EQ(learned.status, 0) << learned.err;
  const Ran out = p.run({"export", p.file("tuned"), p.file("exported")});
  ASSERT_EQ(out.status, 0) << out.err;
  EXPECT_NE(out.err.find("a llama model"), std::string::npos) << out.err;
  ASSERT_EQ(p.run({"import", p.file("exported"), p.file("again")}).status, 0);
}
}  // namespace
}  // namespace rum::huggingface_test
