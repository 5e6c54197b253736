// chrF (Popovic 2015) and chrF++ (Popovic 2017): an F score over character n-grams, and word n-grams with
// `word_order`, number for number as in sacreBLEU.
#pragma once
#include <memory>

#include "metrics/metric.h"

namespace rum::metrics {
struct ChrfConfig {
  int char_order = 6, word_order = 0;  // longest n-grams; word_order 2 is chrF++
  int beta = 2;                        // recall counts beta times as much as precision
  bool lowercase = false;              // all of Unicode
  bool whitespace = false;             // blanks count as characters
  bool eps_smoothing = false;          // average F over all orders, as chrF++.py, Moses and NLTK do
};
// Columns: for each order, characters first, the n-grams of the hypothesis (0 where the reference has none),
// of the reference, and those matched. Of several references the one with the best score counts.
std::unique_ptr<Metric> make_chrf(const ChrfConfig& = {});
}  // namespace rum::metrics
