// Byte-level BPE (Sennrich et al. 2016; bytes as in Radford et al. 2019), or single characters: trained
// here, or read from a Hugging Face tokenizer.json; BPE over characters with bytes for the unknown ones
// (Llama 2, Mistral) only read. decode(encode(s)) == s for any bytes (for NFC alone where the file asks for
// it), or for all known characters. Of the last kind U+2581 is a blank, and a blank at the beginning may go,
// as Hugging Face has it.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rum {
using Token = int32_t;

struct TokenizerConfig {
  int64_t vocab = 8192;  // ids in all: special tokens, 256 bytes, merges; characters: as many as there are
  // These get the first ids, in this order; they are never found in a text, callers add them.
  std::vector<std::string> special{};
  // Pre-tokenization: gpt2, gpt4, llama3, qwen2, whitespace, or characters: no merges.
  std::string pattern = "gpt2";
  bool split_digits = false;  // each digit a token of its own
  int64_t min_frequency = 2;  // pairs seen less often are not merged
};

class Tokenizer {
 public:
  // By the rule of Hugging Face's trainer, id for id: of equally frequent pairs the one with the smaller ids
  // is merged. `progress` is called with the number of merges made, from time to time.
  static Tokenizer train(std::span<const std::string_view> texts, const TokenizerConfig&,
                         const std::function<void(int64_t)>& progress = {});
  static Tokenizer load(const std::string& path);  // FileError names what is wrong where
  static Tokenizer parse(std::string_view json, const std::string& name);  // the same from memory
  std::string json() const;                                                // a Hugging Face tokenizer.json
  void save(const std::string& path) const;

  // Added tokens are found in the text unless they are special; thread-safe. Error: the text holds an added
  // token that asks for lstrip, rstrip or single_word, or a character that a vocabulary of characters lacks.
  std::vector<Token> encode(std::string_view text) const;
  // Appends. `goes_on`: the text follows others, so it gets no mark that only the first word gets.
  void encode(std::string_view text, std::vector<Token>& out, bool goes_on = false) const;
  // As Hugging Face's encode() does: special tokens too are found, and the post-processor's template added.
  std::vector<Token> encode_with_special(std::string_view text) const;
  // What the tokens add to a text that begins with `before`. Special tokens give nothing, nor do ids beyond:
  // the rows that fill up a model's embedding.
  std::string decode(std::span<const Token>, std::span<const Token> before = {}) const;
  int64_t size() const;                        // of the vocabulary
  Token special(std::string_view name) const;  // its id; Error when there is none
  std::string name(Token) const;               // of an added token; "" of others
  std::string_view bytes(Token) const;         // what it stands for
  uint64_t hash() const;                       // of json()

  // The special tokens before and after a text of its own; "" for none. Error: it has no such token.
  void frame(const std::string& begin, const std::string& end);
  Token begin() const { return begin_; }  // -1: none
  Token end() const;                      // <eos>, unless frame() was called; -1: none

 private:
  friend class GrowingDecode;
  std::string raw(std::span<const Token>) const;  // decode(), a blank at the beginning kept
  bool strips() const;                            // does decode() take it away?
  struct Model;
  std::shared_ptr<const Model> model_;
  Token begin_ = -1;
  std::optional<Token> end_;
};

// decode() token by token: the bytes that each adds, so a character may come in parts. The
// tokenizer outlives it.
class GrowingDecode {
 public:
  explicit GrowingDecode(const Tokenizer&, std::span<const Token> before = {});
  std::string add(Token);

 private:
  const Tokenizer* tokenizer_;
  bool strips_;  // is the blank at the beginning still to come?
};
}  // namespace rum
