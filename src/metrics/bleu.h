// BLEU (Papineni et al. 2002) with the tokenizations and smoothings (Chen and Cherry 2014) of sacreBLEU (Post
// 2018), number for number.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "metrics/metric.h"

namespace rum::metrics {
struct BleuConfig {
  std::string tokenize = "13a";  // a name of tokenize.h
  std::string smooth = "exp";    // exp, floor, add-k, none: how an order without a match counts
  double smooth_value = -1;      // of floor and add-k; negative: 0.1 and 1
  bool lowercase = false;        // all of Unicode
  bool effective_order = false;  // ignore orders longer than the hypothesis: for sentences
  int max_ngram_order = 4;
};
struct Bleu {
  double score = 0, brevity_penalty = 0;            // score in 0..100
  std::vector<double> precisions, matches, totals;  // per order; in 0..100, smoothed; with add-k's
  double hyp_len = 0, ref_len = 0;                  // tokens; ref_len: of each sentence's closest reference
};
// From a sum of rows: hyp_len, ref_len, then the matches and totals of each order.
Bleu bleu(std::span<const double> sum, const BleuConfig& = {});
// Are most of these sentences written without blanks between their words? A metric whose words stand between blanks
// would take each for one word.
bool without_blanks(std::span<const std::string> sentences);
// BLEU's tokenizer for translations into the language of these references: "char" without_blanks(), else "13a".
std::string fitting_tokenizer(std::span<const std::string> references);
// Error for an unknown tokenizer or smoothing. Text must be UTF-8.
std::unique_ptr<Metric> make_bleu(const BleuConfig& = {});

// With one reference.
Bleu corpus_bleu(const std::vector<std::string>& hypotheses, const std::vector<std::string>& references,
                 const BleuConfig& = {});
}  // namespace rum::metrics
