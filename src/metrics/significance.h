// Is the difference between two systems more than chance? Resamples and swaps are weights on sentences, so
// the sums of all systems and all trials are one product of weights and rows (metric.h): nothing is counted
// again, and any measure, any number of systems and any scheme of resampling take the same way.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "metrics/metric.h"

namespace rum {
// Writes how often each sentence counts in a trial. Pure: the same trial, the same weights, on any thread.
using Weights = std::function<void(int64_t trial, std::span<double> sentences)>;
Weights bootstrap_weights(uint32_t seed);  // as many draws as sentences, with replacement
Weights swap_weights(uint32_t seed);       // each 1 (the system keeps its sentence) or 0 (it gives it away)
Weights resample_weights(std::vector<std::vector<int64_t>> indices);  // trial t: the sentences drawn
Weights mask_weights(std::vector<std::vector<int64_t>> masks);        // trial t: the weights themselves

// sums[t]: for system t, trial after trial, the weighted sum of its rows. All systems have the same number of
// sentences. Same bits for any number of threads.
std::vector<std::vector<double>> weighted_sums(std::span<const Rows> systems, int64_t trials, const Weights&);

struct Interval {
  double mean = 0, half_width = 0;
};
// Mean, and half the width that is left when the n/40 (rounded down) lowest and highest are cut off: 95 %.
Interval interval(std::span<const double> scores);

struct Bootstrapped {
  double score = 0;            // of all sentences as they are
  std::vector<double> scores;  // of each resample
  Interval interval;
  // Against the first system (which has none): d* are the differences of the resamples, d the real one, all
  // without sign: (#{d* - mean d* > d} + 1) / (trials + 1). Koehn 2004 as Moses and sacreBLEU do it.
  std::optional<double> p;
};
struct Swapped {
  double score = 0;
  std::vector<double> baseline, system;  // scores of each trial, after the swaps
  // (#{d* > d} + 1) / (trials + 1). Riezler and Maxwell 2005 as MultEval and sacreBLEU do it.
  std::optional<double> p;
};
// One result per system, the first of which is the baseline. Error when there is no trial.
std::vector<Bootstrapped> paired_bootstrap(const Metric&, std::span<const Rows> systems, int64_t trials,
                                           const Weights&);
std::vector<Swapped> paired_randomisation(const Metric&, std::span<const Rows> systems, int64_t trials,
                                          const Weights&);
}  // namespace rum
