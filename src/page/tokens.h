// Tokens as coloured text: how a tokenizer cuts, and how likely a model finds each.
#pragma once
#include <cmath>
#include <span>
#include <string>
#include <vector>

namespace rum::page {
struct ShownToken {
  std::string bytes;      // what it stands for; a special token's name
  double log_p = NAN;     // natural; NaN: it was given, not predicted
  std::string says = "";  // for the pointer that rests on it; plain text
};
// Plain text of a token for labels: blanks and line ends are seen, half characters are hexadecimal.
std::string token_label(const std::string& bytes);
// The text, each token on a shade of its probability; below the legend of the shades.
std::string heat_map(std::span<const ShownToken>);
std::string heat_legend();
// The text, neighbouring tokens in different colours.
std::string cut_map(std::span<const ShownToken>);
}  // namespace rum::page
