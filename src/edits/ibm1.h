// IBM model 1 (Brown et al. 1993): word translation probabilities from sentence pairs, by expectation
// maximisation. Every word on one side was made by a word on the other, or by none, and all alignments are
// equally likely.
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
  // In the order of `made`; empty for a word that was in no pair.
  std::span<const Entry> of(int32_t given) const {
    const auto i = static_cast<size_t>(given);
    return {entries_.data() + begins_[i], entries_.data() + begins_[i + 1]};
  }
  float p(int32_t made, int32_t given) const;  // 0 if the two never co-occurred

 private:
  friend TranslationTable ibm1(const metrics::NumberedLines&, const metrics::NumberedLines&, size_t, int);
  size_t cell(int32_t made, int32_t given) const;  // where its entry is or would be
  std::vector<size_t> begins_;
  std::vector<Entry> entries_;
};

// Line i of `made` translates line i of `given`, whose word numbers are below `given_words`. Word
// `given_words` of the table is the empty word, which makes the words that no other word does. Error when the
// two differ in length.
TranslationTable ibm1(const metrics::NumberedLines& given, const metrics::NumberedLines& made,
                      size_t given_words, int iterations = 5);
}  // namespace rum::edits
