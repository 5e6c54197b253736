#include "edits/scorers.h"

#include <cmath>

#include "base/error.h"

namespace rum {
std::vector<double> dual_cross_entropy(std::span<const double> forward, std::span<const double> reverse) {
  RUM_CHECK(forward.size() == reverse.size(), "dual cross-entropy: {} and {} lines", forward.size(),
            reverse.size());
  std::vector<double> out;
  for (size_t i = 0; i < forward.size(); ++i)
    out.push_back(std::exp(-(std::abs(forward[i] - reverse[i]) + (forward[i] + reverse[i]) / 2)));
  return out;
}

std::vector<double> cross_entropy(std::span<const double> log_probs, std::span<const double> tokens) {
  RUM_CHECK(log_probs.size() == tokens.size(), "cross-entropy: {} and {} lines", log_probs.size(),
            tokens.size());
  std::vector<double> out;
  for (size_t i = 0; i < tokens.size(); ++i) out.push_back(-log_probs[i] / tokens[i]);
  return out;
}
}  // namespace rum
