// The share of the gap that is closed, from replicates made by hand and from simulated arms.
#include "experiment/gap.h"

#include <gtest/gtest.h>

#include <random>

#include "error_of.h"

namespace rum::gap_test {
using namespace experiment;
namespace {
TEST(Gap, SharesByHand) {
  const Bootstrap human{10, {10}, {10, 12, 8, 5}}, generated{6, {6}, {6, 8, 9, 5}},
      remedy{7, {7}, {8, 8, 9, 6}};
  const GapClosed g = gap_closed(human, generated, remedy);
  EXPECT_DOUBLE_EQ(*g.share, .25);
  EXPECT_DOUBLE_EQ(*g.replicates[0], .5);
  EXPECT_DOUBLE_EQ(*g.replicates[1], 0);
  EXPECT_DOUBLE_EQ(*g.replicates[2], 0);
  EXPECT_FALSE(g.replicates[3]);  // no gap in this one
  EXPECT_EQ(g.undefined_replicates, 1);
  EXPECT_EQ(g.gap_sign_flips, 1);
  EXPECT_NEAR(g.interval->first, 0, 1e-15);
  EXPECT_NEAR(g.interval->second, .475, 1e-12);  // .95 of the way from 0 to .5
}
TEST(Gap, WithoutAGapThereIsNoShare) {
  const Bootstrap same{6, {6}, {6, 7}}, remedy{7, {7}, {7, 8}};
  const GapClosed g = gap_closed(same, same, remedy);
  EXPECT_FALSE(g.share);
  EXPECT_FALSE(g.interval);
  EXPECT_EQ(g.undefined_replicates, 2);
  EXPECT_EQ(g.gap_sign_flips, 0);
  EXPECT_NE(error_of([&] { gap_closed(same, same, {7, {7}, {7}}); }).find("2, 2 and 1"), std::string::npos);
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
}  // namespace
}  // namespace rum::gap_test
