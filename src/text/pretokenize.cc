#include "text/pretokenize.h"

#include <array>

#include "base/names.h"

namespace rum {
namespace {
constexpr CharClass kOther = CharClass::other, kLetter = CharClass::letter, kNumber = CharClass::number,
                    kSpace = CharClass::space;

constexpr std::array<CharClass, 128> kAscii = [] {
  std::array<CharClass, 128> table{};
  for (char c = 'a'; c <= 'z'; ++c)
    table[static_cast<size_t>(c)] = table[static_cast<size_t>(c - 32)] = kLetter;
  for (char c = '0'; c <= '9'; ++c) table[static_cast<size_t>(c)] = kNumber;
  for (char c = '\t'; c <= '\r'; ++c) table[static_cast<size_t>(c)] = kSpace;
  table[' '] = kSpace;
  return table;
}();

struct Next {
  CharClass kind;
  int bytes;
};
inline Next at(const char* p, const char* end) {  // p < end
  const auto byte = static_cast<uint8_t>(*p);
  if (byte < 0x80) return {kAscii[byte], 1};
  static const CharClass* const classes = char_classes();
  const Character c = decode_utf8(p, end);
  return {classes[c.code], c.bytes};
}
inline bool is(CharClass kind, const char* p, const char* end) { return p < end && at(p, end).kind == kind; }

// The end of the run of `kind` (or, with Not, of anything but `kind`) that begins at p.
template <bool Not = false>
inline const char* run(CharClass kind, const char* p, const char* end) {
  while (p < end) {
    const Next n = at(p, end);
    if ((n.kind == kind) == Not) break;
    p += n.bytes;
  }
  return p;
}
// \s+(?!\S)|\s+ : a run of white space leaves its last character to what follows it, if it has another one.
// `line_ends`: \s*[\r\n]+ comes first and ends behind the last line end in the run.
inline const char* white(const char* begin, const char* end, bool line_ends) {
  const char *p = begin, *last = begin, *line = begin;
  while (p < end) {
    const Next n = at(p, end);
    if (n.kind != kSpace) break;
    last = p;
    p += n.bytes;
    if (*last == '\n' || *last == '\r') line = p;
  }
  if (line_ends && line != begin) return line;
  return p == end || last == begin ? p : last;
}
// The length of 's 't 'm 'd 're 've 'll at p, or 0. `fold`: in any case, and s may be its long form U+017F.
inline int contraction(const char* p, const char* end, bool fold) {
  if (*p != '\'' || end - p < 2) return 0;
  const auto letter = [&](int i) {
    const char c = i < end - p ? p[i] : '\0';
    return fold && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  };
  switch (letter(1)) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return 2;
    case 'r':
    case 'v':
      return letter(2) == 'e' ? 3 : 0;
    case 'l':
      return letter(2) == 'l' ? 3 : 0;
    case '\xC5':
      return fold && letter(2) == '\xBF' ? 3 : 0;
    default:
      return 0;
  }
}

const char* scan_gpt2(const char* p, const char* end) {
  if (const int n = contraction(p, end, false)) return p + n;
  const char* q = p + (*p == ' ');  // the space that goes with a word
  if (q == end) return end;
  const CharClass kind = at(q, end).kind;
  if (kind == kSpace) return white(p, end, false);
  if (kind != kOther) return run(kind, q, end);
  return run(kOther, q, end);
}
template <int Digits>  // most digits of a piece
const char* scan_gpt4(const char* p, const char* end) {
  if (const int n = contraction(p, end, true)) return p + n;
  const Next first = at(p, end);
  if (first.kind == kLetter) return run(kLetter, p, end);
  if (first.kind == kNumber) {
    for (int i = 0; i < Digits && is(kNumber, p, end); ++i) p += at(p, end).bytes;
    return p;
  }
  if (*p != '\r' && *p != '\n' && is(kLetter, p + first.bytes, end))
    return run(kLetter, p + first.bytes, end);
  const char* q = p + (*p == ' ');
  if (!is(kOther, q, end)) return white(p, end, true);
  q = run(kOther, q, end);
  while (q < end && (*q == '\r' || *q == '\n')) ++q;
  return q;
}
const char* scan_whitespace(const char* p, const char* end) {
  const char* q = p + (*p == ' ');
  if (q == end || at(q, end).kind == kSpace) return white(p, end, false);
  return run<true>(kSpace, q, end);
}

const char* scan_characters(const char* p, const char* end) { return p + at(p, end).bytes; }

constexpr const char* kGpt4 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr Pattern kPatterns[] = {
    {"gpt2", R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
     R"('(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s)", scan_gpt2},
    {"gpt4", kGpt4, nullptr, scan_gpt4<3>},
    {"llama3", kGpt4, nullptr, scan_gpt4<3>},  // the same expression under its other name
    {"qwen2", kQwen2, nullptr, scan_gpt4<1>},
    {"whitespace", R"( ?\S+|\s+(?!\S)|\s+)", nullptr, scan_whitespace},
    {"characters", R"([\s\S])", nullptr, scan_characters},
};
}  // namespace

std::span<const Pattern> patterns() { return kPatterns; }
const Pattern& pattern_named(std::string_view name) {
  return find_named(kPatterns, name, "pre-tokenization pattern");
}
}  // namespace rum
