// What a translation must not lose: numbers, names, negation. Found by rules that can be checked by eye, in
// English and German.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rum::metrics {
enum class Language : uint8_t { english, german };  // whose rules apply

// The numbers of a line in order, written alike whichever of the two languages wrote them: no thousands
// separators, a decimal point. "1.000" and "1,000" give 1000; "3,5" and "3.5" give 3.5; see numbers.
std::vector<std::string> numbers_in(std::string_view line);
// Words with a capital letter that the beginning of a sentence does not explain, in order; see name_mismatch.
// In German these are all nouns.
std::vector<std::string> names_in(std::string_view line, Language);
// All words of a line as names are compared: hyphens part them, in English a possessive 's is cut off.
std::vector<std::string> name_forms(std::string_view line, Language);
// Is one of these words (words_v2) a negation?
bool negated(const std::vector<std::string>& words, Language);
}  // namespace rum::metrics
