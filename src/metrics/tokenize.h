// How translations are cut into words before they are compared: the tokenizers of sacreBLEU 2.6.0, character
// for character. Tokens come joined by one space.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace rum::metrics {
using Tokenize = std::string (*)(std::string_view line);
// "13a" (that of mteval-v13a.pl), "intl" (mteval-v14.pl: all of Unicode's punctuation and symbols), "char",
// "zh" (Chinese characters apart, the rest as 13a) or "none". Error with a did-you-mean for another.
Tokenize bleu_tokenizer(std::string_view name);

struct TerConfig {
  bool normalized = false;     // take XML entities back, set punctuation apart
  bool no_punct = false;       // drop punctuation
  bool asian_support = false;  // with `normalized`: one ideograph, one word; with `no_punct`: their marks too
  bool case_sensitive = false;  // otherwise in lower case
};
// That of Tercom, with the reference tool's own character ranges.
std::string tokenize_ter(std::string_view line, const TerConfig&);
}  // namespace rum::metrics
