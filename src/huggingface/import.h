// Turns a Hugging Face folder into a run (config.toml, tokenizer.json, model.safetensors) for every command.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "run/config.h"

namespace rum {
// Keys in the __metadata__ of an imported model.safetensors, used by export: the family, and "F16" if all its
// weights had that type.
inline constexpr const char *kHubFamily = "huggingface", *kHubType = "huggingface_type";

struct Imported {
  RunConfig config;
  int64_t parameters = 0;
  int64_t tokens = 0;  // in the tokenizer's vocabulary
  // What transformers does with this folder and Ruminate does not, a sentence each.
  std::vector<std::string> notes;
};
// context: the longest text; 0: the model's own limit. Weights keep their type (f16 becomes f32). The run
// folder must not exist. FileError names the key and file that is unsupported or inconsistent; then nothing
// is written.
Imported import_folder(const std::string& folder, const std::string& run, int64_t context = 0);
}  // namespace rum
