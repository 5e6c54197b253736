#include "experiment/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/random.h"
#include "base/threads.h"

namespace rum {
namespace {
enum : uint32_t { kDrawSeeds, kDrawSentences, kSwap };  // Counter::micro: what is drawn
constexpr int64_t kPerPiece = 32;                       // replicates

// Calls f(begin, end) for all replicates, piece by piece.
template <class F>
void over_replicates(int count, const F& f) {
  parallel((count + kPerPiece - 1) / kPerPiece, [&](int64_t piece) {
    const int64_t begin = piece * kPerPiece;
    f(begin, std::min<int64_t>(begin + kPerPiece, count));
  });
}
// times[i]: how often i of n is drawn in n draws with replacement.
void draw(const Random& random, Counter c, std::span<double> times) {
  std::fill(times.begin(), times.end(), 0.0);
  for (size_t i = 0; i < times.size(); ++c.block) {
    const Bits4 bits = random.bits(c);
    for (size_t j = 0; j < 4 && i < times.size(); ++j, ++i)
      times[uint64_t{bits.at[j]} * times.size() >> 32] += 1;
  }
}
// sum += times[i] * row i.
void add_rows(std::span<const double> times, const double* rows, std::span<double> sum) {
  const size_t width = sum.size();
  for (size_t i = 0; i < times.size(); ++i, rows += width)
    if (times[i] != 0)
      for (size_t k = 0; k < width; ++k) sum[k] += times[i] * rows[k];
}
double mean(std::span<const double> x) {
  return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
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
  for (const Rows& seed : rows) {
    RUM_CHECK(seed.columns == rows[0].columns, "statistics: one seed has rows of {} numbers, another of {}",
              rows[0].columns, seed.columns);
    RUM_CHECK(seed.size() == rows[0].size(), "statistics: one seed has {} test sentences, another {}",
              rows[0].size(), seed.size());
  }
  RUM_CHECK(r.replicates >= 100, "statistics: at least 100 replicates are needed, not {}", r.replicates);
}
}  // namespace

Bootstrap bootstrap(const Score& score_of, const SeedRows& rows, const Resampling& resampling) {
  check(rows, resampling);
  const size_t seeds = rows.size(), width = rows[0].columns, sentences = rows[0].size();
  Bootstrap out;
  for (const Rows& seed : rows) out.by_seed.push_back(score_of(seed.sum()));
  out.score = mean(out.by_seed);
  out.replicates.resize(static_cast<size_t>(resampling.replicates));

  std::vector<double> together(rows[0].size() *
                               seeds);  // sentence after sentence, all its seeds side by side
  for (size_t i = 0; i < sentences; ++i)
    for (size_t s = 0; s < seeds; ++s)
      std::copy_n(rows[s].values.data() + i * width, width, together.data() + (i * seeds + s) * width);

  const Random random{resampling.seed, Stream::bootstrap};
  over_replicates(resampling.replicates, [&](int64_t begin, int64_t end) {
    std::vector<double> seed_times(seeds), times(sentences), sum(seeds * width);
    for (int64_t r = begin; r < end; ++r) {
      const auto step = static_cast<uint32_t>(r);
      draw(random, {step, kDrawSeeds, 0, 0}, seed_times);
      draw(random, {step, kDrawSentences, 0, 0}, times);
      std::fill(sum.begin(), sum.end(), 0.0);
      add_rows(times, together.data(), sum);
      double score = 0;
      for (size_t s = 0; s < seeds; ++s)
        if (seed_times[s] != 0) score += seed_times[s] * score_of({sum.data() + s * width, width});
      out.replicates[static_cast<size_t>(r)] = score / static_cast<double>(seeds);
    }
  });
  check_finite(out.by_seed), check_finite(out.replicates);
  return out;
}

Spread spread(std::span<const double> by_seed) {
  RUM_CHECK(!by_seed.empty(), "statistics: the spread of no seeds");
  const auto [low, high] = std::minmax_element(by_seed.begin(), by_seed.end());
  return {mean(by_seed), standard_deviation(by_seed), *low, *high};
}

double Estimate::detectable() const { return (1.959963984540054 + 0.8416212335729143) * error; }

Estimate estimate(const Bootstrap& b) {
  std::vector<double> sorted = b.replicates;
  std::sort(sorted.begin(), sorted.end());
  const size_t n = sorted.size(), dropped = n / 40;
  RUM_CHECK(n >= 100, "statistics: at least 100 replicates are needed, not {}", n);
  const auto not_above = std::upper_bound(sorted.begin(), sorted.end(), 0.0) - sorted.begin(),
             not_below = sorted.end() - std::lower_bound(sorted.begin(), sorted.end(), 0.0);
  return {.value = b.score,
          .low = sorted[dropped],
          .high = sorted[n - 1 - dropped],
          .error = standard_deviation(sorted),
          .p = std::min(1.0, 2.0 * static_cast<double>(std::min(not_above, not_below) + 1) /
                                 static_cast<double>(n + 1)),
          .seeds = spread(b.by_seed)};
}
Estimate difference(const Bootstrap& a, const Bootstrap& b) {
  RUM_CHECK(a.by_seed.size() == b.by_seed.size(), "statistics: arms of {} and {} seeds cannot be paired",
            a.by_seed.size(), b.by_seed.size());
  RUM_CHECK(a.replicates.size() == b.replicates.size(), "statistics: arms of {} and {} replicates",
            a.replicates.size(), b.replicates.size());
  Bootstrap d = a;
  d.score -= b.score;
  for (size_t s = 0; s < d.by_seed.size(); ++s) d.by_seed[s] -= b.by_seed[s];
  for (size_t r = 0; r < d.replicates.size(); ++r) d.replicates[r] -= b.replicates[r];
  return estimate(d);
}

double randomisation_p(const Score& score_of, const SeedRows& a, const SeedRows& b,
                       const Resampling& resampling) {
  check(a, resampling), check(b, resampling);
  const size_t seeds = a.size(), width = a[0].columns, sentences = a[0].size();
  RUM_CHECK(b.size() == seeds && b[0].size() == sentences && b[0].columns == width,
            "statistics: arms of {} x {} and {} x {} seeds and sentences cannot be paired", seeds, sentences,
            b.size(), b[0].size());
  SeedRows change = b;  // what a swap adds to a's sum and takes from b's
  std::vector<std::vector<double>> sum_a, sum_b;
  double observed = 0;
  for (size_t s = 0; s < seeds; ++s) {
    for (size_t k = 0; k < change[s].values.size(); ++k) change[s].values[k] -= a[s].values[k];
    sum_a.push_back(a[s].sum()), sum_b.push_back(b[s].sum());
    observed += score_of(sum_a[s]) - score_of(sum_b[s]);
  }
  const double at_least = std::abs(observed) * (1 - 1e-12);  // sums of the same rows in another order

  std::vector<double> differences(static_cast<size_t>(resampling.replicates));
  const Random random{resampling.seed, Stream::bootstrap};
  over_replicates(resampling.replicates, [&](int64_t begin, int64_t end) {
    std::vector<double> swapped(sentences), x(width), y(width);
    for (int64_t r = begin; r < end; ++r) {
      double d = 0;
      for (size_t s = 0; s < seeds; ++s) {
        Counter c{static_cast<uint32_t>(r), kSwap, static_cast<uint32_t>(s), 0};
        for (size_t i = 0; i < sentences; ++c.block) {
          const Bits4 bits = random.bits(c);
          for (size_t j = 0; j < 128 && i < sentences; ++j, ++i) swapped[i] = bits.at[j / 32] >> j % 32 & 1;
        }
        std::fill(x.begin(), x.end(), 0.0);
        add_rows(swapped, change[s].values.data(), x);
        for (size_t k = 0; k < width; ++k) y[k] = sum_b[s][k] - x[k], x[k] += sum_a[s][k];
        d += score_of(x) - score_of(y);
      }
      differences[static_cast<size_t>(r)] = d;
    }
  });
  check_finite({&observed, 1}), check_finite(differences);
  const auto extreme = std::count_if(differences.begin(), differences.end(),
                                     [&](double d) { return std::abs(d) >= at_least; });
  return static_cast<double>(extreme + 1) / static_cast<double>(differences.size() + 1);
}

std::vector<double> holm(std::span<const double> p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  for (double x : p) RUM_CHECK(x >= 0 && x <= 1, "statistics: {} is no p-value", x);
  std::stable_sort(order.begin(), order.end(), [&](size_t i, size_t j) { return p[i] < p[j]; });
  std::vector<double> corrected(p.size());
  double largest = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    largest = std::max(largest, std::min(1.0, static_cast<double>(order.size() - i) * p[order[i]]));
    corrected[order[i]] = largest;
  }
  return corrected;
}

Verdict judge(const Estimate& e, double corrected_p, Direction direction) {
  const double sign = direction == Direction::greater ? 1 : -1;
  const double low = std::min(sign * e.low, sign * e.high), high = std::max(sign * e.low, sign * e.high);
  if (!(corrected_p < .05)) return Verdict::undecided;
  return low > 0 ? Verdict::holds : high < 0 ? Verdict::does_not_hold : Verdict::undecided;
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
}  // namespace rum
