// Scores of texts by detectors that never saw their source: human and machine targets of one source are
// nearly copies of each other, so all of them lie in one fold.
#pragma once
#include "detect/evaluate.h"

namespace rum::detect {
// A fold for each text, by its source (by its id where there is none, so that line 7 of several files stays
// together); folds of equal numbers of sources. Error: fewer sources than folds, fewer than two folds.
std::vector<int64_t> folds_of(std::span<const Text>, int64_t folds, uint32_t seed);
struct CrossFitted {
  std::vector<double> scores;   // of each text, by a detector fitted on the other folds
  std::vector<bool> white_box;  // white_box.h
};
// `kind` and `options` as for fit(); folds as in folds_of().
CrossFitted cross_fit(const std::string& kind, std::span<const Text>, const Json::Object& options,
                      int64_t folds, uint32_t seed);
// How well cross-fitted scores tell the texts of others apart.
HeldOut held_out(std::span<const Text>, std::span<const double> cross_fitted, int64_t folds);

// From scores of unseen texts to probabilities: curve is "platt" or "isotonic".
void fit_curve(Calibration&, const Scores&, const std::string& curve);
// What `ruminate detect fit` does: cross-fits, keeps how well that went and a curve, then fits on all texts.
// Texts by a model that the detector asks itself count neither for the one nor for the other; without others
// by machines both are left out.
std::unique_ptr<Detector> fit_calibrated(const std::string& kind, std::span<const Text>,
                                         const Json::Object& options, int64_t folds, uint32_t seed,
                                         const std::string& curve);

// Whether such a detector may order anything: its held-out AUROC must lie above .5 by its own 95 % error.
// Nothing: it may. Otherwise why not.
std::optional<std::string> why_not_order(const std::optional<HeldOut>&);

// Detectors of one recipe, each fitted on people and one machine (or on all machines but one) and tried on
// every machine, always on sources that were held out.
struct CrossGenerator {
  std::vector<std::string> generators;
  std::vector<std::vector<Auroc>> matrix;  // [fitted on][tried on]
  std::vector<Auroc> leave_one_out;        // fitted on all others; empty with fewer than two
};
// Error: fewer sources than folds, or no generator.
CrossGenerator cross_generator(const std::string& kind, std::span<const Text>, const Json::Object& options,
                               int64_t folds, uint32_t seed);
}  // namespace rum::detect
