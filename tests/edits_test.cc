// Ordering, weighting and scoring of generated pairs, against hand computation and other formulas.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "edits/order.h"
#include "edits/scorers.h"
#include "edits/weigh.h"
#include "error_of.h"

namespace rum::edits_test {
using namespace edits;
namespace {
using Lines = std::vector<int64_t>;
using Scores = std::vector<double>;

TEST(Order, TheBestOfEveryBinComesFirst) {
  // Two short lines, four long ones: relative ranks 1/4, 3/4 and 1/8, 3/8, 5/8, 7/8.
  EXPECT_EQ(best_first(Scores{1, 9, 2, 8, 3, 7}, Lines{3, 4, 10, 11, 10, 12}, Lines{10}),
            (Lines{3, 1, 5, 4, 0, 2}));
  EXPECT_EQ(best_first(Scores{1, 9, 2, 8, 3, 7}, Lines{3, 4, 10, 11, 10, 12}, {}), (Lines{1, 3, 5, 4, 2, 0}));
}
// Of sources without blanks each would be one word, and all bins one.
TEST(Order, SourcesHaveTheLengthOfTheirScript) {
  const std::vector<Pair> blanks{{"one", ""}, {"two words", ""}, {"ein \u4E2D \u6587", ""}},
      none{{"\u4F60\u597D", ""},                                      // 2 characters of 3 bytes each
           {"\u6211\u4EEC\u660E\u5929\u53BB\u5317\u4EAC\u3002", ""},  // 8
           {"OK", ""},
           {"\u5979\u6628\u5929\u4E5F\u53BB\u4E86\u5317\u4EAC\u3002", ""},  // 9
           {"\u4ED6\u6765\u4E86", ""}};
  EXPECT_EQ(source_lengths(blanks), (Lines{1, 2, 3}));
  EXPECT_EQ(source_lengths(none), (Lines{2, 8, 2, 9, 3}));
  EXPECT_EQ(length_edges(source_lengths(none), 2), Lines{3});
}
TEST(Order, AScoreThatOnlyKnowsLengthChoosesNoLength) {
  // Score = -length: without bins the best quarter is the shortest, with bins it is of every length.
  Lines lengths;
  Scores scores;
  for (int64_t i = 0; i < 4000; ++i) {
    lengths.push_back(1 + i * 7919 % 40);
    scores.push_back(static_cast<double>(-lengths.back()));
  }
  const auto mean_length = [&](const Lines& edges) {
    double sum = 0;
    const Lines order = best_first(scores, lengths, edges);
    for (const int64_t i : top(order, .25)) sum += static_cast<double>(lengths[static_cast<size_t>(i)]);
    return sum / 1000;
  };
  EXPECT_NEAR(mean_length({}), 5.5, 1e-9);  // the lengths 1 to 10
  const Lines edges = length_edges(lengths, 40);
  EXPECT_EQ(edges.size(), 39u);
  EXPECT_NEAR(mean_length(edges), 20.5, 1e-9);
}
TEST(Order, EdgesMakeBinsOfEqualSizeAndKeepEqualLengthsTogether) {
  EXPECT_EQ(length_edges(Lines{1, 2, 3, 4, 5, 6, 7, 8}, 4), (Lines{3, 5, 7}));
  EXPECT_EQ(length_edges(Lines{5, 5, 5, 5}, 4), Lines{});
  EXPECT_EQ(length_edges(Lines{1, 1, 1, 1, 1, 9}, 3), Lines{});
  EXPECT_EQ(length_edges(Lines{}, 3), Lines{});
}
TEST(Order, GrowingSetsLieWithinEachOther) {
  const Lines order{4, 2, 0, 1, 3, 7, 6, 5};
  EXPECT_EQ(top(order, .125).size(), 1u);
  EXPECT_EQ(top(order, .5).size(), 4u);
  EXPECT_EQ(top(order, .001).size(), 1u);
  EXPECT_EQ(top(order, 1).size(), 8u);
  EXPECT_EQ(top(order, .25)[1], 2);
}
TEST(Order, BadInputIsNamed) {
  EXPECT_NE(error_of([] {
              best_first(Scores{1, NAN}, Lines{1, 2}, {});
            }).find("line 2 is NaN"),
            std::string::npos);
  EXPECT_NE(error_of([] {
              best_first(Scores{1}, Lines{1, 2}, {});
            }).find("1 scores for 2"),
            std::string::npos);
  EXPECT_NE(error_of([] { best_first(Scores{1}, Lines{1}, Lines{3, 3}); }).find("rise"), std::string::npos);
  EXPECT_NE(error_of([] { top(Lines{1}, 1.5); }).find("share of 1.5"), std::string::npos);
  EXPECT_NE(error_of([] { length_edges(Lines{1}, 0); }).find("0 bins"), std::string::npos);
}

TEST(Weigh, NoLineIsTakenMoreOftenThanItsLimit) {
  // 6 places for weights 8:1:1:0 at most 3 times each: 3, and the rest shared evenly.
  for (uint32_t seed = 0; seed < 20; ++seed) {
    const Lines counts = resample(Scores{.8, .1, .1, 0}, 6, 3, seed);
    EXPECT_EQ(counts[0], 3);
    EXPECT_EQ(std::max(counts[1], counts[2]), 2);
    EXPECT_EQ(counts[1] + counts[2], 3);
    EXPECT_EQ(counts[3], 0);
  }
}
TEST(Weigh, ResamplesAreProportionalInTheMean) {
  const Scores weights{5, 1, 0, 3, 1, 2.5, .5, 7};
  std::vector<double> mean(weights.size());
  const int trials = 4000;
  for (uint32_t seed = 0; seed < trials; ++seed) {
    const Lines counts = resample(weights, 10, 3, seed);
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), int64_t{0}), 10);
    for (size_t i = 0; i < counts.size(); ++i) {
      EXPECT_LE(counts[i], 3);
      EXPECT_GE(counts[i], 0);
      mean[i] += static_cast<double>(counts[i]) / trials;
    }
  }
  // 10 places by weight 20 in all give 3.5 for the last: 3, and 7 places among weight 13 for the others.
  for (size_t i = 0; i + 1 < weights.size(); ++i) EXPECT_NEAR(mean[i], weights[i] * 7 / 13, .04) << i;
  EXPECT_NEAR(mean.back(), 3, 1e-9);
  EXPECT_EQ(mean[2], 0);
}
// (1 - q)^10 of log odds x is (1 + e^(x / T))^-10: at T = 10 a line of 40 has 1 - q = 1 / (1 + e^4), though p
// itself rounds to 1.
TEST(Weigh, TheTemperatureReachesLinesOfWhichTheDetectorIsSure) {
  const auto ratio = [](double x, double temperature) {
    const std::vector<double> w = resampling_weights(Scores{x, 0}, temperature, 10);
    EXPECT_NEAR(w[0] + w[1], 1, 1e-15);
    return w[0] / w[1];
  };
  EXPECT_NEAR(ratio(40, 10) / std::pow(2 / (1 + std::exp(4.)), 10), 1, 1e-12);
  EXPECT_NEAR(ratio(40, 1) / (1024 * std::exp(-400.)), 1, 1e-12);
  EXPECT_NEAR(ratio(30, 1) / (1024 * std::exp(-300.)), 1, 1e-11);  // e^-30 away from 1
  EXPECT_NEAR(ratio(-40, 10) / std::pow(2 / (1 + std::exp(-4.)), 10), 1, 1e-12);
  // A line that no detector can be surer of; one that it cannot be surer of as human.
  EXPECT_EQ(resampling_weights(Scores{INFINITY, -INFINITY}, 100, 10), (std::vector<double>{0, 1}));
}
TEST(Weigh, TheCapLeavesHalfTheSample) {
  // One ratio among nine of 1: (c + 9)^2 / (c^2 + 9) = 5 at c = 6.
  Scores logs(10, 0.0);
  logs[4] = 9;
  const DensityRatioWeights w = density_ratio_weights(logs);
  EXPECT_NEAR(w.cap, 6, 1e-9);
  EXPECT_EQ(w.capped, 1);
  EXPECT_NEAR(w.effective_sample_size, 5, 1e-9);
  EXPECT_NEAR(w.weights[4] / w.weights[0], 6, 1e-9);
}
TEST(Weigh, BadInputIsNamed) {
  const auto says = [](const std::function<void()>& f, const char* part) {
    EXPECT_NE(error_of(f).find(part), std::string::npos) << error_of(f);
  };
  says([] { resampling_weights(Scores{0, NAN}, 1, 10); }, "line 2 is NaN");
  says([] { resampling_weights(Scores{INFINITY, 800}, 1, 10); }, "all weights are zero");
  says([] { resampling_weights(Scores{0}, 0, 10); }, "temperature of 0");
  says([] { density_ratio_weights(Scores{}); }, "no lines");
  says([] { density_ratio_weights(Scores{0, NAN}); }, "line 2 is NaN");
  says([] { resample(Scores{1, 0, 1}, 7, 3, 1); }, "7 lines are wanted");
  says([] { resample(Scores{1, -1}, 1, 3, 1); }, "line 2 is -1");
}
}  // namespace
}  // namespace rum::edits_test
