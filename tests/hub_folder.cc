#include "tests/hub_folder.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "tests/grammar/grammar.h"

namespace rum::hub {
namespace {
using Row = std::vector<double>;

// k / 64, |k| < 1024: as f32, f16 and bf16 where it has at most 8 digits.
uint32_t bits_of(double x, const std::string& type) {
  const auto single = static_cast<float>(x);
  uint32_t bits = 0;
  std::memcpy(&bits, &single, 4);
  if (type == "F32") return bits;
  if (type == "BF16") return bits >> 16;
  auto k = static_cast<uint32_t>(std::abs(x) * 64), exponent = uint32_t{15 - 6};
  if (k == 0) return 0;
  while (k >= 2048) k /= 2, ++exponent;
  uint32_t shift = 0;
  while (k << shift < 1024) ++shift;
  return (x < 0 ? 0x8000u : 0u) | (exponent + 10 - shift) << 10 | (k << shift & 1023);
}
double gelu(double x) { return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }
Row plus(const Row& a, const Row& b) {
  Row out = a;
  for (size_t i = 0; i < a.size(); ++i) out[i] += b[i];
  return out;
}
Tokenizer make_tokenizer(const Spec& s) {
  if (!s.tokenizer.empty()) return Tokenizer::parse(s.tokenizer, "given");
  std::vector<std::string> texts;
  for (const Pair& p : grammar_pairs(60, 3)) texts.push_back(p.source), texts.push_back(p.target + " 1234");
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const Tokenizer made = Tokenizer::train(views, {.vocab = 290,
                                                  .special = {"<|begin|>", "<|end|>"},
                                                  .pattern = s.family == "llama" ? "llama3" : "gpt2"});
  std::string json = made.json();
  if (!s.template_token.empty()) {
    const std::string none = "\"post_processor\": null", id = std::to_string(made.special(s.template_token));
    json.replace(json.find(none), none.size(),
                 R"("post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": ")" +
                     s.template_token +
                     R"(", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [],)" +
                     R"("special_tokens": {")" + s.template_token + R"(": {"id": ")" + s.template_token +
                     R"(", "ids": [)" + id + R"(], "tokens": [")" + s.template_token + R"("]}}})");
  }
  return Tokenizer::parse(json, "made here");
}
}  // namespace

void spit(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}
std::string bytes_of(const Stored& t, const std::string& type) {
  std::string out;
  const size_t width = type == "F32" ? 4 : 2;
  for (const double x : t.numbers) {
    const uint32_t bits = bits_of(x, type);
    out.append(reinterpret_cast<const char*>(&bits), width);
  }
  return out;
}
void write_tensors(const std::map<std::string, Stored>& tensors, const std::string& type,
                   const std::string& path) {
  Json::Object header;
  std::string body;
  for (const auto& [name, t] : tensors) {
    Json::Array shape;
    for (const int64_t n : t.shape) shape.push_back(n);
    const auto begin = static_cast<int64_t>(body.size());
    body += bytes_of(t, type);
    header.emplace_back(
        name, Json::Object{{"dtype", type},
                           {"shape", std::move(shape)},
                           {"data_offsets", Json::Array{begin, static_cast<int64_t>(body.size())}}});
  }
  const std::string text = to_json(Json(std::move(header)));
  const uint64_t length = text.size();
  spit(path, std::string(reinterpret_cast<const char*>(&length), 8) + text + body);
}

