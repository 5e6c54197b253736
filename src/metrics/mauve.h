// MAUVE (Pillutla et al. 2021) from two histograms: the area under the frontier that mixtures of two
// distributions trace out, between 0 (nothing in common) and 1 (the same). What the bins are is the caller's
// choice and part of the result's name; the original clusters embeddings of texts.
#pragma once
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "metrics/numbered.h"

namespace rum::metrics {
struct MauveConfig {
  double scaling = 5;   // c
  int64_t points = 25;  // mixture weights, evenly from 1e-6 to 1 - 1e-6, besides the two extreme points
};
double mauve(std::span<const double> p, std::span<const double> q, const MauveConfig& = {});
// Liu et al. 2021: twice the mean over w in [0, 1] of w KL(p, r) + (1 - w) KL(q, r), r = w p + (1 - w) q, in
// closed form; 0: the same, 1: disjoint.
double frontier_integral(std::span<const double> p, std::span<const double> q);
// Counts to probabilities; each bin gets `add` more (1/2: the smoothing of MAUVE*, Pillutla et al. 2023).
// Error when there is nothing to divide by.
std::vector<double> distribution(std::span<const int64_t> counts, double add = 0);

// The histogram of `ruminate diversity`: the `bins` - 1 words most frequent in both corpora together have a
// bin each; all other words share the last. Counts are by word number, for all words of the vocabulary;
// equally frequent words rank by code points, whatever their numbers.
constexpr size_t kWordBins = 500;
std::pair<std::vector<int64_t>, std::vector<int64_t>> word_histograms(std::span<const int32_t> p,
                                                                      std::span<const int32_t> q,
                                                                      const Vocabulary& words,
                                                                      size_t bins = kWordBins);
}  // namespace rum::metrics
