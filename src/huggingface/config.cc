#include "huggingface/config.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/number.h"
#include "base/utf8.h"
#include "text/json_keys.h"

namespace rum {
namespace {
// Parses one config.json.
class Parser {
 public:
  Parser(std::string_view json, const std::string& name)
      : name_(name),
        root_(parse_json(json, name, {.depth = 16, .bytes = 1 << 22, .values = 1 << 16})) {
    if (!root_.object()) throw FileError(name + ": expected an object");
  }
  HubConfig run() {
    c_.family = &family();
    must_not("quantization_config", "quantized weights are not supported");
    must_be("is_causal", true);
    if (c_.family->name == std::string_view("gpt2"))
      gpt2();
    else
      llama();
    if (const auto begins = tokens("bos_token_id"); !begins.empty()) c_.begin = begins.front();
    c_.ends = tokens("eos_token_id");
    if (!c_.ends.empty()) c_.end = c_.ends.front();
    return c_;
  }
  std::vector<Token> ends(int64_t vocab) {
    c_.model.vocab = vocab;
    return tokens("eos_token_id");
  }

 private:
  [[noreturn]] void refuse(const std::string& key, const std::string& expected, const Json* found) const {
    throw FileError(fmt::format("{}: {}: {}, found {}", name_, key, expected,
                                found ? shortened(to_json(*found), 200) : "nothing"));
  }
  // A key that is null counts as missing.
  const Json* find(const Json& in, const char* key) const {
    const Json* j = in.find(key);
    return j && !j->is_null() ? j : nullptr;
  }
  const Json* find(const char* key) const { return find(root_, key); }

  // `otherwise` < 0: the key is required.
  int64_t whole(const char* key, int64_t low, int64_t high, int64_t otherwise = -1) const {
    const Json* j = find(key);
    if (!j && otherwise >= 0) return otherwise;
    int64_t v = 0;
    if (!j || !whole_number(*j, v) || v < low || v > high)
      refuse(key, fmt::format("a whole number from {} to {} is expected", low, high), j);
    return v;
  }
  float real(const Json& in, const char* key, double low, double high, double otherwise) const {
    const Json* j = find(in, key);
    double v = otherwise;
    if ((j && !j->number(v)) || !(v >= low && v <= high))
      refuse(key, fmt::format("a number from {} to {} is expected", low, high), j);
    return static_cast<float>(v);
  }
  bool flag(const char* key, bool otherwise) const {
    const Json* j = find(key);
    if (j && !j->boolean()) refuse(key, "true or false is expected", j);
    return j ? *j->boolean() : otherwise;
  }
  void must_be(const char* key, bool value) const {
    if (flag(key, value) != value) refuse(key, fmt::format("only {} is supported", value), find(key));
  }
  void must_not(const char* key, const char* why) const {
    if (const Json* j = find(key)) refuse(key, why, j);
  }
  std::vector<Token> tokens(const char* key) const {  // one, or a list
    const Json* const given = find(key);
    std::vector<Token> out;
    const auto add = [&](const Json& j) {
      int64_t id = -1;
      if (!j.whole(id) || id < 0 || id >= c_.model.vocab)
        refuse(key, fmt::format("an id below vocab_size = {} is expected", c_.model.vocab), &j);
      out.push_back(static_cast<Token>(id));
    };
    if (given && given->array())
      for (const Json& j : *given->array()) add(j);
    else if (given)
      add(*given);
    return out;
  }
  void activation(const char* key, const char* otherwise,
                  std::initializer_list<std::string_view> known) const {
    const Json* j = find(key);
    const Json given = j ? *j : Json(otherwise);
    if (!given.text() || std::find(known.begin(), known.end(), *given.text()) == known.end())
      refuse(key, fmt::format("only {} is supported", fmt::join(known, ", ")), &given);
  }

  const Family& family() const {
    std::vector<std::string> known;
    for (const Family& f : families()) known.push_back(f.name);
    const Json* type = find("model_type");
    const Family* f = type && type->text() ? find_family(*type->text()) : nullptr;
    if (!f) refuse("model_type", fmt::format("only {} are supported", fmt::join(known, ", ")), type);
    const Json* list = find("architectures");
    if (!list) return *f;
    const Json* first = list->array() && list->array()->size() == 1 ? &list->array()->front() : nullptr;
    if (!first || !first->text() || *first->text() != f->architecture)
      refuse("architectures", fmt::format("[\"{}\"] is expected", f->architecture), list);
    return *f;
  }

