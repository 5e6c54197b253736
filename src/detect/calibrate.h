// From scores to probabilities. Platt's curve suits few texts, isotonic regression many; both are fitted on
// scores that the detector gave to texts it had not seen (folds.h).
#pragma once
#include <vector>

#include "detect/evaluate.h"

namespace rum::detect {
// Of least cross-entropy (`objective`, a sum in nats) against the targets (N1 + 1) / (N1 + 2) for machines
// and 1 / (N0 + 2) for people. BadScores as check(); an infinite score is an Error.
Platt fit_platt(const Scores&);
// Of least squares among all curves that do not fall.
Isotonic fit_isotonic(const Scores&);

// The probability that a machine wrote it; nothing without a curve.
std::optional<double> probability(const Calibration&, double score);
// Thresholds on one's own human texts. Error: a rate at which fewer than ten of them would be flagged.
std::vector<Calibration::Threshold> thresholds(std::span<const double> human, std::span<const double> fprs);
// The length, in characters, that all but a twentieth of the texts reach; 0 for none.
int64_t usual_minimum(std::span<const Text>);
// What a calibrated detector says of a text with this score.
struct Verdict {
  bool abstains = false;                // too short: nothing below holds
  std::optional<double> probability{};  // that a machine wrote it
  std::vector<bool> flagged{};          // by each threshold in turn
};
// What may be said of a text with this score.
Verdict verdict(const Calibration&, const Text&, double score);

// To a detector's file and back. FileError: a key that is missing or of another type.
Json::Object to_json_object(const Calibration&);
Calibration calibration_of(const JsonFields&);
}  // namespace rum::detect
