// Tests of differences: against an enumeration of every resample, simulated arms with a known true
// difference, and numbers worked out by hand.
#include "experiment/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <tuple>

#include "base/error.h"
#include "base/threads.h"
#include "tests/error_of.h"

namespace rum::statistics_test {
using namespace experiment;
namespace {
const metrics::Score kMean = [](std::span<const double> s) { return s[0] / s[1]; };  // sum, count

SeedRows rows_of(const std::vector<std::vector<double>>& values) {
  SeedRows rows;
  for (const auto& seed : values) {
    rows.push_back({2, {}});
    for (double v : seed) rows.back().values.insert(rows.back().values.end(), {v, 1});
  }
  return rows;
}
// Arms a, b whose sentences differ by `effect` + seed part + sentence part + a part of its own.
struct Simulation {
  int seeds, sentences;
  double effect, seed_sd, sentence_sd, own_sd;
  std::pair<SeedRows, SeedRows> draw(std::mt19937& g) const {
    std::normal_distribution<double> z;
    const auto n = static_cast<size_t>(sentences);
    std::vector<double> level(n), part(n);
    for (size_t i = 0; i < n; ++i) level[i] = 3 * z(g), part[i] = sentence_sd * z(g);
    std::vector<std::vector<double>> a, b;
    for (int s = 0; s < seeds; ++s) {
      const double seed_part = seed_sd * z(g);
      a.emplace_back(), b.emplace_back();
      for (size_t i = 0; i < n; ++i) {
        b.back().push_back(level[i]);
        a.back().push_back(level[i] + effect + seed_part + part[i] + own_sd * z(g));
      }
    }
    return {rows_of(a), rows_of(b)};
  }
  // The shares of trials in which the interval covers the effect, and in which it excludes 0.
  std::pair<double, double> run(int trials, uint32_t seed) const {
    std::mt19937 g(seed);
    int covered = 0, found = 0;
    for (int t = 0; t < trials; ++t) {
      const auto [a, b] = draw(g);
      const Resampling r{400, static_cast<uint32_t>(t) + 1};
      const Effect e = difference(bootstrap(kMean, a, r), bootstrap(kMean, b, r));
      covered += e.low <= effect && effect <= e.high;
      found += e.low > 0 || e.high < 0;
    }
    return {static_cast<double>(covered) / trials, static_cast<double>(found) / trials};
  }
};

TEST(Statistics, TheMeanOfArmsIsTakenDrawByDraw) {
  const Bootstrap a{3, {2, 4}, {2, 3, 4}}, b{5, {6, 4}, {6, 5, 1}};
  const Bootstrap* const both[] = {&a, &b};
  const Bootstrap m = mean_of(both);
  EXPECT_EQ(m.score, 4);
  EXPECT_EQ(m.by_seed, (std::vector<double>{4, 4}));
  EXPECT_EQ(m.replicates, (std::vector<double>{4, 4, 2.5}));
  const Bootstrap shorter{1, {1, 1}, {1, 1}};
  const Bootstrap* const unlike[] = {&a, &shorter};
  EXPECT_NE(error_of([&] { mean_of(unlike); }).find("replicates"), std::string::npos);
}
TEST(Statistics, BootstrapIsTheEnumeratedDistribution) {
  // A ratio of sums, not a mean of ratios: rows (x, y), score sum x / sum y. 2 seeds, 3
  // sentences: 4 x 27 draws.
  const SeedRows a{{2, {1, 2, 5, 3, 2, 7}}, {2, {4, 2, 1, 3, 9, 7}}},
      b{{2, {0, 2, 3, 3, 6, 7}}, {2, {1, 2, 1, 3, 2, 7}}};
  std::vector<double> exact;
  auto score = [](const metrics::Rows& r, int i, int j, int k) {
    double x = 0, y = 0;
    for (int t : {i, j, k}) x += r[static_cast<size_t>(t)][0], y += r[static_cast<size_t>(t)][1];
    return x / y;
  };
  for (size_t s : {0, 1})
    for (size_t t : {0, 1})
      for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j)
          for (int k = 0; k < 3; ++k)
            exact.push_back((score(a[s], i, j, k) + score(a[t], i, j, k)) / 2 -
                            (score(b[s], i, j, k) + score(b[t], i, j, k)) / 2);
  std::sort(exact.begin(), exact.end());

