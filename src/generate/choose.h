// Choosing among several translations of one source: minimum Bayes risk (Kumar and Byrne 2004) takes the one
// most like all others; the noisy channel (Yee et al. 2019) the one that three models together find most
// likely.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "metrics/metric.h"

namespace rum {
// [i * n + j]: the metric's sentence score of hypothesis i with hypothesis j as the reference, over 100 where
// it is a percentage. Not symmetric in general.
std::vector<double> utilities(const Metric&, std::span<const std::string> hypotheses);
// The mean of each row of an n x n matrix; without_self leaves the diagonal out (n of at least 2, else
// Error).
enum class Self { counted, left_out };
std::vector<double> mean_utilities(std::span<const double> utilities, Self = Self::counted);
// The first index within 1e-9 of the largest: equal hypotheses differ by rounding alone. Error for none or
// NaN.
int64_t best(std::span<const double> scores);
// Minimum Bayes risk: best(mean_utilities(utilities(metric, hypotheses))). chrF with beta 2 prefers long
// translations, since recall counts more; beta 1 and sentence BLEU do not.
int64_t choose_mbr(const Metric&, std::span<const std::string> hypotheses);
}  // namespace rum
