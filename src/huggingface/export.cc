#include "huggingface/export.h"

#include <fmt/format.h>

#include <bit>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/output.h"
#include "base/whole_folder.h"
#include "huggingface/config.h"
#include "huggingface/import.h"
#include "huggingface/turns.h"
#include "model/lora.h"
#include "run/run.h"

namespace rum {
namespace {
template <class T>
Tensor transpose(const Tensor& t) {
  const int64_t rows = t.shape()[0], columns = t.shape()[1];
  const Tensor out = Tensor::empty({columns, rows}, t.dtype(), DeviceKind::cpu);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) out.data<T>()[j * rows + i] = t.data<T>()[i * columns + j];
  return out;
}
uint16_t to_half(float x) {  // of a number that f16 can represent
  const auto bits = std::bit_cast<uint32_t>(x);
  const uint32_t sign = bits >> 16 & 0x8000, exponent = bits >> 23 & 255, fraction = bits & 0x7FFFFF;
  if (exponent == 255) return static_cast<uint16_t>(sign | 31 << 10 | fraction >> 13);
  if (exponent > 112) return static_cast<uint16_t>(sign | (exponent - 112) << 10 | fraction >> 13);
  return static_cast<uint16_t>(sign | static_cast<uint32_t>(std::abs(x) * 0x1p24f));
}
Tensor halved(const Tensor& t) {  // f16's bits in the memory of bf16
  const Tensor out = Tensor::empty(t.shape(), DType::bf16, DeviceKind::cpu);
  for (int64_t i = 0; i < t.size(); ++i) out.data<bf16>()[i].bits = to_half(t.data<float>()[i]);
  return out;
}

// All tensors under Hugging Face's names. They are read one by one, so there is never a second copy of a
// model.
TensorFile their_tensors(const StoredWeights& ours, const Family& family, const GptConfig& c, bool half) {
  TensorFile out;
  out.half = half;
  for (const auto& [name, shape] : ours.tensors()) {
    const Tensor t = ours.read(name);
    const Parts parts = parts_of(family, c, name, t.shape());
    int64_t row = 0;
    for (size_t i = 0; i < parts.names.size(); row += parts.rows[i++]) {
      Tensor part = t.rows(row, row + parts.rows[i]);
      if (parts.transposed) part = t.dtype() == DType::bf16 ? transpose<bf16>(part) : transpose<float>(part);
      out.tensors.emplace_back(parts.names[i], half ? halved(part) : part);
    }
  }
  return out;
}

std::string dtype_of(const TensorFile& file) {
  if (file.half) return "float16";
  for (const auto& [name, t] : file.tensors)
    if (t.dtype() != DType::bf16) return "float32";
  return "bfloat16";
}
Json token_name(const Tokenizer& tokenizer, Token t) { return t < 0 ? Json() : Json(tokenizer.name(t)); }
Json token_id(Token t) { return t < 0 ? Json() : Json(int64_t{t}); }
// A run's config in Hugging Face's terms. Error: a model that no family can express, and why.
HubConfig hub_of(const StoredRun& stored, const std::string& run) {
  const RunConfig& c = stored.config;
  RUM_CHECK(
      c.model_kind == ModelKind::gpt && c.kind == CorpusKind::documents,
      "{}: {} reads a source in both directions, which no Hugging Face family known here does; "
      "only plain-text models (data.kind = \"text\") are exported",
      run,
      c.model_kind == ModelKind::gpt ? "data.kind = \"translation\"" : "model.kind = \"encoder_decoder\"");
  HubConfig hub;
  hub.model = model_config(c, stored.tokenizer.size());
  const auto imported_as = stored.weights.meta().find(kHubFamily);
  try {
    hub.family = &family_for(
        hub.model, imported_as == stored.weights.meta().end() ? nullptr : find_family(imported_as->second));
  } catch (const Error& e) {
    fail(fmt::format("{}: {}", run, e.what()));
  }
  hub.begin = stored.tokenizer.begin();
  hub.end = stored.tokenizer.end();
  return hub;
}
void write_json(const std::string& folder, const char* name, const Json& json) {
  Disk::real().replace_text(folder + "/" + name, to_json(json, 2) + "\n");
}

// "model.layers.0.self_attn.q_proj.weight" -> "self_attn.q_proj": PEFT finds layers by such a suffix. In
// GPT-2 the last word alone would be ambiguous.
std::string module_of(const std::string& weight) {
  const size_t end = weight.rfind('.'), last = weight.rfind('.', end - 1),
               before = weight.rfind('.', last - 1);
  return weight.substr(before + 1, end - before - 1);
}
// One of our layers may hold several of theirs: each gets the same A and its rows of B.
TensorFile their_adapters(const StoredWeights& ours, const HubConfig& hub, std::set<std::string>& modules) {
  TensorFile out;
  const std::string end_a = std::string(".") + kAdapterA;
  for (const auto& [name, shape] : ours.tensors()) {
    if (!name.ends_with(end_a)) continue;
    const std::string layer = name.substr(0, name.size() - end_a.size());
    const Tensor a = ours.read(name), b = ours.read(layer + "." + kAdapterB);
    const Parts parts =
        parts_of(*hub.family, hub.model, layer + ".weight", Shape{b.shape()[0], a.shape()[1]});
    int64_t row = 0;
    for (size_t i = 0; i < parts.names.size(); row += parts.rows[i++]) {
      modules.insert(module_of(parts.names[i]));
      const std::string module = "base_model.model." + parts.names[i].substr(0, parts.names[i].rfind('.'));
      out.tensors.emplace_back(module + ".lora_A.weight", a);
      out.tensors.emplace_back(module + ".lora_B.weight", b.rows(row, row + parts.rows[i]));
    }
  }
  return out;
}
}  // namespace

