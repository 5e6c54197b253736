// The regression of other scores to sentence chrF, and the stage of an experiment that orders by it, against
// normal equations solved here by elimination.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/file.h"
#include "detect/folds.h"
#include "edits/ridge.h"
#include "edits/scorers.h"
#include "edits/scores.h"
#include "edits/targets.h"
#include "error_of.h"
#include "pipeline/stage.h"
#include "scratch.h"
#include "text/json.h"

namespace rum::quality_test {
using namespace edits;
namespace {
using Numbers = std::vector<double>;

void says(const std::string& error, const char* part) {
  EXPECT_NE(error.find(part), std::string::npos) << error;
}
// Intercept and slopes of least squares with penalty x lines x variance of a feature on its slope, without
// standardising.
Numbers by_elimination(const std::vector<Numbers>& features, const Numbers& y, double penalty) {
  const size_t n = y.size(), m = features.size() + 1;
  const auto x = [&](size_t line, size_t j) { return j == 0 ? 1 : features[j - 1][line]; };
  std::vector<Numbers> a(m, Numbers(m + 1));
  for (size_t line = 0; line < n; ++line)
    for (size_t i = 0; i < m; ++i) {
      for (size_t j = 0; j < m; ++j) a[i][j] += x(line, i) * x(line, j);
      a[i][m] += x(line, i) * y[line];
    }
  for (size_t j = 1; j < m; ++j) {
    const double mean = a[0][j] / static_cast<double>(n);
    a[j][j] += penalty * (a[j][j] - static_cast<double>(n) * mean * mean);
  }
  for (size_t i = 0; i < m; ++i)
    for (size_t k = 0; k < m; ++k) {
      const double factor = a[k][i] / a[i][i];
      for (size_t j = m + 1; k != i && j-- > i;) a[k][j] -= factor * a[i][j];
    }
  Numbers out;
  for (size_t i = 0; i < m; ++i) out.push_back(a[i][m] / a[i][i]);
  return out;
}
std::vector<Numbers> drawn(size_t lines, uint32_t seed) {  // the last depends on the first; all are shifted
  std::mt19937 random(seed);
  std::normal_distribution<double> z;
  std::vector<Numbers> out(3);
  for (size_t i = 0; i < lines; ++i) {
    out[0].push_back(3 + 2 * z(random));
    out[1].push_back(std::round(-1 + z(random)));  // many lines share it
    out[2].push_back(.5 * out[0][i] + z(random));
  }
  return out;
}

TEST(Ridge, FindsTheWeightsThatMadeTheQuality) {
  const std::vector<Numbers> x = drawn(200, 5);
  Numbers quality;
  for (size_t i = 0; i < 200; ++i) quality.push_back(10 + 4 * x[0][i] - 6 * x[1][i] + .25 * x[2][i]);
  const Ridge r = fit_ridge(x, quality, 1e-12);
  for (const auto& [feature, weight] : {std::pair<size_t, double>{0, 4}, {1, -6}, {2, .25}})
    EXPECT_NEAR(r.weights[feature] / r.deviations[feature], weight, 1e-9);
  EXPECT_NEAR(predict(r, std::vector<Numbers>{{1}, {1}, {100}})[0], 10 + 4 - 6 + 25, 1e-7);
}
TEST(Ridge, SolvesTheNormalEquations) {
  const std::vector<Numbers> x = drawn(60, 7), other = drawn(5, 8);
  std::mt19937 random(9);
  std::normal_distribution<double> z;
  Numbers quality;
  for (size_t i = 0; i < 60; ++i) quality.push_back(50 + x[0][i] + 20 * z(random));
  for (const double penalty : {1e-9, .3}) {
    const Numbers truth = by_elimination(x, quality, penalty);
    const Numbers expected = predict(fit_ridge(x, quality, penalty), other);
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(expected[i],
                  truth[0] + truth[1] * other[0][i] + truth[2] * other[1][i] + truth[3] * other[2][i], 1e-9);
  }
}
TEST(Ridge, OneFeatureByHand) {
  // x standardised is -1, 0, 1 times sqrt(3/2); y - 2 is -1, 0, 1: the slope sqrt(2/3) is
  // shrunk by 1 + penalty.
  const Ridge r = fit_ridge(std::vector<Numbers>{{1, 2, 3}}, Numbers{1, 2, 3}, .5);
  EXPECT_NEAR(r.weights[0], std::sqrt(2. / 3) / 1.5, 1e-12);
  EXPECT_EQ(r.intercept, 2);
}
TEST(Ridge, FeaturesThatAreEqualShareAndOneThatNeverChangesHasNone) {
  const Numbers x{1, 5, 2, 4, 4, 9}, flat(6, 7.);
  const Ridge r = fit_ridge(std::vector<Numbers>{x, flat, x}, x, 1e-3);
  EXPECT_NEAR(r.weights[0], r.weights[2], 1e-9);
  EXPECT_NEAR(r.weights[0] + r.weights[2], r.deviations[0], 1e-2);
  EXPECT_EQ(r.weights[1], 0);
  EXPECT_EQ(predict(r, std::vector<Numbers>{{4}, {7}, {4}}), predict(r, std::vector<Numbers>{{4}, {8}, {4}}));
}
TEST(Ridge, BadInputIsNamed) {
  says(error_of([] {
         fit_ridge(std::vector<Numbers>{{1, 2}}, Numbers{1, 2});
       }),
       "1 features and 2 lines; at least two more lines");
  says(error_of([] { fit_ridge(std::vector<Numbers>{}, Numbers{1, 2}); }), "0 features");
  says(error_of([] {
         fit_ridge(std::vector<Numbers>{{1, NAN, 3}}, Numbers{1, 2, 3});
       }),
       "feature 1 has a number that is not finite");
  says(error_of([] {
         fit_ridge(std::vector<Numbers>{{1, 2, 3}}, Numbers{1, NAN, 3});
       }),
       "a quality that is not finite");
  says(error_of([] {
         fit_ridge(std::vector<Numbers>{{1, 2, 3, 4}}, Numbers{1, 2, 3});
       }),
       "feature 1 has 4 lines, the quality 3");
  const Ridge r = fit_ridge(std::vector<Numbers>{{1, 2, 3}}, Numbers{1, 2, 3});
  says(error_of([&] { predict(r, std::vector<Numbers>{{1}, {2}}); }), "fitted on 1 features, given 2");
}

// A judge set of n lines, where the generator got some words right, and two scores.
struct Stages {
  Scratch scratch;
  TargetSet judge, pool;
  Numbers measured;
  std::vector<Numbers> judged, given;
  std::string folder(const std::string& name) const {
    Disk::real().make_folders(scratch.path + "/" + name);
    return scratch.path + "/" + name;
  }
  explicit Stages(size_t lines) {
    const auto all = drawn(lines, 3), others = drawn(12, 4);
    judged = {all[0], all[1]}, given = {others[0], others[1]};
    std::string human;
    std::vector<std::string> references;
    for (size_t i = 0; i < lines; ++i) {
      references.push_back("the old house by the river is for sale");
      const std::string source = "haus " + std::to_string(i / 2);  // every source twice
      human += source + "\t" + references.back() + "\n";
      judge.ids.push_back(static_cast<int64_t>(i));
      judge.texts.push_back({source, references[i].substr(0, 5 + i * 7 % 31) + " again"});
    }
    for (int64_t i = 0; i < 12; ++i) pool.ids.push_back(3 * i), pool.texts.push_back({"x", "y"});
    Disk::real().replace_text(folder("split") + "/judge.tsv", human);
    write_targets(folder("judge"), judge), write_targets(folder("targets"), pool);
    measured = agreement(judge.texts, references);
    for (size_t j = 0; j < 2; ++j) {
      write_scores(folder("score" + std::to_string(j)) + "/scores.tsv", {pool.ids, given[j]});
      write_scores(folder("judge_score" + std::to_string(j)) + "/scores.tsv", {judge.ids, judged[j]});
    }
  }
  void run() const {
    Stage stage{
        "score-1", "score", "quality of self", Json(Json::Object{{"kind", "quality"}}), Json(Json::Object{}),
        {}};
    std::vector<std::string> folders;
    const auto add = [&](const char* input, const std::string& from) {
      stage.inputs.push_back({input, from});
      folders.push_back(folder(from));
    };
    for (const char* name : {"split", "judge", "targets"}) add(name, name);
    for (const char* name : {"score", "judge_score"})
      for (const char* which : {"0", "1"}) add(name, name + std::string(which));
    Progress progress;
    const std::function<bool()> stop = [] { return false; };
    StageKind::named("score").run({stage, folders, folder("out"), progress, stop});
  }
};
TEST(QualityScorer, IsLearnedOnTheJudgeSetAndSaidOfThePool) {
  const Stages at(90);
  at.run();
  const Scores said = read_scores(at.scratch.path + "/out/scores.tsv");
  EXPECT_EQ(said.ids, at.pool.ids);
  const Numbers truth = by_elimination(at.judged, at.measured, 1e-3);
  for (size_t i = 0; i < 12; ++i)
    EXPECT_NEAR(said.values[i], truth[0] + truth[1] * at.given[0][i] + truth[2] * at.given[1][i], 1e-8);
  // The weights are in the order of the scorers, each for a standard deviation of its scores.
  const Json facts = parse_json(Disk::real().read(at.scratch.path + "/out/regression.json"), "");
  const Numbers weights = JsonFields(facts, "").numbers("chrf_a_standard_deviation");
  ASSERT_EQ(weights.size(), 2U);
  for (size_t j = 0; j < 2; ++j) {
    double sum = 0, squares = 0;
    for (const double x : at.judged[j]) sum += x, squares += x * x;
    EXPECT_NEAR(weights[j], truth[j + 1] * std::sqrt(squares / 90 - sum * sum / 8100), 1e-8);
  }
  EXPECT_EQ(JsonFields(facts, "").whole("pairs"), 90);
}
TEST(QualityScorer, IsTriedOnSourcesThatItHasNotSeen) {
  const Stages at(90);
  at.run();
  std::vector<detect::Text> texts;
  for (const Pair& p : at.judge.texts) texts.push_back({"", p.source, p.target, detect::Author::unknown});
  const std::vector<int64_t> fold = detect::folds_of(texts, 5, 1);
  std::vector<Numbers> seen(2);
  Numbers quality, expected, truth;
  for (size_t i = 0; i < 90; ++i) {
    ASSERT_EQ(fold[i], fold[i ^ 1]);  // lines of one source
    if (fold[i] == 0) continue;
    for (size_t j = 0; j < 2; ++j) seen[j].push_back(at.judged[j][i]);
    quality.push_back(at.measured[i]);
  }
  const Numbers w = by_elimination(seen, quality, 1e-3);
  for (size_t i = 0; i < 90; ++i) {
    if (fold[i] != 0) continue;
    expected.push_back(w[0] + w[1] * at.judged[0][i] + w[2] * at.judged[1][i]);
    truth.push_back(at.measured[i]);
  }
  EXPECT_EQ(truth.size(), 18U);
  double said = 0;
  ASSERT_TRUE(parse_json(Disk::real().read(at.scratch.path + "/out/regression.json"), "")
                  .find("held_out_spearman")
                  ->number(said));
  EXPECT_NEAR(said, detect::spearman(expected, truth), 1e-12);
}
TEST(QualityScorer, BadInputIsNamed) {
  says(error_of([] { Stages(4).run(); }),
       "quality of self: 2 sources of the judge set are too few for a regression on 2 scores; raise "
       "data.judge_pairs");
  const Stages at(20);
  const std::string path = at.folder("judge_score1") + "/scores.tsv", whole = Disk::real().read(path);
  Disk::real().replace_text(path, whole.substr(0, whole.find("\n19\t") + 1));
  says(error_of([&] { at.run(); }), "1 of 20 pairs have no score, first id 19");
  Disk::real().replace_text(path, whole.substr(0, whole.find("\n19\t") + 1) + "19\tnan\n");
  says(error_of([&] { at.run(); }), "line 21: expected a finite number as score, found \"nan\"");
  write_scores(path, {at.judge.ids, Numbers(20, 5.)});
  says(error_of([&] { at.run(); }), "all 20 pairs have the score 5");
  EXPECT_FALSE(Disk::real().exists(at.scratch.path + "/out/scores.tsv"));
}
}  // namespace
}  // namespace rum::quality_test
