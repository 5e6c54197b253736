// From scores to probabilities. Platt scaling suits few texts, isotonic regression many; both are fitted to
// the detector's scores of texts it has not seen (folds.h).
#pragma once
#include <vector>

#include "detect/evaluate.h"

namespace rum::detect {
// Minimises the cross-entropy (`objective`, a sum in nats) against the targets (N1 + 1) / (N1 + 2) for
// machines and 1 / (N0 + 2) for people. BadScores as check(); an infinite score is an Error.
Platt fit_platt(const Scores&);
// The same among the curves that do not fall, for scores of which a higher one means machine: where they are
// upside down, a constant, as isotonic regression gives.
Platt fit_rising_platt(const Scores&);
// The least-squares fit among all non-decreasing curves (Ayer et al. 1955; for probabilities Zadrozny and
// Elkan 2002).
Isotonic fit_isotonic(const Scores&);

// The probability that a machine wrote the text; nullopt without a curve.
std::optional<double> probability(const Calibration&, double score);
// The log odds of that, exact where the probability rounds to 1.
std::optional<double> log_odds(const Calibration&, double score);
// Thresholds from human texts, one for each false-positive rate. Error: a rate at which fewer than ten of the
// texts would be flagged.
std::vector<Calibration::Threshold> thresholds(std::span<const double> human, std::span<const double> fprs);
// The length in characters that 95 % of the texts reach; 0 for no texts.
int64_t usual_minimum(std::span<const Text>);
// Whether the text is too short for a verdict.
bool abstains(const Calibration&, const Text&);
// What a calibrated detector says about a text.
struct Verdict {
  bool abstains = false;                // then the rest is not valid
  std::optional<double> probability{};  // that a machine wrote it
  std::vector<bool> flagged{};          // for each threshold in turn
};
// The verdict on a text with this score.
Verdict verdict(const Calibration&, const Text&, double score);

// To a detector's file and back. FileError: a key that is missing or of another type.
Json::Object to_json_object(const Calibration&);
Calibration calibration_of(const JsonFields&);
}  // namespace rum::detect
