// How alike the sentences of a list are to each other: self-BLEU (each sentence against all the others) and
// homogenisation (ROUGE-L of pairs). Self-BLEU is exact in linear time: the others' count of an n-gram is its
// highest count in any sentence or, for the sentence that has the highest, the second highest.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "metrics/bleu.h"
#include "metrics/numbered.h"

namespace rum::metrics {
// BLEU's rows (bleu.h, 4 orders) of each line with all other lines as its references.
Rows leave_one_out(const NumberedLines& tokens);
// BLEU of each line (13a, exponential smoothing, effective order), in 0..100. Empty below two lines.
std::vector<double> self_bleu(std::span<const std::string> lines);
// As in Texygen: words_v2, 4-grams, 0.1 for an order without a match (NLTK's method1), no effective order.
std::vector<double> self_bleu_words(const NumberedLines& words);

// Mean ROUGE-L F1 over all pairs of lines. ROUGE's tokens: lower case, stretches of a-z and 0-9. The cost is
// quadratic, so of more than `most` lines only that many, evenly spaced, are compared. Undefined below two
// lines.
constexpr size_t kHomogenizationLines = 2000;
double homogenization_rouge_l(std::span<const std::string> lines, size_t most = kHomogenizationLines);
// Length of the longest common subsequence, 64 cells at a time (Hyyro 2004). `masks`: a zero for each token
// number; zero again on return.
int64_t longest_common_subsequence(std::span<const int32_t> a, std::span<const int32_t> b,
                                   std::vector<uint64_t>& masks);
}  // namespace rum::metrics
