// Scores of generated pairs, from which orders and filters are made (order.h). Higher is better in all of
// them, one number a pair. None sees the human target of the pair that it scores.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "data/corpus.h"
#include "generate/pool.h"
#include "run/run.h"

namespace rum::edits {
// Mean log-probability of a token under the generator that wrote it.
std::vector<double> generator_confidence(std::span<const Generated>);

// How long targets are, learned from human pairs: log length = intercept + slope log(source length), in
// characters, by least squares.
struct LengthModel {
  double intercept = 0, slope = 1;
};
// Error: fewer than two pairs, or all sources of one length.
LengthModel fit_length(std::span<const Pair>);
// -|log length - expected|: 0 for the expected length.
std::vector<double> length_agreement(const LengthModel&, std::span<const Pair>);

// Mean log p of a token, -cross-entropy, under three kinds of model: of the target language alone; from
// source to target; from target to source. A pair that does not fit the model's context, or has an empty
// side, scores like the worst of the others. Error: a run of the wrong kind, or no pair that fits.
std::vector<double> fluency(const LoadedRun& lm, std::span<const Pair>);
std::vector<double> forward_score(const LoadedRun& forward, std::span<const Pair>);
std::vector<double> reverse_score(const LoadedRun& reverse, std::span<const Pair>);

// Dual conditional cross-entropy (Junczys-Dowmunt 2018): exp(-(|a - b| + (a + b) / 2)) of the
// cross-entropies, in nats a token, of the target given the source and of the source given the target, under
// models of which neither is the generator. NaN where either is.
std::vector<double> dual_cross_entropy(std::span<const double> forward, std::span<const double> reverse);
// -log_prob / tokens of each line.
std::vector<double> cross_entropy(std::span<const double> log_probs, std::span<const double> tokens);

// Sentence chrF of each target against that of a second generator.
std::vector<double> agreement(std::span<const Pair>, std::span<const std::string> second);
// Mean sentence chrF of each target against draws of its own generator: what minimum Bayes risk maximises.
std::vector<double> consistency(std::span<const Pair>, std::span<const std::vector<std::string>> draws);

// -the share of the target's words that occur in the source, each at most as often as there: below -1/2 the
// target is hardly a translation. Words in lower case; numbers and marks are not counted.
std::vector<double> not_copied(std::span<const Pair>);

// Mean -log of the relative frequency of a source's words in `corpus`; a word that is not in it counts as
// half a word of it. For validity tables, not for orders.
std::vector<double> rarity(std::span<const std::string> sources, std::span<const std::string> corpus);
}  // namespace rum::edits
