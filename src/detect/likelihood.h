// Text written by a model is likely under a model. Each statistic is a sum over tokens, signed so that a
// higher number means machine.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "detect/own_model.h"
#include "metrics/token_stats.h"

namespace rum::detect {
struct Statistic {
  const char* name;
  const char* help;
  // What each token adds; there is at least one. With `reference`, entropy and variance are taken under a
  // second model (metrics/token_stats.h).
  std::vector<double> (*parts)(std::span<const metrics::TokenStats>);
  bool reference = false;
};
// log_likelihood, rank, log_rank, lrr, entropy, top_10, top_100, top_1000 (GLTR's histogram), curvature;
// with two models: curvature_reference, binoculars, binoculars_published.
std::span<const Statistic> statistics();
double sum_of(const Statistic&, std::span<const metrics::TokenStats>);

// One forward pass of the model (and of the reference) over all texts.
std::vector<std::vector<metrics::TokenStats>> token_stats_of(const OwnModel& model, const OwnModel* reference,
                                                             std::span<const Text> texts);
// One part per predicted token, with the bytes of the target that it stands for (the end token: none).
std::vector<Contribution> token_parts(const OwnModel&, const Text&, std::span<const metrics::TokenStats>,
                                      std::span<const double> adds);
}  // namespace rum::detect
