// Replacing words in text that otherwise stays as written: where words stand among punctuation, and how a
// corpus spells them.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace rum::edits {
// What blanks part: a word with the marks before and after it, or marks alone (then `word` is empty). The
// word runs from the first word of words_v2 to the last: "U.S".
struct MarkedWord {
  std::string_view before, word, after;
};
std::vector<MarkedWord> marked_words(std::string_view line);  // of a line, in order

// How a corpus writes its words within a sentence: "Berlin", "house", "NATO".
class Spelling {
 public:
  explicit Spelling(std::span<const std::string> lines);
  // The word (lower case) in its most frequent form, the first word of a line counting only if there is no
  // other place; with a capital at the beginning when asked for.
  std::string write(const std::string& word, bool capital = false) const;
  // The line with other words (of words_v2): now(i) is what word i becomes, in lower case, or "" for what it
  // is. What takes the place of a first word that has a capital gets one.
  std::string exchange(std::string_view line, const std::function<std::string(size_t i)>& now) const;

 private:
  std::unordered_map<std::string, std::string> forms_;
};
}  // namespace rum::edits
