#include "huggingface/tokenizer_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "text/unicode.h"

namespace rum {
Json read_tokenizer_config(const std::string& folder) {
  const std::string path = folder + "/tokenizer_config.json";
  if (!Disk::real().exists(path)) return Json(Json::Object());
  Json root = parse_json(Disk::real().read(path), path,
                         {.depth = 16, .bytes = size_t{1} << 26, .values = size_t{1} << 20});
  if (!root.object()) throw FileError(path + ": expected an object");
  return root;
}

std::string token_text(const Json* token) {
  if (token && token->object()) token = token->find("content");
  return token && token->text() ? *token->text() : "";
}

void check_prefix(const Json& config, const std::string& folder, const Tokenizer& tokenizer) {
  const Json *prefix = config.find("add_prefix_space"), *of = config.find("tokenizer_class");
  if (prefix == nullptr || prefix->boolean() == nullptr) return;
  // These take tokenizer.json as it stands; a model's own class goes by the key.
  if (of && of->text() && (*of->text() == "PreTrainedTokenizerFast" || *of->text() == "TokenizersBackend"))
    return;
  const bool there = tokenizer.decode(tokenizer.encode("a"), tokenizer.encode("a")) == " a";
  if (*prefix->boolean() != there)
    throw FileError(
        fmt::format("{0}/tokenizer_config.json: add_prefix_space = {1} contradicts {0}/tokenizer.json, which "
                    "puts {2} before a text: correct one of them",
                    folder, !there, there ? "a blank" : "no blank"));
}

std::string missing_tokens(const Json& config, const std::string& folder, const Tokenizer& tokenizer) {
  std::set<std::string> there{""};
  for (Token t = 0; t < tokenizer.size(); ++t) there.insert(tokenizer.name(t));
  std::vector<std::string> missing;
  const auto look_up = [&](const Json* token) {
    if (const std::string name = token_text(token); there.insert(name).second) missing.push_back(name);
  };
  for (const char* key :
       {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"})
    look_up(config.find(key));
  // The name since transformers 5, and the one before; a list, or an object by what each token is for.
  for (const char* key :
       {"additional_special_tokens", "extra_special_tokens", "model_specific_special_tokens"}) {
    const Json* more = config.find(key);
    if (more && more->array())
      for (const Json& token : *more->array()) look_up(&token);
    if (more && more->object())
      for (const auto& [use, token] : *more->object()) look_up(&token);
  }
  if (const Json* added = config.find("added_tokens_decoder"); added && added->object())
    for (const auto& [id, token] : *added->object()) look_up(&token);
  if (missing.empty()) return "";
  constexpr size_t kNamed = 8;
  const size_t more = missing.size() - std::min(missing.size(), kNamed);
  missing.resize(missing.size() - more);
  for (std::string& name : missing) name = shortened(one_line(name), 40);
  return fmt::format(
      "{}: tokenizer_config.json names tokens that tokenizer.json does not add: {}{}; transformers finds "
      "them in texts, and Ruminate does not",
      folder, fmt::join(missing, ", "), more > 0 ? fmt::format(" and {} more", more) : "");
}
}  // namespace rum
