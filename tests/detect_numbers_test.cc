// Evaluation and calibration of detectors against independent implementations and hand computation.
#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "detect/calibrate.h"
#include "tests/error_of.h"

namespace rum::detect::detect_numbers_test {
namespace {
Scores noisy(size_t humans, size_t machines, double shift, double step) {
  const Random random{7, Stream::init};
  Scores s;
  for (size_t i = 0; i < humans + machines; ++i) {
    const double x = random.normal(1, static_cast<uint32_t>(i)) + (i < humans ? 0 : shift);
    (i < humans ? s.human : s.machine).push_back(std::round(x / step) * step);
  }
  return s;
}
double wins(double m, double h) { return m > h ? 1 : m == h ? 0.5 : 0; }
std::string fault(const std::function<void()>& f) {
  try {
    f();
  } catch (const BadScores& e) {
    return e.fault;
  }
  return "";
}

TEST(Evaluate, AurocCountsPairsAndItsVarianceIsThatOfTheMeansOfRowsAndColumns) {
  const Scores s = noisy(23, 31, 0.8, 0.25);
  std::vector<double> rows(s.machine.size()), columns(s.human.size());
  double sum = 0;
  for (size_t i = 0; i < rows.size(); ++i)
    for (size_t k = 0; k < columns.size(); ++k) {
      const double w = wins(s.machine[i], s.human[k]);
      rows[i] += w / 23, columns[k] += w / 31, sum += w;
    }
  const double area = sum / (23 * 31);
  double variance = 0;
  for (const double r : rows) variance += (r - area) * (r - area) / 30 / 31;
  for (const double c : columns) variance += (c - area) * (c - area) / 22 / 23;
  const Auroc got = auroc(s);
  EXPECT_NEAR(got.value, area, 1e-14);
  EXPECT_NEAR(*got.variance, variance, 1e-14);
  // With the classes swapped, the two areas add up to 1.
  EXPECT_NEAR(auroc({s.machine, s.human}).value, 1 - area, 1e-14);
}
TEST(Evaluate, ADetectorAgainstItselfDiffersByNothingAndAgainstNoiseByItsDifference) {
  const Scores a = noisy(40, 50, 1, 0.1), b = noisy(40, 50, 0, 0.3);
  const PairedAuroc same = delong(a, a), other = delong(a, b), back = delong(b, a);
  EXPECT_EQ(*same.z, 0);
  EXPECT_EQ(*same.p, 1);
  EXPECT_NEAR(*other.z, -*back.z, 1e-12);
  EXPECT_NEAR(*other.variance, *other.a.variance + *other.b.variance - 2 * *other.covariance, 1e-15);
  EXPECT_NEAR(*other.p, std::erfc(std::abs(*other.z) / std::sqrt(2)), 1e-15);
}
TEST(Evaluate, WithoutAnOverlapTheIntervalIsWilsons) {
  for (const int64_t n : {2, 5, 40}) {
    Scores apart;
    for (int64_t i = 0; i < n; ++i) apart.human.push_back(-1 - static_cast<double>(i));
    for (int64_t i = 0; i < n + 3; ++i) apart.machine.push_back(1 + static_cast<double>(i));
    const Auroc up = auroc(apart), down = auroc({apart.machine, apart.human});
    EXPECT_EQ(*up.variance, 0);
    EXPECT_NEAR(up.interval()[0], wilson(n, n)[0], 1e-12);
    EXPECT_EQ(up.interval()[1], 1);
    EXPECT_EQ(down.interval()[0], 0);
    EXPECT_NEAR(down.interval()[1], wilson(0, n)[1], 1e-12);
    Scores back = apart;
    for (auto* list : {&back.human, &back.machine})
      for (double& x : *list) x = -x;
    const PairedAuroc worse = delong(back, apart);
    EXPECT_EQ(*worse.variance, 0);
    EXPECT_EQ((*worse.honest_interval())[0], -1);
    EXPECT_NEAR((*worse.honest_interval())[1], -1 + std::sqrt(2) * (1 - wilson(n, n)[0]), 1e-12);  // of both
  }
}
TEST(Evaluate, ThresholdsFlagNoMorePeopleThanAllowed) {
  Scores s;
  for (int i = 0; i < 200; ++i) s.human.push_back(i / 4);  // 0 to 49, four of each
  s.machine = {48, 48.5, 50};
  const auto at = at_fpr(s, 0.05);  // 10 of 200: the 11th largest is a 47; 48s and 49s are 8
  EXPECT_EQ(at->threshold, 47);
  EXPECT_EQ(at->humans_flagged, 8);
  EXPECT_EQ(at->machines_flagged, 3);
  EXPECT_FALSE(at_fpr(s, 0.049));  // 9.8 expected: cannot be measured
  EXPECT_EQ(threshold(s.human, 0), 49);
}
TEST(Evaluate, WilsonAsInTheBooks) {
  EXPECT_NEAR(wilson(0, 10)[1], 0.27753, 5e-6);
  EXPECT_EQ(wilson(0, 10)[0], 0);
  EXPECT_EQ(wilson(10, 10)[1], 1);
  EXPECT_NEAR(wilson(81, 263)[0], 0.2553, 5e-5);  // Newcombe 1998, table I
  EXPECT_NEAR(wilson(81, 263)[1], 0.3662, 5e-5);
}
TEST(Evaluate, CurveByHand) {
  // From the top: m h m | m and h tied | h. Points (0,0) (0,1/3) (1/3,1/3) (1/3,2/3) (2/3,1) (1,1).
  const Scores s{{4, 2, 1}, {5, 3, 2}};
  const Curve c = curve(s);
  EXPECT_NEAR(c.average_precision, (1 + 2.0 / 3 + 3.0 / 5) / 3, 1e-15);
  EXPECT_NEAR(c.eer, 1.0 / 3, 1e-15);
  EXPECT_NEAR(c.youden, 1.0 / 3, 1e-15);
  EXPECT_NEAR(c.best_accuracy, 4.0 / 6, 1e-15);
}
TEST(Evaluate, DecisionsAndReliabilityByHand) {
  const Scores p{{0.1, 0.6}, {0.5, 0.9}};
  const Decisions d = decisions(p);
  EXPECT_EQ(d.accuracy, 0.75);
  EXPECT_NEAR(d.f1, 0.8, 1e-15);
  EXPECT_NEAR(d.mcc, 2 / std::sqrt(12.0), 1e-15);
  EXPECT_NEAR(d.brier, (0.01 + 0.36 + 0.25 + 0.01) / 4, 1e-15);
  const Reliability r = reliability(p, 2);  // (0 .5] holds .1 and .5, (.5 1] the others
  EXPECT_EQ(r.bins[0].n, 2);
  EXPECT_NEAR(*r.bins[0].mean, 0.3, 1e-15);
  EXPECT_NEAR(r.ece, (0.5 * 0.2 + 0.5 * 0.25), 1e-15);
}
TEST(Evaluate, SpearmanByHand) {
  const std::vector<double> x{1, 2, 2, 4}, y{10, 30, 20, 40};
  // Ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4: covariance 4.5 / 3, variances 4.5 / 3 and 5 / 3.
  EXPECT_NEAR(spearman(x, y), 4.5 / std::sqrt(4.5 * 5), 1e-15);
}
TEST(Evaluate, WhatSaysNothingIsRefused) {
  const double nan = std::nan("");
  EXPECT_EQ(fault([&] { auroc({{}, {nan}}); }), "one_class");
  EXPECT_EQ(fault([&] { auroc({{1, nan}, {1}}); }), "nan");
  EXPECT_EQ(fault([&] { auroc({{1, 1}, {1}}); }), "constant");
  EXPECT_EQ(fault([&] { curve({{1, 1}, {1}}); }), "constant");
  EXPECT_EQ(fault([&] { fit_platt({{1}, {nan}}); }), "nan");
  EXPECT_EQ(fault([&] { reliability({{0.5}, {1.5}}); }), "not_probability");
  EXPECT_EQ(fault([&] { spearman(std::vector<double>{1}, std::vector<double>{1}); }), "too_few");
}
TEST(Evaluate, DocumentsAreMeansOfLinesOfOneAuthor) {
  std::vector<Text> texts(7);
  std::vector<double> scores;
  for (size_t i = 0; i < texts.size(); ++i) {
    texts[i].author = i % 2 ? Author::machine : Author::human;
    scores.push_back(static_cast<double>(i));
  }
  const Scores d = documents(texts, scores, 2);  // human 0 2 | 4 6, machine 1 3 | 5 dropped
  EXPECT_EQ(d.human, (std::vector<double>{1, 5}));
  EXPECT_EQ(d.machine, (std::vector<double>{2}));
}
TEST(Evaluate, PairedAccuracyIsWithinASource) {
  std::vector<Text> texts(4);
  texts[0] = {"", "s", "", Author::human}, texts[1] = {"", "s", "", Author::machine};
  texts[2] = {"", "t", "", Author::human}, texts[3] = {"", "t", "", Author::machine};
  EXPECT_EQ(*paired_accuracy(texts, std::vector<double>{0, 1, 5, 5}), 0.75);
  EXPECT_FALSE(paired_accuracy(std::span(texts).first(1), std::vector<double>{0}));
}

TEST(Calibrate, PlattStandsWhereTheGradientVanishes) {
  const Scores s = noisy(60, 25, 1.5, 0.01);
  const Platt p = fit_platt(s);
  EXPECT_LT(p.a, 0);
  double by_score = 0, all = 0;
  for (const double x : s.human) by_score += (p(x) - 1.0 / 62) * x, all += p(x) - 1.0 / 62;
  for (const double x : s.machine) by_score += (p(x) - 26.0 / 27) * x, all += p(x) - 26.0 / 27;
  EXPECT_NEAR(by_score, 0, 1e-9);
  EXPECT_NEAR(all, 0, 1e-9);
  // The same text in other units is the same probability.
  Scores scaled = s;
  for (auto* list : {&scaled.human, &scaled.machine})
    for (double& x : *list) x = 1000 * x - 7;
  EXPECT_NEAR(fit_platt(scaled)(1000 * 0.3 - 7), p(0.3), 1e-9);
}
// Scores that are upside down: of all curves that do not fall the best is the mean of Platt's targets.
TEST(Calibrate, PlattNeverFallsWithTheScore) {
  const Scores right = noisy(60, 25, 1.5, 0.01);
  const Platt p = fit_rising_platt({right.machine, right.human});
  const double mean = (25 * (1.0 / 27) + 60 * (61.0 / 62)) / 85;
  for (const double x : {-3.0, 0.0, 3.0}) EXPECT_NEAR(p(x), mean, 1e-12);
  EXPECT_EQ(fit_rising_platt(right).a, fit_platt(right).a);
}
TEST(Calibrate, IsotonicByHand) {
  // Scores 1 2 3 4 5 with labels 0 1 0 1 and (1, 0): pools {1}, {2 3}, {4 5}.
  const Isotonic f = fit_isotonic({{1, 3, 5}, {2, 4, 5}});
  EXPECT_EQ(f.scores, (std::vector<double>{1, 2, 3, 4, 5}));
  const std::vector<double> values{0, 0.5, 0.5, 2.0 / 3, 2.0 / 3};
  for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(f.values[i], values[i], 1e-15);
  EXPECT_NEAR(f(1.5), 0.25, 1e-15);
  EXPECT_EQ(f(-9), 0);
  EXPECT_NEAR(f(9), 2.0 / 3, 1e-15);
}
TEST(Calibrate, LogOddsAreExactWhereProbabilitiesRound) {
  Calibration c;
  EXPECT_FALSE(log_odds(c, 1));
  c.curve = Platt{-2, 1, 0};  // p = 1 / (1 + exp(1 - 2 s))
  EXPECT_EQ(log_odds(c, 50), 99);
  EXPECT_EQ(probability(c, 50), 1);
  EXPECT_NEAR(probability(c, 1).value(), 1 / (1 + std::exp(-1.)), 1e-15);
  c.curve = Isotonic{{0, 1, 2}, {0, .75, 1}};
  EXPECT_NEAR(log_odds(c, 1).value(), std::log(3.), 1e-15);
  EXPECT_EQ(log_odds(c, -1), -INFINITY);
  EXPECT_EQ(log_odds(c, 3), INFINITY);
}
TEST(Calibrate, TheUsualMinimumIsReachedBy95Percent) {
  std::vector<Text> texts;
  EXPECT_EQ(usual_minimum(texts), 0);
  for (int n = 20; n > 0; --n) {  // of 1 to 20 characters, each of two bytes
    texts.emplace_back();
    for (int i = 0; i < n; ++i) texts.back().target += "\u00e4";
  }
  EXPECT_EQ(usual_minimum(texts), 2);  // 19 of 20
}
TEST(Calibrate, ARateThatTheTextsCannotShowIsRefused) {
  const std::vector<double> human(150, 1.0);
  EXPECT_EQ(error_of([&] { thresholds(human, std::vector<double>{0.01}); }),
            "a false-positive rate of 0.01 needs 1000 human texts, so that ten are flagged; there are 150: "
            "give more "
            "or ask for a larger rate");
  for (const double fpr : {1e-9, 1e-18, 1e-300})
    EXPECT_NE(error_of([&] { thresholds(human, std::vector<double>{fpr}); }).find("there are 150"),
              std::string::npos)
        << fpr;
  EXPECT_EQ(thresholds(human, std::vector<double>{0.1})[0].score, 1);
}
TEST(Calibrate, CurvesAndThresholdsSurviveTheFile) {
  Calibration c;
  c.curve = fit_isotonic({{1, 3, 5}, {2, 4, 5}});
  c.thresholds = {{0.05, 1.25, 400}};
  c.minimum_characters = 40;
  const Json saved(to_json_object(c));
  const Calibration back = calibration_of(JsonFields(saved, "x"));
  for (const double s : {0.0, 1.3, 2.9, 4.5}) EXPECT_EQ(*probability(back, s), *probability(c, s));
  EXPECT_EQ(back.thresholds[0].score, 1.25);
  Text t;
  t.target = std::string(39, 'x');
  EXPECT_TRUE(verdict(back, t, 2).abstains);
  EXPECT_FALSE(verdict(back, t, 2).probability);
  t.target += "ä";
  const Verdict v = verdict(back, t, 1.25);
  EXPECT_FALSE(v.abstains);
  EXPECT_EQ(*v.probability, *probability(c, 1.25));
  EXPECT_EQ(v.flagged, std::vector<bool>{false});  // at the threshold, not above it
  EXPECT_EQ(verdict(back, t, 1.26).flagged, std::vector<bool>{true});
}
}  // namespace
}  // namespace rum::detect::detect_numbers_test
