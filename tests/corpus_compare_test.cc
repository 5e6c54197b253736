// Comparisons of sentences and corpora against slow implementations: BLEU with all other sentences
// as references, the table of common subsequences, sets of strings, a numeric integral; and
// against hand computation.
#include "metrics/corpus_compare.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "metrics/mauve.h"
#include "metrics/novelty.h"
#include "metrics/self_similarity.h"
#include "metrics/sentence_diversity.h"
#include "tests/random_lines.h"

namespace rum::corpus_compare_test {
using namespace metrics;
namespace {
TEST(SentenceDiversity, NgramsDoNotCrossLines) {
  Vocabulary v;
  const std::vector<std::string> lines{"a b c", "", "b c", "c"};
  const NumberedLines words = number_words(lines, v);
  const NumberedLines* const corpora[] = {&words};
  const SharedNgrams two = longer_ngrams(corpora, nullptr), three = longer_ngrams(corpora, &two),
                     four = longer_ngrams(corpora, &three);
  const NumberedLines& pairs = two.corpora[0];
  EXPECT_EQ(pairs.tokens.size(), 3u);  // ab bc, bc
  EXPECT_EQ(two.size, 2u);
  EXPECT_EQ(three.corpora[0].tokens.size(), 1u);
  EXPECT_EQ(four.corpora[0].tokens.size(), 0u);
  EXPECT_EQ(pairs.lines(), 4u);
  EXPECT_EQ(pairs.line(2)[0], pairs.line(0)[1]);
  EXPECT_TRUE(std::isnan(ttr(spectrum(Tokens{}))));
  EXPECT_NEAR(expectation_adjusted_distinct(spectrum(Tokens{2, 1}), 10), 2 / (10 * (1 - std::pow(.9, 3))),
              1e-12);
}
TEST(SelfSimilarity, SelfBleuIsBleuAgainstAllOthers) {
  auto lines = random_lines(40, 9, 12, 7);
  lines.push_back("w1 w1 w1 w2"), lines.push_back("w1 w1 w3"),
      lines.push_back("The end, they said: \"w1 w1\".");
  const std::vector<double> got = self_bleu(lines);
  BleuConfig config;
  config.effective_order = true;
  const auto metric = make_bleu(config);
  ASSERT_EQ(got.size(), lines.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    std::vector<Reference> others;
    for (size_t j = 0; j < lines.size(); ++j)
      if (j != i) others.push_back({lines[j]});
    const Rows row = count(*metric, std::vector<std::string>{lines[i]}, others);
    EXPECT_DOUBLE_EQ(got[i], bleu(row[0], config).score) << lines[i];
  }
  EXPECT_TRUE(self_bleu(std::vector<std::string>{"alone"}).empty());
}
TEST(SelfSimilarity, CommonSubsequenceAgainstTheTable) {
  std::vector<uint64_t> masks(8);
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    const Tokens a = random_tokens(seed * 13 % 201, 8, seed),
                 b = random_tokens(seed * 29 % 190, 8, seed + 1000);
    std::vector<std::vector<int64_t>> best(a.size() + 1, std::vector<int64_t>(b.size() + 1));
    for (size_t i = 1; i <= a.size(); ++i)
      for (size_t j = 1; j <= b.size(); ++j)
        best[i][j] = a[i - 1] == b[j - 1] ? best[i - 1][j - 1] + 1 : std::max(best[i - 1][j], best[i][j - 1]);
    EXPECT_EQ(longest_common_subsequence(a, b, masks), best[a.size()][b.size()]) << seed;
  }
  EXPECT_EQ(masks, std::vector<uint64_t>(8));
}
TEST(SelfSimilarity, HomogenizationTakesEvenlySpacedLines) {
  const auto lines = random_lines(25, 8, 9, 2);
  const std::vector<std::string> some{lines[0], lines[6], lines[12], lines[18]};
  EXPECT_DOUBLE_EQ(homogenization_rouge_l(lines, 4), homogenization_rouge_l(some));
  // "a b c" and "c a b!": subsequence a b; 2 * 2 / 6.
  EXPECT_DOUBLE_EQ(homogenization_rouge_l(std::vector<std::string>{"A b c", "c a b!"}), 2. / 3);
  EXPECT_DOUBLE_EQ(homogenization_rouge_l(std::vector<std::string>{"", "..."}), 0);
  EXPECT_TRUE(std::isnan(homogenization_rouge_l(std::vector<std::string>{"a"})));
}

TEST(CorpusCompare, ByHand) {
  Vocabulary v;
  const NumberedLines ref = number_words(std::vector<std::string>{"a a a b c"}, v),
                      sys = number_words(std::vector<std::string>{"a d d c"}, v);
  const auto r = count_tokens(ref.tokens, v.size()), s = count_tokens(sys.tokens, v.size());
  const Comparison x = compare(r, s, v);
  const auto half = [](double p, double q) { return p / 2 * std::log2(2 * p / (p + q)); };
  EXPECT_NEAR(x.js_divergence_bits,
              half(.6, .25) + half(.25, .6) + half(.2, 0) + half(.2, .25) + half(.25, .2) + half(.5, 0),
              1e-12);
  EXPECT_DOUBLE_EQ(x.jaccard, .5);
  EXPECT_DOUBLE_EQ(x.type_coverage, 2. / 3);
  EXPECT_DOUBLE_EQ(x.token_coverage, .8);
  EXPECT_DOUBLE_EQ(x.oov_rate, .5);
  EXPECT_DOUBLE_EQ(x.bands[0], .5);
  EXPECT_DOUBLE_EQ(x.bands[2], 1);
  EXPECT_TRUE(std::isnan(x.bands[1]));
  const Comparison none = compare(r, Tokens(v.size()), v);
  EXPECT_TRUE(std::isnan(none.js_divergence_bits));
  EXPECT_TRUE(std::isnan(none.oov_rate));
  EXPECT_DOUBLE_EQ(none.type_coverage, 0);
}
TEST(CorpusCompare, EquallyFrequentTypesRankByCodePoints) {
  std::string ref;
  for (int i = 1005; i > 0; --i) ref += " w" + std::to_string(10'000 + i);
  Vocabulary v;
  const NumberedLines r = number_words(std::vector<std::string>{ref}, v),
                      s = number_words(std::vector<std::string>{"w11001 w11001 w11001 w10001"}, v);
  const Comparison x = compare(count_tokens(r.tokens, v.size()), count_tokens(s.tokens, v.size()), v);
  EXPECT_DOUBLE_EQ(x.profile_system[0], .25);
  EXPECT_DOUBLE_EQ(x.profile_system[1], .75);
  EXPECT_DOUBLE_EQ(x.profile_reference[0], 1000. / 1005);
}
TEST(Mauve, FrontierIntegralIsTheIntegral) {  // 2 int l KL(p, r) + (1 - l) KL(q, r) dl, r = l p + (1 - l) q
  const std::vector<double> p{.5, .3, .2, 0}, q{.1, .3, .2, .4};
  double sum = 0;
  constexpr int kSteps = 200'000;
  for (int k = 0; k < kSteps; ++k) {
    const double l = (k + .5) / kSteps;
    for (size_t i = 0; i < 4; ++i) {
      const double r = l * p[i] + (1 - l) * q[i];
      if (p[i] > 0) sum += l * p[i] * std::log(p[i] / r) / kSteps;
      if (q[i] > 0) sum += (1 - l) * q[i] * std::log(q[i] / r) / kSteps;
    }
  }
  EXPECT_NEAR(frontier_integral(p, q), 2 * sum, 1e-6);
  EXPECT_NEAR(mauve(p, q), mauve(q, p), 1e-12);
  EXPECT_NEAR(mauve(p, p), 1, 1e-12);
  EXPECT_THROW(distribution(std::vector<int64_t>{0, 0}), Error);
  EXPECT_THROW(mauve(p, std::vector<double>{1}), Error);
}
TEST(Mauve, EquallyFrequentWordsRankByCodePoints) {
  Vocabulary v;
  for (const char* word : {"z", "x", "\u00e4", "b"}) v.add(word);  // 2, 5, 3 and 3 times
  const auto [a, b] = word_histograms(Tokens{1, 5, 0, 2}, Tokens{1, 0, 3, 1}, v, 3);
  EXPECT_EQ(a, (std::vector<int64_t>{5, 2, 1}));  // x, b, the others
  EXPECT_EQ(b, (std::vector<int64_t>{0, 1, 4}));
}
TEST(Novelty, AgainstSetsOfStrings) {
  for (uint32_t seed = 1; seed <= 30; ++seed) {
    const int types = 2 + static_cast<int>(seed % 4);  // few: stretches repeat and nest
    const auto text = random_lines(12, 15, types, seed),
               train = random_lines(6 + seed, 14, types + 1, seed + 99);
    Vocabulary v;
    CopyFinder finder(number_words(text, v));
    finder.train(train, v);
    const Novelty got = finder.novelty(8);
    const auto split = [](const std::string& line) {
      Vocabulary own;
      std::vector<std::string> out;
      for (const int32_t t : number_words(std::vector{line}, own).tokens) out.push_back(own.word(t));
      return out;
    };
    std::set<std::vector<std::string>> known;
    for (const std::string& line : train) {
      const auto w = split(line);
      for (size_t i = 0; i < w.size(); ++i)
        for (size_t j = i + 1; j <= w.size(); ++j)
          known.emplace(w.begin() + static_cast<ptrdiff_t>(i), w.begin() + static_cast<ptrdiff_t>(j));
    }
    int64_t longest = 0;
    for (size_t n = 1; n <= 15; ++n) {
      int64_t all = 0, novel = 0;
      for (const std::string& line : text) {
        const auto w = split(line);
        for (size_t i = 0; i + n <= w.size(); ++i) {
          const bool is = known.contains(
              {w.begin() + static_cast<ptrdiff_t>(i), w.begin() + static_cast<ptrdiff_t>(i + n)});
          ++all, novel += !is;
          if (is) longest = static_cast<int64_t>(n);
        }
      }
      if (n > 8) continue;
      EXPECT_EQ(got.orders[n - 1].ngrams, all) << seed << " " << n;
      EXPECT_EQ(got.orders[n - 1].novel, novel) << seed << " " << n;
    }
    EXPECT_EQ(got.longest, longest) << seed;
    if (longest == 0) continue;
    const auto w = split(text[static_cast<size_t>(got.line)]);
    EXPECT_TRUE(known.contains({w.begin() + got.begin, w.begin() + got.begin + longest}));
  }
}

}  // namespace
}  // namespace rum::corpus_compare_test
