#include "metrics/significance.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/mean.h"
#include "base/random.h"
#include "base/threads.h"
#include "metrics/explain.h"

namespace rum::metrics {
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
std::vector<double> differences(std::span<const double> system, std::span<const double> baseline) {
  std::vector<double> out;
  for (size_t i = 0; i < system.size(); ++i) out.push_back(system[i] - baseline[i]);
  return out;
}
double scale_of(double a, double b) { return std::max(std::abs(a), std::abs(b)); }
void drop_signs(std::span<double> x) {
  for (double& v : x) v = std::abs(v);
}
void centre(std::span<double> x) {
  const double middle = mean(x);
  for (double& v : x) v -= middle;
}
// sacreBLEU's count: strictly further than the real difference.
int64_t further(std::span<const double> by_chance, double real) {
  return std::count_if(by_chance.begin(), by_chance.end(), [&](double x) { return x > std::abs(real); });
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
  // The rows of all systems side by side, so that one pass over the sentences serves all systems.
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
  constexpr int64_t kTrials = 8;  // trials that share one pass over the rows
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

int64_t as_far(std::span<const double> by_chance, double real, double scale) {
  if (std::isinf(real))
    return std::count_if(by_chance.begin(), by_chance.end(), [](double x) { return std::isinf(x); });
  const double least = std::abs(real) - 1e-12 * std::max(1.0, scale);
  return std::count_if(by_chance.begin(), by_chance.end(), [&](double x) { return std::abs(x) >= least; });
}
double p_value(int64_t count, size_t trials) {
  return static_cast<double>(count + 1) / static_cast<double>(trials + 1);
}

std::vector<Bootstrapped> paired_bootstrap(const Metric& metric, std::span<const Rows> systems,
                                           int64_t trials, const Weights& weights, PRule rule) {
  const auto sums = weighted_sums(systems, trials, weights);
  std::vector<Bootstrapped> out;
  for (size_t s = 0; s < systems.size(); ++s) {
    Bootstrapped& b = out.emplace_back();
    b.score = metric.score(systems[s].sum());
    b.scores = scores(metric, sums[s], systems[s].columns);
    b.interval = interval(b.scores);
    if (s == 0) continue;
    std::vector<double> by_chance = differences(b.scores, out[0].scores);
    const double real = b.score - out[0].score;
    if (rule == PRule::sacrebleu) {
      drop_signs(by_chance);
      centre(by_chance);
      b.as_far = further(by_chance, real);
    } else {
      centre(by_chance);
      b.as_far = as_far(by_chance, real, scale_of(b.score, out[0].score));
    }
    b.p = p_value(b.as_far, by_chance.size());
  }
  return out;
}

std::vector<Swapped> paired_randomisation(const Metric& metric, std::span<const Rows> systems, int64_t trials,
                                          const Weights& weights, PRule rule) {
  const auto kept = weighted_sums(systems, trials, weights);
  const std::vector<double> base = systems[0].sum();
  std::vector<Swapped> out{{.score = metric.score(base), .baseline = {}, .system = {}, .p = {}}};
  for (size_t s = 1; s < systems.size(); ++s) {
    const std::vector<double> whole = systems[s].sum();
    // The rows a system gives away are its total minus those it keeps.
    std::vector<double> a = kept[0], b = kept[s];
    for (size_t i = 0; i < a.size(); ++i) {
      const size_t c = i % whole.size();
      a[i] += whole[c] - kept[s][i];
      b[i] += base[c] - kept[0][i];
    }
    Swapped& r = out.emplace_back();
    r.score = metric.score(whole);
    r.baseline = scores(metric, a, whole.size());
    r.system = scores(metric, b, whole.size());
    std::vector<double> by_chance = differences(r.system, r.baseline);
    const double real = r.score - out[0].score;
    if (rule == PRule::sacrebleu) {
      drop_signs(by_chance);
      r.as_far = further(by_chance, real);
    } else {
      r.as_far = as_far(by_chance, real, scale_of(r.score, out[0].score));
    }
    r.p = p_value(r.as_far, by_chance.size());
  }
  return out;
}

std::vector<size_t> differing(const Rows& baseline, const Rows& system) {
  std::vector<size_t> out;
  for (size_t i = 0; i < baseline.size(); ++i)
    if (!std::equal(baseline[i].begin(), baseline[i].end(), system[i].begin())) out.push_back(i);
  return out;
}
namespace {
// All 2^k sums of system - baseline, each over the sentences in a mask.
std::vector<double> subset_sums(const Rows& baseline, const Rows& system, std::span<const size_t> sentences) {
  const size_t columns = system.columns;
  std::vector<double> out(columns);
  for (const size_t sentence : sentences) {
    const size_t so_far = out.size();
    out.resize(2 * so_far);
    for (size_t i = 0; i < so_far; ++i) {
      const size_t c = i % columns;
      out[so_far + i] = out[i] + system[sentence][c] - baseline[sentence][c];
    }
  }
  return out;
}
}  // namespace
std::vector<double> all_swaps(const Score& score, const Rows& baseline, const Rows& system,
                              std::span<const size_t> sentences) {
  RUM_CHECK(sentences.size() <= kMostExact, "significance: {} sentences differ; every swap of at most {}",
            sentences.size(), kMostExact);
  // The rows that a swap moves are a sum over the first half of the sentences and one over the second: 2^10
  // of each.
  const size_t half = sentences.size() / 2, columns = system.columns;
  const auto first = subset_sums(baseline, system, sentences.first(half)),
             second = subset_sums(baseline, system, sentences.subspan(half));
  const std::vector<double> a = baseline.sum(), b = system.sum();
  std::vector<double> out(size_t{1} << sentences.size());
  parallel(static_cast<int64_t>(second.size() / columns), [&](int64_t piece) {
    std::vector<double> x(columns), y(columns);
    const size_t high = static_cast<size_t>(piece);
    for (size_t low = 0; low < size_t{1} << half; ++low) {
      for (size_t c = 0; c < columns; ++c) {
        const double moved = first[low * columns + c] + second[high * columns + c];
        x[c] = a[c] + moved;
        y[c] = b[c] - moved;
      }
      out[high << half | low] = score(y) - score(x);
    }
  });
  return out;
}
Exact exact_randomisation(const Metric& metric, const Rows& baseline, const Rows& system,
                          std::span<const size_t> sentences) {
  const auto score = [&](std::span<const double> sum) { return metric.score(sum); };
  const std::vector<double> swaps = all_swaps(score, baseline, system, sentences);
  const double scale = scale_of(metric.score(baseline.sum()), metric.score(system.sum()));
  return Exact{sentences.size(), static_cast<int64_t>(swaps.size()), as_far(swaps, swaps[0], scale)};
}

namespace {
const Explanation bootstrap(
    "paired-bs", "Paired bootstrap resampling",
    "Every trial draws as many sentences as there are, with replacement, the same for both systems. d is "
    "the difference of the two scores, d* that of a trial, mean d* that of all trials: "
    "p = (#{|d* - mean d*| >= |d|} + 1) / (B + 1). So systems that do not differ have p = 1. The interval of "
    "a score is the mean of its B resamples with half the width of their middle 95 %. One sentence cannot "
    "vary, and below 25 the test finds differences too readily: nominal 5 % were 15 % with 5 sentences.",
    "Koehn 2004; Riezler and Maxwell 2005 on ties",
    "sacreBLEU 2.6.0 and Moses's script count #{|d*| - mean |d*| > |d|}: ties do not count, so that a system "
    "compared with itself has p = 1/(B + 1), and the sign is lost before the mean is taken; --p-rule "
    "sacrebleu does the same. Approximate randomisation answers another question and often gives another "
    "number: on one pair of systems the tools publish 0.381 and 0.941. Report both.");
const Explanation randomisation(
    "paired-ar", "Paired approximate randomisation",
    "Every trial swaps the two systems' translations of each sentence with probability 1/2. d is the "
    "difference of the two scores, d* that of a trial: p = (#{|d*| >= |d|} + 1) / (R + 1). Where at most 20 "
    "sentences make a difference, all 2^k ways to swap them are counted instead, and p = #{|d*| >= |d|} / "
    "2^k is exact: 1 for systems that do not differ, 0.25 where 3 sentences differ and all one way.",
    "Noreen 1989; Riezler and Maxwell 2005",
    "sacreBLEU 2.6.0 and MultEval (Clark et al. 2011) count #{|d*| > |d|}: ties do not count, so that 3 "
    "sentences or none get p = 1/(R + 1); --p-rule sacrebleu does the same.");
}  // namespace
}  // namespace rum::metrics
