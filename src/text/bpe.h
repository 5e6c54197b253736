// A byte-level BPE tokenizer as plain data: made by the trainer or read from tokenizer.json, and turned into
// look-up tables by Tokenizer.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/json.h"
#include "text/pretokenize.h"
#include "text/tokenizer.h"

namespace rum {
struct AddedToken {
  Token id = 0;
  std::string content;
  bool special = true;   // decodes to nothing
  bool in_vocab = true;  // or among added_tokens only
  // Refused where such a token stands in a text.
  bool single_word = false, lstrip = false, rstrip = false, normalized = false;
};
struct Bpe {
  const Pattern* pattern = nullptr;
  bool split_digits = false;
  bool nfc = false;                             // texts are brought into NFC first
  bool ignore_merges = false;                   // a piece that is a token needs no merges
  std::vector<std::string> tokens;              // bytes by id; of an added token its content
  std::vector<AddedToken> added;                // by id
  std::vector<std::pair<Token, Token>> merges;  // by rank; left + right is a token
  std::vector<Token> before, after;             // what the post-processor's template puts around one text
  Json post_processor;                          // as it was written
  // Not BPE at all, but a token for each known character.
  bool characters() const { return pattern == &pattern_named("characters"); }
};

// The 256 characters that stand for bytes in Hugging Face's files (Radford et al. 2019), in order of bytes.
char32_t byte_character(uint8_t byte);
// Bytes to these characters in UTF-8, and back; false when a character stands for no byte.
std::string to_characters(std::string_view bytes);
bool from_characters(std::string_view characters, std::string& bytes);

// See Tokenizer::train().
Bpe train_bpe(std::span<const std::string_view> texts, const TokenizerConfig&,
              const std::function<void(int64_t)>& progress);
// FileError: `name`, the key, what is wrong, what was found.
Bpe parse_tokenizer_json(std::string_view json, const std::string& name);
std::string write_tokenizer_json(const Bpe&);  // which Hugging Face's tokenizers reads
}  // namespace rum
