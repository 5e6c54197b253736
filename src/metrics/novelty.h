// N-gram novelty (McCoy et al. 2023): what share of a text's n-grams does not occur in the training corpus,
// for all n at once, and the longest stretch copied from it. A suffix automaton holds the text; the training
// corpus streams through it once and need not fit into memory. Exact, in linear time.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "metrics/numbered.h"
#include "text/pair_table.h"

namespace rum::metrics {
struct Novelty {
  struct Order {
    int64_t ngrams = 0, novel = 0;
    double share() const;  // novel / ngrams, NaN without any
  };
  std::vector<Order> orders;  // n = 1, 2, ...
  // The longest copied stretch, in tokens, and where it first begins in the text; -1: nothing was copied.
  int64_t longest = 0, line = -1, begin = -1;
};

class CopyFinder {
 public:
  explicit CopyFinder(NumberedLines text);  // no stretch crosses a line
  // A line of the training corpus, numbered by the text's vocabulary; -1: a word that the text lacks.
  void train(std::span<const int32_t> line);
  // The same for lines, cut by words_v2 on all threads. Error when one is not UTF-8.
  void train(std::span<const std::string> lines, const Vocabulary& of_text);
  // Against all lines given to train() so far.
  Novelty novelty(size_t orders) const;

 private:
  struct State {  // stretches that end at the same places in the text: lengths (link's length, length]
    int32_t link, length;
    int32_t edges = -1;    // the first of its list
    int32_t attested = 0;  // the longest that the training corpus holds
  };
  struct Edge {
    int32_t token, next;
  };
  int32_t extend(int32_t last, int32_t token);
  int32_t copy_of(int32_t state, int32_t length);
  void connect(int32_t from, int32_t token, int32_t to);

  NumberedLines text_;
  std::vector<State> states_;
  std::vector<Edge> edges_;
  PairTable targets_;  // (state, token) to state
};
}  // namespace rum::metrics
