#include "experiment/measures.h"

#include "base/error.h"
#include "base/names.h"

namespace rum::experiment {
namespace {
constexpr TargetMeasure kErrors[] = {
    {"1-bleu", -1},  // one minus the mean of sentence scores
    {"1-chrf", -1},
    {"ter", -1, true},
    {"ter_insert", -1},
    {"ter_delete", -1},
    {"ter_substitute", -1},
    {"ter_shift", -1},
    {"number_mismatch", -1, true},
    {"name_mismatch", -1, true},
    {"negation_mismatch", -1, true},
    {"over_translation", -1},
    {"under_translation", -1},
    {"length_ratio", 0},  // 1 is best
    {"content_missing", -1, true},
    {"copied_words", -1},
    {"invented_words", -1, true},
    {"repeated_bigrams", -1},
};
constexpr TargetMeasure kDiversity[] = {
    {"tokens", 0},  // length
    {"types", 1},
    {"expected_types", 1, true},
    {"attested_types", 1},
    {"unattested_types", 0},  // rare words and invented ones
    {"attested_expected_types", 1, true},
    {"mattr_50", 1, true},
    {"mtld", 1, true},
    {"hdd_42", 1, true},
    {"yule_k", -1},  // how often two words drawn are the same
    {"entropy_bits", 1, true},
    {"distinct_2", 1, true},
    {"hapax_ratio_types", 1},
};
}  // namespace

std::span<const TargetMeasure> measures_of(std::string_view kind) {
  RUM_CHECK(kind == "errors" || kind == "diversity", "no measures of kind \"{}\"", kind);
  if (kind == "errors") return kErrors;
  return kDiversity;
}
const TargetMeasure& measure_of(std::string_view kind, std::string_view name) {
  return find_named(measures_of(kind), name, fmt::format("measure of {}", kind));
}
}  // namespace rum::experiment
