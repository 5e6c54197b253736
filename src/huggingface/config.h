// Converts Hugging Face's config.json to a model config, and back. Settings that this engine does not support
// are refused, by the name of the key.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "huggingface/family.h"
#include "text/json.h"
#include "text/tokenizer.h"

namespace rum {
struct HubConfig {
  const Family* family = nullptr;
  GptConfig model;
  Token begin = -1, end = -1;  // bos_token_id, eos_token_id (the first); -1: none
  std::vector<Token> ends;     // all of eos_token_id
  int64_t sliding_window = 0;  // how many tokens each token sees; 0: all
};
// FileError: `name`, key, what was expected, what was found.
HubConfig parse_hub_config(std::string_view json, const std::string& name);
// All of eos_token_id in a generation_config.json, which transformers generates by; none where it has none.
// FileError as above.
std::vector<Token> parse_generation_ends(std::string_view json, const std::string& name, int64_t vocab);
// dtype: of the weights, such as "bfloat16".
Json to_hub_config(const HubConfig&, const std::string& dtype);
// The family that can express a model; `like` if that one can. Error: none can, and why.
const Family& family_for(const GptConfig&, const Family* like = nullptr);
}  // namespace rum
