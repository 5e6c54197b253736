// Character and word n-grams as numbers: an n-gram's MurmurHash3 gives its column and its sign, so no
// vocabulary is stored (Weinberger et al. 2009). They are cut and hashed as in scikit-learn's
// HashingVectorizer.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "detect/detector.h"

namespace rum::detect {
// MurmurHash3_x86_32 (Appleby, public domain), signed as the reference tools use it; other seeds are for
// tests.
int32_t murmur3(std::string_view bytes, uint32_t seed = 0);

enum class Analyzer : uint8_t {
  chars,           // "char": of the whole line
  chars_in_words,  // "char_wb": of each word between blanks, with one blank on either side
  words,           // "word": of runs of at least two letters, digits or underscores
  word_pairs       // "pair": each word of the source with each of the target
};
struct Ngrams {
  Analyzer analyzer = Analyzer::chars_in_words;
  int low = 2, high = 5;  // lengths; always 1 for pairs
};
// Parses "char_wb:2-5,word:1-2"; Error with a suggestion.
std::vector<Ngrams> parse_ngrams(const std::string& text);
std::string to_string(std::span<const Ngrams>);

struct Ngram {
  std::string_view bytes;  // lower-cased; lives until the next one
  size_t begin, end;       // its bytes in the lower-cased target
};
// Both sides in lower case, made once for all kinds of n-grams.
struct Lowered {
  std::string source, target;
  explicit Lowered(const Text&);
};

// Sums the signs of one text's n-grams by column. Reused between texts, since it has an entry for every
// column.
class Hasher {
 public:
  explicit Hasher(uint32_t columns) : columns_(columns), count_(columns) {}
  struct Hashed {
    uint32_t column;
    int32_t count;
  };
  // The columns of one kind of n-grams in the order in which they first occur. Lives until the next call.
  std::span<const Hashed> count(const Lowered&, const Ngrams&);
  // Sum of sign x weight over the n-grams, divided by the length of their vector; 0 for none.
  double dot(const Lowered&, const Ngrams&, std::span<const double> weights);

 private:
  static constexpr int32_t kTaken = INT32_MIN;  // never a sum of signs
  void hash(const Lowered&, const Ngrams&, std::span<const double> weights);
  uint32_t columns_;
  std::vector<int32_t> count_;  // 0 between texts
  std::vector<Hashed> signs_;   // one per n-gram
  std::vector<Hashed> out_;
};
// Every n-gram with its column and sign, for explaining.
void for_each_ngram(const Lowered&, const Ngrams&, uint32_t columns,
                    const std::function<void(const Ngram&, uint32_t column, int sign)>&);
double length(std::span<const Hasher::Hashed>);  // of the vector of counts
}  // namespace rum::detect
