// A Hugging Face folder as a run: config.toml, tokenizer.json, model.safetensors, which every command takes.
#pragma once
#include <cstdint>
#include <string>

#include "run/config.h"

namespace rum {
// Keys of the __metadata__ of an imported model.safetensors, for the way back: the family, and "F16" where
// that was the type of all its weights.
inline constexpr const char *kHubFamily = "huggingface", *kHubType = "huggingface_type";

struct Imported {
  RunConfig config;
  int64_t parameters = 0;
  int64_t tokens = 0;  // of the tokenizer
  std::string note;    // what of its chat template is not taken over; "" for nothing
};
// context: the longest text; 0: what the model was made for. The weights are written in the type they have
// (f16 as f32). FileError says which key of which file is not supported or does not fit; then nothing is
// written. The run folder must not be there.
Imported import_folder(const std::string& folder, const std::string& run, int64_t context = 0);
}  // namespace rum
