// What all measures of translations share: a sentence gives a row of numbers, rows add up, and a score is a
// function of the sum. So a corpus, a bootstrap resample and a swap between two systems are all sums of the
// same rows, and nothing is ever counted twice (significance.h).
#pragma once
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/json.h"

namespace rum::metrics {
// One reference: a line per sentence, or none for a sentence that it lacks.
using Reference = std::vector<std::optional<std::string>>;

class Metric {
 public:
  virtual ~Metric() = default;
  virtual std::string name() const = 0;      // as sacreBLEU prints it: "BLEU", "chrF2++", "TER"
  virtual std::string settings() const = 0;  // the middle of the signature: "case:mixed|eff:no|..."
  virtual bool higher_is_better() const { return true; }
  virtual std::vector<std::string> columns() const = 0;  // the names of the numbers in a row
  // Several systems' translations of one sentence against its references (at least one), which are prepared
  // only once. Writes a row of columns().size() numbers per system.
  virtual void count(std::span<const std::string_view> hypotheses,
                     std::span<const std::string_view> references, std::span<double> rows) const = 0;
  virtual double score(std::span<const double> sum) const = 0;  // of a sum of rows
  // The score and its components, under sacreBLEU's names.
  virtual Json::Object fields(std::span<const double> sum) const = 0;
  virtual std::string details(std::span<const double>) const { return ""; }  // printed after the score
};

// The rows of one system, one per sentence.
struct Rows {
  size_t columns = 0;
  std::vector<double> values;  // sentences x columns
  size_t size() const { return columns ? values.size() / columns : 0; }
  std::span<const double> operator[](size_t i) const { return {values.data() + i * columns, columns}; }
  std::vector<double> sum() const;  // in the order of sentences
};

// "bleu", "chrf", "chrf++" or "ter", in any case, with options under sacreBLEU's names (max_ngram_order,
// word_order, no_punct, ...). Error with a suggestion for anything unknown.
std::unique_ptr<Metric> make_metric(std::string_view name, const Json::Object& options = {});
std::span<const std::string> metric_names();  // those four names

// The rows of every system, on all threads. Error when a system or a reference has a different number of
// lines than the first system, or when a sentence has no reference at all.
std::vector<Rows> count(const Metric&, std::span<const std::vector<std::string>> systems,
                        std::span<const Reference> references);
Rows count(const Metric&, const std::vector<std::string>& system, std::span<const Reference> references);

// How many references each sentence has; "var" when that differs.
std::string reference_count(std::span<const Reference>);
// "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:...", sacreBLEU's keys with our own version.
// `trials`: what follows the references, e.g. "bs:1000|seed:1".
std::string signature(const Metric&, const std::string& references = "1", const std::string& trials = "");
// "BLEU = 26.60 58.9/32.3/20.1/13.0 (BP = 1.000 ratio = 1.020 hyp_len = 62496 ref_len = 61287)"
std::string line(const Metric&, std::span<const double> sum, int width = 2);

// For the metrics' own files: an option and where its value is stored.
struct Option {
  const char* name;
  std::variant<bool*, int*, double*, std::string*> to;
};
// Stores each given option. Error: an unknown option, with a suggestion, or a value of the wrong type.
void read_options(const char* metric, const Json::Object& given, std::initializer_list<Option> known);
// Error that lists `known`, with a suggestion, unless `name` is one of them.
void check_known(const char* what, std::string_view name, std::span<const std::string> known);
}  // namespace rum::metrics