Folder::Folder(const Spec& s, const std::string& path) : spec(s), tokenizer(make_tokenizer(s)) {
  vocab = tokenizer.size() + s.padding;
  s.family == "gpt2" ? make_gpt2() : make_llama();
  write(path);
}
const Stored& Folder::at(const std::string& name) const { return tensors.at(name); }
void Folder::add(const std::string& name, std::vector<int64_t> shape, double mean) {
  std::mt19937 random(spec.seed * 7919 + static_cast<uint32_t>(std::hash<std::string>{}(name)));
  Stored t{std::move(shape), {}};
  int64_t size = 1;
  for (const int64_t n : t.shape) size *= n;
  for (int64_t i = 0; i < size; ++i)
    t.numbers.push_back(mean + (static_cast<int>(random() % 41) - 20) / 64.0);
  tensors[name] = std::move(t);
}
std::string Folder::block(int64_t i) const {
  if (spec.family != "gpt2") return "model.layers." + std::to_string(i) + ".";
  return (spec.prefix ? "transformer.h." : "h.") + std::to_string(i) + ".";
}
void Folder::make_gpt2() {
  const int64_t c = spec.width, f = spec.inner;
  const std::string body = spec.prefix ? "transformer." : "";
  add(body + "wte.weight", {vocab, c}), add(body + "wpe.weight", {spec.context, c});
  add(body + "ln_f.weight", {c}, 1), add(body + "ln_f.bias", {c});
  if (!spec.tied) add("lm_head.weight", {vocab, c});
  for (int64_t i = 0; i < spec.layers; ++i) {
    const std::string b = block(i);
    const auto linear = [&](const char* name, int64_t in, int64_t out) {
      add(b + name + ".weight", {in, out}), add(b + name + ".bias", {out});
    };
    for (const char* n : {"ln_1", "ln_2"}) add(b + n + ".weight", {c}, 1), add(b + n + ".bias", {c});
    linear("attn.c_attn", c, 3 * c), linear("attn.c_proj", c, c);
    linear("mlp.c_fc", c, f), linear("mlp.c_proj", f, c);
    if (spec.masks) add(b + "attn.bias", {1, 1, spec.context, spec.context});
  }
}
void Folder::make_llama() {
  const int64_t c = spec.width, f = spec.inner, q = spec.heads * spec.head, kv = spec.kv_heads * spec.head;
  add("model.embed_tokens.weight", {vocab, c}), add("model.norm.weight", {c}, 1);
  if (!spec.tied) add("lm_head.weight", {vocab, c});
  for (int64_t i = 0; i < spec.layers; ++i) {
    const std::string b = block(i);
    const auto linear = [&](const char* name, int64_t in, int64_t out, bool bias) {
      add(b + name + ".weight", {out, in});
      if (bias) add(b + name + ".bias", {out});
    };
    add(b + "input_layernorm.weight", {c}, 1), add(b + "post_attention_layernorm.weight", {c}, 1);
    const bool qkv = spec.attention_bias || spec.family == "qwen2";
    linear("self_attn.q_proj", c, q, qkv), linear("self_attn.k_proj", c, kv, qkv);
    linear("self_attn.v_proj", c, kv, qkv), linear("self_attn.o_proj", q, c, spec.attention_bias);
    linear("mlp.gate_proj", c, f, spec.mlp_bias), linear("mlp.up_proj", c, f, spec.mlp_bias);
    linear("mlp.down_proj", f, c, spec.mlp_bias);
  }
}
Json Folder::config() const {
  const Spec& s = spec;
  const int begin = s.tokenizer.empty() ? 0 : 1;
  Json::Object out{
      {"model_type", s.family}, {"vocab_size", vocab}, {"bos_token_id", begin}, {"eos_token_id", begin + 1}};
  const auto add = [&](const char* key, Json value) { out.emplace_back(key, std::move(value)); };
  if (s.family == "gpt2") {
    add("architectures", Json::Array{"GPT2LMHeadModel"}), add("n_embd", s.width), add("n_head", s.heads);
    add("n_layer", s.layers), add("n_positions", s.context), add("activation_function", "gelu_new");
    add("n_inner", s.inner == 4 * s.width ? Json() : Json(s.inner)), add("layer_norm_epsilon", s.epsilon);
    if (!s.tied) add("tie_word_embeddings", false);
    return out;
  }
  add("hidden_size", s.width), add("num_attention_heads", s.heads), add("num_key_value_heads", s.kv_heads);
  add("num_hidden_layers", s.layers), add("intermediate_size", s.inner), add("hidden_act", "silu");
  add("max_position_embeddings", s.context), add("rms_norm_eps", s.epsilon),
      add("tie_word_embeddings", s.tied);
  if (s.head * s.heads != s.width) add("head_dim", s.head);
  if (s.family == "llama") add("attention_bias", s.attention_bias), add("mlp_bias", s.mlp_bias);
  if (s.family == "mistral") add("sliding_window", Json());
  Json::Object rope;
  if (s.factor != 1)
    rope = {{s.nested_rope ? "rope_type" : "type", "llama3"},
            {"factor", s.factor},
            {"low_freq_factor", s.low},
            {"high_freq_factor", s.high},
            {"original_max_position_embeddings", static_cast<int64_t>(s.original)}};
  if (s.nested_rope) {
    rope.emplace_back("rope_theta", s.theta);
    if (s.factor == 1) rope.emplace_back("rope_type", "default");
    add("rope_parameters", std::move(rope));
  } else {
    add("rope_theta", s.theta), add("rope_scaling", s.factor != 1 ? Json(std::move(rope)) : Json());
  }
  return out;
}
void Folder::write(const std::string& path) const {
  std::filesystem::create_directories(path);
  spit(path + "/config.json", to_json(config()));
  spit(path + "/tokenizer.json", tokenizer.json());
  if (spec.shards == 1) return write_tensors(tensors, spec.type, path + "/model.safetensors");
  std::vector<std::map<std::string, Stored>> shards(static_cast<size_t>(spec.shards));
  Json::Object map;
  size_t next = 0;
  for (const auto& [name, t] : tensors) {
    const size_t i = next++ % shards.size();
    map.emplace_back(name, "model-" + std::to_string(i) + ".safetensors"), shards[i][name] = t;
  }
  for (size_t i = 0; i < shards.size(); ++i)
    write_tensors(shards[i], spec.type, path + "/model-" + std::to_string(i) + ".safetensors");
  spit(path + "/model.safetensors.index.json", to_json(Json(Json::Object{{"weight_map", std::move(map)}})));
}

