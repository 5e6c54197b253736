// Statistics of tokens under a model: by hand, and many texts in one forward pass against each alone.
#include "metrics/token_stats.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/threads.h"
#include "generate/log_probs.h"
#include "metrics/explain.h"
#include "tests/toy.h"

namespace rum::token_stats_test {
using namespace metrics;
namespace {
double value(const char* name, const TokenSums& s) {
  for (const TokenMeasure& m : token_measures())
    if (std::string_view(m.name) == name) return m.value(s).value_or(NAN);
  ADD_FAILURE() << name;
  return 0;
}
TEST(TokenStats, ByHand) {
  // p = 1/8, 1/2, 1/4, 1/8: entropy 1/2 ln 2 + 1/4 ln 4 + 2/8 ln 8 = 1.75 ln 2.
  const float z[] = {std::log(1.f), std::log(4.f), std::log(2.f), std::log(1.f)};
  const double ln2 = std::log(2.);
  const TokenStats t = token_stats(z, 2);
  EXPECT_NEAR(t.log_p, -2 * ln2, 1e-7);
  EXPECT_EQ(t.rank, 2);
  EXPECT_NEAR(t.entropy, 1.75 * ln2, 1e-7);
  EXPECT_NEAR(t.variance, (9. / 8 + 1. / 2 + 4. / 4 + 9. / 8 - 1.75 * 1.75) * ln2 * ln2, 1e-7);
  EXPECT_EQ(token_stats(z, 0).rank, 3);  // equal logits share the best rank
  EXPECT_EQ(token_stats(z, 3).rank, 3);
  TokenSums s;
  s += t, s += token_stats(z, 1), s += token_stats(z, 3);  // bits: 2, 1, 3
  s.bytes = 4;
  EXPECT_NEAR(value("perplexity", s), 4, 1e-6);
  EXPECT_NEAR(value("bits_per_byte", s), 1.5, 1e-7);
  EXPECT_NEAR(value("log_likelihood", s), -2 * ln2, 1e-7);
  EXPECT_NEAR(value("rank", s), 2, 1e-12);
  EXPECT_NEAR(value("log_rank", s), (ln2 + std::log(3.)) / 3, 1e-12);
  EXPECT_NEAR(value("lrr", s), 6 * ln2 / (ln2 + std::log(3.)), 1e-6);
  EXPECT_NEAR(value("token_entropy", s), 1.75 * ln2, 1e-7);
}
TEST(TokenStats, UnderAReferenceByHand) {
  // log2 p = -3, -1, -2, -3 under the reference's 1/2, 1/4, 1/8, 1/8.
  const double ln2 = std::log(2.);
  const float z[] = {std::log(1.f), std::log(4.f), std::log(2.f), std::log(1.f)};
  const float r[] = {std::log(8.f), std::log(4.f), std::log(2.f), std::log(2.f)};
  const TokenStats t = token_stats(z, r, 2);
  EXPECT_EQ(t.log_p, token_stats(z, 2).log_p);
  EXPECT_EQ(t.rank, 2);
  const double mean = 3. / 2 + 1. / 4 + 2. / 8 + 3. / 8;
  EXPECT_NEAR(t.entropy, mean * ln2, 1e-6);
  EXPECT_NEAR(t.variance, (9. / 2 + 1. / 4 + 4. / 8 + 9. / 8 - mean * mean) * ln2 * ln2, 1e-6);
  EXPECT_THROW(token_stats(z, std::span(r, 3), 2), Error);
}
TEST(TokenStats, WhatIsUndefined) {
  for (const TokenMeasure& m : token_measures()) {
    EXPECT_FALSE(m.value({}).has_value()) << m.name;
    EXPECT_NO_THROW(explain(m.name));
  }
  TokenSums s;
  s += token_stats(std::vector<float>{3, 1}, 0);
  EXPECT_TRUE(std::isnan(value("lrr", s)));  // every rank is 1
  EXPECT_TRUE(std::isnan(value("bits_per_byte", s)));
  EXPECT_EQ(value("rank", s), 1);
}
TEST(TokenStats, FarLogitsAndBadOnes) {
  const TokenStats t = token_stats(std::vector<double>{-3000, 0, 5000}, 0);
  EXPECT_EQ(t.log_p, -8000);
  EXPECT_EQ(t.rank, 3);
  EXPECT_EQ(t.entropy, 0);
  EXPECT_THROW(token_stats(std::vector<float>{1, 2}, 2), Error);
  EXPECT_THROW(token_stats(std::vector<float>{1, 2}, -1), Error);
  EXPECT_THROW(token_stats(std::vector<float>{}, 0), Error);
  EXPECT_THROW(token_stats(std::vector<float>{1, NAN}, 0), Error);
  EXPECT_THROW(token_stats(std::vector<float>{1, INFINITY}, 0), Error);
}

// Every position of every text by a separate forward pass over the text before it.
void expect_own_forwards(const Gpt& model, const std::vector<Example>& examples,
                         const std::vector<std::vector<TokenStats>>& got) {
  ASSERT_EQ(got.size(), examples.size());
  for (size_t i = 0; i < examples.size(); ++i) {
    const Example& e = examples[i];
    const size_t first = static_cast<size_t>(std::max(e.prefix, 1));
    ASSERT_EQ(got[i].size(), e.tokens.size() - first);
    for (size_t n = first; n < e.tokens.size(); ++n) {
      Example begin{{e.tokens.begin(), e.tokens.begin() + static_cast<std::ptrdiff_t>(n)}, e.prefix};
      const auto length = static_cast<int64_t>(n);
      const Batch b = upload(pack({&begin, 1}, {length, 1, 0, Mask::prefix, model.config.restart}));
      const Tensor z = model.logits(b.ids, b.layout);
      double sum = 0, entropy = 0;
      int64_t larger = 0;
      const auto logit = [&](int64_t v) { return z.at((length - 1) * model.config.vocab + v); };
      for (int64_t v = 0; v < model.config.vocab; ++v) sum += std::exp(logit(v));
      for (int64_t v = 0; v < model.config.vocab; ++v) {
        const double p = std::exp(logit(v)) / sum;
        entropy -= p * std::log(p), larger += logit(v) > logit(e.tokens[n]);
      }
      const TokenStats& t = got[i][n - first];
      EXPECT_NEAR(t.log_p, logit(e.tokens[n]) - std::log(sum), 1e-5);
      EXPECT_EQ(t.rank, larger + 1);
      EXPECT_NEAR(t.entropy, entropy, 1e-5);
    }
  }
}
bool same(const std::vector<std::vector<TokenStats>>& a, const std::vector<std::vector<TokenStats>>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), [](const TokenStats& s, const TokenStats& t) {
      return s.log_p == t.log_p && s.rank == t.rank && s.entropy == t.entropy;
    });
  });
}
TEST(TextStats, EveryPlaceByItsOwnForward) {
  const toy::World w(toy::tiny(), DType::f32, 3);
  std::vector<Example> examples = toy::pairs(9, 4, 7, 14);
  for (Example& e : toy::pairs(4, 5, 7, 14)) e.prefix = 0, examples.push_back(e);  // texts without a source
  const auto got = text_stats(w.model, examples);
  expect_own_forwards(w.model, examples, got);
  const auto sums = log_probs(w.model, examples);
  for (size_t i = 0; i < examples.size(); ++i) {
    double sum = 0;
    for (const TokenStats& t : got[i]) sum += t.log_p;
    EXPECT_NEAR(sum, sums[i], 1e-5);
  }
}
TEST(TextStats, ReferenceInTheSameForwards) {
  const toy::World w(toy::tiny(), DType::f32, 3), other(toy::tiny(), DType::f32, 4);
  const std::vector<Example> examples = toy::pairs(200, 4, 7, 14);  // more rows than one block of logits
  const auto own = text_stats(w.model, examples);
  const auto both = text_stats(w.model, other.model, examples);
  for (size_t i = 0; i < examples.size(); i += 17) {
    const Example& e = examples[i];
    const Batch b = upload(pack({&e, 1}, {static_cast<int64_t>(e.tokens.size()), 1, 0, Mask::prefix, true}));
    const Tensor q = w.model.logits(b.ids, b.layout), r = other.model.logits(b.ids, b.layout);
    for (size_t k = 0; k < both[i].size(); ++k) {
      const int64_t row = static_cast<int64_t>(e.prefix + k - 1) * 14;
      double zq = 0, zr = 0, mean = 0, square = 0;
      for (int64_t v = 0; v < 14; ++v) zq += std::exp(q.at(row + v)), zr += std::exp(r.at(row + v));
      for (int64_t v = 0; v < 14; ++v) {
        const double p = std::exp(r.at(row + v)) / zr, log_q = q.at(row + v) - std::log(zq);
        mean += p * log_q, square += p * log_q * log_q;
      }
      EXPECT_EQ(both[i][k].log_p, own[i][k].log_p);
      EXPECT_EQ(both[i][k].rank, own[i][k].rank);
      EXPECT_NEAR(both[i][k].entropy, -mean, 1e-5);
      EXPECT_NEAR(both[i][k].variance, square - mean * mean, 1e-5);
    }
  }
  GptConfig larger = toy::tiny();
  larger.vocab = 15;
  const toy::World another(larger, DType::f32);
  EXPECT_THROW(text_stats(w.model, another.model, examples), Error);
}
TEST(TextStats, SameBitsForAnyBatchAndThreads) {
  const toy::World w(toy::tiny(), DType::f32, 3);
  const std::vector<Example> examples = toy::pairs(300, 4, 7, 14);  // more rows than one block of logits
  const auto got = text_stats(w.model, examples);
  const int before = threads();
  for (const int count : {1, 3}) {
    set_threads(count);
    for (const int64_t batch : {1, 100, 100000})
      EXPECT_TRUE(same(got, text_stats(w.model, examples, batch))) << count << " threads, batch " << batch;
  }
  set_threads(before);
}
TEST(TextStats, RefusesWhatDoesNotFit) {
  const toy::World w(toy::tiny(), DType::f32);
  EXPECT_THROW(text_stats(w.model, std::vector<Example>{{std::vector<Token>(65, 2), 0}}), Error);
  EXPECT_THROW(text_stats(w.model, std::vector<Example>{{{2, 3}, 3}}), Error);
  EXPECT_TRUE(text_stats(w.model, std::vector<Example>{{{2}, 0}})[0].empty());  // nothing is predicted
}
}  // namespace
}  // namespace rum::token_stats_test
