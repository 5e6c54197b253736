// Scores of generated pairs against hand computation, other formulas and planted errors; reading scores.tsv.
#include "edits/scorers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "base/file.h"
#include "edits/filter.h"
#include "edits/scores.h"
#include "edits/validity.h"
#include "error_of.h"
#include "generate/log_probs.h"
#include "generate/translate.h"
#include "metrics/chrf.h"
#include "scratch.h"
#include "tests/grammar/grammar.h"
#include "tests/run_folder.h"
#include "train/trainer.h"

namespace rum::scorers_test {
using namespace metrics;
using namespace edits;
namespace {
using Numbers = std::vector<double>;

TEST(Scorers, ConfidenceIsPerToken) {
  Generated a, b;
  a.log_prob = -6, a.tokens = 4, b.log_prob = -1, b.tokens = 1;
  const std::vector<Generated> lines{a, b};
  EXPECT_EQ(generator_confidence(lines), (Numbers{-1.5, -1}));
}
TEST(Scorers, ExpectedLengthIsAPowerOfTheSource) {
  // Targets of twice the square root of their source's length, in characters and not in bytes.
  std::vector<Pair> pairs;
  for (const int n : {1, 4, 9, 16, 25}) {
    std::string target;
    for (int i = 0; i < 2 * std::lround(std::sqrt(n)); ++i) target += "ö";
    pairs.push_back({std::string(static_cast<size_t>(n), 'x'), target});
  }
  const LengthModel m = fit_length(pairs);
  EXPECT_NEAR(m.slope, .5, 1e-12);
  EXPECT_NEAR(m.intercept, std::log(2), 1e-12);
  const std::vector<Pair> given{{"xxxxxxxxx", "yyyyyy"}, {"xxxxxxxxx", "yyy"}, {"xxxxxxxxx", "yyyyyyyyyyyy"}};
  const Numbers scores = length_agreement(m, given);
  EXPECT_NEAR(scores[0], 0, 1e-12);
  EXPECT_NEAR(scores[1], -std::log(2), 1e-12);  // half and double are equally far
  EXPECT_NEAR(scores[2], -std::log(2), 1e-12);
  EXPECT_NE(error_of([] {
              fit_length(std::vector<Pair>{{"a", "b"}, {"c", "dd"}});
            }).find("all of one length"),
            std::string::npos);
}
TEST(Scorers, ConsistencyIsTheMeanOfSentenceScores) {
  const std::vector<Pair> pairs{{"x", "the house is old"}, {"x", "dogs"}};
  const std::vector<std::vector<std::string>> draws{{"the house is old", "a house is new"},
                                                    {"cats", "dogs bark"}};
  const Numbers scores = consistency(pairs, draws);
  const auto metric = make_chrf();
  for (size_t i = 0; i < 2; ++i) {
    double sum = 0;
    for (const std::string& d : draws[i]) {
      const Reference r{d};
      sum += metric->score(count(*metric, {pairs[i].target}, std::span(&r, 1))[0]);
    }
    EXPECT_NEAR(scores[i], sum / 2, 1e-9);
  }
  EXPECT_NEAR(agreement(pairs, std::vector<std::string>{"the house is old", "cats"})[0], 100, 1e-9);
  EXPECT_NE(error_of([&] { agreement(pairs, std::vector<std::string>{"a"}); }).find("of 1"),
            std::string::npos);
}
TEST(Scorers, CopiesAreSeen) {
  const std::vector<Pair> pairs{{"Das Haus ist alt", "Das Haus ist alt"},
                                {"Das Haus ist alt", "the house is old"},
                                {"Peter sieht Anna 3 mal", "Peter sees Anna 3 times"},
                                {"so", "so so so so"},
                                {"Das Haus", "!"}};
  const Numbers scores = not_copied(pairs);
  EXPECT_EQ(scores, (Numbers{-1, 0, -.5, -.25, 0}));
  EXPECT_EQ(without_copies(pairs), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_NE(error_of([&] { without_copies(std::span(pairs).first(1)); }).find("copies its source"),
            std::string::npos);
  EXPECT_EQ(kept(std::vector<int64_t>{3, 0, 2, 1}, .5), (std::vector<int64_t>{0, 3}));
}
TEST(Scorers, RarityByHand) {
  const std::vector<std::string> corpus{"a a a b", "A b c d"};  // a 4, b 2, c 1, d 1 of 8
  const Numbers r = rarity(std::vector<std::string>{"a", "a c", "new", ""}, corpus);
  EXPECT_NEAR(r[0], std::log(2), 1e-12);
  EXPECT_NEAR(r[1], (std::log(2) + std::log(8)) / 2, 1e-12);
  EXPECT_NEAR(r[2], std::log(16), 1e-12);
  EXPECT_EQ(r[3], 0);
}

// Models trained for a few steps on the grammar: their scores are compared with log_probs(), pair by pair,
// and with errors planted in the pairs.
TEST(Scorers, ModelsPreferPairsThatBelongTogether) {
  const Scratch folder;
  const auto trained = [&](const std::string& name, CorpusKind kind, bool reversed) {
    RunConfig c;
    c.folder = folder.path + "/" + name;
    c.kind = kind;
    auto pairs = grammar_pairs(400, 7);
    for (Pair& p : pairs) {
      if (reversed) std::swap(p.source, p.target);
      if (kind == CorpusKind::documents) p.source.clear();
    }
    c.model = {.context = 96, .layers = 1, .heads = 2, .kv_heads = 0, .width = 32, .inner = 64};
    c.bpe.vocab = 300, c.tokens = 512, c.steps = 300, c.bleu_texts = 0, c.schedule.warmup = 10;
    c.schedule.peak = 1e-2f;
    return quietly_trained(std::move(c), pairs);
  };
  const auto forward = trained("forward", CorpusKind::pairs, false),
             reverse = trained("reverse", CorpusKind::pairs, true),
             lm = trained("lm", CorpusKind::documents, false);
  std::vector<Pair> good = grammar_pairs(60, 11), shuffled = good, scrambled = good;
  for (size_t i = 0; i < good.size(); ++i) {
    shuffled[i].target = good[(i + 1) % good.size()].target;
    scrambled[i].target.assign(good[i].target.rbegin(), good[i].target.rend());
  }
  const auto wins = [](const Numbers& a, const Numbers& b) {
    int out = 0;
    for (size_t i = 0; i < a.size(); ++i) out += a[i] > b[i];
    return out;
  };
  EXPECT_GE(wins(forward_score(*forward, good), forward_score(*forward, shuffled)), 41);
  EXPECT_GE(wins(reverse_score(*reverse, good), reverse_score(*reverse, shuffled)), 41);
  EXPECT_GE(wins(fluency(*lm, good), fluency(*lm, scrambled)), 58);

  const Numbers scores = reverse_score(*reverse, good);
  for (size_t i = 0; i < good.size(); ++i) {
    const Example e = to_example({good[i].target, good[i].source}, reverse->tokenizer);
    EXPECT_NEAR(scores[i], log_probs(reverse->model, {&e, 1})[0] / static_cast<double>(load_of(e, {}).scored),
                1e-4);
  }
  // Pairs that do not fit or are incomplete score like the worst.
  good[3].target = std::string(400, 'x'), good[5].target.clear();
  const Numbers with = reverse_score(*reverse, good);
  const double worst = *std::min_element(with.begin(), with.end());
  EXPECT_EQ(with[3], worst);
  EXPECT_EQ(with[5], worst);
  EXPECT_NE(error_of([&] { fluency(*forward, good); }).find("needs a plain-text model"), std::string::npos);
  EXPECT_NE(error_of([&] { reverse_score(*lm, good); }).find("needs one that translates"), std::string::npos);
  EXPECT_NE(error_of([&] { reverse_score(*reverse, std::span(good).subspan(3, 1)); }).find("none of 1"),
            std::string::npos);
}

TEST(Validity, CorrelationsOfRanksByHand) {
  // Ranks of a: 1 2 3 4; of quality: 2 1 3 4 (sum of squares 2: 1 - 6 x 2 / 60 = .8); length falls with a.
  const std::vector<NamedScores> scores{{"a", {.1, .2, .5, 9}}, {"flat", {3, 3, 3, 3}}, {"b", {2, 1, 3, 3}}};
  const auto rows = validity(scores, Numbers{20, 10, 30, 40}, Numbers{9, 8, 7, 6}, Numbers{1, 1, 1, 1});
  EXPECT_NEAR(*rows[0].quality, .8, 1e-12);
  EXPECT_NEAR(*rows[0].length, -1, 1e-12);
  EXPECT_FALSE(rows[0].rarity);
  EXPECT_FALSE(rows[1].quality);
  EXPECT_EQ(rows[1].tied, 4);
  EXPECT_EQ(rows[2].tied, 2);
  EXPECT_NEAR(*rows[0].others[0], 1, 1e-12);
  // b has ranks 2 1 3.5 3.5: covariance 3.5, variances 5 and 4.5.
  EXPECT_NEAR(*rows[0].others[2], 3.5 / std::sqrt(5 * 4.5), 1e-12);
  EXPECT_NE(error_of([&] {
              validity(scores, Numbers{1, 2}, Numbers{1, 2}, Numbers{1, 2});
            }).find("a of 4 pairs"),
            std::string::npos);
}

TEST(Scores, WrittenAndReadAreTheSame) {
  const Scratch folder;
  const std::string path = folder.path + "/scores.tsv";
  write_scores(path, {{0, 2, 3}, {-1.5, 1. / 3, 1e-300}});
  const Scores s = read_scores(path);
  EXPECT_EQ(s.ids, (std::vector<int64_t>{0, 2, 3}));
  EXPECT_EQ(s.values, (Numbers{-1.5, 1. / 3, 1e-300}));
  EXPECT_EQ(scores_of(s, std::vector<int64_t>{2, 3}, path), (Numbers{1. / 3, 1e-300}));
  EXPECT_EQ(tied(Numbers{1, 2, 1, 3, 3, 3}), 5);
  EXPECT_EQ(tied(Numbers{1, 2}), 0);
}
TEST(Scores, BadInputIsNamed) {
  const Scratch folder;
  const std::string path = folder.path + "/scores.tsv";
  const auto says = [](const std::string& error, const char* part) {
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  const auto reading = [&](const std::string& text) {
    Disk::real().replace_text(path, text);
    return error_of([&] { read_scores(path); });
  };
  says(reading(""), "empty");
  says(reading("1\t2\n"), "line 1: expected the heading");
  says(reading("id\tscore\n1 2\n"), "line 2: expected id<TAB>score");
  says(reading("id\tscore\nx\t2\n"), "a whole number as id, found \"x\"");
  says(reading("id\tscore\n1\tnan\n"), "a finite number as score, found \"nan\"");
  says(reading("id\tscore\n1\t2\n1\t3\n"), "line 3: expected an id above 1");
  const Scores s{{0, 1, 2}, {5, 5, 6}};
  says(error_of([&] {
         scores_of(s, std::vector<int64_t>{1, 7, 8}, path);
       }),
       "2 of 3 pairs have no score, first id 7");
  says(error_of([&] { scores_of(s, std::vector<int64_t>{0, 1}, path); }), "all 2 pairs have the score 5");
  says(error_of([&] { write_scores(path, {{0}, {NAN}}); }), "the score of id 0 is nan");
  says(error_of([&] { write_scores(path, {{1, 0}, {1, 2}}); }), "ids must rise");
  says(error_of([&] { write_scores(path, {{1}, {}}); }), "1 ids for 0 scores");
}
}  // namespace
}  // namespace rum::scorers_test