Row Folder::linear(const std::string& layer, const Row& x) const {
  const Stored& w = at(layer + ".weight");
  const bool in_first = spec.family == "gpt2" && layer != "lm_head" && !layer.ends_with("wte");
  const size_t in = x.size(), out = w.numbers.size() / in;
  const auto bias = tensors.find(layer + ".bias");
  Row y(out);
  for (size_t o = 0; o < out; ++o) {
    if (bias != tensors.end()) y[o] = bias->second.numbers[o];
    for (size_t i = 0; i < in; ++i) y[o] += x[i] * w.numbers[in_first ? i * out + o : o * in + i];
  }
  return y;
}
Row Folder::norm(const std::string& layer, const Row& x) const {
  const Row& w = at(layer + ".weight").numbers;
  const auto bias = tensors.find(layer + ".bias");
  double mean = 0, square = 0;
  if (spec.family == "gpt2")
    for (const double v : x) mean += v / static_cast<double>(x.size());
  for (const double v : x) square += (v - mean) * (v - mean) / static_cast<double>(x.size());
  Row y(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    y[i] = (x[i] - mean) / std::sqrt(square + spec.epsilon) * w[i] +
           (bias == tensors.end() ? 0 : bias->second.numbers[i]);
  return y;
}
// Llama's rotary embedding: number j of a head's first half with number j of its second half.
void Folder::turn(Row& x, int64_t position) const {
  const auto d = static_cast<size_t>(spec.head);
  for (size_t first = 0; first < x.size(); first += d)
    for (size_t j = 0; j < d / 2; ++j) {
      double speed = 1 / std::pow(spec.theta, 2.0 * static_cast<double>(j) / static_cast<double>(d));
      const double wave = 2 * M_PI / speed, slow = speed / spec.factor;
      if (spec.factor != 1 && wave > spec.original / spec.low) {
        speed = slow;
      } else if (spec.factor != 1 && wave > spec.original / spec.high) {
        const double smooth = (spec.original / wave - spec.low) / (spec.high - spec.low);
        speed = (1 - smooth) * slow + smooth * speed;
      }
      const double angle = speed * static_cast<double>(position), a = x[first + j], b = x[first + j + d / 2];
      x[first + j] = a * std::cos(angle) - b * std::sin(angle);
      x[first + j + d / 2] = b * std::cos(angle) + a * std::sin(angle);
    }
}
std::vector<Row> Folder::attend(const std::vector<Row>& q, const std::vector<Row>& k,
                                const std::vector<Row>& v) const {
  const auto d = static_cast<size_t>(spec.family == "gpt2" ? spec.width / spec.heads : spec.head);
  std::vector<Row> out;
  for (size_t t = 0; t < q.size(); ++t) {
    Row y(q[t].size());
    for (size_t h = 0; h * d < y.size(); ++h) {
      const size_t g = h / (q[t].size() / k[t].size());
      Row p;
      double sum = 0;
      for (size_t s = 0; s <= t; ++s) {
        double dot = 0;
        for (size_t e = 0; e < d; ++e) dot += q[t][h * d + e] * k[s][g * d + e];
        p.push_back(std::exp(dot / std::sqrt(static_cast<double>(d)))), sum += p.back();
      }
      for (size_t s = 0; s <= t; ++s)
        for (size_t e = 0; e < d; ++e) y[h * d + e] += p[s] / sum * v[s][g * d + e];
    }
    out.push_back(y);
  }
  return out;
}
std::vector<std::vector<double>> Folder::logits(const std::vector<Token>& tokens) const {
  const bool gpt2 = spec.family == "gpt2";
  const std::string body = !gpt2 ? "model." : spec.prefix ? "transformer." : "";
  const std::string table = body + (gpt2 ? "wte" : "embed_tokens");
  const auto c = static_cast<size_t>(spec.width);
  const auto row = [&](const std::string& name, size_t i) {
    const Row& all = at(name).numbers;
    return Row(all.begin() + static_cast<int64_t>(i * c), all.begin() + static_cast<int64_t>((i + 1) * c));
  };
  std::vector<Row> x;
  for (size_t t = 0; t < tokens.size(); ++t) {
    x.push_back(row(table + ".weight", static_cast<size_t>(tokens[t])));
    if (gpt2) x[t] = plus(x[t], row(body + "wpe.weight", t));
  }
  for (int64_t i = 0; i < spec.layers; ++i) {
    const std::string b = block(i);
    std::vector<Row> q, k, v;
    for (size_t t = 0; t < x.size(); ++t) {
      const Row h = norm(b + (gpt2 ? "ln_1" : "input_layernorm"), x[t]);
      if (gpt2) {
        const Row all = linear(b + "attn.c_attn", h);
        const auto at = [&](size_t n) { return all.begin() + static_cast<int64_t>(n * c); };
        q.emplace_back(at(0), at(1)), k.emplace_back(at(1), at(2)), v.emplace_back(at(2), at(3));
        continue;
      }
      q.push_back(linear(b + "self_attn.q_proj", h)), k.push_back(linear(b + "self_attn.k_proj", h));
      v.push_back(linear(b + "self_attn.v_proj", h));
      turn(q[t], static_cast<int64_t>(t)), turn(k[t], static_cast<int64_t>(t));
    }
    const std::vector<Row> mixed = attend(q, k, v);
    for (size_t t = 0; t < x.size(); ++t) {
      x[t] = plus(x[t], linear(b + (gpt2 ? "attn.c_proj" : "self_attn.o_proj"), mixed[t]));
      const Row h = norm(b + (gpt2 ? "ln_2" : "post_attention_layernorm"), x[t]);
      Row inner = linear(b + (gpt2 ? "mlp.c_fc" : "mlp.gate_proj"), h);
      const Row up = gpt2 ? Row() : linear(b + "mlp.up_proj", h);
      for (size_t j = 0; j < inner.size(); ++j)
        inner[j] = gpt2 ? gelu(inner[j]) : inner[j] / (1 + std::exp(-inner[j])) * up[j];
      x[t] = plus(x[t], linear(b + (gpt2 ? "mlp.c_proj" : "mlp.down_proj"), inner));
    }
  }
  std::vector<Row> out;
  for (const Row& r : x)
    out.push_back(linear(spec.tied ? table : "lm_head", norm(body + (gpt2 ? "ln_f" : "norm"), r)));
  return out;
}
}  // namespace rum::hub
