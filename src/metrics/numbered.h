// Text as numbers: every distinct word gets a number once, and everything after that counts integers.
// Counting again, which permutation tests do a thousand times, never touches a string.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace rum::metrics {
// Words numbered from 0 in order of first occurrence.
class Vocabulary {
 public:
  int32_t add(std::string_view word);         // a new number if the word is new
  int32_t find(std::string_view word) const;  // -1 if it was never added
  size_t size() const { return words_.size(); }
  const std::string& word(int32_t number) const { return *words_[static_cast<size_t>(number)]; }

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, int32_t, Hash, std::equal_to<>> numbers_;
  std::vector<const std::string*> words_;
};

struct NumberedLines {
  std::vector<int32_t> tokens;    // all lines, one after another
  std::vector<size_t> begins{0};  // line i is tokens[begins[i]] up to and excluding tokens[begins[i + 1]]
  size_t lines() const { return begins.size() - 1; }
  std::span<const int32_t> line(size_t i) const {
    return {tokens.data() + begins[i], begins[i + 1] - begins[i]};
  }
};
using Cut = std::vector<std::string> (*)(std::string_view line);
// Lines cut into tokens (on all threads) and numbered. Error with line number and byte offset if a line is
// not UTF-8 and `cut` requires it.
NumberedLines number_lines(std::span<const std::string> lines, Vocabulary&, Cut cut);
NumberedLines number_words(std::span<const std::string> lines, Vocabulary&);  // cut by words_v2

// The n-grams of one n, with one numbering for several corpora.
struct SharedNgrams {
  std::vector<NumberedLines> corpora;
  size_t size = 0;  // how many different ones there are: every number is below this
};
// Those one token longer than `shorter` (null: n = 2, from the words themselves); none crosses a line. Exact
// and without a hash table: n-grams are sorted by the number of their first n - 1 tokens and the last token,
// which takes 12 bytes a token besides what is returned. Error above 2^31 tokens.
SharedNgrams longer_ngrams(std::span<const NumberedLines* const> words, const SharedNgrams* shorter);

// How often each number below `size` occurs.
std::vector<int32_t> count_tokens(std::span<const int32_t> tokens, size_t size);
}  // namespace rum::metrics
