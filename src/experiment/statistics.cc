#include "experiment/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "base/mean.h"
#include "base/random.h"
#include "base/threads.h"

namespace rum::experiment {
namespace {
constexpr uint32_t kDrawSeeds = 100;  // Counter::site; significance.h draws sentences at other sites
// f(r) for each replicate, in parallel pieces.
template <class F>
void each_replicate(int count, const F& f) {
  constexpr int64_t kPerPiece = 128;
  parallel((count + kPerPiece - 1) / kPerPiece, [&](int64_t piece) {
    for (int64_t r = piece * kPerPiece; r < std::min<int64_t>((piece + 1) * kPerPiece, count); ++r) f(r);
  });
}
double standard_deviation(std::span<const double> x) {
  const double m = mean(x);
  double sum = 0;
  for (double v : x) sum += (v - m) * (v - m);
  return std::sqrt(sum / (static_cast<double>(x.size()) - 1));  // NaN for one
}
void check_finite(std::span<const double> scores) {
  for (double x : scores)
    RUM_CHECK(std::isfinite(x), "statistics: the score of a resampled test set is {}: too few sentences?", x);
}

void check(const SeedRows& rows, const Resampling& r) {
  RUM_CHECK(!rows.empty(), "statistics: an arm without seeds");
  RUM_CHECK(rows[0].size() > 0, "statistics: an arm without test sentences");
  for (const metrics::Rows& seed : rows) {
    RUM_CHECK(seed.columns == rows[0].columns, "statistics: one seed has rows of {} numbers, another of {}",
              rows[0].columns, seed.columns);
    RUM_CHECK(seed.size() == rows[0].size(), "statistics: one seed has {} test sentences, another {}",
              rows[0].size(), seed.size());
  }
  RUM_CHECK(r.replicates >= 100, "statistics: at least 100 replicates are needed, not {}", r.replicates);
}
}  // namespace

Bootstrap bootstrap(const metrics::Score& score, const SeedRows& rows, const Resampling& resampling) {
  check(rows, resampling);
  const size_t seeds = rows.size(), width = rows[0].columns;
  Bootstrap out;
  for (const metrics::Rows& seed : rows) out.by_seed.push_back(score(seed.sum()));
  out.score = mean(out.by_seed);

  const auto sums =
      metrics::weighted_sums(rows, resampling.replicates, metrics::bootstrap_weights(resampling.seed));
  const Random random{resampling.seed, Stream::bootstrap};
  out.replicates.resize(static_cast<size_t>(resampling.replicates));
  each_replicate(resampling.replicates, [&](int64_t r) {
    double sum = 0;
    for (uint32_t draw = 0; draw < seeds; ++draw) {
      const uint64_t bits = random.bits({static_cast<uint32_t>(r), 0, kDrawSeeds, draw / 4}).at[draw % 4];
      const auto at = static_cast<size_t>(r) * width;
      sum += score({sums[bits * seeds >> 32].data() + at, width});
    }
    out.replicates[static_cast<size_t>(r)] = sum / static_cast<double>(seeds);
  });
  check_finite(out.by_seed);
  check_finite(out.replicates);
  return out;
}

Bootstrap minus(const Bootstrap& a, const Bootstrap& b, double times) {
  RUM_CHECK(a.by_seed.size() == b.by_seed.size(), "statistics: arms of {} and {} seeds cannot be paired",
            a.by_seed.size(), b.by_seed.size());
  RUM_CHECK(a.replicates.size() == b.replicates.size(), "statistics: arms of {} and {} replicates",
            a.replicates.size(), b.replicates.size());
  Bootstrap out = a;
  out.score -= times * b.score;
  for (size_t s = 0; s < out.by_seed.size(); ++s) out.by_seed[s] -= times * b.by_seed[s];
  for (size_t r = 0; r < out.replicates.size(); ++r) out.replicates[r] -= times * b.replicates[r];
  return out;
}

Bootstrap mean_of(std::span<const Bootstrap* const> arms) {
  Bootstrap out = *arms[0];
  for (const Bootstrap* arm : arms.subspan(1)) out = minus(out, *arm, -1);
  const auto n = static_cast<double>(arms.size());
  out.score /= n;
  for (double& s : out.by_seed) s /= n;
  for (double& s : out.replicates) s /= n;
  return out;
}

Spread spread(std::span<const double> by_seed) {
  RUM_CHECK(!by_seed.empty(), "statistics: the spread of no seeds");
  const auto [low, high] = std::minmax_element(by_seed.begin(), by_seed.end());
  return {mean(by_seed), standard_deviation(by_seed), *low, *high};
}

namespace {
// The continued fraction of the incomplete beta function I_x(a, b), by Lentz's method (DLMF 8.17.22).
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  const auto away = [](double v) { return std::abs(v) < kTiny ? kTiny : v; };
  double c = 1;
  double d = 1 / away(1 - (a + b) * x / (a + 1));
  double out = d;
  for (int m = 1; m < 10'000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    out *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    out *= d * c;
    if (std::abs(d * c - 1) < 1e-14) break;
  }
  return out;
}
// P(|T| >= t) for Student's t with df degrees of freedom: I_x(df / 2, 1 / 2), x = df / (df + t^2).
double student_p(double t, double df) {
  t = std::abs(t);
  if (df > 1e5) return std::erfc(t / std::sqrt(2.0));  // the normal distribution's
  const double a = df / 2, b = .5, x = df / (df + t * t);
  if (x >= 1) return 1;
  if (x <= 0) return 0;
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, 1 - x) / b;
}
// The t >= 0 that |T| exceeds with probability p: of .05 the 97.5 % quantile, of .4 the 80 % quantile.
double student_quantile(double p, double df) {
  double low = 0, high = 1e3;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    if (student_p(middle, df) > p)
      low = middle;
    else
      high = middle;
  }
  return low;
}
// The correction for few seeds (see statistics.h).
void allow_for_seeds(Effect& e, size_t seeds) {
  const auto n = static_cast<double>(seeds);
  const double of_seeds = e.seeds.sd * e.seeds.sd / n;  // variance of the mean that is due to seeds
  if (seeds < 2 || of_seeds <= 0 || e.error <= 0) return;
  const double variance = e.error * e.error + of_seeds / n, error = std::sqrt(variance),
               df = (n - 1) * variance * variance / (of_seeds * of_seeds),
               wider = student_quantile(.05, df) / kNormal95 * error / e.error;
  e.low = e.value - wider * (e.value - e.low);
  e.high = e.value + wider * (e.high - e.value);
  e.p = std::max(e.p, student_p(e.value / error, df));
  e.error = error;
  e.df = df;
}
}  // namespace

