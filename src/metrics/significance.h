// Is the difference between two systems larger than chance? Resamples and swaps are weights on sentences, so
// the sums of all systems and all trials are one product of weights and rows (metric.h). Nothing is counted
// again, and any measure, any number of systems and any resampling scheme go through the same code.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "metrics/metric.h"

namespace rum::metrics {
// Of a sum of rows; called from several threads.
using Score = std::function<double(std::span<const double>)>;

// Writes how often each sentence counts in a trial. Pure: the same trial gives the same weights, on any
// thread.
using Weights = std::function<void(int64_t trial, std::span<double> sentences)>;
Weights bootstrap_weights(uint32_t seed);  // as many draws as sentences, with replacement
Weights swap_weights(uint32_t seed);       // each 1 (the system keeps its sentence) or 0 (it gives it away)
// For tests, of trials that were drawn elsewhere:
Weights resample_weights(std::vector<std::vector<int64_t>> indices);  // trial t: the sentences drawn
Weights mask_weights(std::vector<std::vector<int64_t>> masks);        // trial t: the weights themselves

// sums[t]: for system t, trial after trial, the weighted sum of its rows. All systems have the same number of
// sentences. Same bits for any number of threads.
std::vector<std::vector<double>> weighted_sums(std::span<const Rows> systems, int64_t trials, const Weights&);

struct Interval {
  double mean = 0, half_width = 0;
};
// The mean, and half the width that remains without the n/40 (rounded down) lowest and highest scores: 95 %.
Interval interval(std::span<const double> scores);

// How p-values count the trials that go exactly as far as the real difference.
enum class PRule : uint8_t {
  ties,      // ties count: systems that do not differ have p = 1
  sacrebleu  // they do not, and its bootstrap uses absolute differences
};
// How many of `by_chance` are at least as far from 0 as `real`. Values that differ only by rounding count as
// equal: the same rows summed in another order, relative to `scale`, the larger of the two scores.
int64_t as_far(std::span<const double> by_chance, double real, double scale);
// (count + 1) / (trials + 1): the real difference is one more trial, so p is never 0.
double p_value(int64_t count, size_t trials);

struct Bootstrapped {
  double score = 0;            // of all sentences, unweighted
  std::vector<double> scores;  // of each resample
  Interval interval;
  // Against the first system, which has no p-value. d is the real difference of the scores, d* that of a trial:
  // p = (#{|d* - mean d*| >= |d|} + 1) / (trials + 1). By sacreBLEU's rule, Koehn 2004 as Moses has it,
  // (#{|d*| - mean |d*| > |d|} + 1) / (trials + 1).
  int64_t as_far = 0;  // the count # above
  std::optional<double> p;
};
struct Swapped {
  double score = 0;
  std::vector<double> baseline, system;  // scores of each trial, after the swaps
  // (#{|d*| >= |d|} + 1) / (trials + 1), Riezler and Maxwell 2005; by sacreBLEU's rule > as in MultEval.
  int64_t as_far = 0;
  std::optional<double> p;
};
// One result per system, the first of which is the baseline. Error when there is no trial.
std::vector<Bootstrapped> paired_bootstrap(const Metric&, std::span<const Rows> systems, int64_t trials,
                                           const Weights&, PRule = PRule::ties);
std::vector<Swapped> paired_randomisation(const Metric&, std::span<const Rows> systems, int64_t trials,
                                          const Weights&, PRule = PRule::ties);

// Exact randomisation, for systems that differ in few sentences: all possible swaps of these.
constexpr size_t kMostExact = 20;  // a million swaps
// The sentences whose rows differ.
std::vector<size_t> differing(const Rows& baseline, const Rows& system);
// score(system) - score(baseline) for all 2^k ways to swap k sentences, the others staying: bit i of the
// index swaps sentences[i], so the first is the real difference. Error when k is above kMostExact.
std::vector<double> all_swaps(const Score&, const Rows& baseline, const Rows& system,
                              std::span<const size_t> sentences);
struct Exact {
  size_t differing = 0;  // sentences
  int64_t swaps = 0, as_far = 0;
  // The real difference is one of the swaps, so p is never 0.
  double p() const { return static_cast<double>(as_far) / static_cast<double>(swaps); }
};
// Over the sentences that differ; the others would change nothing. Errors as for all_swaps.
Exact exact_randomisation(const Metric&, const Rows& baseline, const Rows& system,
                          std::span<const size_t> sentences);
}  // namespace rum::metrics
