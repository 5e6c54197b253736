// A run as a Hugging Face folder: the way back of import.h, by the same tables.
#pragma once
#include <string>

namespace rum {
struct Exported {
  std::string family, dtype;  // "llama", "float32"
  int64_t tensors = 0;
  bool talks = false;  // a chat template is among the files
};
// From what read_run() takes. The folder must not be there. Each tensor has the type that it has in the run;
// those of an import of F16 are F16 again. Error: a model that none of the families can express, and why.
// Adapters are added to the weights that they were trained beside.
Exported export_folder(const std::string& run, const std::string& folder);
// Of a run with adapters these alone, as PEFT loads them beside the model:
// adapter_config.json and adapter_model.safetensors.
Exported export_adapters(const std::string& run, const std::string& folder);
}  // namespace rum
