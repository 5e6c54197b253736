#include "text/words.h"

#include <algorithm>

#include "text/unicode.h"

namespace rum {
namespace {
bool is_part(char32_t c) {  // of a word
  const Category k = category(c);
  return k == Category::letter || k == Category::mark || k == Category::number;
}
bool is_joint(char32_t c) { return c == '\'' || c == '-' || c == 0x2019 || c == 0x2010; }
}  // namespace

bool is_blank(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}
namespace {
// Bytes of the blank that begins at p, or 0. Beyond ASCII they begin with C2, E1, E2 or E3.
int blank_bytes(const char* p, const char* end) {
  const auto first = static_cast<uint8_t>(*p);
  if (first > ' ' && first != 0xC2 && (first < 0xE1 || first > 0xE3)) return 0;
  const Character c = decode_utf8(p, end);
  return is_blank(c.code) ? c.bytes : 0;
}
}  // namespace
std::vector<std::string_view> split_at_blanks(std::string_view line) {
  std::vector<std::string_view> out;
  out.reserve(line.size() / 4);
  const char *const end = line.data() + line.size(), *p = line.data();
  while (true) {
    int blank = 0;
    while (p < end && (blank = blank_bytes(p, end)) > 0) p += blank;
    if (p == end) return out;
    const char* const word = p;
    while (p < end && blank_bytes(p, end) == 0) ++p;  // bytes within a character begin no blank
    out.emplace_back(word, static_cast<size_t>(p - word));
  }
}
std::string_view without_trailing_blanks(std::string_view line) {
  for (size_t n = 1; n <= std::min<size_t>(3, line.size()); ++n) {
    const char* const end = line.data() + line.size();
    if (blank_bytes(end - n, end) != static_cast<int>(n)) continue;
    line.remove_suffix(n), n = 0;
  }
  return line;
}

std::vector<std::string_view> words_in(std::string_view line) {
  std::vector<std::string_view> out;
  const char *const end = line.data() + line.size(), *word = nullptr;
  for (const char* p = line.data(); p < end;) {
    const Character c = decode_utf8(p, end);
    const char* const next = p + c.bytes;
    const bool inside = is_part(c.code) || (word != nullptr && is_joint(c.code) && next < end &&
                                            is_part(decode_utf8(next, end).code));
    if (inside && word == nullptr) word = p;
    if (!inside && word != nullptr) out.emplace_back(word, static_cast<size_t>(p - word)), word = nullptr;
    p = next;
  }
  if (word != nullptr) out.emplace_back(word, static_cast<size_t>(end - word));
  return out;
}
std::vector<std::string> words(std::string_view line) {
  const std::string lower = lower_case(line);
  const std::vector<std::string_view> found = words_in(lower);
  return {found.begin(), found.end()};
}
}  // namespace rum
