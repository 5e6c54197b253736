#include "text/unicode.h"

#include <unicode/brkiter.h>
#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/utext.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "base/error.h"

namespace rum {
std::optional<std::string> other_encoding(std::string_view start, const std::string& unpack) {
  for (const auto& [mark, name] : kOtherMarks)
    if (start.starts_with(mark))
      return fmt::format("{}, expected UTF-8; `{}iconv -f {} -t UTF-8` converts it", name, unpack, name);
  return std::nullopt;
}
namespace {
bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}
void check(UErrorCode status, const char* what) {
  RUM_CHECK(U_SUCCESS(status), "{} failed: {}", what, u_errorName(status));
}
icu::StringPiece utf8(std::string_view text, const char* what) {
  const size_t bad = find_invalid_utf8(text);
  RUM_CHECK(bad == std::string_view::npos, "{}: the text is not UTF-8 at byte {}", what, bad + 1);
  RUM_CHECK(text.size() < size_t{1} << 30, "{}: {} bytes in one text, at most 1 GiB", what, text.size());
  return {text.data(), static_cast<int32_t>(text.size())};
}
constexpr std::pair<uint32_t, Category> kGroups[] = {
    {U_GC_L_MASK, Category::letter}, {U_GC_M_MASK, Category::mark},
    {U_GC_N_MASK, Category::number}, {U_GC_P_MASK, Category::punctuation},
    {U_GC_S_MASK, Category::symbol}, {U_GC_Z_MASK, Category::separator}};
std::vector<Category> make_categories() {
  std::vector<Category> table(kNotUtf8 + 1, Category::other);
  const auto fill = [](const void* context, UChar32 start, UChar32 limit, UCharCategory general) -> UBool {
    auto* to = static_cast<Category*>(const_cast<void*>(context));
    for (const auto& [group, category] : kGroups)
      if (U_MASK(general) & group) std::fill(to + start, to + limit, category);
    return true;
  };
  u_enumCharTypes(fill, table.data());
  return table;
}
std::vector<CharClass> make_classes() {
  std::vector<CharClass> table(kNotUtf8 + 1, CharClass::other);
  for (char32_t c = 0; c < kNotUtf8; ++c) {
    if (category(c) == Category::letter) table[c] = CharClass::letter;
    if (category(c) == Category::number) table[c] = CharClass::number;
  }
  for (char32_t c = 0; c < 0x3001; ++c)  // all of White_Space lies below; it is disjoint from L and N
    if (u_isUWhiteSpace(static_cast<UChar32>(c))) table[c] = CharClass::space;
  return table;
}
}  // namespace

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | c >> 6);
    return put(0x80 | (c & 63));
  }
  if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 63));
    return put(0x80 | (c & 63));
  }
  put(0xF0 | c >> 18);
  put(0x80 | (c >> 12 & 63));
  put(0x80 | (c >> 6 & 63));
  put(0x80 | (c & 63));
}
size_t characters(std::string_view s) {
  return static_cast<size_t>(std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}
size_t find_invalid_utf8(std::string_view text) {
  const char *p = text.data(), *end = p + text.size();
  while (p < end) {
    uint64_t eight;
    if (end - p >= 8 && (std::memcpy(&eight, p, 8), (eight & 0x8080808080808080u) == 0)) {
      p += 8;
      continue;
    }
    const Character c = decode_utf8(p, end);
    if (c.code == kNotUtf8) return static_cast<size_t>(p - text.data());
    p += c.bytes;
  }
  return std::string_view::npos;
}
std::string one_line(std::string_view bytes) {
  std::string out;
  const char* const end = bytes.data() + bytes.size();
  for (const char* p = bytes.data(); p < end;) {
    const Character c = decode_utf8(p, end);
    if (c.code == kNotUtf8)
      append_utf8(out, 0xFFFD);
    else if (c.code == '\n' || c.code == '\r' || c.code == '\t' || c.code == 0)
      out += ' ';
    else
      out.append(p, static_cast<size_t>(c.bytes));
    p += c.bytes;
  }
  return out;
}
const CharClass* char_classes() {
  static const std::vector<CharClass> table = make_classes();
  return table.data();
}
const Category* categories() {
  static const std::vector<Category> table = make_categories();
  return table.data();
}
std::string nfc(std::string_view text) {
  if (is_ascii(text)) return std::string(text);
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* form = icu::Normalizer2::getNFCInstance(status);
  check(status, "loading NFC");
  std::string out;
  icu::StringByteSink<std::string> sink(&out, static_cast<int32_t>(text.size()));
  form->normalizeUTF8(0, utf8(text, "NFC"), sink, nullptr, status);
  check(status, "NFC");
  return out;
}
bool is_nfc(std::string_view text) {
  if (is_ascii(text)) return true;
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* form = icu::Normalizer2::getNFCInstance(status);
  check(status, "loading NFC");
  const bool is = form->isNormalizedUTF8(utf8(text, "NFC"), status);
  check(status, "NFC");
  return is;
}
namespace {
// What `map`, one of ICU's, makes of a text; `what` names it in errors.
template <class Map>
std::string mapped(std::string_view text, const char* what, Map&& map) {
  std::string out;
  UErrorCode status = U_ZERO_ERROR;
  icu::StringByteSink<std::string> sink(&out, static_cast<int32_t>(text.size()));
  map(utf8(text, what), sink, status);
  check(status, what);
  return out;
}
}  // namespace
std::string lower_case(std::string_view text) {
  if (is_ascii(text)) {
    std::string out(text);
    for (char& c : out)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    return out;
  }
  return mapped(text, "lower case", [](icu::StringPiece from, icu::ByteSink& to, UErrorCode& status) {
    icu::CaseMap::utf8ToLower("", 0, from, to, nullptr, status);
  });
}
std::string upper_case(std::string_view text) {
  return mapped(text, "upper case", [](icu::StringPiece from, icu::ByteSink& to, UErrorCode& status) {
    icu::CaseMap::utf8ToUpper("", 0, from, to, nullptr, status);
  });
}
std::string sentence_case(std::string_view text) {
  constexpr uint32_t kWhole = U_TITLECASE_WHOLE_STRING | U_TITLECASE_NO_BREAK_ADJUSTMENT;
  return mapped(text, "sentence case", [](icu::StringPiece from, icu::ByteSink& to, UErrorCode& status) {
    icu::CaseMap::utf8ToTitle("", kWhole, nullptr, from, to, nullptr, status);
  });
}
bool is_unspaced(char32_t code) {
  if (code < 0xE00 || code >= kNotUtf8) return false;
  const auto c = static_cast<UChar32>(code);
  const int32_t line_break = u_getIntPropertyValue(c, UCHAR_LINE_BREAK);
  if (line_break == U_LB_COMPLEX_CONTEXT) return true;
  if (category(code) != Category::letter && line_break != U_LB_IDEOGRAPHIC) return false;
  UErrorCode status = U_ZERO_ERROR;
  const UScriptCode script = uscript_getScript(c, &status);
  // Of the last two ICU's property says nothing, though they have no blanks either.
  return uscript_breaksBetweenLetters(script) || script == USCRIPT_JAVANESE || script == USCRIPT_BALINESE;
}
namespace {
using Breaks = std::unique_ptr<icu::BreakIterator>;
Breaks loaded(icu::BreakIterator* (*create)(const icu::Locale&, UErrorCode&), const char* what) {
  UErrorCode status = U_ZERO_ERROR;
  Breaks out(create(icu::Locale::getRoot(), status));
  check(status, what);
  return out;
}
std::vector<size_t> breaks(icu::BreakIterator& iterator, std::string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  UText* chars = utext_openUTF8(nullptr, text.data(), static_cast<int64_t>(text.size()), &status);
  check(status, "breaks");
  iterator.setText(chars, status);
  std::vector<size_t> out;
  for (int32_t at = iterator.next(); at != icu::BreakIterator::DONE; at = iterator.next())
    if (static_cast<size_t>(at) < text.size()) out.push_back(static_cast<size_t>(at));
  utext_close(chars);
  check(status, "breaks");
  return out;
}
}  // namespace
// One iterator for each thread: making one reads the rules, and one is not to be shared.
std::vector<size_t> word_breaks(std::string_view text) {
  static thread_local const Breaks words =
      loaded(icu::BreakIterator::createWordInstance, "loading the word breaks");
  return breaks(*words, text);
}
std::vector<size_t> sentence_breaks(std::string_view text) {
  static thread_local const Breaks sentences =
      loaded(icu::BreakIterator::createSentenceInstance, "loading the sentence breaks");
  return breaks(*sentences, text);
}
bool is_emoji(char32_t code) {
  const auto c = static_cast<UChar32>(code);
  return code == 0xFE0F || (code >= 0xA9 && code < kNotUtf8 &&
                            (u_hasBinaryProperty(c, UCHAR_EXTENDED_PICTOGRAPHIC) ||
                             u_hasBinaryProperty(c, UCHAR_EMOJI_MODIFIER)));
}
bool is_invisible(char32_t code) {
  const auto c = static_cast<UChar32>(code);
  return u_iscntrl(c) || u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT);
}
bool is_virama(char32_t code) {
  return code >= 0x94D && code < kNotUtf8 && u_getCombiningClass(static_cast<UChar32>(code)) == 9;
}
std::string capitalized(std::string_view text) {
  if (text.empty()) return "";
  const Character first = decode_utf8(text.data(), text.data() + text.size());
  if (first.code == kNotUtf8) return std::string(text);
  std::string out;
  append_utf8(out, static_cast<char32_t>(u_totitle(static_cast<UChar32>(first.code))));
  return out.append(text.substr(static_cast<size_t>(first.bytes)));
}
}  // namespace rum
