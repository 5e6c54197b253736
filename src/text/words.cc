#include "text/words.h"

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
std::vector<std::string_view> split_at_blanks(std::string_view line) {
  std::vector<std::string_view> out;
  const char *const end = line.data() + line.size(), *word = nullptr;
  for (const char* p = line.data(); p < end;) {
    const Character c = decode_utf8(p, end);
    if (!is_blank(c.code)) {
      if (word == nullptr) word = p;
    } else if (word != nullptr) {
      out.emplace_back(word, static_cast<size_t>(p - word)), word = nullptr;
    }
    p += c.bytes;
  }
  if (word != nullptr) out.emplace_back(word, static_cast<size_t>(end - word));
  return out;
}
std::string_view without_trailing_blanks(std::string_view line) {
  size_t stop = 0;  // after the last character that is no blank
  const char *const begin = line.data(), *const end = begin + line.size();
  for (const char* p = begin; p < end;) {
    const Character c = decode_utf8(p, end);
    p += c.bytes;
    if (!is_blank(c.code)) stop = static_cast<size_t>(p - begin);
  }
  return line.substr(0, stop);
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
