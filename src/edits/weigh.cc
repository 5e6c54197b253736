#include "edits/weigh.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/random.h"
#include "detect/curves.h"

namespace rum::edits {
namespace {
double sum(std::span<const double> x) { return std::accumulate(x.begin(), x.end(), 0.0); }
void scale(std::vector<double>& x, double factor) {
  for (double& v : x) v *= factor;
}
std::vector<double> capped_at(std::span<const double> ratios, double cap) {
  std::vector<double> out;
  for (const double r : ratios) out.push_back(std::min(r, cap));
  return out;
}
// Counts proportional to the weights, with sum n and none above `limit`: the excess of a line is distributed
// over the others, until none is above.
std::vector<double> expected_counts(std::span<const double> weights, double n, double limit) {
  std::vector<double> counts(weights.size());
  std::vector<bool> full(weights.size());
  for (bool changed = true; changed;) {
    double rest = n, free = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      if (full[i])
        rest -= limit;
      else
        free += weights[i];
    }
    changed = false;
    for (size_t i = 0; i < weights.size(); ++i) {
      if (full[i] || weights[i] == 0) continue;
      counts[i] = rest * (weights[i] / free);
      if (counts[i] <= limit) continue;
      counts[i] = limit;
      full[i] = changed = true;
    }
  }
  return counts;
}
}  // namespace

double effective_sample_size(std::span<const double> weights) {
  double squares = 0;
  for (const double w : weights) squares += w * w;
  const double all = sum(weights);
  return all * all / squares;
}

std::vector<double> resampling_weights(std::span<const double> log_odds, double temperature,
                                       double exponent) {
  RUM_CHECK(temperature > 0, "resampling: a temperature of {}; expected above 0", temperature);
  RUM_CHECK(exponent >= 0, "resampling: an exponent of {}; expected 0 or more", exponent);
  std::vector<double> out;
  for (const double x : log_odds) {
    RUM_CHECK(!std::isnan(x), "resampling: the score of line {} is NaN; every line needs one",
              out.size() + 1);
    out.push_back(std::pow(detect::logistic(-x / temperature), exponent));
  }
  const double all = sum(out);
  RUM_CHECK(
      all > 0,
      "resampling: the detector is sure that a machine wrote every line: all weights are zero; choose a "
      "higher temperature or a lower exponent");
  scale(out, 1 / all);
  return out;
}

std::vector<int64_t> resample(std::span<const double> weights, int64_t n, int64_t most, uint32_t seed) {
  RUM_CHECK(n >= 0 && most >= 1, "resampling: {} lines, each at most {} times", n, most);
  int64_t usable = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    RUM_CHECK(weights[i] >= 0 && std::isfinite(weights[i]), "resampling: the weight of line {} is {}", i + 1,
              weights[i]);
    usable += weights[i] > 0;
  }
  RUM_CHECK(usable * most >= n,
            "resampling: {} lines are wanted, but {} lines with a weight, at most {} times "
            "each, give {}",
            n, usable, most, usable * most);
  const std::vector<double> expected =
      expected_counts(weights, static_cast<double>(n), static_cast<double>(most));
  // Away from 0 and 1 by more than the rounding of the sums, so that these end at n.
  const double offset = Random::uniform(Random{seed, Stream::sample}.bits({}).at[0]) + 0x1p-25;
  std::vector<int64_t> counts;
  double passed = offset;
  int64_t taken = 0;
  for (const double count : expected) {
    passed += count;
    counts.push_back(static_cast<int64_t>(passed) - taken);
    taken += counts.back();
  }
  return counts;
}

DensityRatioWeights density_ratio_weights(std::span<const double> log_ratios, double log_clip) {
  RUM_CHECK(!log_ratios.empty(), "density ratio: no lines");
  RUM_CHECK(log_clip > 0, "density ratio: a clip of {}; expected above 0", log_clip);
  std::vector<double> ratios;
  for (size_t i = 0; i < log_ratios.size(); ++i) {
    RUM_CHECK(!std::isnan(log_ratios[i]), "density ratio: the ratio of line {} is NaN; every line needs one",
              i + 1);
    ratios.push_back(std::exp(std::clamp(log_ratios[i], -log_clip, log_clip)));
  }
  const auto [least, largest] = std::minmax_element(ratios.begin(), ratios.end());
  const auto n = static_cast<double>(ratios.size());
  const auto enough = [&](double cap) {
    return effective_sample_size(capped_at(ratios, cap)) >= n / 2 * (1 - 1e-12);
  };
  DensityRatioWeights out;
  out.cap = *largest;
  if (!enough(out.cap)) {
    double low = std::log(*least), high = std::log(*largest);
    while (high - low > 1e-12) {
      const double middle = (low + high) / 2;
      // Neighbouring doubles: no number in between.
      if (middle <= low || middle >= high) break;
      (enough(std::exp(middle)) ? low : high) = middle;
    }
    out.cap = std::exp(low);
  }
  out.capped = std::count_if(ratios.begin(), ratios.end(), [&](double r) { return r > out.cap; });
  out.weights = capped_at(ratios, out.cap);
  scale(out.weights, n / sum(out.weights));
  out.effective_sample_size = effective_sample_size(out.weights);
  return out;
}
}  // namespace rum::edits
