// How translations are split into words before they are compared: the tokenizers of sacreBLEU 2.6.0,
// character for character. Tokens are joined by single spaces.
#pragma once
#include <string>
#include <string_view>

namespace rum::metrics {
using Tokenize = std::string (*)(std::string_view line);
// "13a" (that of mteval-v13a.pl), "intl" (mteval-v14.pl: all of Unicode's punctuation and symbols), "char",
// "zh" (Chinese characters apart, the rest as 13a) or "none". Error with a suggestion for any other name.
Tokenize bleu_tokenizer(std::string_view name);

struct TerConfig {
  bool normalized = false;     // decode XML entities, separate punctuation
  bool no_punct = false;       // drop punctuation
  bool asian_support = false;  // with `normalized`: one ideograph, one word; with `no_punct`: their marks too
  bool case_sensitive = false;  // otherwise lower-cased
};
// That of Tercom, with the reference tool's own character ranges.
std::string tokenize_ter(std::string_view line, const TerConfig&);
}  // namespace rum::metrics
