// A BPE tokenizer as plain data: made by the trainer or read from tokenizer.json, and turned into look-up
// tables by Tokenizer.
#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
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
  // Refused where such a token occurs in a text.
  bool single_word = false, lstrip = false, rstrip = false, normalized = false;
};
// BPE over characters, as SentencePiece trains it for Llama 2 and Mistral and Hugging Face spells it:
// blanks are written as U+2581, a text is one word, and a character that is not a token becomes the
// tokens of its bytes.
struct Spaced {
  enum class Lead : uint8_t { never, always, first };  // first: of the whole text
  // The normalizer, for each stretch between added tokens: a mark is put before it, whatever it begins with.
  bool prepends = false, replaces = false;
  // The pre-tokenizer, which is Metaspace or none: a mark is put before what does not begin with one.
  bool metaspace = false, split = false;  // split: each mark begins a word
  Lead lead = Lead::never;
  bool strip = false;                       // decoding takes one blank away at the beginning
  std::vector<std::string> spelled;         // by id, as the vocabulary has it
  Json normalizer, pre_tokenizer, decoder;  // as they were written
  Json::Object model;                       // all but vocab and merges
};
inline constexpr std::string_view kMark = "\u2581";  // a blank

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
  std::optional<Spaced> spaced;                 // then there is no pattern
  // How the vocabulary spells an ordinary token.
  std::string spelling(Token t) const;
  // Not BPE at all, but a token for each known character.
  bool characters() const { return pattern == &pattern_named("characters"); }
};

// The 256 characters that stand for bytes in Hugging Face's files (Radford et al. 2019), in order of bytes.
char32_t byte_character(uint8_t byte);
// Bytes to these characters in UTF-8, and back; false when a character stands for no byte.
std::string to_characters(std::string_view bytes);
bool from_characters(std::string_view characters, std::string& bytes);

// "<0x0A>" -> 10, the spelling of bytes where characters are tokens; -1: it is none.
int fallback_byte(std::string_view token);

// See Tokenizer::train().
Bpe train_bpe(std::span<const std::string_view> texts, const TokenizerConfig&,
              const std::function<void(int64_t)>& progress);
// FileError: `name`, the key, what is wrong, what was found.
Bpe parse_tokenizer_json(std::string_view json, const std::string& name);
std::string write_tokenizer_json(const Bpe&);  // which Hugging Face's tokenizers reads
}  // namespace rum