  const Resampling r{40000, 7};
  const Bootstrap x = bootstrap(kMean, a, r), y = bootstrap(kMean, b, r);
  std::vector<double> drawn;
  for (size_t i = 0; i < x.replicates.size(); ++i) drawn.push_back(x.replicates[i] - y.replicates[i]);
  std::sort(drawn.begin(), drawn.end());
  auto share = [](const std::vector<double>& sorted, double at) {
    return static_cast<double>(std::upper_bound(sorted.begin(), sorted.end(), at + 1e-9) - sorted.begin()) /
           static_cast<double>(sorted.size());
  };
  for (double at : exact)
    EXPECT_NEAR(share(drawn, at), share(exact, at), .0125) << at;  // 5 sd of 40,000 draws

  const Effect e = difference(x, y);
  EXPECT_NEAR(e.value, (8. / 12 + 14. / 12) / 2 - (9. / 12 + 4. / 12) / 2, 1e-12);
  const double m = std::accumulate(exact.begin(), exact.end(), 0.0) / 108;
  double v = 0;
  for (double d : exact) v += (d - m) * (d - m) / 108;
  // Two seeds 11/12 apart: their mean has the variance sd^2 / 2, of which resampling shows half.
  const double sd = 11. / 12 / std::sqrt(2.0), variance = v + sd * sd / 4,
               df = variance * variance / std::pow(sd * sd / 2, 2);
  EXPECT_NEAR(e.error, std::sqrt(variance), .01 * std::sqrt(variance));
  EXPECT_GE(df, 1);  // so Student's quantile lies between the normal one and that of one degree of freedom
  EXPECT_LT(e.low, exact.front());
  EXPECT_GT(e.low, e.value - 12.8 * e.error);
  EXPECT_GT(e.high, exact.back());
  EXPECT_GT(e.detectable(), 2.8016 * e.error);
  EXPECT_GT(e.p, 2 * std::min(share(exact, 0), 1 - share(exact, -1e-6)) - .02);
  EXPECT_DOUBLE_EQ(e.seeds.high, 14. / 12 - 4. / 12);
  EXPECT_NEAR(e.seeds.low, 8. / 12 - 9. / 12, 1e-12);
  EXPECT_NEAR(e.seeds.sd, (10. / 12 + 1. / 12) / std::sqrt(2.0), 1e-12);
}
// A single seed is taken as fixed: the interval is that of the replicates, here of all 27 draws of three
// sentences.
TEST(Statistics, OneSeedHasThePercentileInterval) {
  const Effect e = effect(bootstrap(kMean, {{2, {0, 1, 0, 1, 3, 1}}}, {40'000, 7}));
  EXPECT_DOUBLE_EQ(e.value, 1);
  EXPECT_DOUBLE_EQ(e.low, 0);   // 8 of 27 draws
  EXPECT_DOUBLE_EQ(e.high, 3);  // 1 of 27: more than a fortieth
  EXPECT_NEAR(e.error, std::sqrt(2. / 3), .01);
  EXPECT_NEAR(e.p, 2 * 8. / 27, .02);
  EXPECT_NEAR(e.detectable(), 2.8016 * e.error, 1e-4 * e.error);
}
// 2 seeds of 5 translations: all 1,024 swaps. Then 2 of 11, which are too many to count: random swaps.
TEST(Statistics, RandomisationIsTheEnumeratedTest) {
  const SeedRows a = rows_of({{3, 1, 4, 1, 5}, {9, 2, 6, 5, 3}}),
                 b = rows_of({{2, 1, 1, 3, 1}, {5, 2, 7, 1, 3}});
  double observed = 0;
  for (size_t s = 0; s < 2; ++s)
    for (size_t i = 0; i < 5; ++i) observed += a[s][i][0] - b[s][i][0];
  int extreme = 0;
  for (unsigned swaps = 0; swaps < 1024; ++swaps) {
    double d = 0;
    for (size_t s = 0; s < 2; ++s)
      for (size_t i = 0; i < 5; ++i) d += (swaps >> (s * 5 + i) & 1 ? -1 : 1) * (a[s][i][0] - b[s][i][0]);
    extreme += std::abs(d) >= std::abs(observed);
  }
  const double exact = extreme / 1024.;
  ASSERT_GT(exact, .02);
  ASSERT_LT(exact, .5);  // shares of 0 or 1 would test little
  EXPECT_EQ(randomisation_p(kMean, a, b, {100, 3}), exact);
}
TEST(Statistics, RandomisationSwapsEachSeedForItself) {
  const metrics::Rows twos{2, {2, 1, 2, 1, 2, 1, 2, 1, 2, 1}}, ones{2, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}};
  // Only all ten swaps or none are as extreme: 2 of 1,024. With the same swaps for both seeds: 2 of 32.
  EXPECT_EQ(randomisation_p(kMean, {twos, twos}, {ones, ones}, {100, 3}), 2. / 1024);
}
// More translations than can be counted. By hand: 22 differences of +1 except 4 of -1 give d = 14, and of n
// signs at least 18 are alike in 2 sum_{k >= 18} C(22, k) of 2^22 swaps: 2 (7315 + 1540 + 231 + 22 + 1).
TEST(Statistics, RandomSwapsComeNearTheExactP) {
  std::vector<std::vector<double>> x(2, std::vector<double>(11, 1)), y(2, std::vector<double>(11, 0));
  for (size_t i = 0; i < 4; ++i) std::swap(x[i % 2][i], y[i % 2][i]);
  const double exact = 2. * 9109 / (1 << 22);
  EXPECT_NEAR(randomisation_p(kMean, rows_of(x), rows_of(y), {20000, 3}), exact,
              5 * std::sqrt(exact / 20000) + 1. / 20000);
  // With the same swaps for both seeds it would be 2 / 2^7: seven pairs of +2, and four of 0.
}
TEST(Statistics, FewTranslationsThatDifferAreCounted) {
  std::vector<std::vector<double>> x(3, std::vector<double>(50, .7));
  auto y = x;
  y[0][3] = y[1][7] = y[2][40] = .9;  // all in one direction: 2 of 8 swaps are as extreme
  EXPECT_EQ(randomisation_p(kMean, rows_of(y), rows_of(x)), .25);
  y[2][40] = .7;
  EXPECT_EQ(randomisation_p(kMean, rows_of(y), rows_of(x)), .5);
}
TEST(Statistics, EqualArmsAreNotDifferent) {
  std::mt19937 g(1);
  const auto [a, unused] = Simulation{3, 50, 0, 1, 1, 1}.draw(g);
  const Bootstrap x = bootstrap(kMean, a);
  const Effect e = difference(x, x);
  EXPECT_EQ(e.value, 0);
  EXPECT_EQ(e.low, 0);
  EXPECT_EQ(e.high, 0);
  EXPECT_EQ(e.p, 1);
  EXPECT_EQ(randomisation_p(kMean, a, a), 1);
  EXPECT_EQ(verdict_of(e, e.p, Direction::greater), Verdict::undecided);
}
TEST(Statistics, IntervalsCoverTheTruth) {
  const int trials = 400;  // sd of a share of .95: .011
  struct {
    Simulation world;
    double least, most;
  } cases[] = {
      {{1, 80, .3, 0, 1, 0}, .90, .98},     // one seed: the plain bootstrap of sentences
      {{3, 80, .3, .05, 1, .3}, .90, .99},  // sentences differ more than seeds, the case of a real test set
      // sentences alone: drawn separately for each seed they would cover .77
      {{3, 80, .3, 0, 1, 0}, .90, .98},
      {{5, 80, .3, .1, 1, 1}, .90, .995},
      {{3, 80, .3, 1, .1, .1}, .92, .98},   // seeds alone: Student's t with 2 degrees of freedom
      {{4, 80, .3, .15, 1, .1}, .92, .99},  // both equal
  };
  for (const auto& c : cases) {
    const double covered = c.world.run(trials, 11).first;
    EXPECT_GE(covered, c.least) << c.world.seeds << " seeds, sd " << c.world.seed_sd;
    EXPECT_LE(covered, c.most) << c.world.seeds << " seeds, sd " << c.world.seed_sd;
  }
}
// Three values whose mean differs from 0 by t standard errors of 2 degrees of freedom: tables have 4.3027 at
// 5 %. Sentences do not vary, so all of the variance is the seeds'.
TEST(Statistics, SeedsAloneAreStudentsTest) {
  for (const auto& [t, p] : {std::pair{4.302653, .05}, {9.924843, .01}, {1.885618, .2}}) {
    const double middle = t * 1 / std::sqrt(3.0);  // -1, 0, 1 have the standard deviation 1
    std::vector<std::vector<double>> a, b(3, std::vector<double>(5, 0.));
    for (const double seed : {middle - 1, middle, middle + 1}) a.emplace_back(5, seed);
    const Resampling r{100'000, 1};
    const Effect e = difference(bootstrap(kMean, rows_of(a), r), bootstrap(kMean, rows_of(b), r));
    EXPECT_NEAR(e.p, p, .05 * p) << t;
    EXPECT_NEAR(e.error, 1 / std::sqrt(3.0), .01);
  }
}
// Arms that differ only by the chance of their seeds: how often that is called a difference at nominal 5 %.
TEST(Statistics, NoiseIsCalledADifferenceOnceInTwenty) {
  const Simulation worlds[] = {{1, 60, 0, 0, 1, 0}, {3, 60, 0, .1, 1, .5}, {3, 60, 0, 1, .3, .3}};
  for (const Simulation& world : worlds) {
    std::mt19937 g(3);
    constexpr int kTrials = 1000;
    int found = 0, claimed = 0;
    for (int t = 0; t < kTrials; ++t) {
      const auto [a, b] = world.draw(g);
      const Resampling r{200, static_cast<uint32_t>(t) + 1};
      const Effect e = difference(bootstrap(kMean, a, r), bootstrap(kMean, b, r));
      found += e.p <= .05;
      claimed += verdict_of(e, e.p, Direction::greater) != Verdict::undecided;
    }
    EXPECT_LE(found, .07 * kTrials) << world.seeds << " seeds, sd " << world.seed_sd;
    EXPECT_LE(claimed, .07 * kTrials) << world.seeds << " seeds, sd " << world.seed_sd;
    EXPECT_GE(found, .01 * kTrials) << world.seeds << " seeds, sd " << world.seed_sd;
  }
}
TEST(Statistics, DetectableEffectIsFoundFourTimesInFive) {
  const double error = 1 / std::sqrt(100.0);  // of the mean of 100 sentences with sd 1
  EXPECT_NEAR((Simulation{1, 100, 2.8016 * error, 0, 1, 0}.run(500, 5).second), .80, .06);  // 3.3 sd
  EXPECT_NEAR((Simulation{1, 100, 0, 0, 1, 0}.run(500, 6).second), .05, .035);
}
// The truth by simulation: with an estimated error the test statistic of an effect of d errors is noncentral,
// (z + d) / sqrt(chi2_df / df), and is found where it exceeds Student's 97.5 % quantile (tables).
TEST(Statistics, DetectableEffectAllowsForFewSeeds) {
  std::mt19937 g(4);
  std::normal_distribution<double> z;
  for (const auto& [df, quantile, within] :
       {std::tuple{2, 4.302653, .04}, {4, 2.776445, .02}, {9, 2.262157, .015}}) {
    const double d = Effect{.error = 1, .df = static_cast<double>(df)}.detectable();
    int found = 0, by_normal = 0;
    constexpr int kTrials = 40'000;  // sd of a share of .8: .002
    for (int t = 0; t < kTrials; ++t) {
      const double top = z(g);
      double chi2 = 0;
      for (int i = 0; i < df; ++i) chi2 += std::pow(z(g), 2);
      const double error = std::sqrt(chi2 / df);
      found += std::abs(top + d) > quantile * error;
      by_normal += std::abs(top + quantile + .8416212) > quantile * error;
    }
    EXPECT_NEAR(static_cast<double>(found) / kTrials, .8, within) << df;
    EXPECT_LT(by_normal, found) << df;  // the normal quantile promises more than it keeps
  }
  EXPECT_NEAR((Effect{.error = 1, .df = 4}.detectable()), 2.776445 + .940965, 1e-5);  // tables
  EXPECT_NEAR((Effect{.error = 1}.detectable()), 1.959964 + .841621, 1e-5);
}
TEST(Statistics, SameBitsForAnyNumberOfThreads) {
  std::mt19937 g(2);
  const auto [a, b] = Simulation{3, 37, .5, 1, 1, 1}.draw(g);
  const int before = threads();
  set_threads(1);
  const Bootstrap one = bootstrap(kMean, a, {333, 9});
  const double p = randomisation_p(kMean, a, b, {333, 9});
  for (int n : {2, 3, 8}) {
    set_threads(n);
    EXPECT_EQ(bootstrap(kMean, a, {333, 9}).replicates, one.replicates);
    EXPECT_EQ(randomisation_p(kMean, a, b, {333, 9}), p);
  }
  EXPECT_NE(bootstrap(kMean, a, {333, 10}).replicates, one.replicates);
  set_threads(before);
}
TEST(Statistics, TheLargestPOfSeedsIsOneWhereOneHasNone) {
  EXPECT_EQ(largest_p(std::vector<double>{.01, .04, .02}), .04);
  EXPECT_EQ(largest_p(std::vector<double>{.01, NAN}), 1);  // in either order
  EXPECT_EQ(largest_p(std::vector<double>{NAN, .01}), 1);
  EXPECT_EQ(largest_p({}), 1);
}
TEST(Statistics, HolmByHand) {
  const std::vector<double> p{.01, .04, .03, .005, .9};
  const std::vector<double> wanted{.04, .09, .09, .025,
                                   .9};  // 4 x .01; max(.09, 2 x .04); 3 x .03; 5 x .005; .9
  const std::vector<double> got = holm(p);
  for (size_t i = 0; i < p.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 1e-15) << i;
  EXPECT_EQ(holm(std::vector<double>{.6, .7}), (std::vector<double>{1, 1}));
  EXPECT_TRUE(holm({}).empty());
  EXPECT_THROW(holm(std::vector<double>{.1, 1.5}), Error);
  EXPECT_THROW(holm(std::vector<double>{std::nan("")}), Error);
}
TEST(Statistics, VerdictsByTheirDefinition) {
  const Effect above{.value = 2, .low = 1, .high = 3}, across{.value = 1, .low = -.1, .high = 2};
  EXPECT_EQ(verdict_of(above, .01, Direction::greater), Verdict::holds);
  EXPECT_EQ(verdict_of(above, .01, Direction::less), Verdict::does_not_hold);
  EXPECT_EQ(verdict_of(above, .05, Direction::greater), Verdict::undecided);  // by the family's correction
  EXPECT_EQ(verdict_of(across, .01, Direction::greater), Verdict::undecided);
  const Effect below{.value = -2, .low = -3, .high = -1};
  EXPECT_EQ(verdict_of(below, .01, Direction::less), Verdict::holds);
  EXPECT_EQ(verdict_of(below, .01, Direction::greater), Verdict::does_not_hold);
}
TEST(Statistics, BadInputIsNamed) {
  const SeedRows good = rows_of({{1, 2}, {3, 4}});
  expect_error([] { bootstrap(kMean, {}); }, "without seeds");
  expect_error([] { bootstrap(kMean, {{2, {}}}); }, "without test sentences");
  expect_error([] { bootstrap(kMean, {{2, {1, 1}}, {1, {1}}}); }, "rows of 2 numbers, another of 1");
  expect_error([] { bootstrap(kMean, {{2, {1, 1}}, {2, {1, 1, 2, 1}}}); }, "1 test sentences, another 2");
  expect_error([&] { bootstrap(kMean, good, {99, 1}); }, "at least 100");
  expect_error([] { bootstrap(kMean, {{2, {0, 0}}}); }, "too few sentences");
  expect_error(
      [&] {
        difference(bootstrap(kMean, good), bootstrap(kMean, rows_of({{1, 2}})));
      },
      "2 and 1 seeds");
  expect_error([&] { randomisation_p(kMean, good, rows_of({{1, 2}})); }, "cannot be paired");
}
}  // namespace
}  // namespace rum::statistics_test
