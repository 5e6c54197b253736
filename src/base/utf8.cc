#include "base/utf8.h"

#include <algorithm>

namespace rum {
size_t announced_bytes(unsigned char c) {
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c < 0xE0) return 2;
  if (c >= 0xE0 && c < 0xF0) return 3;
  return c >= 0xF0 && c < 0xF5 ? 4 : 0;
}
bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }
size_t unfinished_character(std::string_view text) {
  for (size_t n = 1; n <= std::min<size_t>(3, text.size()); ++n) {
    const char c = text[text.size() - n];
    if (!continues_character(c)) return announced_bytes(static_cast<unsigned char>(c)) > n ? n : 0;
  }
  return 0;
}
std::string shortened(std::string_view text, size_t most) {
  if (text.size() <= most) return std::string(text);
  const std::string_view begins = text.substr(0, most);
  return std::string(begins.substr(0, begins.size() - unfinished_character(begins))) + "...";
}
}  // namespace rum