  void gpt2() {
    GptConfig& m = c_.model;
    for (const auto& [key, alias] :
         {std::pair{"n_positions", "max_position_embeddings"}, std::pair{"n_embd", "hidden_size"},
          std::pair{"n_layer", "num_hidden_layers"}, std::pair{"n_head", "num_attention_heads"}})
      if (const Json* own = find(key), *other = find(alias); own && other && to_json(*own) != to_json(*other))
        refuse(alias, fmt::format("contradicts {}; only one of the two is expected", key), other);
    m.vocab = whole("vocab_size", 1, 1 << 24);
    m.context = whole("n_positions", 2, 1 << 20);
    m.width = whole("n_embd", 2, 1 << 16);
    m.layers = whole("n_layer", 1, 1024);
    m.heads = m.kv_heads = whole("n_head", 1, 1024);
    m.inner = whole("n_inner", 1, 1 << 20, 4 * m.width);
    head_width(0);
    m.epsilon = real(root_, "layer_norm_epsilon", 1e-12, 1, 1e-5);
    m.tied = flag("tie_word_embeddings", true);
    activation("activation_function", "gelu_new", {"gelu_new", "gelu_pytorch_tanh", "gelu_fast"});
    must_be("scale_attn_weights", true);
    must_be("scale_attn_by_inverse_layer_idx", false);
    must_be("add_cross_attention", false);
  }
  void llama() {
    const std::string_view family = c_.family->name;
    GptConfig& m = c_.model;
    m.norm = Norm::rmsnorm;
    m.activation = Activation::swiglu;
    m.positions = Positions::rope;
    m.vocab = whole("vocab_size", 1, 1 << 24);
    m.context = whole("max_position_embeddings", 2, 1 << 20);
    m.width = whole("hidden_size", 2, 1 << 16);
    m.layers = whole("num_hidden_layers", 1, 1024);
    m.heads = whole("num_attention_heads", 1, 1024);
    m.inner = whole("intermediate_size", 1, 1 << 20);
    // For Mistral, a missing key is not the same as one that is null.
    m.kv_heads = whole("num_key_value_heads", 1, 1024,
                       family == "mistral" && !root_.find("num_key_value_heads") ? 8 : m.heads);
    if (m.heads % m.kv_heads != 0)
      refuse("num_key_value_heads", fmt::format("a divisor of num_attention_heads = {} is expected", m.heads),
             find("num_key_value_heads"));
    head_width(whole("head_dim", 1, 1 << 16, 0));
    m.epsilon = real(root_, "rms_norm_eps", 1e-12, 1, 1e-6);
    m.tied = flag("tie_word_embeddings", false);
    activation("hidden_act", "silu", {"silu", "swish"});
    biases(family);
    must_not("num_local_experts", "mixtures of experts are not supported");
    must_not("num_experts", "mixtures of experts are not supported");
    must_be("use_mrope", false);
    rope();
    sliding_window(family);
  }
  void biases(std::string_view family) {
    if (family == "qwen2") return void(c_.model.bias = Biases::qkv);
    const bool attention = flag("attention_bias", false), feed = flag("mlp_bias", false);
    if (family == "mistral") {
      must_be("attention_bias", false);
      must_be("mlp_bias", false);
    }
    if (attention)
      c_.model.bias = feed ? Biases::all : Biases::attention;
    else
      c_.model.bias = feed ? Biases::feed_forward : Biases::none;
  }
  void head_width(int64_t given) {
    GptConfig& m = c_.model;
    const char* key = c_.family->name == std::string_view("gpt2") ? "n_head" : "num_attention_heads";
    if (given == 0 && m.width % m.heads != 0)
      refuse(key, fmt::format("a divisor of the width, {}, is expected", m.width), find(key));
    m.head_width = given > 0 ? given : m.width / m.heads;
    if (m.head_width % 2 != 0)
      refuse(given > 0 ? "head_dim" : key,
             fmt::format("heads of an even width are expected, not {}", m.head_width),
             find(given > 0 ? "head_dim" : key));
  }
  // transformers 5 puts everything into rope_parameters, transformers 4 the scaling into rope_scaling.
  void rope() {
    const auto filled = [&](const char* name) {  // an empty object counts as missing
      const Json* j = find(name);
      return j && j->object() && j->object()->empty() ? nullptr : j;
    };
    const Json *parameters = filled("rope_parameters"), *scaling = filled("rope_scaling");
    const char* key = parameters ? "rope_parameters" : "rope_scaling";
    // If both are given, transformers 5 uses rope_scaling, and version 4 knows only that.
    if (parameters && scaling && to_json(*scaling) != to_json(*parameters))
      refuse("rope_scaling", "contradicts rope_parameters; only one of the two is expected", scaling);
    const Json* given = parameters ? parameters : scaling;
    static const Json none = Json::Object{};
    if (given && !given->object()) refuse(key, "an object is expected", given);
    const Json& in = given ? *given : none;
    GptConfig& m = c_.model;
    m.rope_base = real(root_, "rope_theta", 1, 1e9, 10000);
    m.rope_base = real(in, "rope_theta", 1, 1e9, static_cast<double>(m.rope_base));
    for (const Json* part : std::initializer_list<const Json*>{&root_, &in})
      if (real(*part, "partial_rotary_factor", 0, 1, 1) != 1)
        refuse("partial_rotary_factor", "only 1 is supported", find(*part, "partial_rotary_factor"));
    const Json* type = find(in, "rope_type") ? find(in, "rope_type") : find(in, "type");
    for (const auto& [name, value] : *in.object())
      if (value.object())
        refuse(fmt::format("{}.{}", key, name), "one rope for all layers is supported", &value);
    if (!type && !find(in, "factor")) return;
    if (type && type->text() && *type->text() == "default") return;
    if (!type || !type->text() || *type->text() != "llama3")
      refuse(fmt::format("{}.rope_type", key), "only default and llama3 are supported", type ? type : given);
    for (const char* part :
         {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"})
      if (!find(in, part)) refuse(fmt::format("{}.{}", key, part), "a number is expected", nullptr);
    m.rope_factor = real(in, "factor", 1, 1e6, 0);
    m.rope_low = real(in, "low_freq_factor", 1e-6, 1e6, 0);
    m.rope_high = real(in, "high_freq_factor", 1e-6, 1e6, 0);
    m.rope_context = real(in, "original_max_position_embeddings", 1, 1e9, 0);
    if (const Json* top = find("original_max_position_embeddings");
        top && real(root_, "original_max_position_embeddings", 1, 1e9, 0) != m.rope_context)
      refuse("original_max_position_embeddings",
             fmt::format("contradicts the one of {}; only one of the two is expected", key), top);
    if (m.rope_low >= m.rope_high)
      refuse(fmt::format("{}.high_freq_factor", key), "a number above low_freq_factor is expected",
             find(in, "high_freq_factor"));
  }
  // A token sees only this many before it, in all layers or in some. No effect if the context is not longer.
  void sliding_window(std::string_view family) {
    if (family == "llama" || (family == "qwen2" && !flag("use_sliding_window", false))) return;
    bool some = true;
    if (const Json* types = find("layer_types")) {
      if (!types->array()) refuse("layer_types", "a list is expected", types);
      const auto is = [](const char* name) {
        return [name](const Json& j) { return j.text() && *j.text() == name; };
      };
      const Json::Array& all = *types->array();
      some = std::any_of(all.begin(), all.end(), is("sliding_attention"));
      for (const Json& j : all)
        if (!is("sliding_attention")(j) && !is("full_attention")(j))
          refuse("layer_types", "only full_attention and sliding_attention are supported", &j);
    } else if (family == "qwen2") {
      some = whole("max_window_layers", 0, 1 << 20, 28) < c_.model.layers;
    }
    // Here a missing key differs from one that is null.
    const Json* given = root_.find("sliding_window");
    if (some && !(given && given->is_null())) c_.sliding_window = whole("sliding_window", 2, 1 << 30, 4096);
  }

  const std::string& name_;
  Json root_;
  HubConfig c_;
};

// 1e-05, not the nearest float in full.
double shown(float v) { return *number_in<double>(fmt::format("{}", v)); }
}  // namespace

HubConfig parse_hub_config(std::string_view json, const std::string& name) {
  return Parser(json, name).run();
}

std::vector<Token> parse_generation_ends(std::string_view json, const std::string& name, int64_t vocab) {
  return Parser(json, name).ends(vocab);
}

const Family& family_for(const GptConfig& c, const Family* like) {
  if (c.norm == Norm::layernorm) {
    RUM_CHECK(
        c.activation == Activation::gelu && c.positions == Positions::learned && c.bias == Biases::all &&
            c.kv_heads == c.heads && c.resolved_head_width() * c.heads == c.width,
        "model.norm = \"layernorm\" is GPT-2's, which has model.activation = \"gelu\", model.positions = "
        "\"learned\", model.bias = true, as many key as query heads, and heads that fill the width; no "
        "Hugging Face family known here combines them as this model does");
    return *find_family("gpt2");
  }
  RUM_CHECK(
      c.activation == Activation::swiglu && c.positions == Positions::rope,
      "model.norm = \"rmsnorm\" is Llama's, which has model.activation = \"swiglu\" and model.positions = "
      "\"rope\"; no Hugging Face family known here combines them as this model does");
  if (c.bias == Biases::qkv) return *find_family("qwen2");
  // transformers loads no Llama whose width is not a multiple of its heads. A Mistral is the same model
  // without biases.
  const bool uneven = c.width % c.heads != 0;
  if (c.bias == Biases::none && (uneven || (like && like->name == std::string_view("mistral"))))
    return *find_family("mistral");
  RUM_CHECK(!uneven,
            "model.width = {} is not a multiple of model.heads = {}, which transformers requires of a model "
            "with these biases",
            c.width, c.heads);
  return *find_family("llama");
}

Json to_hub_config(const HubConfig& h, const std::string& dtype) {
  const GptConfig& m = h.model;
  const std::string_view family = h.family->name;
  const auto id = [](Token t) { return t < 0 ? Json() : Json(int64_t{t}); };
  Json::Object out{{"architectures", Json::Array{h.family->architecture}},
                   {"model_type", h.family->name},
                   {"vocab_size", m.vocab},
                   {"tie_word_embeddings", m.tied},
                   {"bos_token_id", id(h.begin)},
                   {"eos_token_id", id(h.end)},
                   {"torch_dtype", dtype}};
  const auto add = [&](const char* key, Json value) { out.emplace_back(key, std::move(value)); };
  if (family == "gpt2") {
    add("n_positions", m.context);
    add("n_embd", m.width);
    add("n_layer", m.layers);
    add("n_head", m.heads);
    add("n_inner", m.inner);
    add("layer_norm_epsilon", shown(m.epsilon));
    add("activation_function", "gelu_new");
    return out;
  }
  add("hidden_size", m.width);
  add("intermediate_size", m.inner);
  add("num_hidden_layers", m.layers);
  add("num_attention_heads", m.heads);
  add("num_key_value_heads", m.kv_heads);
  add("head_dim", m.resolved_head_width());
  add("max_position_embeddings", m.context);
  add("rms_norm_eps", shown(m.epsilon));
  add("hidden_act", "silu");
  add("rope_theta", shown(m.rope_base));
  if (m.rope_factor != 1)
    add("rope_scaling",
        Json::Object{{"rope_type", "llama3"},
                     {"factor", shown(m.rope_factor)},
                     {"low_freq_factor", shown(m.rope_low)},
                     {"high_freq_factor", shown(m.rope_high)},
                     {"original_max_position_embeddings", static_cast<int64_t>(m.rope_context)}});
  if (family == "llama") {
    add("attention_bias", m.project_bias());
    add("mlp_bias", m.feed_bias());
  } else if (family == "qwen2")
    add("use_sliding_window", false);
  else
    add("sliding_window", Json());
  return out;
}
}  // namespace rum
