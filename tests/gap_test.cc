// The share of the gap that is closed, from replicates made by hand and from simulated arms.
#include "experiment/gap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "base/mean.h"
#include "error_of.h"

namespace rum::gap_test {
using namespace experiment;
namespace {
// A hundred draws: these, again and again.
std::vector<double> hundred(std::vector<double> draws) {
  for (size_t n = draws.size(), i = n; i < 100; ++i) draws.push_back(draws[i % n]);
  return draws;
}
TEST(Gap, SharesByHand) {
  const Bootstrap human{10, {10}, hundred({10, 12, 8, 5})}, generated{6, {6}, hundred({6, 8, 9, 5})},
      remedy{7, {7}, hundred({8, 8, 9, 6})};
  const GapClosed g = gap_closed(human, generated, remedy);
  EXPECT_DOUBLE_EQ(*g.share, .25);
  EXPECT_EQ(g.gap_sign_flips, 25);  // 8 against 9; 5 against 5 has no sign
  EXPECT_TRUE(g.sign_is_uncertain());
}
TEST(Gap, WithoutAGapThereIsNoShare) {
  const Bootstrap same{6, {6}, hundred({6, 7})}, remedy{7, {7}, hundred({7, 8})};
  const GapClosed g = gap_closed(same, same, remedy);
  EXPECT_FALSE(g.share);
  EXPECT_FALSE(g.interval);
  EXPECT_EQ(g.gap_sign_flips, 0);
  EXPECT_NE(error_of([&] {
              gap_closed(same, same, {7, {7}, {7}});
            }).find("1 and 100 replicates"),
            std::string::npos);
}
TEST(Gap, TheIntervalCoversTheTrueShare) {
  // Sentences of mean 3, 1 and 2 with noise shared by the arms: half the gap, in 95 of 100 samples.
  std::mt19937 random(3);
  std::normal_distribution<double> z;
  const metrics::Score mean = [](std::span<const double> s) { return s[0] / s[1]; };
  int covered = 0;
  const int trials = 300;
  for (int t = 0; t < trials; ++t) {
    SeedRows arms[3];
    for (SeedRows& arm : arms) arm = {{2, {}}};
    for (int i = 0; i < 60; ++i) {
      const double shared = z(random);
      for (const int a : {0, 1, 2})
        for (const double v : {3. - 2 * (a == 1) - (a == 2) + shared + z(random), 1.})
          arms[a][0].values.push_back(v);
    }
    const Resampling r{400, static_cast<uint32_t>(t) + 1};
    const GapClosed g =
        gap_closed(bootstrap(mean, arms[0], r), bootstrap(mean, arms[1], r), bootstrap(mean, arms[2], r));
    covered += g.interval->first <= .5 && .5 <= g.interval->second;
  }
  EXPECT_GE(covered, .90 * trials);  // sd of a share of .95: .013
  EXPECT_LE(covered, .99 * trials);
}

const metrics::Score kMean = [](std::span<const double> s) { return s[0] / s[1]; };  // sum, count
SeedRows rows_of(const std::vector<double>& by_seed, const std::vector<double>& noise = {0, 0}) {
  SeedRows rows;
  for (const double seed : by_seed) {
    rows.push_back({2, {}});
    for (const double n : noise) rows.back().values.insert(rows.back().values.end(), {seed + n, 1});
  }
  return rows;
}
struct Arms {  // human, generated and a remedy, of the same draws
  Bootstrap human, generated, remedy;
  Arms(const SeedRows& h, const SeedRows& g, const SeedRows& r, const Resampling& resampling)
      : human(bootstrap(kMean, h, resampling)),
        generated(bootstrap(kMean, g, resampling)),
        remedy(bootstrap(kMean, r, resampling)) {}
  std::pair<double, double> interval() const { return gap_closed(human, generated, remedy).interval.value(); }
  Effect closed() const { return difference(remedy, generated); }
};
bool holds_0(double low, double high) { return low <= 0 && 0 <= high; }
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Five seeds of gap x and closed part y, all of the variance: Fieller's ends are the roots s of
// (y - s x)^2 = t^2 var(y - s x) over means, t = 2.7764 of 4 degrees of freedom.
TEST(Gap, FiellersEndsAreTheRootsOfHisEquation) {
  const std::vector<double> x{3.6, 4.4, 4.2, 3.8, 4.0}, y{2.1, 1.9, 2.3, 1.7, 2.0};
  double mx = 0, my = 0, xx = 0, xy = 0, yy = 0;
  for (size_t i = 0; i < 5; ++i) mx += x[i] / 5, my += y[i] / 5;
  for (size_t i = 0; i < 5; ++i) {
    xx += (x[i] - mx) * (x[i] - mx) / 20, xy += (x[i] - mx) * (y[i] - my) / 20;
    yy += (y[i] - my) * (y[i] - my) / 20;
  }
  const double t2 = 2.776445 * 2.776445, a = mx * mx - t2 * xx, b = mx * my - t2 * xy, c = my * my - t2 * yy,
               root = std::sqrt(b * b - a * c), low = (b - root) / a, high = (b + root) / a;
  const Arms arms(rows_of(x), rows_of({0, 0, 0, 0, 0}), rows_of(y), {20'000, 1});
  const auto [from, to] = arms.interval();
  EXPECT_NEAR(from, low, .05 * (high - low));  // resampled seeds are not quite normal
  EXPECT_NEAR(to, high, .05 * (high - low));
}
// By hand. The gap may be 0: +-2 about a mean of 1.
TEST(Gap, AnEndWithoutABoundIsInfinite) {
  const std::vector<double> uncertain{-1, 3, 1, 0, 2}, none{0, 0, 0, 0, 0}, surely{2, 2.1, 1.9, 2, 2},
      worse{-2, -2.1, -1.9, -2, -2}, perhaps{-.5, .7, .1, -.2, .4};
  const auto interval = [&](const std::vector<double>& human, const std::vector<double>& remedy) {
    return Arms(rows_of(human), rows_of(none), rows_of(remedy), {2000, 1}).interval();
  };
  const auto above = interval(uncertain, surely), below = interval(uncertain, worse);
  EXPECT_GT(above.first, 0);  // at a share of 2 the means agree
  EXPECT_LT(above.first, 2);
  EXPECT_EQ(above.second, kInfinity);
  EXPECT_EQ(below.first, -kInfinity);
  EXPECT_GT(below.second, -2);
  EXPECT_LT(below.second, 0);
  EXPECT_EQ(interval(uncertain, perhaps), std::pair(-kInfinity, kInfinity));
  // Without any variance the share is known; nothing closed is a share of 0.
  const std::vector<double> four{4, 4, 4, 4, 4}, one{1, 1, 1, 1, 1};
  EXPECT_NEAR(interval(four, one).first, .25, 1e-9);
  EXPECT_NEAR(interval(four, one).second, .25, 1e-9);
  EXPECT_NEAR(interval(four, none).first, 0, 1e-9);
  EXPECT_NEAR(interval(four, none).second, 0, 1e-9);
  EXPECT_NEAR(interval(four, four).first, 1, 1e-9);
}
// Five seeds that differ more than sentences do, with a remedy that closes half of the gap: plain percentiles
// cover it in about 85 of 100 samples. The share and the difference agree on 0 in every one.
TEST(Gap, FiellersIntervalCoversTheTrueShareWithFewSeeds) {
  std::mt19937 random(5);
  std::normal_distribution<double> z;
  constexpr int kTrials = 250;  // sd of a share of .95: .014
  int covered = 0, plainly = 0;
  for (int t = 0; t < kTrials; ++t) {
    std::vector<double> arm[3], noise;
    for (int s = 0; s < 5; ++s)
      for (const int a : {0, 1, 2}) arm[a].push_back(3. - 2 * (a == 1) - (a == 2) + .5 * z(random));
    for (int i = 0; i < 20; ++i) noise.push_back(.5 * z(random));
    const Arms arms(rows_of(arm[0], noise), rows_of(arm[1], noise), rows_of(arm[2], noise),
                    {200, static_cast<uint32_t>(t) + 1});
    const auto [low, high] = arms.interval();
    covered += low <= .5 && .5 <= high;
    std::vector<double> shares;
    for (size_t r = 0; r < arms.human.replicates.size(); ++r)
      shares.push_back((arms.remedy.replicates[r] - arms.generated.replicates[r]) /
                       (arms.human.replicates[r] - arms.generated.replicates[r]));
    std::sort(shares.begin(), shares.end());
    plainly += quantile(shares, .025) <= .5 && .5 <= quantile(shares, .975);
    const Effect closed = arms.closed();
    EXPECT_EQ(holds_0(low, high), holds_0(closed.low, closed.high)) << "trial " << t;
  }
  EXPECT_GE(covered, .91 * kTrials);
  EXPECT_LE(covered, .99 * kTrials);
  EXPECT_LE(plainly, .90 * kTrials);
}
// Small remedies and small gaps, of either sign.
TEST(Gap, ShareAndDifferenceAgreeOnWhetherThereIsAny) {
  std::mt19937 random(9);
  std::normal_distribution<double> z;
  int with = 0, without = 0, unbounded = 0;
  for (int t = 0; t < 150; ++t) {
    std::vector<double> arm[3];
    const double gap = 2 * z(random), closed = 1.5 * z(random);
    for (int s = 0; s < 4; ++s)
      for (const int a : {0, 1, 2}) arm[a].push_back((a == 0) * gap + (a == 2) * closed + .5 * z(random));
    const Arms arms(rows_of(arm[0]), rows_of(arm[1]), rows_of(arm[2]), {200, static_cast<uint32_t>(t) + 1});
    const auto [low, high] = arms.interval();
    const double share =
        (arms.remedy.score - arms.generated.score) / (arms.human.score - arms.generated.score);
    EXPECT_LE(low, share);
    EXPECT_GE(high, share);
    const Effect e = arms.closed();
    EXPECT_EQ(holds_0(low, high), holds_0(e.low, e.high)) << "trial " << t;
    ++(holds_0(e.low, e.high) ? with : without);
    unbounded += std::isinf(low) || std::isinf(high);
  }
  for (const int n : {with, without, unbounded}) EXPECT_GE(n, 20);
}
}  // namespace
}  // namespace rum::gap_test
