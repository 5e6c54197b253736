// Writes a run as a Hugging Face folder: the reverse of import.h, with the same tables.
#pragma once
#include <string>

namespace rum {
struct Exported {
  std::string family, dtype;  // "llama", "float32"
  int64_t tensors = 0;
  bool talks = false;  // a chat template is among the files
};
// `run`: as in read_run(); the folder must not exist. Each tensor keeps its type; those imported as F16
// become F16 again. Adapters are added to the weights. Error: a model that no family can express, and why.
Exported export_folder(const std::string& run, const std::string& folder);
// Only the adapters of a run, as PEFT loads them: adapter_config.json and adapter_model.safetensors.
Exported export_adapters(const std::string& run, const std::string& folder);
}  // namespace rum
