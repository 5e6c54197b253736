#include "metrics/tokenize.h"

#include <algorithm>
#include <iterator>

#include "metrics/metric.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum::metrics {
namespace {
bool is_stop(char c) { return c == '.' || c == ','; }
// The characters that 13a always surrounds with spaces: all ASCII symbols but ' , - . (The reference tool
// does so with a space, too, which only adds more of them.)
bool is_symbol(char c) {
  return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= '!' && c <= '&') ||
         (c >= '(' && c <= '+') || (c >= ':' && c <= '@') || c == '/';
}
struct Range {
  char32_t first, last;
};
template <size_t n>
bool within(char32_t c, const Range (&ranges)[n]) {
  return std::any_of(ranges, ranges + n, [c](const Range& r) { return c >= r.first && c <= r.last; });
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  if (text.find(from) == std::string::npos) return;
  std::string out;
  size_t done = 0;
  for (size_t at; (at = text.find(from, done)) != std::string::npos; done = at + from.size())
    out.append(text, done, at - done).append(to);
  text = out.append(text, done);
}
void unescape(std::string& text) {
  if (text.find('&') == std::string::npos) return;
  replace_all(text, "&quot;", "\"");
  replace_all(text, "&amp;", "&");
  replace_all(text, "&lt;", "<");
  replace_all(text, "&gt;", ">");
}
// Puts spaces around each character for which `apart` is true.
template <class Apart>
std::string set_apart(std::string_view line, const Apart& apart) {
  std::string out;
  out.reserve(2 * line.size());
  each_character(line, [&](char32_t c, std::string_view bytes) {
    if (apart(c))
      (out += ' ').append(bytes) += ' ';
    else
      out.append(bytes);
  });
  return out;
}
std::string joined(std::string_view text) {  // tokens joined by single spaces
  std::string out;
  out.reserve(text.size());
  for (const std::string_view w : split_at_blanks(text)) (out.empty() ? out : out += ' ').append(w);
  return out;
}

// The rules that 13a, zh and Tercom share. Bytes serve as characters: only ASCII matters, and multi-byte
// neighbours are copied whole either way.
std::string symbols_apart(std::string_view text) {
  std::string out;
  out.reserve(2 * text.size());
  for (const char c : text) {
    if (is_symbol(c))
      ((out += ' ') += c) += ' ';
    else
      out += c;
  }
  return out;
}
// One rule: calls emit(a, b) for matching pairs of characters, from the left; a match consumes both. Every
// pair has a `mark`, at index `at`.
template <class Mark, class Other, class Emit>
void each_pair(std::string& text, size_t at, const Mark& mark, const Other& other, const Emit& emit) {
  std::string out;
  out.reserve(text.size() + 64);
  size_t done = 0;
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    if (!mark(text[i + at]) || !other(text[i + 1 - at])) continue;
    out.append(text, done, i - done);
    emit(out, text[i], text[i + 1]);
    done = i++ + 2;
  }
  text = out.append(text, done);
}
void stops_apart(std::string& text) {
  const auto after_second = [](std::string& out, char a, char b) { out.append({a, ' ', b, ' '}); };
  const auto round_first = [](std::string& out, char a, char b) { out.append({' ', a, ' ', b}); };
  const auto other = [](char c) { return !is_digit(c); };
  each_pair(text, 1, is_stop, other, after_second);
  each_pair(text, 0, is_stop, other, round_first);
  each_pair(
      text, 1, [](char c) { return c == '-'; }, is_digit, after_second);
}
std::string western(std::string_view text) {
  std::string out = symbols_apart(text);
  stops_apart(out);
  return joined(out);
}

std::string tokenize_13a(std::string_view line) {
  std::string s = " ";
  s += line;
  replace_all(s, "<skipped>", "");
  replace_all(s, "-\n", "");
  std::replace(s.begin(), s.end(), '\n', ' ');
  unescape(s);
  return western(s += ' ');
}

