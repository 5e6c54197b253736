// Choosing among several translations of one source: minimum Bayes risk (Kumar and Byrne 2004) takes
// the one most like all the others, the noisy channel (Yee et al. 2019) the one that three models
// together find likeliest.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "metrics/metric.h"

namespace rum {
// How near one translation is to another: "chrf1", "chrf2" (chrF of beta 1 and 2) or "bleu" (of a sentence,
// effective order). Error with a did-you-mean for another one.
std::unique_ptr<metrics::Metric> make_utility(const std::string& name);
// [i * n + j]: the metric's sentence score of hypothesis i with hypothesis j as the reference, in
// its own unit. Not symmetric in general.
std::vector<double> utilities(const metrics::Metric&, std::span<const std::string> hypotheses);
// The mean of each row of an n x n matrix, with the diagonal or, in tests, without it (then Error for n below
// 2).
enum class Self { counted, left_out };
std::vector<double> mean_utilities(std::span<const double> utilities, Self = Self::counted);
// The first index within 1e-9 of the largest: equal hypotheses differ by rounding alone.
// Error for none or NaN.
int64_t best(std::span<const double> scores);
// One of the translations of a source.
struct Candidate {
  std::string text;
  // Natural, under the model that wrote it, sum over tokens; NaN: nothing was translated.
  double log_prob = 0;
  int64_t tokens = 0;     // with the end token if it was written
  bool finished = false;  // the end token came before the limit
};
struct Candidates {
  std::string source;
  std::vector<Candidate> all;
};

// Minimum Bayes risk: best(mean_utilities(utilities(metric, hypotheses))). chrF with beta 2 prefers long
// translations, since recall counts more; beta 1 and sentence BLEU do not.
int64_t choose_mbr(const metrics::Metric&, std::span<const std::string> hypotheses);
// The same for many sources, on all threads.
std::vector<int64_t> choose_mbr(const metrics::Metric&, std::span<const Candidates>);

// What the noisy channel knows about a candidate, each log p divided by the length that it is summed over.
struct ChannelTerms {
  double forward = 0, reverse = 0, lm = 0;  // log p(y | x) / |y|, log p(x | y) / |x|, log p(y) / |y|
};
struct ChannelWeights {
  double reverse = 1, lm = .3;
};
double channel_score(const ChannelTerms&, const ChannelWeights&);  // forward + the weighted others
// The weights, of a grid from 0 to 2, whose choices have the highest mean quality; the smallest of
// equal ones. terms[i][k], quality[i][k]: of candidate k of source i. Error: no source, lists of
// different lengths, NaN.
ChannelWeights fit_channel(std::span<const std::vector<ChannelTerms>> terms,
                           std::span<const std::vector<double>> quality);
}  // namespace rum
