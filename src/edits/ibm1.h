// IBM model 1 (Brown et al. 1993): word translation probabilities from sentence pairs, by expectation
// maximisation. Every word of one side was made by some word of the other, or by none, and any order is as
// likely as another.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "metrics/numbered.h"

namespace rum::edits {
class TranslationTable {
 public:
  struct Entry {
    int32_t made;
    float p;  // p(made | given); the entries of a word add up to 1
  };
  // In the order of `made`; none for a word that was in no pair.
  std::span<const Entry> of(int32_t given) const {
    const auto i = static_cast<size_t>(given);
    return {entries_.data() + begins_[i], entries_.data() + begins_[i + 1]};
  }
  float p(int32_t made, int32_t given) const;  // 0 when the two never met

 private:
  friend TranslationTable ibm1(const metrics::NumberedLines&, const metrics::NumberedLines&, size_t, int);
  size_t cell(int32_t made, int32_t given) const;  // where its entry is or would be
  std::vector<size_t> begins_;
  std::vector<Entry> entries_;
};

// Line i of `made` translates line i of `given`, whose numbers are less than `given_words`. The table's word
// `given_words` is the empty word, which makes what no other does. Error when the two differ in length.
TranslationTable ibm1(const metrics::NumberedLines& given, const metrics::NumberedLines& made,
                      size_t given_words, int iterations = 5);
}  // namespace rum::edits
