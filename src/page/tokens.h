// Tokens as coloured text: how a tokenizer splits a text, and how likely each token is to a model.
#pragma once
#include <cmath>
#include <span>
#include <string>
#include <vector>

namespace rum::page {
struct ShownToken {
  std::string bytes;      // its bytes; for a special token its name
  double log_p = NAN;     // natural log; NaN: the token was given, not predicted
  std::string says = "";  // tooltip; plain text
};
// Plain text of a token for labels: blanks and line ends are visible, partial characters are hexadecimal.
std::string token_label(const std::string& bytes);
// The text, each token shaded by its probability; and below, the legend of the shades.
std::string heat_map(std::span<const ShownToken>);
std::string heat_legend();
// The text, neighbouring tokens in different colours.
std::string cut_map(std::span<const ShownToken>);
}  // namespace rum::page
