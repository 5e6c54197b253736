// Scores of generated pairs, for orders and filters (order.h): one number per pair, higher is better. No
// scorer sees the human target of the pair that it scores.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "data/corpus.h"
#include "generate/generated.h"
#include "run/run.h"

namespace rum::edits {
// Mean log-probability per token under the generator that wrote the target.
std::vector<double> generator_confidence(std::span<const Generated>);

// The length of targets, learned from human pairs: log length = intercept + slope log(source length), in
// characters, by least squares.
struct LengthModel {
  double intercept = 0, slope = 1;
};
// Error: fewer than two pairs, or all sources of the same length.
LengthModel fit_length(std::span<const Pair>);
// -|log length - expected|: 0 for the expected length.
std::vector<double> length_agreement(const LengthModel&, std::span<const Pair>);

// Mean log p per token (minus the cross-entropy) under three kinds of model: of the target language; from
// source to target; from target to source. A pair that does not fit the model's context, or has an empty
// side, scores like the worst of the others. Error: a run of the wrong kind, or no pair that fits.
std::vector<double> fluency(const LoadedRun& lm, std::span<const Pair>);
std::vector<double> forward_score(const LoadedRun& forward, std::span<const Pair>);
std::vector<double> reverse_score(const LoadedRun& reverse, std::span<const Pair>);

// Dual conditional cross-entropy (Junczys-Dowmunt 2018): exp(-(|a - b| + (a + b) / 2)) of the
// cross-entropies, in nats per token, of the target given the source and of the source given the target,
// under two models other than the generator. NaN where either is NaN.
std::vector<double> dual_cross_entropy(std::span<const double> forward, std::span<const double> reverse);

// Sentence chrF of each target against that of a second generator.
std::vector<double> agreement(std::span<const Pair>, std::span<const std::string> second);
// Mean sentence chrF of each target against samples from its own generator: what minimum Bayes risk
// maximises.
std::vector<double> consistency(std::span<const Pair>, std::span<const std::vector<std::string>> draws);

// Minus the share of the target's words that are in the source, each counted at most as often as there: below
// -1/2 the target is hardly a translation. In lower case; numbers and punctuation do not count.
std::vector<double> not_copied(std::span<const Pair>);

// Mean -log of the relative frequency in `corpus` of a source's words; a word that is not there counts as
// half an occurrence. For validity tables, not for orders.
std::vector<double> rarity(std::span<const std::string> sources, std::span<const std::string> corpus);
}  // namespace rum::edits
