// Plans, packing, the loader and its helper thread.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "base/error.h"
#include "data/loader.h"
#include "tests/error_of.h"
#include "tests/grammar/grammar.h"
#include "tests/scratch.h"

namespace rum::data_test {
namespace {
using namespace std::literals;
bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// ---- pack -------------------------------------------------------------------------------------------------
const std::vector<Example> kTwo = {{{11, 12, 1, 21, 22, 2}, 3, 0.5f}, {{31, 32, 2}, 0, 2}};

TEST(Pack, EveryRowHasALoss) {
  const Packed p = pack(kTwo, {.tokens = 12, .texts = 3});
  EXPECT_EQ(p.ids, (std::vector<int32_t>{11, 12, 1, 21, 22, 2, 31, 32, 2, 0, 0, 0}));
  EXPECT_EQ(p.positions, (std::vector<int32_t>{0, 1, 2, 3, 4, 5, 0, 1, 2, 0, 0, 0}));
  EXPECT_EQ(p.offsets, (std::vector<int32_t>{0, 6, 9, 12}));
  EXPECT_EQ(p.prefix, (std::vector<int32_t>{3, 0, 0}));
  EXPECT_TRUE(p.rows.empty());
  EXPECT_EQ(p.targets, (std::vector<int32_t>{0, 0, 21, 22, 2, 0, 32, 2, 0, 0, 0, 0}));
  EXPECT_EQ(p.weights, (std::vector<float>{0, 0, 0.5f, 0.5f, 0.5f, 0, 2, 2, 0, 0, 0, 0}));
  EXPECT_DOUBLE_EQ(p.total_weight, 3 * 0.5 + 2 * 2);
  EXPECT_EQ(p.used, 9);
}
TEST(Pack, OnlyScoredRowsAndPositionsThatRestart) {
  const Packed p = pack(kTwo, {.tokens = 10, .texts = 4, .scored = 6, .mask = Mask::prefix, .restart = true});
  EXPECT_EQ(p.positions, (std::vector<int32_t>{0, 1, 0, 1, 2, 3, 0, 1, 2, 0}));
  EXPECT_EQ(p.offsets, (std::vector<int32_t>{0, 6, 9, 10, 10}));
  EXPECT_EQ(p.rows, (std::vector<int32_t>{2, 3, 4, 6, 7, 0}));
  EXPECT_EQ(p.targets, (std::vector<int32_t>{21, 22, 2, 32, 2, 0}));
  EXPECT_EQ(p.weights, (std::vector<float>{0.5f, 0.5f, 0.5f, 2, 2, 0}));
  EXPECT_EQ(p.mask, Mask::prefix);
}
TEST(Pack, OneLabelAText) {
  std::vector<Example> two = kTwo;
  two[0].label = 4, two[1].label = 1;
  const BatchShape shape{.tokens = 12, .texts = 4, .mask = Mask::full, .restart = true, .labelled = true};
  const Packed p = pack(two, shape);
  EXPECT_EQ(p.ids, (std::vector<int32_t>{11, 12, 1, 21, 22, 2, 31, 32, 2, 0, 0, 0}));
  EXPECT_EQ(p.positions, (std::vector<int32_t>{0, 1, 0, 1, 2, 3, 0, 1, 2, 0, 0, 0}));
  EXPECT_TRUE(p.rows.empty());
  EXPECT_EQ(p.targets, (std::vector<int32_t>{4, 1, 0, 0}));
  EXPECT_EQ(p.weights, (std::vector<float>{0.5f, 2, 0, 0}));
  EXPECT_DOUBLE_EQ(p.total_weight, 2.5);
}
TEST(Pack, WithAllTextsTakenTheTailBelongsToNone) {
  EXPECT_EQ(pack(kTwo, {.tokens = 12, .texts = 2}).offsets, (std::vector<int32_t>{0, 6, 9}));
  EXPECT_EQ(pack(kTwo, {.tokens = 9, .texts = 2}).offsets, (std::vector<int32_t>{0, 6, 9}));
  const Packed none = pack({}, {.tokens = 4, .texts = 2});
  EXPECT_EQ(none.offsets, (std::vector<int32_t>{0, 4, 4}));
  EXPECT_EQ(none.total_weight, 0);
}
// With a new member this does not compile until it is decided whether tensors() includes it.
TEST(Batch, NamesAllOfItsTensors) {
  Batch b;
  std::vector<Tensor*> all;
  auto add_layout = [&](Layout& l) {
    auto& [offsets, prefix, positions, mask, cache] = l;
    all.insert(all.end(), {&offsets, &prefix, &positions});
  };
  auto& [ids, rows, targets, weights, layout, total_weight, source_ids, source] = b;
  all.insert(all.end(), {&ids, &rows, &targets, &weights, &source_ids});
  add_layout(layout);
  add_layout(source);
  const auto named = b.tensors();
  EXPECT_EQ(named.size(), all.size());
  for (Tensor* t : all) EXPECT_EQ(std::count(named.begin(), named.end(), t), 1);
}
TEST(Pack, SourcesApartForAnEncoder) {
  // By hand: source 5 6 <7>, target 8 9; source 5 <7>, target 4.
  const std::vector<Example> two{{{5, 6, 7, 8, 9}, 3, 2}, {{5, 7, 4}, 2, 1}};
  const BatchShape shape{.tokens = 4, .texts = 3, .sources = 6};
  const Packed p = pack(two, shape);
  EXPECT_EQ(p.source_ids, (std::vector<int32_t>{5, 6, 7, 5, 7, 0}));
  EXPECT_EQ(p.source_positions, (std::vector<int32_t>{0, 1, 2, 0, 1, 0}));
  EXPECT_EQ(p.source_offsets, (std::vector<int32_t>{0, 3, 5, 6}));
  EXPECT_EQ(p.ids, (std::vector<int32_t>{7, 8, 7, 0}));
  EXPECT_EQ(p.positions, (std::vector<int32_t>{0, 1, 0, 0}));
  EXPECT_EQ(p.offsets, (std::vector<int32_t>{0, 2, 3, 4}));
  EXPECT_EQ(p.prefix, (std::vector<int32_t>{0, 0, 0}));
  EXPECT_EQ(p.targets, (std::vector<int32_t>{8, 9, 4, 0}));
  EXPECT_EQ(p.weights, (std::vector<float>{2, 2, 1, 0}));
  EXPECT_TRUE(p.rows.empty());
  EXPECT_EQ(p.total_weight, 5);
  EXPECT_EQ(p.used, 8);
  EXPECT_EQ(positions_of(two[0], shape), 3);
  EXPECT_EQ(positions_of({{5, 7, 4, 4, 4, 4}, 2}, shape), 4);
  EXPECT_TRUE(fits(two, {.tokens = 3, .texts = 2, .sources = 5}));
  EXPECT_FALSE(fits(two, {.tokens = 2, .texts = 2, .sources = 5}));
  EXPECT_TRUE(has(error_of([&] { pack(two, {.tokens = 4, .texts = 2, .sources = 4}); }), "4 of sources"));
  const Example document{{5, 6}, 0};
  EXPECT_TRUE(has(error_of([&] { pack({&document, 1}, shape); }), "no source"));
}
TEST(Pack, RefusesWhatDoesNotFit) {
  EXPECT_TRUE(has(error_of([] { pack(kTwo, {.tokens = 8, .texts = 2}); }), "do not fit 8 tokens"));
  EXPECT_TRUE(has(error_of([] { pack(kTwo, {.tokens = 9, .texts = 1}); }), "1 texts"));
  EXPECT_TRUE(has(error_of([] { pack(kTwo, {.tokens = 9, .texts = 2, .scored = 4}); }), "4 scored"));
}

// ---- plans ------------------------------------------------------------------------------------------------
Plan small_plan() {
  return {
      {{3, 0, 0.1f, 1}, {0, 1, -1e-30f, 0.333333343f}, {2, 0, 3.5f, 2}}, {17, 0xFFFFFFFFFFFFFFFFu}, true, 5};
}
bool equal(const Plan& a, const Plan& b) {
  if (a.corpora != b.corpora || a.reshuffle != b.reshuffle || a.seed != b.seed ||
      a.rows.size() != b.rows.size())
    return false;
  for (size_t i = 0; i < a.rows.size(); ++i) {
    const PlanRow &x = a.rows[i], &y = b.rows[i];
    if (x.example != y.example || x.source != y.source || x.score != y.score || x.weight != y.weight)
      return false;
  }
  return true;
}
TEST(Plan, SavedAndLoadedIsTheSame) {
  Scratch scratch;
  const int64_t sizes[] = {500, 20};
  const uint64_t hashes[] = {1, 2};
  for (const Plan& plan : {small_plan(), shuffled_plan(sizes, hashes, 3), Plan{}}) {
    save_plan(plan, scratch.path + "/plan");
    const Plan back = load_plan(scratch.path + "/plan");
    EXPECT_TRUE(equal(plan, back));
    EXPECT_EQ(plan_hash(plan), plan_hash(back));
  }
  Plan other = small_plan();
  other.rows[1].weight = 0.25f;
  EXPECT_NE(plan_hash(other), plan_hash(small_plan()));
}
TEST(Plan, EveryDamageIsRefused) {
  Scratch scratch;
  const std::string path = scratch.path + "/plan";
  save_plan(small_plan(), path);
  const std::string good = Disk::real().read(path);
  auto loads = [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
    return error_of([&] { load_plan(path); });
  };
  for (size_t i = 0; i + 1 < good.size(); ++i) EXPECT_TRUE(has(loads(good.substr(0, i)), path)) << i;
  for (size_t i = 0; i < good.size(); ++i)
    for (int bit : {0, 3, 6}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      EXPECT_TRUE(has(loads(bad), path)) << i << " " << bit;
    }
  EXPECT_TRUE(has(loads(good + "x"), "the end of the file"));
  for (const std::string_view other :
       {"a\tb\n"sv, "r\0uminate\n"sv, "a\rb"sv, "\x1B]0;owned\007\n"sv, "\x1F\x8B\x08\r"sv}) {
    const std::string said = loads(std::string(other));
    EXPECT_TRUE(has(said, "not a plan of this version")) << said;
    EXPECT_TRUE(std::none_of(said.begin(), said.end(), [](unsigned char c) { return c < ' ' && c != '\t'; }))
        << said;
  }
  std::string windows = good;
  for (size_t at = 0; (at = windows.find('\n', at)) != std::string::npos; at += 2) windows.insert(at, "\r");
  EXPECT_TRUE(has(loads(windows), "its lines end in CR LF"));
  Plan none = small_plan();
  none.rows[0].weight = NAN;
  save_plan(none, path);
  EXPECT_TRUE(has(error_of([&] { load_plan(path); }), "expected a weight, found \"nan\""));
  none.rows[0].weight = -0.5f;
  save_plan(none, path);
  EXPECT_TRUE(
      has(error_of([&] { load_plan(path); }), "line 7: expected a weight of at least 0, found \"-0.5\""));
  EXPECT_TRUE(has(loads("ruminate-plan 1\nseed 1 reshuffle 0\ncorpora 1\n00\nrows 99999999999\n"), "line 5"));
}
TEST(Plan, ShuffledHasEachExampleOnce) {
  const int64_t sizes[] = {300, 7};
  const uint64_t hashes[] = {1, 2};
  const Plan a = shuffled_plan(sizes, hashes, 3);
  std::map<std::pair<int, int>, int> count;
  for (const PlanRow& r : a.rows) ++count[{r.source, r.example}];
  EXPECT_EQ(count.size(), 307u);
  for (const auto& [key, n] : count) EXPECT_EQ(n, 1) << key.second << (key.first ? " of 7" : " of 300");
  EXPECT_TRUE(equal(a, shuffled_plan(sizes, hashes, 3)));
  EXPECT_FALSE(equal(a, shuffled_plan(sizes, hashes, 4)));
}
TEST(Plan, EpochsArePermutations) {
  const int64_t sizes[] = {1000};
  const uint64_t hashes[] = {1};
  Plan plan = shuffled_plan(sizes, hashes, 3);
  std::vector<int64_t> plain(1000);
  for (size_t i = 0; i < 1000; ++i) plain[i] = static_cast<int64_t>(i);
  EXPECT_EQ(epoch_order(plan, 0), plain);
  std::vector<int64_t> one = epoch_order(plan, 1), two = epoch_order(plan, 2);
  EXPECT_EQ(one, epoch_order(plan, 1));
  EXPECT_NE(one, two);
  int64_t in_place = 0;
  for (size_t i = 0; i < 1000; ++i) in_place += one[i] == static_cast<int64_t>(i);
  EXPECT_LT(in_place, 10);  // about one is expected
  std::sort(one.begin(), one.end());
  EXPECT_EQ(one, plain);
  plan.reshuffle = false;
  EXPECT_EQ(epoch_order(plan, 5), plain);
}
TEST(Plan, ShuffleIsFair) {  // each of 6 orders of 3 rows in 1/6 of 6000 epochs
  Plan plan{{{}, {}, {}}, {}, true, 9};
  std::map<std::vector<int64_t>, int> count;
  for (int64_t e = 1; e <= 6000; ++e) ++count[epoch_order(plan, e)];
  ASSERT_EQ(count.size(), 6u);
  for (const auto& [order, n] : count) EXPECT_NEAR(n, 1000, 5 * 29);
}

// ---- the loader -------------------------------------------------------------------------------------------
class LoaderTest : public testing::Test {
 protected:
  static Tokenizer& tokenizer() {
    static Tokenizer t = [] {
      std::vector<std::string_view> texts;
      for (const Pair& p : corpora()[0].texts) texts.push_back(p.source), texts.push_back(p.target);
      TokenizerConfig config;
      config.vocab = 400, config.special = {kEos, kSep};
      return Tokenizer::train(texts, config);
    }();
    return t;
  }
  static std::vector<Corpus>& corpora() {
    static std::vector<Corpus> c = [] {
      std::vector<Pair> documents;
      for (const Pair& t : grammar_pairs(60, 2)) documents.push_back({"", t.target});
      return std::vector<Corpus>{make_corpus("pairs", grammar_pairs(700, 1)),
                                 make_corpus("documents", documents, CorpusKind::documents)};
    }();
    return c;
  }
  static Plan plan(uint32_t seed = 1) {
    const int64_t sizes[] = {700, 60};
    const uint64_t hashes[] = {corpora()[0].hash, corpora()[1].hash};
    Plan p = shuffled_plan(sizes, hashes, seed);
    for (size_t i = 0; i < p.rows.size(); i += 3) p.rows[i].weight = 0.25f * static_cast<float>(i % 5 + 1);
    p.rows.push_back(p.rows[7]), p.rows.push_back(p.rows[7]);  // a plan may name an example several times
    return p;
  }
  static LoaderConfig config(int64_t tokens, int64_t micro_batches = 1) {
    return {{.tokens = tokens, .texts = 12, .scored = tokens / 2 + 20, .mask = Mask::prefix, .restart = true},
            micro_batches,
            64};
  }
  // Takes a micro-batch apart again: the token rows of its texts.
  static std::vector<std::vector<Token>> texts_of(const Packed& p) {
    std::vector<std::vector<Token>> out;
    for (size_t s = 0; s + 1 < p.offsets.size() && p.offsets[s] < p.used; ++s)
      out.emplace_back(p.ids.begin() + p.offsets[s], p.ids.begin() + p.offsets[s + 1]);
    return out;
  }
  static bool same(const Packed& a, const Packed& b) {
    return a.ids == b.ids && a.positions == b.positions && a.offsets == b.offsets && a.prefix == b.prefix &&
           a.rows == b.rows && a.targets == b.targets && a.weights == b.weights &&
           a.total_weight == b.total_weight && a.used == b.used && a.mask == b.mask;
  }
  static bool same(const std::vector<Packed>& a, const std::vector<Packed>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](auto& x, auto& y) { return same(x, y); });
  }
};

