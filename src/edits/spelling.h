// Replaces words in text that is otherwise unchanged: where words are among punctuation, and how a corpus
// spells them.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace rum::edits {
// A piece between blanks: a word with the punctuation before and after it, or punctuation alone (then `word`
// is empty). The word spans all of its words_v2 words: "U.S".
struct MarkedWord {
  std::string_view before, word, after;
};
std::vector<MarkedWord> marked_words(std::string_view line);  // of a line, in order

// How a corpus spells its words within a sentence: "Berlin", "house", "NATO".
class Spelling {
 public:
  explicit Spelling(std::span<const std::string> lines);
  // The word (given in lower case) in its most frequent form, where first words of lines count only if there
  // is no other occurrence; with an initial capital if requested.
  std::string write(const std::string& word, bool capital = false) const;
  // The line with some words (of words_v2) replaced: now(i) is the new word i, in lower case, or "" to keep
  // it. The replacement of a capitalised first word gets a capital.
  std::string exchange(std::string_view line, const std::function<std::string(size_t i)>& now) const;

 private:
  std::unordered_map<std::string, std::string> forms_;
};
}  // namespace rum::edits