std::string tokenize_intl(std::string_view line) {
  const Category* kinds = categories();
  std::u32string text, out;
  each_character(line, [&](char32_t c, std::string_view) { text += c; });
  // `mark` is a punctuation character next to one that is not a digit; both are consumed, as in 13a.
  const auto mark = [&](char32_t c) { return kinds[c] == Category::punctuation; };
  const auto other = [&](char32_t c) { return kinds[c] != Category::number; };
  for (const bool mark_first : {false, true}) {
    out.clear();
    for (size_t i = 0; i < text.size(); ++i) {
      const char32_t a = text[i], b = i + 1 < text.size() ? text[i + 1] : 0;
      if (i + 1 == text.size() || !(mark_first ? mark(a) && other(b) : other(a) && mark(b)))
        out += a;
      else
        mark_first ? out.append({U' ', a, U' ', b}) : out.append({a, U' ', b, U' '}), ++i;
    }
    text.swap(out);
  }
  std::string bytes;
  for (const char32_t c : text) {
    const bool symbol = kinds[c] == Category::symbol;
    if (symbol) bytes += ' ';
    append_utf8(bytes, c);
    if (symbol) bytes += ' ';
  }
  return joined(bytes);
}

std::string tokenize_char(std::string_view line) {
  std::string out;
  each_character(line,
                 [&](char32_t, std::string_view bytes) { (out.empty() ? out : out += ' ').append(bytes); });
  return out;
}

// As in the reference tool, which writes two ranges beyond U+FFFF with too few digits, as strings of two
// characters; comparing with those matches U+2001 to U+2A6D and U+2F81 to U+2FA1 instead.
constexpr Range kChinese[] = {{0x3400, 0x4DB5}, {0x4E00, 0x9FBB}, {0xF900, 0xFA2D}, {0xFA30, 0xFA6A},
                              {0xFA70, 0xFAD9}, {0x2001, 0x2A6D}, {0x2F81, 0x2FA1}, {0xFF00, 0xFFEF},
                              {0x2E80, 0x2EFF}, {0x3000, 0x303F}, {0x31C0, 0x31EF}, {0x2F00, 0x2FDF},
                              {0x2FF0, 0x2FFF}, {0x3100, 0x312F}, {0x31A0, 0x31BF}, {0xFE10, 0xFE1F},
                              {0xFE30, 0xFE4F}, {0x2600, 0x27BF}, {0x3200, 0x33FF}};
std::string tokenize_zh(std::string_view line) {
  return western(set_apart(without_leading_blanks(without_trailing_blanks(line)),
                           [](char32_t c) { return within(c, kChinese); }));
}

const std::string kNames[] = {"13a", "intl", "char", "zh", "none"};
constexpr Tokenize kTokenizers[] = {tokenize_13a, tokenize_intl, tokenize_char, tokenize_zh,
                                    [](std::string_view line) { return std::string(line); }};

// Tercom: ideographs and related characters, each a word of its own (0x3F22 as in the reference tool), and
// punctuation.
constexpr Range kIdeographs[] = {{0x2E80, 0x2EFF}, {0x31C0, 0x31EF}, {0x3200, 0x3F22}, {0x3400, 0x4DBF},
                                 {0x4E00, 0x9FFF}, {0xF900, 0xFAFF}, {0xFE30, 0xFE4F}};
constexpr Range kAsianMarks[] = {{0x3001, 0x3002}, {0x3008, 0x3011}, {0x3014, 0x301F}, {0xFF61, 0xFF65},
                                 {0x30FB, 0x30FB}, {0xFF0E, 0xFF0E}, {0xFF0C, 0xFF0C}, {0xFF1F, 0xFF1F},
                                 {0xFF1A, 0xFF1B}, {0xFF01, 0xFF02}, {0xFF08, 0xFF09}};
}  // namespace

Tokenize bleu_tokenizer(std::string_view name) {
  check_known("bleu: tokenizer", name, kNames);
  return kTokenizers[std::find(std::begin(kNames), std::end(kNames), name) - std::begin(kNames)];
}

std::string tokenize_ter(std::string_view line, const TerConfig& c) {
  std::string s = c.case_sensitive ? std::string(line) : lower_case(line);
  if (c.normalized && !s.empty()) {
    replace_all(s, "\n-", "");
    std::replace(s.begin(), s.end(), '\n', ' ');
    unescape(s);
    s = symbols_apart(" " + s + " ");
    replace_all(s, "'s ", " 's ");
    stops_apart(s);
    if (c.asian_support)
      s = set_apart(s, [](char32_t x) { return within(x, kIdeographs) || within(x, kAsianMarks); });
  }
  if (c.no_punct) {
    std::string kept;
    each_character(s, [&](char32_t x, std::string_view bytes) {
      const bool mark =
          x < 0x80 && std::string_view(".,?:;!\"()").find(static_cast<char>(x)) != std::string_view::npos;
      if (!mark && !(c.asian_support && within(x, kAsianMarks))) kept.append(bytes);
    });
    s.swap(kept);
  }
  return joined(s);
}
}  // namespace rum::metrics
