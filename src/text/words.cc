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
constexpr std::string_view kSoftHyphen = "\u00AD";
bool is_tsheg(char32_t c) {
  return c == 0x0F0B || c == 0x0F0C;
}  // ends a syllable of Tibetan, as a blank would
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
bool blank_line(std::string_view line) {
  const char* const end = line.data() + line.size();
  for (const char* p = line.data(); p < end;) {
    const Character c = decode_utf8(p, end);
    if (c.code == kNotUtf8) return false;
    if (!is_blank(c.code) && !is_invisible(c.code)) return false;
    p += c.bytes;
  }
  return true;
}
std::string_view without_trailing_blanks(std::string_view line) {
  for (size_t n = 1; n <= std::min<size_t>(3, line.size()); ++n) {
    const char* const end = line.data() + line.size();
    if (blank_bytes(end - n, end) != static_cast<int>(n)) continue;
    line.remove_suffix(n);
    n = 0;
  }
  return line;
}
std::string_view without_leading_blanks(std::string_view line) {
  const char* const end = line.data() + line.size();
  for (int n = 0; !line.empty() && (n = blank_bytes(line.data(), end)) > 0;)
    line.remove_prefix(static_cast<size_t>(n));
  return line;
}
std::string_view without_outer_blanks(std::string_view line) {
  return without_trailing_blanks(without_leading_blanks(line));
}

namespace {
bool no_joint(char32_t) { return false; }
// The stretches of words_v1; `joint`: what joins two characters of a word beside what is part of one; `soft`:
// what is passed over wherever it stands inside a word.
template <class Joint, class Soft>
std::vector<std::string_view> stretches(std::string_view line, Joint&& joint, Soft&& soft) {
  std::vector<std::string_view> out;
  const char *const end = line.data() + line.size(), *word = nullptr;
  // Behind a word, before p: does it go on, after one joint at most?
  const auto goes_on = [&](const char* p, bool joined) {
    while (p < end) {
      const Character c = decode_utf8(p, end);
      if (is_part(c.code)) return true;
      if (joined && joint(c.code))
        joined = false;
      else if (!soft(c.code))
        return false;
      p += c.bytes;
    }
    return false;
  };
  for (const char* p = line.data(); p < end;) {
    const Character c = decode_utf8(p, end);
    const char* const next = p + c.bytes;
    const bool inside = is_part(c.code) || (word != nullptr && ((joint(c.code) && goes_on(next, false)) ||
                                                                (soft(c.code) && goes_on(next, true))));
    if (inside && word == nullptr) word = p;
    if (!inside && word != nullptr) {
      out.emplace_back(word, static_cast<size_t>(p - word));
      word = nullptr;
    }
    p = next;
  }
  if (word != nullptr) out.emplace_back(word, static_cast<size_t>(end - word));
  return out;
}
}  // namespace
bool has_unspaced(std::string_view s) {
  for (const char *p = s.data(), *end = p + s.size(); p < end;) {
    if (static_cast<uint8_t>(*p) < 0xE0) {  // two bytes at most: below U+0800
      ++p;
      continue;
    }
    const Character c = decode_utf8(p, end);
    if (is_unspaced(c.code) || is_tsheg(c.code)) return true;
    p += c.bytes;
  }
  return false;
}
namespace {
char32_t last_character(std::string_view s) {
  size_t n = 1;
  while (n < s.size() && (static_cast<uint8_t>(s[s.size() - n]) & 0xC0) == 0x80) ++n;
  return decode_utf8(s.data() + s.size() - n, s.data() + s.size()).code;
}
}  // namespace

void part_unspaced(std::string_view stretch, std::vector<std::string_view>& out) {
  if (!has_unspaced(stretch)) return out.push_back(stretch);
  size_t begin = 0;
  for (const size_t at : word_breaks(stretch)) {
    const char* const here = stretch.data() + at;
    const Character next = decode_utf8(here, stretch.data() + stretch.size());
    const char32_t last = last_character(stretch.substr(0, at));
    if (!is_unspaced(next.code) && !is_unspaced(last) && !(is_tsheg(last) && is_part(next.code))) continue;
    out.push_back(stretch.substr(begin, at - begin));
    begin = at;
  }
  out.push_back(stretch.substr(begin));
}

std::vector<std::string_view> words_in(std::string_view line) {
  std::vector<std::string_view> out;
  for (const std::string_view s : stretches(
           line, [](char32_t c) { return is_joint(c) || c == 0x200C || c == 0x200D; },
           [](char32_t c) { return c == 0xAD; }))
    part_unspaced(s, out);
  return out;
}
std::vector<std::string> words(std::string_view line) {
  std::string lower = lower_case(line);
  for (size_t at = 0; (at = lower.find(kSoftHyphen, at)) != std::string::npos;)
    lower.erase(at, kSoftHyphen.size());
  const std::vector<std::string_view> found = words_in(lower);
  return {found.begin(), found.end()};
}
std::vector<std::string> words_v1(std::string_view line) {
  const std::string lower = lower_case(line);
  const std::vector<std::string_view> found = stretches(lower, is_joint, no_joint);
  return {found.begin(), found.end()};
}
}  // namespace rum
