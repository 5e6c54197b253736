// How a line is cut into words to be measured: at blanks, like Python's str.split and so most reference
// tools, or by `words`, the tokenizer of every lexical measure here.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace rum {
// Python's str.isspace(): more than ASCII, and more than Unicode's White_Space (U+001C to U+001F).
bool is_blank(char32_t code);
// The stretches between blanks, none of them empty. Bytes that are not UTF-8 are not blanks.
std::vector<std::string_view> split_at_blanks(std::string_view line);
// Nothing but blanks and what draws nothing: controls, Unicode's default ignorable characters.
bool blank_line(std::string_view line);
// The line without the blanks at its beginning, and at its end.
std::string_view without_leading_blanks(std::string_view line);
std::string_view without_trailing_blanks(std::string_view line);
// The line without the blanks at either end: Python's str.strip().
std::string_view without_outer_blanks(std::string_view line);

// For tests: the tokenizer `words_v1`: lower case, then the longest stretches of letters, marks and numbers
// (L, M, N), joined across a single inner apostrophe (U+0027, U+2019) or hyphen (U+002D, U+2010) that has
// such a character on both sides. Punctuation is dropped. Error with the byte offset when the line is not
// UTF-8.
std::vector<std::string> words_v1(std::string_view line);
// `words_v2`: the same, and a stretch is parted where ICU's dictionaries see a new word begin before or after
// a letter of a script without blanks (is_unspaced()), and behind each syllable of Tibetan; U+200C and U+200D
// between two characters of a word are part of it, and a soft hyphen (U+00AD), which only says where a line
// may break, is as good as not there. Every lexical measure here counts these.
std::vector<std::string> words(std::string_view line);
// The same stretches where they are in the line, in their own case and with the soft hyphens inside them.
std::vector<std::string_view> words_in(std::string_view line);
// Whether the line has a letter of a script that is written without blanks between words: is_unspaced(), or
// Tibetan.
bool has_unspaced(std::string_view line);
// The parts of one stretch without blanks, as above, and of Tibetan its syllables, each with the tsheg (U+0F0B)
// behind it; the stretch itself when its script has blanks.
void part_unspaced(std::string_view stretch, std::vector<std::string_view>& out);  // appends
}  // namespace rum