double Effect::detectable() const { return (student_quantile(.05, df) + student_quantile(.4, df)) * error; }

Effect effect(const Bootstrap& b) {
  std::vector<double> sorted = b.replicates;
  std::sort(sorted.begin(), sorted.end());
  const size_t n = sorted.size(), dropped = n / 40;
  RUM_CHECK(n >= 100, "statistics: at least 100 replicates are needed, not {}", n);
  constexpr double kRounding = 1e-12;  // of scores up to some hundreds
  const auto not_above = std::upper_bound(sorted.begin(), sorted.end(), kRounding) - sorted.begin(),
             not_below = sorted.end() - std::lower_bound(sorted.begin(), sorted.end(), -kRounding);
  Effect out{.value = b.score,
             .low = sorted[dropped],
             .high = sorted[n - 1 - dropped],
             .error = standard_deviation(sorted),
             .p = std::min(1.0, 2.0 * static_cast<double>(std::min(not_above, not_below) + 1) /
                                    static_cast<double>(n + 1)),
             .seeds = spread(b.by_seed)};
  allow_for_seeds(out, b.by_seed.size());
  return out;
}
Effect difference(const Bootstrap& a, const Bootstrap& b) { return effect(minus(a, b)); }

namespace {
// All ways to swap the rows that differ, in all seeds together; nullopt if there are too many.
std::optional<std::vector<double>> every_swap(const metrics::Score& score, const SeedRows& a,
                                              const SeedRows& b) {
  std::vector<std::vector<size_t>> differ;
  size_t all = 0;
  for (size_t s = 0; s < a.size(); ++s) all += differ.emplace_back(metrics::differing(b[s], a[s])).size();
  if (all > metrics::kMostExact) return {};
  std::vector<double> sums{0};
  for (size_t s = 0; s < a.size(); ++s) {
    std::vector<double> longer;
    for (const double d : metrics::all_swaps(score, b[s], a[s], differ[s]))
      for (const double sum : sums) longer.push_back(sum + d);
    sums = std::move(longer);
  }
  return sums;
}
std::vector<double> swapped_differences(const metrics::Score& score, const SeedRows& a, const SeedRows& b,
                                        const Resampling& resampling) {
  std::vector<double> differences(static_cast<size_t>(resampling.replicates));
  const metrics::Weights keep = metrics::swap_weights(resampling.seed);
  for (size_t s = 0; s < a.size(); ++s) {
    const std::vector<double> all_a = a[s].sum(), all_b = b[s].sum();
    const metrics::Rows pair[] = {a[s], b[s]};
    const auto offset = static_cast<int64_t>(s) << 32;  // different swaps for each seed
    const auto kept = metrics::weighted_sums(
        pair, resampling.replicates,
        [&](int64_t trial, std::span<double> weights) { keep(offset + trial, weights); });
    each_replicate(resampling.replicates, [&](int64_t trial) {
      std::vector<double> x = all_b, y = all_a;
      for (size_t k = 0; k < x.size(); ++k) {
        const size_t at = static_cast<size_t>(trial) * x.size() + k;
        const double change = kept[0][at] - kept[1][at];
        x[k] += change;
        y[k] -= change;
      }
      differences[static_cast<size_t>(trial)] += score(x) - score(y);
    });
  }
  return differences;
}
}  // namespace

