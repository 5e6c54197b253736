// Significance beside the golden cases: what can be computed by hand, what randomness must look like, and
// that neither threads nor the number of systems change a bit.
#include "metrics/significance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/random.h"
#include "base/threads.h"

namespace rum {
namespace {
// A measure whose score is the mean of a column: sum over the number of sentences.
class Mean : public Metric {
 public:
  std::string name() const override { return "mean"; }
  std::string settings() const override { return ""; }
  std::vector<std::string> columns() const override { return {"value", "one"}; }
  void count(std::span<const std::string_view>, std::span<const std::string_view>,
             std::span<double>) const override {}
  double score(std::span<const double> sum) const override { return sum[1] > 0 ? sum[0] / sum[1] : 0; }
  Json::Object fields(std::span<const double> sum) const override { return {{"score", score(sum)}}; }
};
Rows rows(const std::vector<double>& values) {
  Rows out{2, {}};
  for (const double v : values) out.values.insert(out.values.end(), {v, 1});
  return out;
}
std::vector<double> noise(size_t n, uint32_t seed) {
  std::vector<double> out;
  for (uint32_t i = 0; i < n; ++i)
    out.push_back(Random::uniform(Random{seed, Stream::sample}.bits({0, 0, 0, i}).at[0]));
  return out;
}

TEST(Significance, ByHand) {
  const std::vector<Rows> systems{rows({1, 2, 3}), rows({2, 4, 3})};  // means 2 and 3: d = 1
  const auto bs = paired_bootstrap(Mean(), systems, 3, resample_weights({{0, 0, 0}, {1, 1, 1}, {2, 2, 2}}));
  EXPECT_EQ(bs[0].score, 2);
  EXPECT_EQ(bs[1].score, 3);
  EXPECT_EQ(bs[0].scores, (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(bs[1].scores, (std::vector<double>{2, 4, 3}));
  EXPECT_FALSE(bs[0].p);
  EXPECT_EQ(*bs[1].p, 0.25);  // d* = 1, 2, 0, less their mean 1: none is above 1
  const auto ar =
      paired_randomisation(Mean(), systems, 4, mask_weights({{1, 1, 1}, {0, 0, 0}, {1, 0, 1}, {0, 1, 0}}));
  EXPECT_EQ(ar[1].baseline, (std::vector<double>{2, 3, 8. / 3, 7. / 3}));
  EXPECT_EQ(ar[1].system, (std::vector<double>{3, 2, 7. / 3, 8. / 3}));
  EXPECT_EQ(*ar[1].p, 0.2);  // a tie is not further
  const auto wide = paired_bootstrap(Mean(), std::vector<Rows>{rows({0, 0, 9}), rows({0, 1, 9})}, 3,
                                     resample_weights({{0, 0, 0}, {1, 1, 1}, {2, 2, 2}}));
  EXPECT_EQ(*wide[1].p, 0.5);  // d = 1/3; d* = 0, 1, 0, less 1/3: one is above
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
// Known without resampling: the mean of n draws has the deviation s / sqrt(n), and 95 % lie within 1.96 of
// it.
TEST(Significance, IntervalOfAMean) {
  const std::vector<double> x = noise(400, 1);
  const double mean = std::accumulate(x.begin(), x.end(), 0.0) / 400;
  double square = 0;
  for (const double v : x) square += (v - mean) * (v - mean);
  const Rows system = rows(x);
  const auto b = paired_bootstrap(Mean(), std::span(&system, 1), 4000, bootstrap_weights(3))[0];
  const double deviation = std::sqrt(square / 400 / 400);
  EXPECT_NEAR(b.interval.mean, mean, 4 * deviation / std::sqrt(4000));
  EXPECT_NEAR(b.interval.half_width, 1.96 * deviation, 0.06 * deviation * 1.96);
}
// Under no difference at all, p of the randomisation test is uniform: one in five lies below 0.2.
TEST(Significance, PIsFairUnderChance) {
  int below = 0;
  for (uint32_t i = 0; i < 200; ++i) {
    const std::vector<Rows> systems{rows(noise(60, 2 * i)), rows(noise(60, 2 * i + 1))};
    const auto r = paired_randomisation(Mean(), systems, 200, swap_weights(i));
    below += *r[1].p < 0.2;
  }
  EXPECT_NEAR(below, 40, 25);
  const std::vector<Rows> apart{rows(noise(60, 1)), rows(std::vector<double>(60, 3))};
  EXPECT_EQ(*paired_randomisation(Mean(), apart, 200, swap_weights(1))[1].p, 1. / 201);
  EXPECT_EQ(*paired_bootstrap(Mean(), apart, 200, bootstrap_weights(1))[1].p, 1. / 201);
}
TEST(Significance, CompanyAndThreadsDoNotMatter) {
  std::vector<Rows> systems;
  for (uint32_t s = 0; s < 4; ++s) systems.push_back(rows(noise(333, s)));
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
// possible difference; rounding must not make it greater than itself.
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
  EXPECT_EQ(*paired_randomisation(*metric, count(*metric, systems, refs), 500, swap_weights(4))[1].p,
            1. / 501);
}
TEST(Significance, Refusals) {
  const auto message = [](const std::function<void()>& f) -> std::string {
    try {
      f();
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  const std::vector<Rows> uneven{rows({1, 2}), rows({1})}, none{rows({})}, one{rows({1, 2})};
  EXPECT_EQ(message([&] { paired_bootstrap(Mean(), uneven, 5, bootstrap_weights(1)); }),
            "significance: systems of 2 and 1 sentences");
  EXPECT_EQ(message([&] { paired_bootstrap(Mean(), none, 5, bootstrap_weights(1)); }),
            "significance: no sentence to resample");
  EXPECT_NE(message([&] { paired_bootstrap(Mean(), one, 0, bootstrap_weights(1)); }).find("1 or more"),
            std::string::npos);
  EXPECT_EQ(message([&] {
              weighted_sums(one, 1, resample_weights({{0, 2}}));
            }),
            "significance: no sentence 2 of 2");
  EXPECT_EQ(message([&] {
              weighted_sums(one, 2, resample_weights({{0, 1}}));
            }),
            "significance: trial 1, but there are 1");
  EXPECT_EQ(message([&] { weighted_sums(one, 1, mask_weights({{1}})); }),
            "significance: a mask of 1 for 2 sentences");
}
}  // namespace
}  // namespace rum
