#include "metrics/significance.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/random.h"
#include "base/threads.h"
#include "metrics/explain.h"

namespace rum {
namespace {
enum Site : uint32_t { draws, swaps };  // of the random numbers
Counter counter(int64_t trial, Site site, size_t block) {
  return {static_cast<uint32_t>(trial), static_cast<uint32_t>(trial >> 32), site,
          static_cast<uint32_t>(block)};
}
const std::vector<int64_t>& of_trial(const std::vector<std::vector<int64_t>>& all, int64_t trial) {
  RUM_CHECK(trial < static_cast<int64_t>(all.size()), "significance: trial {}, but there are {}", trial,
            all.size());
  return all[static_cast<size_t>(trial)];
}
void check(std::span<const Rows> systems, int64_t trials) {
  RUM_CHECK(!systems.empty() && systems[0].size() > 0, "significance: no sentence to resample");
  for (const Rows& r : systems)
    RUM_CHECK(r.size() == systems[0].size(), "significance: systems of {} and {} sentences",
              systems[0].size(), r.size());
  RUM_CHECK(trials > 0, "significance: {} trials; expected 1 or more", trials);
}
std::vector<double> scores(const Metric& metric, std::span<const double> sums, size_t columns) {
  std::vector<double> out;
  for (size_t i = 0; i < sums.size(); i += columns) out.push_back(metric.score(sums.subspan(i, columns)));
  return out;
}
std::vector<double> gaps(std::span<const double> a, std::span<const double> b) {
  std::vector<double> out;
  for (size_t i = 0; i < a.size(); ++i) out.push_back(std::abs(a[i] - b[i]));
  return out;
}
double mean(std::span<const double> x) {
  return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
}
// How often chance alone went further than `real`; the 1 keeps p from being 0.
double p_value(std::span<const double> by_chance, double real) {
  const auto further = std::count_if(by_chance.begin(), by_chance.end(), [&](double x) { return x > real; });
  return static_cast<double>(further + 1) / static_cast<double>(by_chance.size() + 1);
}
// out += weight x row
void add(double weight, std::span<const double> row, double* out) {
  for (size_t c = 0; c < row.size(); ++c) out[c] += weight * row[c];
}
}  // namespace

Weights bootstrap_weights(uint32_t seed) {
  return [random = Random{seed, Stream::bootstrap}](int64_t trial, std::span<double> sentences) {
    std::fill(sentences.begin(), sentences.end(), 0);
    for (size_t i = 0; i < sentences.size(); i += 4) {
      const Bits4 bits = random.bits(counter(trial, draws, i / 4));
      for (size_t j = 0; j < std::min<size_t>(4, sentences.size() - i); ++j)
        sentences[uint64_t{bits.at[j]} * sentences.size() >> 32] += 1;
    }
  };
}
Weights swap_weights(uint32_t seed) {
  return [random = Random{seed, Stream::bootstrap}](int64_t trial, std::span<double> sentences) {
    Bits4 bits{};
    for (size_t i = 0; i < sentences.size(); ++i) {
      if (i % 128 == 0) bits = random.bits(counter(trial, swaps, i / 128));
      sentences[i] = bits.at[i / 32 % 4] >> i % 32 & 1;
    }
  };
}
Weights resample_weights(std::vector<std::vector<int64_t>> indices) {
  return [indices = std::move(indices)](int64_t trial, std::span<double> sentences) {
    std::fill(sentences.begin(), sentences.end(), 0);
    for (const int64_t i : of_trial(indices, trial)) {
      RUM_CHECK(i >= 0 && i < static_cast<int64_t>(sentences.size()), "significance: no sentence {} of {}", i,
                sentences.size());
      sentences[static_cast<size_t>(i)] += 1;
    }
  };
}
Weights mask_weights(std::vector<std::vector<int64_t>> masks) {
  return [masks = std::move(masks)](int64_t trial, std::span<double> sentences) {
    const auto& mask = of_trial(masks, trial);
    RUM_CHECK(mask.size() == sentences.size(), "significance: a mask of {} for {} sentences", mask.size(),
              sentences.size());
    std::copy(mask.begin(), mask.end(), sentences.begin());
  };
}

std::vector<std::vector<double>> weighted_sums(std::span<const Rows> systems, int64_t trials,
                                               const Weights& weights) {
  check(systems, trials);
  const size_t sentences = systems[0].size();
  // The rows of all systems side by side, so that one pass over a sentence serves every system.
  size_t columns = 0;
  for (const Rows& r : systems) columns += r.columns;
  std::vector<double> rows(sentences * columns);
  size_t at = 0;
  for (const Rows& r : systems) {
    for (size_t i = 0; i < sentences; ++i)
      std::copy(r[i].begin(), r[i].end(), rows.begin() + static_cast<std::ptrdiff_t>(i * columns + at));
    at += r.columns;
  }
  std::vector<std::vector<double>> out;
  for (const Rows& r : systems) out.emplace_back(static_cast<size_t>(trials) * r.columns);
  constexpr int64_t kTrials = 8;  // as many as share one reading of a row
  parallel((trials + kTrials - 1) / kTrials, [&](int64_t piece) {
    const int64_t first = piece * kTrials, some = std::min(kTrials, trials - first);
    std::vector<double> drawn(static_cast<size_t>(some) * sentences),
        sums(static_cast<size_t>(some) * columns);
    for (int64_t t = 0; t < some; ++t)
      weights(first + t, std::span(drawn).subspan(static_cast<size_t>(t) * sentences, sentences));
    for (size_t i = 0; i < sentences; ++i)
      for (size_t t = 0; t < static_cast<size_t>(some); ++t)
        if (const double w = drawn[t * sentences + i]; w != 0)
          add(w, std::span(rows).subspan(i * columns, columns), sums.data() + t * columns);
    const double* from = sums.data();
    for (int64_t t = 0; t < some; ++t)
      for (size_t s = 0; s < systems.size(); from += systems[s++].columns)
        std::copy_n(from, systems[s].columns,
                    out[s].data() + static_cast<size_t>(first + t) * systems[s].columns);
  });
  return out;
}

Interval interval(std::span<const double> given) {
  RUM_CHECK(!given.empty(), "significance: no score to make an interval of");
  std::vector<double> sorted(given.begin(), given.end());
  std::sort(sorted.begin(), sorted.end());
  const size_t cut = sorted.size() / 40;
  return {mean(sorted), (sorted[sorted.size() - cut - 1] - sorted[cut]) / 2};
}

std::vector<Bootstrapped> paired_bootstrap(const Metric& metric, std::span<const Rows> systems,
                                           int64_t trials, const Weights& weights) {
  const auto sums = weighted_sums(systems, trials, weights);
  std::vector<Bootstrapped> out;
  for (size_t s = 0; s < systems.size(); ++s) {
    Bootstrapped& b = out.emplace_back();
    b.score = metric.score(systems[s].sum());
    b.scores = scores(metric, sums[s], systems[s].columns);
    b.interval = interval(b.scores);
    if (s == 0) continue;
    std::vector<double> by_chance = gaps(b.scores, out[0].scores);
    const double middle = mean(by_chance);
    for (double& x : by_chance) x -= middle;
    b.p = p_value(by_chance, std::abs(b.score - out[0].score));
  }
  return out;
}

std::vector<Swapped> paired_randomisation(const Metric& metric, std::span<const Rows> systems, int64_t trials,
                                          const Weights& weights) {
  const auto kept = weighted_sums(systems, trials, weights);
  const std::vector<double> base = systems[0].sum();
  std::vector<Swapped> out{{.score = metric.score(base), .baseline = {}, .system = {}, .p = {}}};
  for (size_t s = 1; s < systems.size(); ++s) {
    const std::vector<double> whole = systems[s].sum();
    // What a system gives away is its whole less what it keeps.
    std::vector<double> a = kept[0], b = kept[s];
    for (size_t i = 0; i < a.size(); ++i) {
      const size_t c = i % whole.size();
      a[i] += whole[c] - kept[s][i], b[i] += base[c] - kept[0][i];
    }
    Swapped& r = out.emplace_back();
    r.score = metric.score(whole);
    r.baseline = scores(metric, a, whole.size()), r.system = scores(metric, b, whole.size());
    r.p = p_value(gaps(r.baseline, r.system), std::abs(r.score - out[0].score));
  }
  return out;
}

namespace {
const Explanation bootstrap(
    "paired-bs", "Paired bootstrap resampling",
    "Every trial draws as many sentences as there are, with replacement, the same for both "
    "systems. d is the absolute difference of the two scores, d* that of a trial: "
    "p = (#{d* - mean d* > d} + 1) / (B + 1). The interval of a score is the mean of its B "
    "resamples with half the width of their middle 95 %.",
    "Koehn 2004; Moses's script and sacreBLEU 2.6.0",
    "Approximate randomisation answers another question and often another number: on one pair "
    "of systems the tools publish 0.381 and 0.941. Report both.");
const Explanation randomisation(
    "paired-ar", "Paired approximate randomisation",
    "Every trial swaps the two systems' translations of each sentence with probability "
    "1/2. d is the absolute difference of the two scores, d* that of a trial: "
    "p = (#{d* > d} + 1) / (R + 1).",
    "Riezler and Maxwell 2005; MultEval (Clark et al. 2011) and sacreBLEU 2.6.0",
    "Ties with d do not count against the difference, as in MultEval.");
}  // namespace
}  // namespace rum
