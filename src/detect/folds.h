// Scores of texts by detectors that have not seen their source: human and machine targets of one source are
// nearly copies of each other, so they all go into one fold.
#pragma once
#include "detect/evaluate.h"
#include "detect/white_box.h"

namespace rum::detect {
// A fold for each text, by its source (or its id if there is none, so that line 7 of several files stays
// together); folds have equal numbers of sources. Error: fewer sources than folds, fewer than two folds.
std::vector<int64_t> folds_of(std::span<const Text>, int64_t folds, uint32_t seed);
// The texts of one fold, and those of all others to fit on. A target of this fold is not among these even
// where it stands beside another source or in another line: a detector would only have to remember it.
struct HeldOutFold {
  std::vector<Text> seen, unseen;
  std::vector<size_t> where;  // of each unseen text in `texts`
};
HeldOutFold hold_out(std::span<const Text> texts, const std::vector<int64_t>& fold_of_each, int64_t fold);
// Of each text, by a detector fitted on the other folds. `kind` and `options` as for fit(); folds as in
// folds_of(), each held out in turn.
MarkedScores cross_fit(const std::string& kind, std::span<const Text>, const Json::Object& options,
                       int64_t folds, uint32_t seed);
// How well cross-fitted scores tell people from machines.
HeldOut held_out(std::span<const Text>, std::span<const double> cross_fitted, int64_t folds);

// From scores of unseen texts to probabilities: curve is "platt" or "isotonic".
void fit_curve(Calibration&, const Scores&, const std::string& curve);
// What `ruminate detect fit` does: cross-fits, stores how well that went and a calibration curve, then fits
// on all texts. Texts written by a model that the detector itself uses count for neither; if there are no
// other machine texts, both are left out.
std::unique_ptr<Detector> fit_calibrated(const std::string& kind, std::span<const Text>,
                                         const Json::Object& options, int64_t folds, uint32_t seed,
                                         const std::string& curve);

// Whether the detector may order texts: its held-out AUROC must exceed .5 by more than its 95 % error
// (Auroc::error).
// Returns why not, or nullopt if it may.
std::optional<std::string> why_not_order(const std::optional<HeldOut>&);

// Detectors of one recipe, each fitted on people and one machine (or on all machines but one) and tested on
// every machine, always on held-out sources.
struct CrossAuroc : Auroc {
  int64_t white_box = 0;  // machine texts, among those tried, by a model that the detector uses (white_box.h)
};
struct CrossGenerator {
  std::vector<std::string> generators;
  std::vector<std::vector<CrossAuroc>> matrix;  // [fitted on][tried on]
  std::vector<CrossAuroc> leave_one_out;        // fitted on all others; empty with fewer than two
};
// Error: fewer sources than folds, or no generator.
CrossGenerator cross_generator(const std::string& kind, std::span<const Text>, const Json::Object& options,
                               int64_t folds, uint32_t seed);
}  // namespace rum::detect
