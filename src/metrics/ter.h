// TER, translation edit rate (Snover et al. 2006): the fewest edits that turn a translation into its
// reference, where moving a stretch of words is one edit, divided by the reference's words. The moves that
// are tried and the beam of the edit distance are those of sacreBLEU's Tercom, edit for edit.
#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "metrics/metric.h"
#include "metrics/tokenize.h"

namespace rum::metrics {
struct TerEdits {             // of the translation, to make it the reference
  int64_t insertions = 0;     // words of the reference that are missing
  int64_t deletions = 0;      // words that are not in the reference
  int64_t substitutions = 0;  // words that are wrong
  int64_t shifts = 0;         // stretches moved
  int64_t total() const { return insertions + deletions + substitutions + shifts; }
};
// Words as numbers, equal if the words are.
TerEdits ter_edits(std::span<const uint32_t> hypothesis, std::span<const uint32_t> reference);

// Columns: edits, ref_length (mean over the references), insertions, deletions, substitutions, shifts, all of
// the reference with the fewest edits.
std::unique_ptr<Metric> make_ter(const TerConfig& = {});
}  // namespace rum::metrics
