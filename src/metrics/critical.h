// What a translation must not lose: numbers, names, negation. Found by rules that can be checked by eye, in
// English and German.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rum::metrics {
enum class Language : uint8_t { english, german };  // whose rules apply
struct NamedLanguage {
  const char* name;  // its code (ISO 639): "en"
  Language rules;
  const char* in_english;
};
std::span<const NamedLanguage> languages();
const NamedLanguage& language_named(std::string_view code);  // Error that lists the known ones

// The numbers of a line in order, in one form for both languages: no thousands separators, and a decimal
// point. "1.000" and "1,000" give 1000; "3,5" and "3.5" give 3.5; see numbers.
std::vector<std::string> numbers_in(std::string_view line);
// Capitalised words that do not start a sentence, in order; see name_mismatch. In German these are all nouns.
std::vector<std::string> names_in(std::string_view line, Language);
// All words of a line in the form in which names are compared: split at hyphens, and in English without a
// possessive 's.
std::vector<std::string> name_forms(std::string_view line, Language);
// Is any of these words (words_v2) a negation?
bool negated(const std::vector<std::string>& words, Language);
}  // namespace rum::metrics
