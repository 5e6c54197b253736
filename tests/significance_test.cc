// Significance beyond the golden cases: results by hand, properties of the random draws, and the same bits
// for any number of threads and systems.
#include "metrics/significance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "base/random.h"
#include "base/threads.h"
#include "tests/error_of.h"
#include "tests/mean_metric.h"

namespace rum::significance_test {
using namespace metrics;
namespace {
std::vector<double> noise(size_t n, uint32_t seed) {
  std::vector<double> out;
  for (uint32_t i = 0; i < n; ++i)
    out.push_back(Random::uniform(Random{seed, Stream::sample}.bits({0, 0, 0, i}).at[0]));
  return out;
}

TEST(Significance, ByHand) {
  const std::vector<Rows> systems{mean_rows({1, 2, 3}), mean_rows({2, 4, 3})};  // means 2 and 3: d = 1
  const auto bs =
      paired_bootstrap(MeanMetric(), systems, 3, resample_weights({{0, 0, 0}, {1, 1, 1}, {2, 2, 2}}));
  EXPECT_EQ(bs[0].score, 2);
  EXPECT_EQ(bs[1].score, 3);
  EXPECT_EQ(bs[0].scores, (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(bs[1].scores, (std::vector<double>{2, 4, 3}));
  EXPECT_FALSE(bs[0].p);
  EXPECT_EQ(*bs[1].p, 0.75);  // d* = 1, 2, 0, less their mean 0, 1, -1: two go as far as 1
  const auto ar = paired_randomisation(MeanMetric(), systems, 4,
                                       mask_weights({{1, 1, 1}, {0, 0, 0}, {1, 0, 1}, {0, 1, 0}}));
  EXPECT_EQ(ar[1].baseline, (std::vector<double>{2, 3, 8. / 3, 7. / 3}));
  EXPECT_EQ(ar[1].system, (std::vector<double>{3, 2, 7. / 3, 8. / 3}));
  EXPECT_EQ(*ar[1].p, 0.6);  // d* = 1, -1, -1/3, 1/3: two ties
  const auto wide =
      paired_bootstrap(MeanMetric(), std::vector<Rows>{mean_rows({0, 0, 9}), mean_rows({0, 1, 9})}, 3,
                       resample_weights({{0, 0, 0}, {1, 1, 1}, {2, 2, 2}}));
  EXPECT_EQ(*wide[1].p, 1);  // d = 1/3; d* = 0, 1, 0, less 1/3: all go as far
}
// The same draws by sacreBLEU's rule, where a tie does not count and the bootstrap drops signs first.
TEST(Significance, SacrebleusRuleByHand) {
  const std::vector<Rows> systems{mean_rows({1, 2, 3}), mean_rows({2, 4, 3})};
  const Weights draws = resample_weights({{0, 0, 0}, {1, 1, 1}, {2, 2, 2}}),
                swaps = mask_weights({{1, 1, 1}, {0, 0, 0}, {1, 0, 1}, {0, 1, 0}});
  EXPECT_EQ(*paired_bootstrap(MeanMetric(), systems, 3, draws, PRule::sacrebleu)[1].p, 0.25);
  EXPECT_EQ(*paired_randomisation(MeanMetric(), systems, 4, swaps, PRule::sacrebleu)[1].p, 0.2);
  const std::vector<Rows> wide{mean_rows({0, 0, 9}), mean_rows({0, 1, 9})};
  EXPECT_EQ(*paired_bootstrap(MeanMetric(), wide, 3, draws, PRule::sacrebleu)[1].p, 0.5);
  // d* = 1, -3, 1, d = -1/3: without sign 1, 3, 1 less 5/3 leave one, with it less -1/3 all three.
  const std::vector<Rows> both_ways{mean_rows({0, 3, 0}), mean_rows({1, 0, 1})};
  EXPECT_EQ(*paired_bootstrap(MeanMetric(), both_ways, 3, draws, PRule::sacrebleu)[1].p, 0.5);
  EXPECT_EQ(*paired_bootstrap(MeanMetric(), both_ways, 3, draws)[1].p, 1);
}
TEST(Significance, SystemsThatDoNotDifferHaveP1) {
  const Rows x = mean_rows(noise(40, 1));
  const std::vector<Rows> same{x, x};
  EXPECT_EQ(*paired_bootstrap(MeanMetric(), same, 99, bootstrap_weights(1))[1].p, 1);
  EXPECT_EQ(*paired_randomisation(MeanMetric(), same, 99, swap_weights(1))[1].p, 1);
  EXPECT_TRUE(differing(x, x).empty());
  const Exact e = exact_randomisation(MeanMetric(), x, x, {});
  EXPECT_EQ(e.swaps, 1);
  EXPECT_EQ(e.p(), 1);
}
// An infinite difference is reached by the infinite ones, and by itself.
TEST(Significance, AnInfiniteDifferenceIsAsFarAsAnother) {
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(as_far(std::vector<double>{inf, -inf, 3, -1e300}, inf, inf), 2);
  EXPECT_EQ(as_far(std::vector<double>{inf, -inf, 3, 1}, -3, 5), 3);
}
// Against plain enumeration, of tenths, which no sum of doubles holds exactly.
TEST(Significance, ExactIsTheEnumeratedTest) {
  for (const size_t different : {1u, 2u, 3u, 7u, 12u}) {
    std::vector<double> a(15, .7), b(15, .7);
    const std::vector<double> noises = noise(2 * different, static_cast<uint32_t>(different));
    for (size_t i = 0; i < different; ++i) {
      a[i] = std::floor(10 * noises[2 * i]) / 10;
      b[i] = a[i] + (std::floor(9 * noises[2 * i + 1]) - 2.5) / 10;
    }
    int tenths_twice = 0;  // the difference in twentieths, whole numbers
    std::vector<int> parts;
    for (size_t i = 0; i < different; ++i) parts.push_back(static_cast<int>(std::lround(20 * (b[i] - a[i]))));
    for (const int part : parts) tenths_twice += part;
    int64_t as_far = 0;
    for (unsigned mask = 0; mask < 1u << different; ++mask) {
      int d = 0;
      for (size_t i = 0; i < different; ++i) d += mask >> i & 1 ? -parts[i] : parts[i];
      as_far += std::abs(d) >= std::abs(tenths_twice);
    }
    const Rows x = mean_rows(a), y = mean_rows(b);
    const auto lines = differing(x, y);
    ASSERT_EQ(lines.size(), different);
    const Exact e = exact_randomisation(MeanMetric(), x, y, lines);
    EXPECT_EQ(e.swaps, int64_t{1} << different);
    EXPECT_EQ(e.as_far, as_far) << different;
    // Random swaps give about the same.
    const double p = *paired_randomisation(MeanMetric(), std::vector<Rows>{x, y}, 4000, swap_weights(5))[1].p;
    EXPECT_NEAR(p, e.p(), 5 * std::sqrt(e.p() * (1 - e.p()) / 4000) + 1. / 4000) << different;
  }
  const Rows many = mean_rows(noise(21, 1)), others = mean_rows(noise(21, 2));
  EXPECT_THROW(exact_randomisation(MeanMetric(), many, others, differing(many, others)), Error);
}
TEST(Significance, IntervalCutsAFortiethAtEachEnd) {
  std::vector<double> x(80);
  std::iota(x.rbegin(), x.rend(), 0);  // 79 .. 0
  EXPECT_EQ(interval(x).mean, 39.5);
  EXPECT_EQ(interval(x).half_width, (77. - 2) / 2);
  EXPECT_EQ(interval(std::span(x).first(39)).half_width, 19);  // too few to cut
}
TEST(Significance, DrawsAreUniformAndPaired) {
  const size_t n = 50;
  std::vector<double> total(n), kept(n), one(n);
  for (int64_t t = 0; t < 4000; ++t) {
    bootstrap_weights(1)(t, one);
    EXPECT_EQ(std::accumulate(one.begin(), one.end(), 0.0), n);
    for (size_t i = 0; i < n; ++i) total[i] += one[i];
    swap_weights(1)(t, one);
    for (size_t i = 0; i < n; ++i) kept[i] += one[i];
  }
  for (size_t i = 0; i < n; ++i) {  // means 4000 and 2000, deviations 63 and 32
    EXPECT_NEAR(total[i], 4000, 5 * 63) << i;
    EXPECT_NEAR(kept[i], 2000, 5 * 32) << i;
  }
  std::vector<double> again(n);
  bootstrap_weights(1)(7, one), bootstrap_weights(1)(7, again);
  EXPECT_EQ(one, again);
  bootstrap_weights(2)(7, again);
  EXPECT_NE(one, again);
  bootstrap_weights(1)(8, again);
  EXPECT_NE(one, again);
}
// Known without resampling: the mean of n draws has the deviation s / sqrt(n), and 95 % lie
// within 1.96 of it.
TEST(Significance, IntervalOfAMean) {
  const std::vector<double> x = noise(400, 1);
  const double mean = std::accumulate(x.begin(), x.end(), 0.0) / 400;
  double square = 0;
  for (const double v : x) square += (v - mean) * (v - mean);
  const Rows system = mean_rows(x);
  const auto b = paired_bootstrap(MeanMetric(), std::span(&system, 1), 4000, bootstrap_weights(3))[0];
  const double deviation = std::sqrt(square / 400 / 400);
  EXPECT_NEAR(b.interval.mean, mean, 4 * deviation / std::sqrt(4000));
  EXPECT_NEAR(b.interval.half_width, 1.96 * deviation, 0.06 * deviation * 1.96);
}
// How often the two tests take noise for a difference at nominal 5 %, and how often they find a true one. A
// third of the lines are the same in both systems, and there are only a few distinct values, hence many ties.
struct Rejections {
  double bootstrap, randomisation;
};
Rejections rejections(size_t lines, double effect, int worlds) {
  int bootstrap = 0, randomisation = 0;
  for (int w = 0; w < worlds; ++w) {
    const std::vector<double> z = noise(3 * lines, 1000 + static_cast<uint32_t>(w));
    std::vector<double> a, b;
    for (size_t i = 0; i < lines; ++i) {
      a.push_back(std::floor(5 * z[i]));
      b.push_back(z[2 * lines + i] < 1. / 3 ? a.back() : std::floor(5 * z[lines + i]) + effect);
    }
    const std::vector<Rows> systems{mean_rows(a), mean_rows(b)};
    const auto seed = static_cast<uint32_t>(w);
    bootstrap += *paired_bootstrap(MeanMetric(), systems, 199, bootstrap_weights(seed))[1].p <= .05;
    randomisation += *paired_randomisation(MeanMetric(), systems, 199, swap_weights(seed))[1].p <= .05;
  }
  return {bootstrap / static_cast<double>(worlds), randomisation / static_cast<double>(worlds)};
}
TEST(Significance, NoiseIsCalledADifferenceOnceInTwenty) {
  const Rejections null = rejections(60, 0, 1000);
  RecordProperty("bootstrap", std::to_string(null.bootstrap));
  RecordProperty("randomisation", std::to_string(null.randomisation));
  EXPECT_LE(null.bootstrap, .07);
  EXPECT_LE(null.randomisation, .07);
  EXPECT_GE(null.bootstrap, .03);  // a test that never rejects would be no test
  EXPECT_GE(null.randomisation, .03);
  const Rejections real = rejections(60, 2, 200);
  EXPECT_GE(real.bootstrap, .9);
  EXPECT_GE(real.randomisation, .9);
}
TEST(Significance, FarApartIsTheSmallestP) {
  const std::vector<Rows> apart{mean_rows(noise(60, 1)), mean_rows(std::vector<double>(60, 3))};
  EXPECT_EQ(*paired_randomisation(MeanMetric(), apart, 200, swap_weights(1))[1].p, 1. / 201);
  EXPECT_EQ(*paired_bootstrap(MeanMetric(), apart, 200, bootstrap_weights(1))[1].p, 1. / 201);
}
TEST(Significance, CompanyAndThreadsDoNotMatter) {
  std::vector<Rows> systems;
  for (uint32_t s = 0; s < 4; ++s) systems.push_back(mean_rows(noise(333, s)));
  const int before = threads();
  std::vector<std::vector<std::vector<double>>> all;
  for (const int n : {1, 2, 3}) {
    set_threads(n);
    all.push_back(weighted_sums(systems, 101, bootstrap_weights(9)));
  }
  set_threads(before);
  EXPECT_EQ(all[0], all[1]);
  EXPECT_EQ(all[0], all[2]);
  const auto pair = weighted_sums(std::vector<Rows>{systems[0], systems[3]}, 101, bootstrap_weights(9));
  EXPECT_EQ(pair[1], all[0][3]);
  std::vector<double> weights(333), by_hand(2);
  bootstrap_weights(9)(100, weights);
  for (size_t i = 0; i < 333; ++i)
    for (size_t c = 0; c < 2; ++c) by_hand[c] += weights[i] * systems[3][i][c];
  EXPECT_NEAR(all[0][3][200], by_hand[0], 1e-12);
  EXPECT_EQ(all[0][3][201], by_hand[1]);
}
// With three references TER divides by sums of thirds. Two systems that differ in one sentence have only one
// possible difference; rounding must make it neither greater nor smaller than itself.
TEST(Significance, RoundingIsNoEvidence) {
  std::vector<std::vector<std::string>> systems(2);
  std::vector<Reference> refs(3);
  for (int i = 0; i < 60; ++i) {
    systems[0].push_back(std::string(static_cast<size_t>(i % 5 + 2), 'a')),
        systems[1].push_back(systems[0].back());
    for (int r = 0; r < 3; ++r) {
      std::string ref = systems[0].back();
      for (int k = 0; k < (i + r) % 4 * r; ++k) ref += " more";
      refs[static_cast<size_t>(r)].push_back(ref);
    }
  }
  systems[1][17] += " b c d";
  const auto metric = make_metric("ter");
  const auto counted = count(*metric, systems, refs);
  EXPECT_EQ(*paired_randomisation(*metric, counted, 500, swap_weights(4), PRule::sacrebleu)[1].p, 1. / 501);
  EXPECT_EQ(*paired_randomisation(*metric, counted, 500, swap_weights(4))[1].p, 1);
  EXPECT_EQ(exact_randomisation(*metric, counted[0], counted[1], differing(counted[0], counted[1])).p(), 1);
}
TEST(Significance, Refusals) {
  const std::vector<Rows> uneven{mean_rows({1, 2}), mean_rows({1})}, none{mean_rows({})},
      one{mean_rows({1, 2})};
  EXPECT_EQ(error_of([&] { paired_bootstrap(MeanMetric(), uneven, 5, bootstrap_weights(1)); }),
            "significance: systems of 2 and 1 sentences");
  EXPECT_EQ(error_of([&] { paired_bootstrap(MeanMetric(), none, 5, bootstrap_weights(1)); }),
            "significance: no sentence to resample");
  EXPECT_NE(error_of([&] { paired_bootstrap(MeanMetric(), one, 0, bootstrap_weights(1)); }).find("1 or more"),
            std::string::npos);
  EXPECT_EQ(error_of([&] {
              weighted_sums(one, 1, resample_weights({{0, 2}}));
            }),
            "significance: no sentence 2 of 2");
  EXPECT_EQ(error_of([&] {
              weighted_sums(one, 2, resample_weights({{0, 1}}));
            }),
            "significance: trial 1, but there are 1");
  EXPECT_EQ(error_of([&] { weighted_sums(one, 1, mask_weights({{1}})); }),
            "significance: a mask of 1 for 2 sentences");
}
}  // namespace
}  // namespace rum::significance_test
