// What is wrong with a translation, compared with its reference and its source: counts of errors of each
// kind, and of the chances for them. Counts add up over sentences, and each measure is a ratio of two sums,
// so resampling sentences never looks at a text again.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/critical.h"
#include "metrics/human_text.h"
#include "metrics/metric.h"

namespace rum::metrics {
struct ErrorCounts {  // of a sentence, or a sum over sentences
  double sentences = 0;
  double hyp_words = 0, ref_words = 0;                                  // words_v2
  double insertions = 0, deletions = 0, substitutions = 0, shifts = 0;  // TER's edits of the translation
  double ter_words = 0;                                                 // of the reference, cut as TER does
  double numbers = 0, numbers_missing = 0, numbers_added = 0;           // numbers: of both sides together
  double names = 0, names_missing = 0, names_added = 0;
  double negated = 0, negation_missing = 0, negation_added = 0;  // negated sides; sentences
  double over = 0, under = 0;                                    // sentences far too long, far too short
  double bits = 0, bits_missing = 0;                             // information in the reference's words
  double sourced_words = 0, copied = 0;                          // words of translations that have a source
  double invented = 0;                                           // words
  double bigrams = 0, repeated = 0;                              // pairs of neighbouring words
  ErrorCounts& operator+=(const ErrorCounts&);
};
struct ErrorWords {  // the words themselves, for display
  std::vector<std::string> numbers_missing, numbers_added, names_missing, names_added, copied, invented;
  std::vector<std::string> repeated;  // "of the"
};
struct SentenceErrors {
  ErrorCounts counts;
  ErrorWords words;
};

struct ErrorRules {
  const HumanText& human;                 // which words exist, and how much information each carries
  Language language = Language::english;  // of translation and reference; the source is in the other one
};
// source: "" if there is none; then copied words cannot be told from invented ones. Error with the
// byte offset when a text is not UTF-8.
SentenceErrors find_errors(std::string_view hypothesis, std::string_view reference, std::string_view source,
                           const ErrorRules&);
// Sentence by sentence, on all threads. sources may be empty. Error when the counts of lines differ.
std::vector<SentenceErrors> find_errors(std::span<const std::string> hypotheses,
                                        std::span<const std::string> references,
                                        std::span<const std::string> sources, const ErrorRules&);

// A measure: errors / chances, each a sum of counts. It has an Explanation of the same name.
struct ErrorMeasure {
  using Count = double ErrorCounts::*;
  const char* name;                        // "number_mismatch"
  std::array<Count, 4> errors, chances{};  // null: nothing
  bool share = true;                       // shown in percent
  double count_errors(const ErrorCounts&) const;
  double count_chances(const ErrorCounts&) const;
  std::optional<double> value(const ErrorCounts&) const;  // undefined when there were no chances
};
std::span<const ErrorMeasure> error_measures();            // in the order of tables
const ErrorMeasure& error_measure(std::string_view name);  // Error with a suggestion
// The names of all counts, in order, for tables and files.
struct NamedCount {
  const char* name;
  ErrorMeasure::Count count;
};
std::span<const NamedCount> error_counts();

// The n sentences with the largest measure, worst first; ties: more errors first, then the earlier sentence.
// Sentences without an error are left out; errors without a chance for one, such as a translation of nothing,
// are the worst.
std::vector<size_t> worst_sentences(std::span<const SentenceErrors>, const ErrorMeasure&, size_t n);
}  // namespace rum::metrics
