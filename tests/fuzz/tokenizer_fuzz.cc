// A tokenizer.json is either refused or gives a tokenizer that survives being saved and loaded; and the
// tokenizers trained here give back any bytes.
#include <array>

#include "tests/fuzz/fuzz.h"
#include "text/tokenizer.h"

namespace {
using namespace rum;

const std::array<Tokenizer, 4>& trained() {  // one for each pre-tokenization pattern
  static const auto all = [] {
    const std::array<std::string_view, 3> texts{"Das ist ein kleiner Satz, don't you think?\n",
                                                "Übung macht den Meister: 1234 Äpfel  und\t\r\n 5 Birnen.",
                                                "a small sentence, another small sentence"};
    auto make = [&](const char* pattern) {
      TokenizerConfig config;
      config.vocab = 300, config.special = {"<sep>", "<eos>"}, config.pattern = pattern;
      return Tokenizer::train(texts, config);
    };
    return std::array<Tokenizer, 4>{make("gpt2"), make("gpt4"), make("llama3"), make("whitespace")};
  }();
  return all;
}
void run(std::string_view bytes) {
  const std::string_view text = bytes.substr(0, 500);
  for (const Tokenizer& t : trained()) promise(t.decode(t.encode(text)) == text);
  accepted([&] {
    const Tokenizer read = Tokenizer::parse(bytes, "fuzz");
    const Tokenizer again = Tokenizer::parse(read.json(), "again");
    promise(again.hash() == read.hash() && again.size() == read.size());
    promise(again.encode(text) == read.encode(text));
    promise(read.decode(read.encode(text)) == text);
  });
}
const FuzzTarget target("tokenizer", run);
}  // namespace
