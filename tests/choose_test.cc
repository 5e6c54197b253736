// Choosing among several translations of a source, by hand and against the corpus metrics.
#include "generate/choose.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "error_of.h"
#include "metrics/bleu.h"
#include "metrics/chrf.h"

namespace rum::choose_test {
using namespace metrics;
namespace {
using Texts = std::vector<std::string>;

TEST(Choose, UtilitiesAreSentenceScores) {
  const Texts hypotheses{"the cat sat on the mat", "a cat sat on a mat", "", "dogs"};
  for (const auto& metric : {make_chrf(), make_chrf({.beta = 1}), make_bleu({.effective_order = true})}) {
    const std::vector<double> all = utilities(*metric, hypotheses);
    for (size_t i = 0; i < 4; ++i)
      for (size_t j = 0; j < 4; ++j) {
        const Reference reference{hypotheses[j]};
        const Rows rows = count(*metric, {hypotheses[i]}, std::span(&reference, 1));
        EXPECT_DOUBLE_EQ(all[i * 4 + j], metric->score(rows[0])) << metric->name() << i << j;
      }
  }
}
TEST(Choose, MinimumRiskIsTheOneMostLikeTheOthers) {
  // The middle one of three; if recall counts more, the longest.
  const Texts houses{"Hunde bellen", "ein Haus steht hier", "ein Haus steht hier nun gut", "Haus steht hier"};
  EXPECT_EQ(choose_mbr(*make_chrf({.beta = 1}), houses), 1);
  EXPECT_EQ(choose_mbr(*make_chrf(), houses), 2);
  EXPECT_EQ(choose_mbr(*make_chrf(), Texts{"einzig"}), 0);
  // Equal candidates differ only by position.
  EXPECT_EQ(choose_mbr(*make_chrf(), Texts{"x y", "a b c", "a b c", "a b c"}), 1);
}
TEST(Choose, BetaTwoPrefersLongTranslations) {
  // Between a text and the same text with a tail, each the other's reference, more weight for recall decides.
  const Texts pair{"we saw the house", "we saw the house over there"};
  const auto two = utilities(*make_chrf(), pair), one = utilities(*make_chrf({.beta = 1}), pair);
  EXPECT_GT(two[2], two[1]);
  EXPECT_NEAR(one[2], one[1], 1e-9);
}
TEST(Choose, MeansByHand) {
  const std::vector<double> all{100, 20, 40, 10, 100, 30, 0, 50, 100};
  const std::vector<double> with = mean_utilities(all), without = mean_utilities(all, Self::left_out);
  EXPECT_NEAR(with[0], 160. / 3, 1e-12);
  EXPECT_NEAR(without[0], 30, 1e-12);
  EXPECT_NEAR(without[2], 25, 1e-12);
  EXPECT_EQ(best(with), 0);
  EXPECT_EQ(error_of([] { mean_utilities(std::vector<double>{100}, Self::left_out); }),
            "utilities of 1 hypotheses: too few to compare");
  EXPECT_EQ(error_of([] { best({}); }), "nothing to choose from");
  EXPECT_EQ(error_of([] { best(std::vector<double>{1, NAN}); }), "choosing: a hypothesis with the score NaN");
}
TEST(Choose, TheNoisyChannelByHand) {
  EXPECT_NEAR(channel_score({-1, -2, -3}, {.5, .1}), -2.3, 1e-12);
  // The forward model prefers the first of each pair, the reverse model the second, which is better: any
  // weight of reverse from 1 on; the language model knows nothing.
  const std::vector<std::vector<ChannelTerms>> terms(2, {{-1, -3, -1}, {-1.9, -2, -1}});
  const std::vector<std::vector<double>> quality(2, {10, 20});
  const ChannelWeights w = fit_channel(terms, quality);
  EXPECT_EQ(w.reverse, 1);
  EXPECT_EQ(w.lm, 0);
  EXPECT_NE(error_of([&] { fit_channel(terms, {}); }).find("2 sources with the qualities of 0"),
            std::string::npos);
  EXPECT_NE(error_of([] { fit_channel({}, {}); }).find("0 sources with the qualities of 0"),
            std::string::npos);
}
}  // namespace
}  // namespace rum::choose_test