TEST_F(LoaderTest, TextsBecomeTokens) {
  const Token sep = tokenizer().special(kSep), eos = tokenizer().special(kEos);
  const Pair& t = corpora()[0].texts[5];
  const Example e = to_example(t, tokenizer(), 0.5f);
  EXPECT_EQ(e.tokens[static_cast<size_t>(e.prefix) - 1], sep);
  EXPECT_EQ(e.tokens.back(), eos);
  EXPECT_EQ(tokenizer().decode(std::span(e.tokens).first(static_cast<size_t>(e.prefix))), t.source);
  EXPECT_EQ(tokenizer().decode(std::span(e.tokens).subspan(static_cast<size_t>(e.prefix))), t.target);
  EXPECT_EQ(e.weight, 0.5f);
  const Example d = to_example({"", "text"}, tokenizer());
  EXPECT_EQ(d.prefix, 0);
  EXPECT_EQ(d.tokens.back(), eos);
  EXPECT_EQ(positions_of({{1, 2, 3, 4, 5}, 4}, {.restart = true}), 3);
  EXPECT_EQ(positions_of({{1, 2, 3, 4, 5}, 2}, {.restart = true}), 4);
  EXPECT_EQ(positions_of({{1, 2, 3, 4, 5}, 2}, {.restart = false}), 5);
}

