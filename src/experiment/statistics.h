// Whether two arms differ: intervals, p-values and verdicts over seeds and test sentences. Draw r of the
// bootstrap is a function of (seed, r) alone, so every arm has the same draws: arms are paired, and the
// difference of two arms is the difference of their replicates. Rows add up, so texts are never scored again.
#pragma once
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "metrics/significance.h"

namespace rum::experiment {
// The results of one arm's students on the test set: the rows (metrics/metric.h) of each seed. Seeds and
// sentences are in the same order in every arm.
using SeedRows = std::vector<metrics::Rows>;

struct Resampling {
  // Replicates of the bootstrap, and random swaps of the randomisation test; at least 100. No p of the
  // bootstrap is below 2 / (replicates + 1), so a family of m comparisons needs at least 40 m.
  int replicates = 2000;
  uint32_t seed = 1;
};

// The bootstrap of one arm. Draws seeds and sentences with replacement; a replicate is the mean, over the
// drawn seeds, of score(sum of the drawn rows). The test sentences are the same for all seeds, and so is
// their draw (Owen 2007, the "pigeonhole bootstrap"): drawn separately for each seed they would count as
// seeds x sentences independent sentences, and intervals would be too narrow.
struct Bootstrap {
  double score = 0;                // mean over seeds of the score of all sentences
  std::vector<double> by_seed;     // the score of each
  std::vector<double> replicates;  // in the order of the draws
};
// Same bits for any number of threads. Error: no seeds, no sentences, seeds with different numbers of rows or
// columns, fewer than 100 replicates.
Bootstrap bootstrap(const metrics::Score&, const SeedRows&, const Resampling& = {});
// a - times b: of the scores, by seed, and of the replicates. Error when the two differ in seeds or
// replicates.
Bootstrap minus(const Bootstrap& a, const Bootstrap& b, double times = 1);

// The mean of several arms, draw by draw. Error when they differ in seeds or replicates.
Bootstrap mean_of(std::span<const Bootstrap* const>);

struct Spread {                                // of one number per seed
  double mean = 0, sd = 0, low = 0, high = 0;  // sd with n - 1, NaN for one seed; smallest and largest
};
Spread spread(std::span<const double> by_seed);

struct Effect {
  double value = 0, low = 0, high = 0;  // 95 % interval
  double error = 0;                     // standard deviation of the value
  double p = 1;  // two-sided, of "is 0": 2 min(#{r <= 0} + 1, #{r >= 0} + 1) / (B + 1), at most 1, or that of
                 // Student's t where it is larger; what only rounding tells from 0 is 0
  double df = std::numeric_limits<double>::infinity();  // degrees of freedom of the error; infinite: normal
  Spread seeds{};
  // The smallest true effect that would be found with 80 % power at the 5 % level, before any correction for
  // other comparisons: (t_.975 + t_.80) error with Student's quantiles, 2.80 error with many seeds. Close, not
  // exact: by the noncentral t distribution it has 79 % power at 4 degrees of freedom, 77 % at 2.
  double detectable() const;
};
// The interval drops floor(B / 40) replicates at each end. Few seeds underestimate the variance between
// seeds: resampling n of them gives (n - 1) / n of it, and that estimate is itself uncertain. So the variance
// is corrected for this, and the interval is widened by the ratio of Student's t to the normal quantile, with
// Satterthwaite's (1946) degrees of freedom: many if most of the variance comes from sentences, n - 1 if it
// comes from seeds. A single seed is taken as fixed.
Effect effect(const Bootstrap&);
// a - b. Error when the two differ in seeds or replicates.
Effect difference(const Bootstrap& a, const Bootstrap& b);

// Approximate randomisation (Noreen 1989; Riezler and Maxwell 2005): p, two-sided, of "it does not matter
// which of the two arms wrote this translation". Each trial swaps the rows of each seed and sentence with
// probability 1/2. p = (#{|d*| >= |d|} + 1) / (trials + 1): equal arms give 1. If at most kMostExact
// translations differ, all ways to swap them are counted instead: p = #{|d*| >= |d|} / 2^k, exact. The seeds
// are taken as fixed.
double randomisation_p(const metrics::Score&, const SeedRows& a, const SeedRows& b, const Resampling& = {});

// The largest p-value of several seeds, for a claim about all of them; 1 if there is none, or if one is NaN.
double largest_p(std::span<const double> by_seed);

// Holm's (1979) corrected p-values of a family, in the order given: p_(i) becomes max over j <= i of
// min(1, (m - j + 1) p_(j)). Error: a p outside 0..1 or NaN.
std::vector<double> holm(std::span<const double> p);

enum class Direction : uint8_t { greater, less };  // the claim: difference > 0, or < 0
enum class Verdict : uint8_t { holds, does_not_hold, undecided };
// holds: corrected p < .05 and the whole interval on the claim's side of 0. does not hold: the same on the
// other side. undecided: everything else; `detectable` then says how large an effect may have gone
// undetected.
Verdict verdict_of(const Effect&, double corrected_p, Direction);
const char* name(Verdict);  // "holds", "does not hold", "undecided"
}  // namespace rum::experiment
