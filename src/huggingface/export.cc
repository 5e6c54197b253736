#include "huggingface/export.h"

#include <fmt/format.h>

#include <bit>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/whole_folder.h"
#include "checkpoint/weights.h"
#include "huggingface/config.h"
#include "huggingface/import.h"
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
uint16_t to_half(float x) {  // of a number that f16 has
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

// All tensors under their names there. Ours are let go of on the way, so there is never a second copy.
TensorFile their_tensors(NamedTensors&& ours, const Family& family, const GptConfig& c, bool half) {
  TensorFile out;
  out.half = half;
  for (auto& [name, t] : ours) {
    if (name.starts_with("adamw.")) continue;
    const Parts parts = parts_of(family, c, name, t.shape());
    int64_t row = 0;
    for (size_t i = 0; i < parts.names.size(); row += parts.rows[i++]) {
      Tensor part = t.rows(row, row + parts.rows[i]);
      if (parts.transposed) part = t.dtype() == DType::bf16 ? transpose<bf16>(part) : transpose<float>(part);
      out.tensors.emplace_back(parts.names[i], half ? halved(part) : part);
    }
    t = Tensor();
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
}  // namespace

Exported export_folder(const std::string& run, const std::string& folder) {
  Disk& disk = Disk::real();
  if (disk.exists(folder)) throw FileError(folder + ": is there already; name a new folder");
  StoredRun stored = read_run(run);
  const RunConfig& c = stored.config;
  RUM_CHECK(
      c.model_kind == ModelKind::gpt && c.kind == CorpusKind::documents,
      "{}: {} reads a source in both directions, which no family of Hugging Face's that is known here does; "
      "only models of plain text (data.kind = \"text\") are exported",
      run,
      c.model_kind == ModelKind::gpt ? "data.kind = \"translation\"" : "model.kind = \"encoder_decoder\"");
  HubConfig hub;
  hub.model = model_config(c, stored.tokenizer.size());
  const auto imported_as = stored.weights.meta.find(kHubFamily);
  try {
    hub.family = &family_for(
        hub.model, imported_as == stored.weights.meta.end() ? nullptr : find_family(imported_as->second));
  } catch (const Error& e) {
    fail(fmt::format("{}: {}", run, e.what()));
  }
  hub.begin = stored.tokenizer.begin(), hub.end = stored.tokenizer.end();
  const TensorFile file = their_tensors(std::move(stored.weights.tensors), *hub.family, hub.model,
                                        !stored.quantized && stored.weights.meta.contains(kHubType));
  const std::string dtype = dtype_of(file);
  const Json begin = token_name(stored.tokenizer, hub.begin), end = token_name(stored.tokenizer, hub.end);

  whole_folder(folder, [&](const std::string& to) {
    const auto write = [&](const char* name, const Json& json) {
      disk.replace_text(to + "/" + name, to_json(json, 2) + "\n");
    };
    write("config.json", to_hub_config(hub, dtype));
    stored.tokenizer.save(to + "/tokenizer.json");
    write("tokenizer_config.json", Json::Object{{"tokenizer_class", "PreTrainedTokenizerFast"},
                                                {"model_max_length", hub.model.context},
                                                {"clean_up_tokenization_spaces", false},
                                                {"bos_token", begin},
                                                {"eos_token", end}});
    write("generation_config.json",
          Json::Object{{"bos_token_id", token_id(hub.begin)}, {"eos_token_id", token_id(hub.end)}});
    write_safetensors(file, to + "/model.safetensors");
  });
  return {hub.family->name, dtype, static_cast<int64_t>(file.tensors.size())};
}
}  // namespace rum