// Every example of the plan exactly as often and in the order that the plan says, for three epochs.
TEST_F(LoaderTest, ReplaysThePlan) {
  const Plan p = plan();
  for (int64_t micro : {1, 2, 4}) {
    const LoaderConfig c = config(150, micro);
    const int64_t epoch = Loader(p, corpora(), tokenizer(), c, 0).steps();
    const Loader loader(p, corpora(), tokenizer(), c, 3 * epoch);
    EXPECT_EQ(loader.steps(), 3 * epoch);
    EXPECT_EQ(loader.steps_per_epoch(), epoch);
    std::vector<int64_t> expected;
    for (int64_t e = 0; e < 4; ++e)
      for (int64_t row : epoch_order(p, e)) expected.push_back(row);
    size_t at = 0;
    for (int64_t step = 0; step < loader.steps(); ++step) {
      EXPECT_NEAR(loader.epoch(step), static_cast<double>(at) / static_cast<double>(p.rows.size()), 1e-12);
      const std::vector<int64_t> rows = loader.examples_of(step);
      const std::vector<Packed> batches = loader.at(step);
      ASSERT_EQ(batches.size(), static_cast<size_t>(micro));
      size_t within = 0;
      for (const Packed& b : batches) {
        double weight = 0;
        for (const std::vector<Token>& tokens : texts_of(b)) {
          ASSERT_LT(within, rows.size());
          ASSERT_EQ(rows[within], expected[at]);
          const PlanRow& r = p.rows[static_cast<size_t>(rows[within])];
          const Pair& text = corpora()[static_cast<size_t>(r.source)].texts[static_cast<size_t>(r.example)];
          const Example e = to_example(text, tokenizer(), r.weight);
          EXPECT_EQ(tokens, e.tokens);
          weight += static_cast<double>(e.weight) *
                    static_cast<double>(static_cast<int64_t>(e.tokens.size()) - std::max(e.prefix, 1));
          ++within, ++at;
        }
        EXPECT_NEAR(b.total_weight, weight, 1e-5);
      }
      EXPECT_EQ(within, rows.size());
    }
  }
}
TEST_F(LoaderTest, ReplaysThePlanForAnEncoder) {
  Plan p = plan();
  std::erase_if(p.rows, [](const PlanRow& r) { return r.source == 1; });  // documents have no source
  for (int64_t micro : {1, 2}) {
    const LoaderConfig c{{.tokens = 60, .texts = 9, .sources = 70}, micro, 60};
    const Loader loader(p, corpora(), tokenizer(), c, 50);
    std::vector<std::pair<std::vector<Token>, std::vector<Token>>> found, wanted;
    int64_t losses = 0;
    for (int64_t step = 0; step < 50; ++step) {
      EXPECT_EQ(loader.target_tokens(step), losses);
      for (const int64_t row : loader.examples_of(step)) {
        const Example e = to_example(
            corpora()[0].texts[static_cast<size_t>(p.rows[static_cast<size_t>(row)].example)], tokenizer());
        wanted.push_back({{e.tokens.begin(), e.tokens.begin() + e.prefix},
                          {e.tokens.begin() + e.prefix - 1, e.tokens.end() - 1}});
        losses += static_cast<int64_t>(e.tokens.size()) - e.prefix;
      }
      for (const Packed& b : loader.at(step))
        for (size_t s = 0; b.offsets[s] < 60 && b.weights[static_cast<size_t>(b.offsets[s])] > 0; ++s)
          found.push_back(
              {{b.source_ids.begin() + b.source_offsets[s], b.source_ids.begin() + b.source_offsets[s + 1]},
               {b.ids.begin() + b.offsets[s], b.ids.begin() + b.offsets[s + 1]}});
    }
    EXPECT_EQ(found, wanted);
  }
}
// As many steps as it takes, over any number of epochs, and not one more.
TEST_F(LoaderTest, StepsForSoManyTargetTokens) {
  const Plan p = plan();
  for (int64_t micro : {1, 3}) {
    LoaderConfig c = config(150, micro);
    const Loader long_one(p, corpora(), tokenizer(), c, 1000);
    std::vector<int64_t> before{0};  // counted in the batches themselves
    for (int64_t step = 0; step < 1000; ++step) {
      before.push_back(before.back());
      for (const Packed& b : long_one.at(step))
        before.back() += std::count_if(b.weights.begin(), b.weights.end(), [](float w) { return w > 0; });
      ASSERT_EQ(long_one.target_tokens(step + 1), before.back());
    }
    for (const int64_t steps : {1, 2, 50, 700})
      for (const int64_t less : {0, 1}) {
        c.target_tokens = before[static_cast<size_t>(steps)] - less;
        const Loader loader(p, corpora(), tokenizer(), c, 0);
        EXPECT_EQ(loader.steps(), steps);
        EXPECT_EQ(loader.steps_per_epoch(), long_one.steps_per_epoch());
        EXPECT_TRUE(same(loader.at(steps - 1), long_one.at(steps - 1)));
      }
  }
  LoaderConfig both = config(150);
  both.target_tokens = 10;
  EXPECT_TRUE(has(error_of([&] { Loader(p, corpora(), tokenizer(), both, 5); }), "5 steps, 10 target"));
}
TEST_F(LoaderTest, PacksGreedily) {  // the next example never fits into the micro-batch before
  const Plan p = plan();
  const LoaderConfig c = config(150);
  const Loader loader(p, corpora(), tokenizer(), c, 0);
  for (int64_t step = 0; step + 1 < loader.steps(); ++step) {
    std::vector<Example> examples;
    auto add = [&](int64_t row) {
      const PlanRow& r = p.rows[static_cast<size_t>(row)];
      examples.push_back(
          to_example(corpora()[static_cast<size_t>(r.source)].texts[static_cast<size_t>(r.example)],
                     tokenizer(), r.weight));
    };
    for (int64_t row : loader.examples_of(step)) add(row);
    EXPECT_TRUE(fits(examples, c.shape));
    add(loader.examples_of(step + 1)[0]);
    EXPECT_FALSE(fits(examples, c.shape));
  }
}
TEST_F(LoaderTest, OnePassEndsWithThePlan) {
  const Plan p = plan();
  for (int64_t micro : {1, 2, 4}) {
    const Loader loader(p, corpora(), tokenizer(), config(150, micro), 0);
    std::vector<int64_t> all;
    int64_t tokens = 0, expected = 0;
    for (int64_t step = 0; step < loader.steps(); ++step) {
      const auto rows = loader.examples_of(step);
      EXPECT_FALSE(rows.empty());
      all.insert(all.end(), rows.begin(), rows.end());
      for (const Packed& b : loader.at(step)) tokens += b.used;
    }
    EXPECT_EQ(all, epoch_order(p, 0));
    for (const PlanRow& r : p.rows) {
      const Pair& text = corpora()[static_cast<size_t>(r.source)].texts[static_cast<size_t>(r.example)];
      expected += std::ssize(to_example(text, tokenizer()).tokens);
    }
    EXPECT_EQ(tokens, expected);
    EXPECT_EQ(loader.epoch(loader.steps()), 1);
    EXPECT_TRUE(has(error_of([&] { loader.at(loader.steps()); }), "step"));
    EXPECT_TRUE(has(error_of([&] { loader.at(-1); }), "step"));
  }
}
TEST_F(LoaderTest, RebuiltGivesEqualStepsInAnyOrder) {
  const Plan p = plan();
  const Loader a(p, corpora(), tokenizer(), config(120, 2), 0);
  const int64_t steps = 2 * a.steps();
  const Loader first(p, corpora(), tokenizer(), config(120, 2), steps),
      again(p, corpora(), tokenizer(), config(120, 2), steps + 13);
  for (int64_t step = steps - 1; step >= 0; --step) EXPECT_TRUE(same(first.at(step), again.at(step))) << step;
  EXPECT_FALSE(same(first.at(1), first.at(2)));
}
TEST_F(LoaderTest, ThreadsMayAskAtOnce) {
  const Loader loader(plan(), corpora(), tokenizer(), config(120, 2), 400);
  std::vector<std::vector<Packed>> expected;
  for (int64_t step = 0; step < 400; ++step) expected.push_back(loader.at(step));
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      for (int i = 0; i < 200; ++i) {
        const size_t step = random() % 400;
        wrong[t] += !same(loader.at(static_cast<int64_t>(step)), expected[step]);
      }
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(wrong, (std::vector<int>{0, 0, 0, 0}));
}
TEST_F(LoaderTest, PrefetchGivesTheSameSteps) {
  const Loader loader(plan(), corpora(), tokenizer(), config(120, 2), 40);
  for (int64_t ahead : {1, 4, 100}) {
    Prefetch prefetch(loader, 5, ahead);
    for (int64_t step = 5; step < 40; ++step) EXPECT_TRUE(same(prefetch.next(), loader.at(step))) << step;
    EXPECT_THROW(prefetch.next(), Error);
    EXPECT_THROW(prefetch.next(), Error);
  }
  Prefetch abandoned(loader, 0);  // its thread ends with the loader
  abandoned.next();
}
TEST_F(LoaderTest, LeavesOutPairsThatAreTooLong) {
  const Plan p = plan();
  LoaderConfig c = config(150);
  c.context = 20;
  const Loader loader(p, corpora(), tokenizer(), c, 0);
  std::vector<int64_t> expected;
  for (size_t row = 0; row < p.rows.size(); ++row) {
    const PlanRow& r = p.rows[row];
    const Pair& t = corpora()[static_cast<size_t>(r.source)].texts[static_cast<size_t>(r.example)];
    const Example e = to_example(t, tokenizer());
    if (r.source == 0 && (positions_of(e, c.shape) > 20 || !fits({&e, 1}, c.shape))) continue;
    // A document is cut into as many pieces as it takes.
    const auto n = static_cast<int64_t>(e.tokens.size());
    const int64_t pieces = r.source == 0 ? 1 : n <= 20 ? 1 : (n - 1 + 19) / 20;
    expected.insert(expected.end(), static_cast<size_t>(pieces), static_cast<int64_t>(row));
  }
  std::vector<int64_t> found;
  for (int64_t step = 0; step < loader.steps(); ++step)
    for (const int64_t row : loader.examples_of(step)) found.push_back(row);
  EXPECT_EQ(found, expected);
  EXPECT_LT(std::set<int64_t>(found.begin(), found.end()).size(), p.rows.size());
  ASSERT_GE(loader.notes().size(), 1u);
  EXPECT_TRUE(has(loader.notes()[0], "of 700 pairs are left out: the context holds 20 positions"));

  const Corpus two =
      parse_corpus("ein Ball\ta ball\nein " + std::string(400, '-') + "\ta\n", "long.tsv", CorpusKind::pairs);
  const int64_t size[] = {2};
  const Loader one(shuffled_plan(size, std::span(&two.hash, 1), 1), std::span(&two, 1), tokenizer(),
                   {{.tokens = 100, .texts = 4}, 1, 0}, 0);
  EXPECT_EQ(one.pieces(), 1);
  EXPECT_TRUE(has(one.notes().at(0), "long.tsv: 1 of 2 pairs") && has(one.notes()[0], "line 2 with"));
  c.context = 2;
  std::vector<Corpus> pairs{corpora()[0]};
  const int64_t all[] = {700};
  EXPECT_TRUE(has(error_of([&] {
                    Loader(shuffled_plan(all, std::span(&pairs[0].hash, 1), 1), pairs, tokenizer(), c, 0);
                  }),
                  "nothing is left to train on"));
}
TEST_F(LoaderTest, KnowsTheLongestSourceThatIsTrainedOn) {
  std::string long_one;
  for (int i = 0; i < 200; ++i) long_one += "ein ";
  const Corpus c = parse_corpus("ein Ball\ta ball\nein sehr roter Ball\ta ball\n" + long_one +
                                    "\ta\nda ist ein roter Ball\ta ball\n",
                                "x.tsv", CorpusKind::pairs),
               d = make_corpus("y.txt", {{"", "a ball"}}, CorpusKind::documents);
  const std::vector<Corpus> both{c, d};
  const std::vector<int64_t> sizes{4, 1};
  const std::vector<uint64_t> hashes{c.hash, d.hash};
  Plan plan = shuffled_plan(sizes, hashes, 1);
  const auto longest = [&] {
    return Loader(plan, both, tokenizer(), {{.tokens = 100, .texts = 4}, 1, 0}, 0).longest_sources();
  };
  EXPECT_EQ(longest(), (std::vector<int64_t>{5, 0}));  // that of 200 words does not fit
  for (PlanRow& r : plan.rows)
    if (r.source == 0 && r.example == 3) r.weight = 0;
  EXPECT_EQ(longest(), (std::vector<int64_t>{4, 0}));
  std::erase_if(plan.rows, [](const PlanRow& r) { return r.source == 0 && r.example == 1; });
  EXPECT_EQ(longest(), (std::vector<int64_t>{2, 0}));
}
// A step of such texts alone would divide by a weight of 0.
TEST_F(LoaderTest, EveryStepHasALoss) {
  Plan p = plan();
  for (size_t i = 100; i < 400; ++i) p.rows[i].weight = 0;
  LoaderConfig c = config(150);
  c.shape.texts = 1;
  const Loader loader(p, corpora(), tokenizer(), c, 0);
  ASSERT_EQ(loader.steps(), 462);
  for (int64_t step = 0; step < loader.steps(); ++step) {
    EXPECT_GT(loader.at(step)[0].total_weight, 0) << step;
    EXPECT_TRUE(loader.examples_of(step)[0] < 100 || loader.examples_of(step)[0] >= 400);
  }
  EXPECT_EQ(loader.notes().back(), "300 of 762 rows of the plan have weight 0 and are left out");
  for (PlanRow& r : p.rows) r.weight = 0;
  EXPECT_TRUE(
      has(error_of([&] { Loader(p, corpora(), tokenizer(), c, 0); }), "all 762 rows of the plan have"));
  p.rows[3].weight = -1;
  EXPECT_TRUE(has(error_of([&] { Loader(p, corpora(), tokenizer(), c, 0); }), "the weight -1, expected at"));

  // Without tokens around them texts of one token have nothing to predict.
  Tokenizer bare = tokenizer();
  bare.frame("", "");
  const std::vector<Corpus> texts{make_corpus("one", {{"", "a"}, {"", "b"}}, CorpusKind::documents),
                                  make_corpus("more", {{"", "a"}, {"", "xyzxyz"}}, CorpusKind::documents)};
  const int64_t size[] = {2};
  const auto of = [&](const Corpus& t) {
    return Loader(shuffled_plan(size, std::span(&t.hash, 1), 1), {&t, 1}, bare, c, 0);
  };
  EXPECT_TRUE(has(error_of([&] { of(texts[0]); }), "have no token that gets a loss"));
  const Loader more = of(texts[1]);
  EXPECT_EQ(more.steps(), 1);
  EXPECT_GT(more.at(0)[0].total_weight, 0);
}
TEST_F(LoaderTest, RefusesAnotherCorpus) {
  std::vector<Corpus> changed = corpora();
  changed[0].hash ^= 1;
  EXPECT_TRUE(has(error_of([&] { Loader(plan(), changed, tokenizer(), config(150), 0); }),
                  "pairs: the plan was made for"));
  Plan beyond = plan();
  beyond.rows[3].example = 700, beyond.rows[3].source = 0;
  EXPECT_TRUE(has(error_of([&] { Loader(beyond, corpora(), tokenizer(), config(150), 0); }),
                  "example 700, there are 700"));
  Plan empty = plan();
  empty.rows.clear();
  EXPECT_TRUE(has(error_of([&] { Loader(empty, corpora(), tokenizer(), config(150), 0); }), "no rows"));
  std::vector<Corpus> one = {make_corpus("half", {{"", "no source"}})};
  const int64_t size[] = {1};
  EXPECT_TRUE(has(error_of([&] {
                    Loader(shuffled_plan(size, std::span(&one[0].hash, 1), 1), one, tokenizer(), config(150),
                           0);
                  }),
                  "half: example 0 has no source"));
}
}  // namespace
}  // namespace rum::data_test
