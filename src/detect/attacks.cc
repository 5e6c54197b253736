#include "detect/attacks.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/names.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum::detect {
namespace {
using Table = std::map<std::string, std::string, std::less<>>;

// Letters of other scripts that look the same.
const Table& homoglyphs() {
  static const Table t{{"a", "а"}, {"c", "с"}, {"e", "е"}, {"i", "і"}, {"j", "ј"}, {"o", "о"}, {"p", "р"},
                       {"s", "ѕ"}, {"x", "х"}, {"y", "у"}, {"A", "А"}, {"B", "В"}, {"C", "С"}, {"E", "Е"},
                       {"H", "Н"}, {"I", "І"}, {"K", "К"}, {"M", "М"}, {"N", "Ν"}, {"O", "О"}, {"P", "Р"},
                       {"S", "Ѕ"}, {"T", "Т"}, {"X", "Х"}, {"Y", "Υ"}, {"Z", "Ζ"}};
  return t;
}
const Table& misspellings() {
  static const Table t{{"their", "thier"},        {"which", "wich"},
                       {"because", "becuase"},    {"government", "goverment"},
                       {"receive", "recieve"},    {"believe", "beleive"},
                       {"until", "untill"},       {"before", "befor"},
                       {"different", "diffrent"}, {"people", "poeple"},
                       {"would", "woud"},         {"through", "trough"},
                       {"there", "ther"},         {"where", "were"},
                       {"with", "whith"},         {"from", "form"},
                       {"really", "realy"},       {"always", "allways"},
                       {"public", "publick"},     {"business", "buisness"},
                       {"year", "yaer"},          {"after", "affter"},
                       {"several", "serveral"},   {"against", "agianst"},
                       {"country", "contry"},     {"important", "importent"},
                       {"every", "evry"},         {"other", "ohter"},
                       {"about", "abuot"},        {"said", "siad"},
                       {"police", "polcie"},      {"between", "betwen"},
                       {"children", "childern"}};
  return t;
}
// British and American spellings, in both directions.
const Table& spellings() {
  static const Table t = [] {
    const Table one{
        {"colour", "color"},        {"centre", "center"},         {"theatre", "theater"},
        {"favour", "favor"},        {"favourite", "favorite"},    {"labour", "labor"},
        {"neighbour", "neighbor"},  {"honour", "honor"},          {"behaviour", "behavior"},
        {"defence", "defense"},     {"offence", "offense"},       {"licence", "license"},
        {"programme", "program"},   {"organise", "organize"},     {"organisation", "organization"},
        {"realise", "realize"},     {"recognise", "recognize"},   {"travelled", "traveled"},
        {"traveller", "traveler"},  {"cancelled", "canceled"},    {"grey", "gray"},
        {"metre", "meter"},         {"litre", "liter"},           {"aeroplane", "airplane"},
        {"tyre", "tire"},           {"catalogue", "catalog"},     {"dialogue", "dialog"},
        {"kilometre", "kilometer"}, {"kilometres", "kilometers"}, {"organised", "organized"}};
    Table both = one;
    for (const auto& [british, american] : one) both.emplace(american, british);
    return both;
  }();
  return t;
}

// The text with every word (between blanks) replaced by edit(word); the blanks stay.
template <class Edit>
std::string by_word(const std::string& text, Edit&& edit) {
  std::string out;
  size_t at = 0;
  for (const std::string_view word : split_at_blanks(text)) {
    const auto begin = static_cast<size_t>(word.data() - text.data());
    out.append(text, at, begin - at).append(edit(std::string(word)));
    at = begin + word.size();
  }
  return out.append(text, at);
}
template <class Edit>
std::string by_character(const std::string& text, Edit&& edit) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const auto bytes = static_cast<size_t>(decode_utf8(text.data() + i, text.data() + text.size()).bytes);
    out += edit(text.substr(i, bytes), i + bytes < text.size());
    i += bytes;
  }
  return out;
}
bool ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
// The word with its first run of letters looked up in lower case; case and surroundings are kept.
std::string looked_up(const std::string& word, const Table& table, double rate, Draws& draws) {
  const auto begin = std::find_if(word.begin(), word.end(), ascii_letter);
  const auto end = std::find_if_not(begin, word.end(), ascii_letter);
  std::string core(begin, end);
  std::transform(core.begin(), core.end(), core.begin(), [](char c) { return static_cast<char>(c | 0x20); });
  const auto found = table.find(core);
  if (found == table.end() || !draws.with(rate)) return word;
  std::string other = found->second;
  const bool capital = *begin < 'a', capitals = capital && end - begin > 1 && begin[1] < 'a';
  for (size_t i = 0; i < other.size(); ++i)
    if (capitals || (capital && i == 0)) other[i] = static_cast<char>(other[i] & ~0x20);
  return std::string(word.begin(), begin) + other + std::string(end, word.end());
}

