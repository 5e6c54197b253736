// Repetition penalty and no-repeat n-grams, by hand and in every kind of decoding.
#include "generate/penalties.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "error_of.h"
#include "generate/generate.h"
#include "generate/log_probs.h"
#include "generate/search.h"
#include "run_folder.h"
#include "scratch.h"

namespace rum::penalties_test {
namespace {
using Tokens = std::vector<Token>;
constexpr float kOut = -INFINITY;

TEST(Penalties, RepeatedTokensByHand) {
  std::vector<float> s{2, -1, .5f, 0};
  penalise({.repetition = 2}, s, Tokens{0, 1, 0, 3});  // twice counts once
  EXPECT_EQ(s, (std::vector<float>{1, -2, .5f, 0}));
}
TEST(Penalties, NGramsByHand) {
  const auto banned = [](int64_t n, const Tokens& text) {
    std::vector<float> s(5);
    penalise({.no_repeat = n}, s, text);
    std::set<Token> out;
    for (Token t = 0; t < 5; ++t)
      if (s[static_cast<size_t>(t)] == kOut) out.insert(t);
    return out;
  };
  EXPECT_EQ(banned(1, {1, 3}), (std::set<Token>{1, 3}));
  EXPECT_EQ(banned(2, {1, 2, 3, 1}), (std::set<Token>{2}));
  EXPECT_EQ(banned(2, {1, 2, 1, 4, 1}), (std::set<Token>{2, 4}));
  EXPECT_EQ(banned(3, {1, 2, 3, 1, 2}), (std::set<Token>{3}));
  EXPECT_EQ(banned(3, {1, 2, 3, 2, 1}), std::set<Token>{});
  EXPECT_EQ(banned(3, {1, 2}), std::set<Token>{});
  EXPECT_EQ(banned(2, {2, 2}), (std::set<Token>{2}));
}
TEST(Penalties, BeamsWorkOnLogProbabilitiesThatStayAsTheyAre) {
  // p = .5, .25, .125, .125; log p is negative, so a penalty of 2 squares the probability.
  std::vector<float> z;
  for (const double p : {.5, .25, .125, .125}) z.push_back(static_cast<float>(std::log(p) + 3));
  std::vector<Choice> best(3);
  best_after({.repetition = 3, .no_repeat = 1}, z, Tokens{3}, best);
  EXPECT_EQ(best[0].token, 0);
  EXPECT_NEAR(best[0].log_prob, std::log(.5), 1e-6);
  EXPECT_EQ(best[2].token, 2);
  for (size_t i = 0; i < 4; ++i) z[i] = static_cast<float>(std::log(std::vector{.5, .25, .125, .125}[i]) + 3);
  best_after({.repetition = 3}, z, Tokens{0}, best);
  EXPECT_EQ(best[0].token, 1);
  EXPECT_EQ(best[1].token, 0);  // 1/8, as the two after it, and the smaller id
  EXPECT_NEAR(best[1].log_prob, 3 * std::log(.5), 1e-6);
}

struct Written : testing::Test {
  Scratch folder;
  std::unique_ptr<LoadedRun> run;
  void SetUp() override {
    write_run(folder.path, {.kind = CorpusKind::documents});
    run = load_run(folder.path);
  }
  std::vector<Hypothesis> written(const Decoding& d, const Tokens& prompt = {5, 6, 7}) const {
    const Prompt p{prompt};
    return generate(run->model, {&p, 1}, -1, d).front();
  }
};
int64_t repeated(Tokens text, size_t n) {
  std::set<Tokens> seen;
  int64_t out = 0;
  for (size_t i = 0; i + n <= text.size(); ++i)
    out += !seen.insert(Tokens(text.begin() + static_cast<std::ptrdiff_t>(i),
                               text.begin() + static_cast<std::ptrdiff_t>(i + n)))
                .second;
  return out;
}
TEST_F(Written, NoNGramComesTwiceHoweverItIsDecoded) {
  const Tokens prompt{5, 6, 5, 6, 7};
  for (Decoding d : {Decoding{}, Decoding{.beam = 3, .best = 3},
                     Decoding{.sample = true, .temperature = .05f, .best = 2}}) {
    d.max_new = 50;
    d.no_repeat = 2;
    for (const Hypothesis& h : written(d, prompt)) {
      Tokens all(prompt.begin() + 2, prompt.end());  // repetition within the prompt is allowed
      all.insert(all.end(), h.tokens.begin(), h.tokens.end());
      EXPECT_EQ(repeated(all, 2), 0) << describe(d);
    }
  }
  EXPECT_GT(repeated(written({.max_new = 50}, prompt)[0].tokens, 2), 0);  // without it this model does
}
TEST_F(Written, GreedyTakesTheTokenThatThePenaltyLeaves) {
  // Each step again from the logits of the whole text.
  Tokens text{5, 6, 7};
  const Hypothesis h = written({.repetition_penalty = 1.7f, .max_new = 8})[0];
  for (const Token t : h.tokens) {
    Arena arena(DeviceKind::cpu);
    Tape tape(arena, Tape::Mode::forward_only);
    const auto n = static_cast<int64_t>(text.size());
    Tokens places(text.size());
    for (size_t i = 0; i < places.size(); ++i) places[i] = static_cast<Token>(i);
    const auto ints = [](const Tokens& v) {
      return Tensor::from<int32_t>(v, {static_cast<int64_t>(v.size())}, DType::i32);
    };
    const Tensor z =
        run->model.gpt()->logits(ints(text), {ints({0, static_cast<Token>(n)}), ints({0}), ints(places)});
    const int64_t vocab = z.shape()[1];
    double most = -INFINITY;
    Token best = -1;
    for (Token v = 0; v < vocab; ++v) {
      double score = z.at((n - 1) * vocab + v);
      if (std::find(text.begin(), text.end(), v) != text.end()) score = score > 0 ? score / 1.7 : score * 1.7;
      if (score > most) most = score, best = v;
    }
    ASSERT_EQ(t, best) << text.size();
    text.push_back(t);
  }
}
TEST_F(Written, AFollowerEndsTextsAndHearsOfEachToken) {
  std::vector<Tokens> heard(2);
  std::vector<size_t> done;
  const Follower follower{[&](size_t text, int32_t, Token t) {
                            heard[text].push_back(t);
                            return text == 1 || heard[text].size() < 3;
                          },
                          [&](size_t text, std::span<const Hypothesis>) { done.push_back(text); }};
  const std::vector<Prompt> prompts{{{5, 6, 7}}, {{8, 9}}};
  const auto all = generate(run->model, prompts, -1, {.max_new = 9}, {}, &follower);
  const Tokens alone = written({.max_new = 9}).front().tokens;
  EXPECT_EQ(all[0][0].tokens, Tokens(alone.begin(), alone.begin() + 3));
  EXPECT_FALSE(all[0][0].finished);
  EXPECT_EQ(heard[0], all[0][0].tokens);
  EXPECT_EQ(all[1][0].tokens.size(), 9u);
  EXPECT_EQ(done, (std::vector<size_t>{0, 1}));
}
TEST_F(Written, TheLogProbabilityIsTheModelsOwn) {
  const auto log_p = [&](const Tokens& text) {
    Example e{text};
    e.goes_on = true;
    return log_probs(run->model, {&e, 1}).front();
  };
  const Tokens prompt{5, 6, 7};
  for (Decoding d : {Decoding{.repetition_penalty = 1.7f}, Decoding{.sample = true, .repetition_penalty = 3},
                     Decoding{.no_repeat = 1}}) {
    d.max_new = 9;
    const Hypothesis h = written(d, prompt)[0];
    Tokens all = prompt;
    all.insert(all.end(), h.tokens.begin(), h.tokens.end());
    EXPECT_NEAR(h.log_prob, log_p(all) - log_p(prompt), 1e-4) << describe(d);
  }
}
TEST_F(Written, ASearchThatIsStoppedHasWhatItHadFound) {
  const Decoding search{.beam = 3, .best = 3, .max_new = 12};
  Decoding shorter = search;
  shorter.max_new = 4;
  int steps = 0;
  const Follower follower{{}, {}, [&](size_t) { return ++steps < 4; }};
  const Prompt p{{5, 6, 7}};
  const auto stopped = generate(run->model, {&p, 1}, -1, search, {}, &follower).front();
  const auto limited = written(shorter);
  EXPECT_EQ(steps, 4);
  ASSERT_EQ(stopped.size(), limited.size());
  for (size_t i = 0; i < stopped.size(); ++i) {
    EXPECT_EQ(stopped[i].tokens, limited[i].tokens);
    EXPECT_EQ(stopped[i].log_prob, limited[i].log_prob);
    EXPECT_FALSE(stopped[i].finished);
  }
}
TEST_F(Written, ASeedOfItsOwnIsThatOfATextAlone) {
  const Decoding d{.sample = true, .max_new = 20, .seed = 4};
  const std::vector<Prompt> beside{{{8, 9}}, {{5, 6, 7}, 0, 9}};
  Decoding alone = d;
  alone.seed = 9;
  EXPECT_EQ(generate(run->model, beside, -1, d)[1][0].tokens, written(alone)[0].tokens);
  EXPECT_NE(generate(run->model, beside, -1, d)[1][0].tokens, written(d)[0].tokens);
}
// A beam of two whose tokens are used up after the first: by hand.
TEST(Search, WithoutATokenThatMayFollowItEndsAsItStands) {
  const Choice none{0, -INFINITY};
  Search beams({.beam = 2, .length_penalty = 1, .best = 2}, -1, 10);
  std::vector<int32_t> parents(2);
  const Choice first[] = {{7, -1}, {8, -2}, none, none},
               after[8] = {none, none, none, none, none, none, none, none};
  beams.advance(first, parents);
  beams.advance(after, parents);
  ASSERT_TRUE(beams.done());
  const std::vector<Hypothesis> found = beams.results();
  ASSERT_EQ(found.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(found[i].tokens, (Tokens{i == 0 ? 7 : 8}));
    EXPECT_EQ(found[i].score, i == 0 ? -1 : -2);  // of one token
    EXPECT_FALSE(found[i].finished);
  }
  Search at_once({.beam = 2, .length_penalty = 1}, -1, 10);
  at_once.advance(std::span(after).first(4), parents);
  ASSERT_EQ(at_once.results().size(), 1u);
  EXPECT_EQ(at_once.results()[0].score, 0);
  // Of two draws one ends and the other goes on.
  Search draws({.sample = true, .best = 2}, -1, 2);
  const Choice one[] = {none, {5, -3}}, other[] = {{6, -1}};
  draws.advance(one, parents);
  ASSERT_EQ(draws.live().size(), 1u);
  EXPECT_EQ(draws.live()[0].draw, 1);
  draws.advance(other, parents);
  ASSERT_TRUE(draws.done());
  EXPECT_EQ(draws.results()[0].tokens, Tokens{});
  EXPECT_EQ(draws.results()[1].tokens, (Tokens{5, 6}));
  EXPECT_EQ(draws.results()[1].log_prob, -4);
}
// A vocabulary of letters that is smaller than the context, and none may come twice: each text has them all.
TEST(Generate, ATextEndsWhereEveryTokenIsUsedUp) {
  const Scratch folder;
  write_run(folder.path, {.kind = CorpusKind::documents, .pattern = "characters"});
  const auto run = load_run(folder.path);
  const int64_t vocab = run->model.head().shape()[0];
  ASSERT_LT(vocab + 2, run->model.config().context);
  Prompt short_one{{5, 6, 7}}, all;
  for (int64_t t = 0; t < vocab; ++t) all.tokens.push_back(static_cast<Token>(t));
  const Prompt prompts[] = {short_one, all};
  for (Decoding d : {Decoding{}, Decoding{.beam = 2, .best = 2}, Decoding{.sample = true, .best = 3}}) {
    d.no_repeat = 1;
    const auto texts = generate(run->model, prompts, -1, d);
    EXPECT_EQ(std::ssize(texts[0]), d.best) << describe(d);
    for (const Hypothesis& h : texts[0]) {
      std::set<Token> used(h.tokens.begin(), h.tokens.end());
      EXPECT_EQ(std::ssize(h.tokens), vocab - 3) << describe(d);
      EXPECT_EQ(std::ssize(used), vocab - 3) << describe(d);
      for (const Token t : short_one.tokens) EXPECT_FALSE(used.contains(t)) << describe(d);
      EXPECT_TRUE(std::isfinite(h.log_prob) && std::isfinite(h.score)) << describe(d);
      EXPECT_FALSE(h.finished);
    }
    ASSERT_FALSE(texts[1].empty()) << describe(d);
    EXPECT_EQ(texts[1][0].tokens, Tokens{}) << describe(d);
    EXPECT_EQ(texts[1][0].log_prob, 0) << describe(d);
  }
}
TEST_F(Written, RefusesWhatMakesNoSense) {
  EXPECT_NE(error_of([&] { written({.repetition_penalty = 0}); }).find("repetition penalty of 0"),
            std::string::npos);
  EXPECT_NE(error_of([&] { written({.sample = true, .temperature = 1e-40f}); }).find("enough to divide by"),
            std::string::npos);
  EXPECT_NE(error_of([&] { written({.no_repeat = -1}); }).find("no_repeat -1"), std::string::npos);
}
}  // namespace
}  // namespace rum::penalties_test
