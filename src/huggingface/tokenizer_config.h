// tokenizer_config.json, beside tokenizer.json. Where the two differ, transformers follows this one.
#pragma once
#include <string>

#include "text/json.h"
#include "text/tokenizer.h"

namespace rum {
// Without the file an empty object. FileError: it is no JSON object.
Json read_tokenizer_config(const std::string& folder);
// How a token is called that stands there as its name or as an object with it; "" where none does.
std::string token_text(const Json* token);
// FileError: it puts a blank before texts that tokenizer.json does not, or the other way about. Of no account
// where its tokenizer_class is one that takes tokenizer.json as it stands.
void check_prefix(const Json& config, const std::string& folder, const Tokenizer&);
// A sentence that names the special tokens which transformers would add to those of tokenizer.json; "" where
// there are none.
std::string missing_tokens(const Json& config, const std::string& folder, const Tokenizer&);
}  // namespace rum