double randomisation_p(const metrics::Score& score, const SeedRows& a, const SeedRows& b,
                       const Resampling& resampling) {
  check(a, resampling);
  check(b, resampling);
  RUM_CHECK(a.size() == b.size() && a[0].size() == b[0].size() && a[0].columns == b[0].columns,
            "statistics: arms of {} x {} and {} x {} seeds and sentences cannot be paired", a.size(),
            a[0].size(), b.size(), b[0].size());
  double observed = 0, scale = 0;
  for (size_t s = 0; s < a.size(); ++s) {
    const double one = score(a[s].sum()), other = score(b[s].sum());
    observed += one - other;
    scale += std::max(std::abs(one), std::abs(other));
  }
  check_finite({&observed, 1});
  if (const auto swaps = every_swap(score, a, b)) {
    check_finite(*swaps);
    return static_cast<double>(metrics::as_far(*swaps, observed, scale)) / static_cast<double>(swaps->size());
  }
  const std::vector<double> swaps = swapped_differences(score, a, b, resampling);
  check_finite(swaps);
  return metrics::p_value(metrics::as_far(swaps, observed, scale), swaps.size());
}

double largest_p(std::span<const double> by_seed) {
  const auto undefined = [](double p) { return std::isnan(p); };
  if (by_seed.empty() || std::any_of(by_seed.begin(), by_seed.end(), undefined)) return 1;
  return *std::max_element(by_seed.begin(), by_seed.end());
}

std::vector<double> holm(std::span<const double> p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  for (double x : p) RUM_CHECK(x >= 0 && x <= 1, "statistics: {} is not a p-value", x);
  std::stable_sort(order.begin(), order.end(), [&](size_t i, size_t j) { return p[i] < p[j]; });
  std::vector<double> corrected(p.size());
  double largest = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    largest = std::max(largest, std::min(1.0, static_cast<double>(order.size() - i) * p[order[i]]));
    corrected[order[i]] = largest;
  }
  return corrected;
}

Verdict verdict_of(const Effect& e, double corrected_p, Direction direction) {
  const double sign = direction == Direction::greater ? 1 : -1;
  const double low = std::min(sign * e.low, sign * e.high), high = std::max(sign * e.low, sign * e.high);
  if (!(corrected_p < .05)) return Verdict::undecided;
  if (low > 0) return Verdict::holds;
  return high < 0 ? Verdict::does_not_hold : Verdict::undecided;
}
const char* name(Verdict v) {
  switch (v) {
    case Verdict::holds:
      return "holds";
    case Verdict::does_not_hold:
      return "does not hold";
    case Verdict::undecided:
      return "undecided";
  }
  return "";
}
}  // namespace rum::experiment
