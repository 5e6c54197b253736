// Unicode: strict UTF-8, character classes, NFC, lower case, word breaks. Classes come from one table over
// all code points, filled from ICU on first use; unicode.cc is the one file that includes ICU.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rum {
constexpr char32_t kNotUtf8 = 0x110000;  // stands for a byte that begins no well-formed character

struct Character {
  char32_t code;  // code point, or kNotUtf8
  int bytes;      // 1 to 4; 1 for kNotUtf8
};
// The character at p < end: no surrogates, no overlong forms, nothing above U+10FFFF.
inline Character decode_utf8(const char* p, const char* end) {
  const auto byte = [&](int i) { return static_cast<uint8_t>(p[i]); };
  const auto tail = [&](int i, unsigned low = 0x80, unsigned high = 0xBF) {
    return i < end - p && byte(i) >= low && byte(i) <= high;
  };
  const char32_t a = byte(0);
  if (a < 0x80) return {a, 1};
  if (a >= 0xC2 && a <= 0xDF && tail(1)) return {(a & 31) << 6 | (byte(1) & 63u), 2};
  if ((a & 0xF0) == 0xE0 && tail(1, a == 0xE0 ? 0xA0 : 0x80, a == 0xED ? 0x9F : 0xBF) && tail(2))
    return {(a & 15) << 12 | (byte(1) & 63u) << 6 | (byte(2) & 63u), 3};
  if (a >= 0xF0 && a <= 0xF4 && tail(1, a == 0xF0 ? 0x90 : 0x80, a == 0xF4 ? 0x8F : 0xBF) && tail(2) &&
      tail(3))
    return {(a & 7) << 18 | (byte(1) & 63u) << 12 | (byte(2) & 63u) << 6 | (byte(3) & 63u), 4};
  return {kNotUtf8, 1};
}
// Calls f(code, its bytes) for each character.
template <class F>
void each_character(std::string_view text, const F& f) {
  const char* const end = text.data() + text.size();
  for (const char* p = text.data(); p < end;) {
    const Character c = decode_utf8(p, end);
    f(c.code, std::string_view(p, static_cast<size_t>(c.bytes)));
    p += c.bytes;
  }
}
// How many characters it has: bytes that begin one. Of what is not UTF-8 as well.
size_t characters(std::string_view utf8);
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
// Appends the UTF-8 form of a code point (0 to 0x10FFFF).
void append_utf8(std::string& out, char32_t code);
// Offset of the first byte that is not part of well-formed UTF-8; npos when there is none.
size_t find_invalid_utf8(std::string_view text);

// Any bytes, such as a byte-level model writes, as one line of a text file: line ends, tabs and NUL become
// spaces, and bytes that are not UTF-8 become U+FFFD.
std::string one_line(std::string_view bytes);

// The three classes that pre-tokenizers know: \p{L}, \p{N} and White_Space (\s); kNotUtf8 is `other`.
enum class CharClass : uint8_t { other, letter, number, space };
// 0x110001 entries, one per code point and one for kNotUtf8.
const CharClass* char_classes();
inline CharClass char_class(char32_t code) { return char_classes()[code]; }

// The first letter of the general category (UAX #44), for tokenizers that go by it; kNotUtf8 is `other`.
enum class Category : uint8_t { other, letter, mark, number, punctuation, symbol, separator };
const Category* categories();  // as char_classes()
inline Category category(char32_t code) { return categories()[code]; }

// Is it a letter of a script that is written without blanks between words (Han, Kana, Thai, Lao, Khmer,
// Burmese, Yi, Javanese and their kin)?
bool is_unspaced(char32_t code);
// Where words of such a text may part (UAX #29, ICU's dictionaries): byte offsets, rising, 0 and the end left
// out. The text is UTF-8.
std::vector<size_t> word_breaks(std::string_view text);
// Where sentences of a text part (UAX #29): byte offsets, rising, 0 and the end left out; the blanks after a
// sentence belong to it. The text is UTF-8.
std::vector<size_t> sentence_breaks(std::string_view text);
// Does it draw as an emoji, or change the one before it (skin, U+FE0F)?
bool is_emoji(char32_t code);
// Does it draw nothing: is it a control, or one of Unicode's default ignorable characters?
bool is_invisible(char32_t code);
bool is_virama(char32_t code);  // kills the vowel of the letter before it: Devanagari's U+094D and its kin

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
// With which files in other encodings begin, such as PowerShell's > writes; the longer ones first.
inline constexpr std::pair<std::string_view, const char*> kOtherMarks[] = {{{"\xFF\xFE\0\0", 4}, "UTF-32"},
                                                                           {{"\0\0\xFE\xFF", 4}, "UTF-32"},
                                                                           {"\xFF\xFE", "UTF-16"},
                                                                           {"\xFE\xFF", "UTF-16"}};
// Why a file that begins like this is not read, with the command that converts it behind `unpack`, such as
// "gzip -dc | "; nothing when it begins with none of these marks.
std::optional<std::string> other_encoding(std::string_view start, const std::string& unpack = "");
// Normalisation form C (UAX #15). Error with the byte offset when the text is not UTF-8.
std::string nfc(std::string_view text);
bool is_nfc(std::string_view text);  // would nfc() leave it as it is?
// Full lower case in no particular language (final sigma included). Error when the text is not UTF-8.
std::string lower_case(std::string_view text);
// Full upper case, as lower_case().
std::string upper_case(std::string_view text);
// The first character in full title case, the rest in lower case: Python's str.capitalize(). Error as above.
std::string sentence_case(std::string_view text);
// With its first character in title case (one character for one), the rest as it is.
std::string capitalized(std::string_view text);
}  // namespace rum