std::string homoglyph(const std::string& text, double rate, Draws& draws) {
  return by_character(text, [&](const std::string& c, bool) {
    const auto found = homoglyphs().find(c);
    return found != homoglyphs().end() && draws.with(rate) ? found->second : c;
  });
}
std::string zero_width(const std::string& text, double rate, Draws& draws) {
  return by_character(
      text, [&](const std::string& c, bool more) { return more && draws.with(rate) ? c + "\u200B" : c; });
}
std::string whitespace(const std::string& text, double rate, Draws& draws) {
  return by_character(text,
                      [&](const std::string& c, bool) { return c == " " && draws.with(rate) ? "  " : c; });
}
// Changes the case of a word's first letter, after quotation marks and brackets.
std::string upper_lower(const std::string& text, double rate, Draws& draws) {
  return by_word(text, [&](const std::string& word) {
    const char *at = word.data(), *end = at + word.size();
    Character c = decode_utf8(at, end);
    while (category(c.code) == Category::punctuation && at + c.bytes < end) {
      at += c.bytes;
      c = decode_utf8(at, end);
    }
    const std::string first(at, static_cast<size_t>(c.bytes));
    std::string turned = capitalized(first);
    if (turned == first) turned = lower_case(first);
    if (turned == first || !draws.with(rate)) return word;
    return std::string(word.data(), at) + turned + std::string(at + c.bytes, end);
  });
}
// Changes all digits of a number, or none; a number may contain points.
std::string number(const std::string& text, double rate, Draws& draws) {
  std::string out = text;
  bool inside = false, chosen = false;
  for (char& c : out) {
    const bool begins = !inside && is_digit(c);
    inside = is_digit(c) || (inside && c == '.');
    if (begins) chosen = draws.with(rate);
    if (is_digit(c) && chosen) c = static_cast<char>('0' + draws.below(10));
  }
  return out;
}
// Deletes an article with the blanks before it, or at the start of the text with those after it.
std::string article_deletion(const std::string& text, double rate, Draws& draws) {
  std::string out;
  size_t at = 0;
  for (const std::string_view word : split_at_blanks(text)) {
    const auto begin = static_cast<size_t>(word.data() - text.data()), end = begin + word.size();
    const std::string low = lower_case(word);
    if ((low == "a" || low == "an" || low == "the") && draws.with(rate)) {
      at = end;
      continue;
    }
    if (out.empty() && at > 0) at = begin;
    out.append(text, at, end - at);
    at = end;
  }
  return out.append(text, at);
}
std::string misspelling(const std::string& text, double rate, Draws& draws) {
  return by_word(text, [&](const std::string& word) { return looked_up(word, misspellings(), rate, draws); });
}
std::string alternative_spelling(const std::string& text, double rate, Draws& draws) {
  return by_word(text, [&](const std::string& word) { return looked_up(word, spellings(), rate, draws); });
}
std::string paragraph(const std::string& text, double rate, Draws& draws) {
  bool ended = false;
  return by_character(text, [&](const std::string& c, bool) {
    const bool here = ended && c == " " && draws.with(rate);
    ended = c == "." || c == "!" || c == "?";
    return here ? "\n\n" : c;
  });
}
constexpr Attack kAttacks[] = {
    {"homoglyph", "letters of other scripts that look the same", 1, homoglyph},
    {"zero_width", "an invisible space between characters", 1, zero_width},
    {"whitespace", "a second space between words", 0.2, whitespace},
    {"upper_lower", "the case of first letters changed", 0.05, upper_lower},
    {"number", "numbers with other digits", 0.5, number},
    {"article_deletion", "a, an, the deleted", 0.5, article_deletion},
    {"misspelling", "common words misspelled", 0.2, misspelling},
    {"alternative_spelling", "British for American spellings and vice versa", 1, alternative_spelling},
    {"paragraph", "an empty line between sentences", 0.5, paragraph},
};
}  // namespace

std::span<const Attack> attacks() { return kAttacks; }
std::string attack(const std::string& name, const std::string& target, uint32_t seed, uint32_t text) {
  const Attack& a = find_named(kAttacks, name, "attack");
  Draws draws(seed, text);
  return a.apply(target, a.rate, draws);
}
}  // namespace rum::detect
