#include "huggingface/family.h"

#include <algorithm>

#include "base/error.h"

namespace rum {
namespace {
const LayerNames kGpt2[] = {
    {"tokens", {"wte"}},
    {"positions", {"wpe"}},
    {"block.#.norm1", {"h.#.ln_1"}},
    {"block.#.qkv", {"h.#.attn.c_attn"}, true},
    {"block.#.project", {"h.#.attn.c_proj"}, true},
    {"block.#.norm2", {"h.#.ln_2"}},
    {"block.#.feed.up", {"h.#.mlp.c_fc"}, true},
    {"block.#.feed.down", {"h.#.mlp.c_proj"}, true},
    {"last", {"ln_f"}},
    {"head", {"lm_head"}},
};
const LayerNames kLlama[] = {
    {"tokens", {"embed_tokens"}},
    {"block.#.norm1", {"layers.#.input_layernorm"}},
    {"block.#.qkv", {"layers.#.self_attn.q_proj", "layers.#.self_attn.k_proj", "layers.#.self_attn.v_proj"}},
    {"block.#.project", {"layers.#.self_attn.o_proj"}},
    {"block.#.norm2", {"layers.#.post_attention_layernorm"}},
    {"block.#.feed.up", {"layers.#.mlp.gate_proj", "layers.#.mlp.up_proj"}},
    {"block.#.feed.down", {"layers.#.mlp.down_proj"}},
    {"last", {"norm"}},
    {"head", {"lm_head"}},
};
constexpr const char* kGpt2Constants[] = {"h.#.attn.bias", "h.#.attn.masked_bias"};
constexpr const char* kLlamaConstants[] = {"layers.#.self_attn.rotary_emb.inv_freq"};
const Family kFamilies[] = {
    {"gpt2", "GPT2LMHeadModel", "transformer.", kGpt2, kGpt2Constants},
    {"llama", "LlamaForCausalLM", "model.", kLlama, kLlamaConstants},
    {"mistral", "MistralForCausalLM", "model.", kLlama, kLlamaConstants},
    {"qwen2", "Qwen2ForCausalLM", "model.", kLlama, kLlamaConstants},
};

// "block.12.qkv" -> "block.#.qkv" and "12".
std::string without_number(const std::string& name, std::string& number) {
  const size_t begin = name.find_first_of("0123456789");
  if (!name.starts_with("block.") || begin != 6) return name;
  const size_t end = name.find('.', begin);
  number = name.substr(begin, end - begin);
  return name.substr(0, begin) + "#" + name.substr(end);
}
}  // namespace

std::span<const Family> families() { return kFamilies; }
const Family* find_family(std::string_view name) {
  for (const Family& f : kFamilies)
    if (name == f.name) return &f;
  return nullptr;
}

Parts parts_of(const Family& family, const GptConfig& c, const std::string& ours, const Shape& shape) {
  std::string number, layer = without_number(ours, number), kind = ".weight";
  for (const char* k : {".weight", ".bias"})  // our embeddings are called neither
    if (layer.ends_with(k)) {
      kind = k;
      layer.resize(layer.size() - kind.size());
    }
  const auto row = std::find_if(family.layers.begin(), family.layers.end(),
                                [&](const LayerNames& l) { return layer == l.ours; });
  RUM_CHECK(row != family.layers.end(), "a {} model has no {}", family.name, ours);
  Parts out{{}, {}, row->transposed && shape.rank == 2};
  for (std::string name : row->theirs) {
    if (const size_t at = name.find('#'); at != std::string::npos) name.replace(at, 1, number);
    out.names.push_back((name == "lm_head" ? "" : family.prefix) + name + kind);
  }
  const size_t count = out.names.size();
  if (count == 3)
    out.rows = {c.query_width(), c.key_width(), c.key_width()};
  else
    out.rows.assign(count, shape[0] / static_cast<int64_t>(count));
  return out;
}
}  // namespace rum