Exported export_folder(const std::string& run, const std::string& folder) {
  check_new_folder(folder);
  const OutputLock alone(folder);
  const StoredRun stored = read_run(run);
  const HubConfig hub = hub_of(stored, run);
  // Weights with adapters added are not f16 numbers.
  const bool half =
      stored.weights.meta().contains(kHubType) && !stored.weights.quantized() && !stored.adapters;
  const TensorFile file = their_tensors(stored.weights, *hub.family, hub.model, half);
  const std::string dtype = dtype_of(file);
  const Json begin = token_name(stored.tokenizer, hub.begin), end = token_name(stored.tokenizer, hub.end);
  const std::string talk = template_for(stored.config.chat, stored.tokenizer);

  whole_folder(folder, [&](const std::string& to) {
    write_json(to, "config.json", to_hub_config(hub, dtype));
    stored.tokenizer.save(to + "/tokenizer.json");
    write_json(to, "tokenizer_config.json",
               Json::Object{{"tokenizer_class", "PreTrainedTokenizerFast"},
                            {"model_max_length", hub.model.context},
                            {"clean_up_tokenization_spaces", false},
                            {"bos_token", begin},
                            {"eos_token", end}});
    write_json(to, "generation_config.json",
               Json::Object{{"bos_token_id", token_id(hub.begin)}, {"eos_token_id", token_id(hub.end)}});
    if (!talk.empty()) Disk::real().replace_text(to + "/chat_template.jinja", talk);
    write_safetensors(file, to + "/model.safetensors");
  });
  return {hub.family->name, dtype, static_cast<int64_t>(file.tensors.size()), !talk.empty()};
}

Exported export_adapters(const std::string& run, const std::string& folder) {
  check_new_folder(folder);
  const OutputLock alone(folder);
  const StoredRun stored = read_run(run);
  RUM_CHECK(stored.adapters,
            "{} has no adapters: it was not trained with lora.rank; export it without --adapter", run);
  const HubConfig hub = hub_of(stored, run);
  const RunConfig& c = stored.config;
  std::set<std::string> modules;
  const TensorFile file = their_adapters(*stored.adapters, hub, modules);
  Json::Array targets;
  for (const std::string& module : modules) targets.emplace_back(module);
  whole_folder(folder, [&](const std::string& to) {
    write_json(to, "adapter_config.json",
               Json::Object{{"peft_type", "LORA"},
                            {"task_type", "CAUSAL_LM"},
                            {"base_model_name_or_path", c.from},
                            {"r", c.lora.rank},
                            {"lora_alpha", static_cast<double>(c.lora.alpha)},
                            {"target_modules", std::move(targets)},
                            {"fan_in_fan_out", hub.family->name == std::string_view("gpt2")},
                            {"lora_dropout", 0.0},
                            {"bias", "none"},
                            {"inference_mode", true}});
    write_safetensors(file, to + "/adapter_model.safetensors");
  });
  return {hub.family->name, "float32", static_cast<int64_t>(file.tensors.size())};
}
}  // namespace rum
