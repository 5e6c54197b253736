// Diversity where there are no golden numbers: against enumeration, naive counting with strings and sets,
// and hand computation.
#include "metrics/diversity.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "base/error.h"
#include "base/threads.h"
#include "metrics/corpus_shape.h"
#include "tests/random_lines.h"

namespace rum::diversity_test {
using namespace metrics;
namespace {
Spectrum spectrum_of(const Tokens& tokens) {
  return spectrum(
      count_tokens(tokens, 1 + static_cast<size_t>(*std::max_element(tokens.begin(), tokens.end()))));
}
size_t distinct(std::span<const int32_t> tokens) {
  return std::set<int32_t>(tokens.begin(), tokens.end()).size();
}
struct Threads {
  int before = threads();
  ~Threads() { set_threads(before); }
};

TEST(LexicalDiversity, RarefactionIsTheMeanOverAllSubsets) {
  for (const Tokens& tokens :
       {Tokens{0, 0, 0, 1, 1, 2, 3, 0, 1}, Tokens{0, 1, 2, 3, 4}, Tokens{0, 0, 0, 0}}) {
    const Spectrum s = spectrum_of(tokens);
    Spectrum attested = s;  // of the type 0 alone
    Tokens zero =
        count_tokens(tokens, 1 + static_cast<size_t>(*std::max_element(tokens.begin(), tokens.end())));
    for (size_t i = 1; i < zero.size(); ++i) zero[i] = 0;
    attested = spectrum(zero);
    const auto n_all = static_cast<int64_t>(tokens.size());
    for (int n = 1; n <= n_all; ++n) {
      double types = 0, zeros = 0, subsets = 0;
      for (uint32_t subset = 0; subset < 1u << tokens.size(); ++subset) {
        if (std::popcount(subset) != n) continue;
        std::set<int32_t> seen;
        for (size_t i = 0; i < tokens.size(); ++i)
          if (subset >> i & 1) seen.insert(tokens[i]);
        types += static_cast<double>(seen.size()), zeros += seen.contains(0), ++subsets;
      }
      EXPECT_NEAR(expected_types(s, n), types / subsets, 1e-12);
      EXPECT_NEAR(expected_types(attested, n, n_all), zeros / subsets, 1e-12);
      EXPECT_NEAR(hdd(s, n), types / subsets / n, 1e-12);
    }
    EXPECT_TRUE(std::isnan(expected_types(s, n_all + 1)));
    EXPECT_TRUE(std::isnan(expected_types(s, 0)));
  }
}
TEST(LexicalDiversity, RarefactionOfManyTokensKeepsItsDigits) {
  const Tokens tokens = random_tokens(200'000, 30'000, 1);
  const Spectrum s = spectrum_of(tokens);
  EXPECT_EQ(s.tokens, 200'000);
  for (const int64_t n : {int64_t{1}, int64_t{42}, int64_t{60'000}, int64_t{199'999}, int64_t{200'000}}) {
    long double sum = 0;  // with one factor for each of n tokens, whichever is longer
    for (const auto& [r, types] : s.classes) {
      long double p = 1;
      for (int64_t i = 0; i < r; ++i)
        p *= static_cast<long double>(std::max<int64_t>(0, s.tokens - n - i)) /
             static_cast<long double>(s.tokens - i);
      sum += static_cast<long double>(types) * (1 - p);
    }
    EXPECT_NEAR(expected_types(s, n), static_cast<double>(sum), 1e-11 * static_cast<double>(sum)) << n;
  }
}
TEST(LexicalDiversity, VocdIsTheBestFit) {
  for (uint32_t seed = 1; seed <= 5; ++seed) {
    const Spectrum s = spectrum_of(random_tokens(50 + seed * 77, 20 << seed, seed));
    const double d = vocd_exact(s);
    const auto squares = [&](double x) {
      double sum = 0;
      for (int n = 35; n <= 50; ++n) {
        const double off = x / n * (std::sqrt(1 + 2 * n / x) - 1) - expected_types(s, n) / n;
        sum += off * off;
      }
      return sum;
    };
    ASSERT_GT(d, 0);
    for (const double step : {1e-3, 1e-2, 0.1, 1.0})
      EXPECT_LT(squares(d), std::min(squares(d * (1 + step)), squares(d / (1 + step)))) << d;
    double low = d / 1.01, high = d * 1.01;  // and no better one nearby
    for (int i = 0; i < 100; ++i) {
      const double a = low + (high - low) / 3, b = high - (high - low) / 3;
      squares(a) < squares(b) ? high = b : low = a;
    }
    EXPECT_NEAR(d, low, 1e-5 * d);
  }
  EXPECT_TRUE(std::isnan(vocd_exact(spectrum_of(random_tokens(49, 9, 1)))));
  Tokens all_different(60);
  for (int i = 0; i < 60; ++i) all_different[static_cast<size_t>(i)] = i;
  EXPECT_TRUE(std::isinf(vocd_exact(spectrum_of(all_different))));
}
TEST(LexicalDiversity, MtldByHand) {
  // Forward: a b a b a b a b a b has TTR .2 at its tenth token: one factor; c d e f: none begun to repeat,
  // TTR 1: nothing. So 14 / 1. Backward: f e d c b a b a b a: 6 types in 10 tokens, .6: one factor; b a b a:
  // .5, so .5 / .28. 14 / (1 + .5 / .28).
  const Tokens t{0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 2, 3, 4, 5};
  EXPECT_NEAR(mtld(t, 6), (14 + 14 / (1 + .5 / .28)) / 2, 1e-12);
  // At most .72 and no least length: forward a b a (.67), b a b, a b a, b c d e f: .. 3 factors, rest TTR 1:
  // 14 / 3; backward f e d c b a b (6/7) a (6/8 = .75) b (6/9 = .67): one; a b a: two; b a: TTR 1. 14 / 2.
  EXPECT_NEAR(mtld(t, 6, {0.72, true, 0}), (14. / 3 + 14. / 2) / 2, 1e-12);
  // Exactly .72 = 18 / 25 closes a factor only where the rule says so.
  Tokens edge;
  for (int i = 0; i < 25; ++i) edge.push_back(i < 18 ? i : 0);
  edge.push_back(18);  // forward: nothing is left after the factor, or 19 types in 26 tokens; so backward
  const double open = 26 / ((1 - 19. / 26) / .28);
  EXPECT_NEAR(mtld(edge, 19, {0.72, true, 25}), (26 + open) / 2, 1e-12);
  EXPECT_NEAR(mtld(edge, 19, {0.72, false, 25}), open, 1e-12);
  EXPECT_TRUE(std::isnan(mtld(Tokens{0, 1, 2}, 3)));
  EXPECT_TRUE(std::isnan(mtld(Tokens{}, 0)));
}
TEST(LexicalDiversity, WindowsAndSegmentsAgainstSets) {
  const Tokens t = random_tokens(457, 60, 3);
  for (const size_t w : {size_t{1}, size_t{7}, size_t{50}, size_t{456}, size_t{457}}) {
    double moving = 0, segments = 0;
    for (size_t i = 0; i + w <= t.size(); ++i)
      moving += static_cast<double>(distinct(std::span(t).subspan(i, w)));
    for (size_t i = 0; i + w <= t.size(); i += w)
      segments += static_cast<double>(distinct(std::span(t).subspan(i, w)));
    const auto width = static_cast<double>(w), windows = static_cast<double>(t.size() - w + 1);
    EXPECT_NEAR(mattr(t, 60, static_cast<int64_t>(w)), moving / width / windows, 1e-12);
    EXPECT_NEAR(msttr(t, 60, static_cast<int64_t>(w)), segments / width / static_cast<double>(t.size() / w),
                1e-12);
  }
  EXPECT_TRUE(std::isnan(mattr(t, 60, 458)));
  EXPECT_TRUE(std::isnan(msttr(t, 60, 458)));
}
TEST(Shape, ZipfIsMostLikelyAndLinesFitByHand) {
  const Spectrum s = spectrum_of(random_tokens(5000, 900, 5));
  const double best = zipf_mle(s);
  const auto likelihood = [&](double e) {
    double sum = 0, total = 0;
    for (int64_t i = 1; i <= s.types; ++i) total += std::pow(static_cast<double>(i), -e);
    int64_t rank = 1;
    for (auto c = s.classes.rbegin(); c != s.classes.rend(); ++c)
      for (int64_t i = 0; i < c->second; ++i, ++rank)
        sum += static_cast<double>(c->first) * (-e * std::log(static_cast<double>(rank)) - std::log(total));
    return sum;
  };
  for (const double step : {1e-4, 1e-2, 0.3}) {
    EXPECT_GT(likelihood(best), likelihood(best + step));
    EXPECT_GT(likelihood(best), likelihood(best - step));
  }
  EXPECT_NEAR(zipf_ols(spectrum(Tokens{16, 4})).slope, -2, 1e-12);  // ln (16 / 4) / ln 2
  const double x[] = {0, 1, 2}, y[] = {1, 2, 6};
  const LineFit f = fit_line(x, y);
  EXPECT_NEAR(f.slope, 2.5, 1e-12);
  EXPECT_NEAR(f.intercept, .5, 1e-12);
  EXPECT_NEAR(f.r2, 12.5 / 14, 1e-12);
  // Heaps: V(n) = n while all differ.
  Tokens different(100);
  for (int i = 0; i < 100; ++i) different[static_cast<size_t>(i)] = i;
  EXPECT_NEAR(heaps(different, 100).slope, 1, 1e-12);
  EXPECT_TRUE(std::isnan(heaps(Tokens{0}, 1).slope));
  const int64_t tokens[] = {4, 0, 1, 3, 2};
  const Lengths l = lengths(tokens);
  EXPECT_EQ(l.lines, 5);
  EXPECT_EQ(l.empty, 1);
  EXPECT_EQ(l.shortest, 0);
  EXPECT_EQ(l.longest, 4);
  EXPECT_DOUBLE_EQ(l.mean, 2);
  EXPECT_DOUBLE_EQ(l.median, 2);
  EXPECT_NEAR(l.percentile90, 3.6, 1e-12);
  EXPECT_NEAR(l.deviation, std::sqrt(2.5), 1e-12);
}

TEST(Ngrams, HaveOneNumberEachInAllCorpora) {
  Vocabulary vocabulary;
  const NumberedLines a = number_words(random_lines(60, 9, 6, 1), vocabulary),
                      b = number_words(random_lines(50, 9, 7, 2), vocabulary),
                      none = number_words({}, vocabulary);
  const NumberedLines* const corpora[] = {&a, &none, &b};
  SharedNgrams ngrams;
  for (size_t n = 2; n <= 4; ++n) {
    ngrams = longer_ngrams(corpora, n == 2 ? nullptr : &ngrams);
    std::map<Tokens, int32_t> number;  // of each n-gram
    std::set<int32_t> numbers;
    for (size_t c = 0; c < 3; ++c) {
      ASSERT_EQ(ngrams.corpora[c].lines(), corpora[c]->lines());
      for (size_t i = 0; i < corpora[c]->lines(); ++i) {
        const auto words = corpora[c]->line(i), of_line = ngrams.corpora[c].line(i);
        ASSERT_EQ(of_line.size(), words.size() < n ? 0 : words.size() - n + 1);
        for (size_t j = 0; j < of_line.size(); ++j) {
          const Tokens ngram(words.begin() + j, words.begin() + j + n);
          EXPECT_EQ(number.emplace(ngram, of_line[j]).first->second, of_line[j]) << "of one two numbers";
          numbers.insert(of_line[j]);
        }
      }
    }
    EXPECT_EQ(numbers.size(), number.size()) << "of two one number";
    EXPECT_EQ(ngrams.size, number.size());
    EXPECT_EQ(*numbers.rbegin() + 1, static_cast<int32_t>(ngrams.size));
  }
}
struct TwoCorpora : ComparedCorpora {
  std::vector<std::string> a, b;
  TwoCorpora(std::vector<std::string> a_, std::vector<std::string> b_) : a(std::move(a_)), b(std::move(b_)) {
    add(a), add(b);
  }
};
TEST(PermutationTest, ByFullEnumeration) {
  TwoCorpora two({"a b a", "c c d", "a", "b c d e"}, {"a b b a", "c d", "e f", "b c"});
  const std::vector<Measure> measures{find_measure("ttr", 1), find_measure("distinct_2", 1),
                                      find_measure("types", 1), find_measure("attested_types", 1)};
  two.attest(std::vector<std::string>{"a d d"});
  const auto got = permutation_test(two, 0, 1, measures, 16, [](int64_t k, auto marks) {
    for (size_t i = 0; i < marks.size(); ++i) marks[i] = k >> i & 1;
  });
  const auto naive = [](const std::vector<std::string>& lines) {  // ttr, distinct-2, types, those of a and d
    std::set<std::string> types, bigrams;
    double tokens = 0, pairs = 0;
    for (const std::string& line : lines)
      for (size_t i = 0; i < line.size(); i += 2) {
        types.insert(line.substr(i, 1)), ++tokens;
        if (i + 2 < line.size()) bigrams.insert(line.substr(i, 3)), ++pairs;
      }
    const auto v = static_cast<double>(types.size());
    return std::array{v / tokens, static_cast<double>(bigrams.size()) / pairs, v,
                      static_cast<double>(types.contains("a") + types.contains("d"))};
  };
  const auto a = naive(two.a), b = naive(two.b);
  int extreme[4] = {};
  for (size_t k = 0; k < 16; ++k) {
    std::vector<std::string> first, second;
    for (size_t i = 0; i < 4; ++i) {
      const bool stays = k >> i & 1;
      first.push_back(stays ? two.a[i] : two.b[i]), second.push_back(stays ? two.b[i] : two.a[i]);
    }
    const auto f = naive(first), s = naive(second);
    for (size_t m = 0; m < 4; ++m) {
      EXPECT_NEAR(got[m].permuted[k], f[m] - s[m], 1e-12) << m << " " << k;
      extreme[m] += std::abs(f[m] - s[m]) >= std::abs(a[m] - b[m]) - 1e-12;
    }
  }
  for (size_t m = 0; m < 4; ++m) {
    EXPECT_NEAR(got[m].difference, a[m] - b[m], 1e-12);
    EXPECT_DOUBLE_EQ(got[m].p(), (1 + extreme[m]) / 17.) << m;
  }
}
TEST(PermutationTest, SameBitsForAnyNumberOfThreads) {
  const Threads restore;
  TwoCorpora two(random_lines(300, 12, 80, 1), random_lines(300, 12, 90, 2));
  std::vector<Measure> measures;
  for (const MeasureKind& kind : MeasureKind::all())
    if (!(kind.needs & kText)) measures.push_back(find_measure(kind.explanation.name, 500));
  two.attest(two.a);
  std::vector<double> first;
  for (const int count : {1, 2, 3}) {
    set_threads(count);
    std::vector<double> all;
    for (const DifferenceTest& t : permutation_test(two, 0, 1, measures, 40, random_swaps(3))) {
      all.insert(all.end(), t.permuted.begin(), t.permuted.end());
      all.push_back(t.difference), all.push_back(t.p());
    }
    if (first.empty()) first = all;
    ASSERT_EQ(all.size(), first.size());
    EXPECT_EQ(std::memcmp(all.data(), first.data(), all.size() * sizeof(double)), 0) << count;
  }
}
// Three of 40 lines differ, each by one more word in the first: 2 of 8 swaps are as extreme. The same text: p
// = 1.
TEST(PermutationTest, FewLinesThatDifferAreCountedExactly) {
  std::vector<std::string> a(40, "the same words"), b = a;
  a[3] += " one", a[17] += " two", a[39] += " three";
  b[3] += ".", b[5] += "!";  // no words
  const TwoCorpora two(a, b);
  const std::vector<Measure> measures{find_measure("types", 1), find_measure("distinct_2", 1)};
  for (const DifferenceTest& t : swap_test(two, 0, 1, measures, 1000, 1)) {
    EXPECT_TRUE(t.exact);
    EXPECT_EQ(t.permuted.size(), 8u);
    EXPECT_DOUBLE_EQ(t.p(), .25);
  }
  EXPECT_EQ(swap_test(two, 0, 0, measures, 1000, 1)[0].p(), 1);
  EXPECT_EQ(swap_test(two, 0, 1, measures, 7, 1)[0].permuted.size(), 7u) << "8 are too many: random ones";
}
// Under the null hypothesis, by simulation: both texts come from the same distribution, and some lines are
// equal. (4,000 worlds, twice: .034, .049, .049, .052 and .029, .047, .049, .048.)
TEST(PermutationTest, NoiseIsCalledADifferenceOnceInTwenty) {
  const std::vector<Measure> measures{find_measure("types", 1), find_measure("ttr", 1),
                                      find_measure("distinct_2", 1), find_measure("entropy_bits", 1)};
  constexpr uint32_t kWorlds = 1000;  // standard deviation .007
  std::vector<double> rejected(measures.size());
  for (uint32_t w = 0; w < kWorlds; ++w) {
    auto a = random_lines(24, 8, 40, 2 * w + 1), b = random_lines(24, 8, 40, 2 * w + 2);
    for (size_t i = 0; i < a.size(); i += 3) a[i] = b[i];
    const TwoCorpora two(std::move(a), std::move(b));
    const auto tests = swap_test(two, 0, 1, measures, 39, w);
    for (size_t m = 0; m < measures.size(); ++m) rejected[m] += tests[m].p() <= .05;
  }
  for (size_t m = 0; m < measures.size(); ++m) {
    EXPECT_LE(rejected[m] / kWorlds, .07) << measures[m].name;
    EXPECT_GE(rejected[m] / kWorlds, .01) << measures[m].name << ": a test that never rejects is none";
  }
}
TEST(PermutationTest, SwapsAreFairAndSeeded) {
  std::vector<uint8_t> marks(100'000), again(100'000), other(100'000);
  random_swaps(7)(5, marks), random_swaps(7)(5, again), random_swaps(8)(5, other);
  EXPECT_EQ(marks, again);
  EXPECT_NE(marks, other);
  int64_t ones = 0, same = 0;
  for (size_t i = 0; i < marks.size(); ++i)
    ones += marks[i], same += i + 1 < marks.size() && marks[i] == marks[i + 1];
  EXPECT_NEAR(static_cast<double>(ones) / 1e5, .5, .008);  // 5 standard deviations
  EXPECT_NEAR(static_cast<double>(same) / 1e5, .5, .008);
}
// One permutation of four is undefined: left out of the count but not of the number, it would give 2 / 5.
TEST(PermutationTest, HasNoPWhereAPermutationIsUndefined) {
  DifferenceTest t{.a = 3, .b = 1, .difference = 2, .permuted = {-2, 1, NAN, 0}};
  EXPECT_EQ(t.undefined(), 1);
  EXPECT_TRUE(std::isnan(t.p()));
  t.exact = true;
  EXPECT_TRUE(std::isnan(t.p()));
  t.permuted[2] = .5;
  EXPECT_DOUBLE_EQ(t.p(), .25);
}
TEST(PermutationTest, RefusesWhatItCannotPair) {
  const TwoCorpora two({"a", "b"}, {"a"});
  const std::vector<Measure> ttr{find_measure("ttr", 1)}, text{find_measure("self_bleu", 1)};
  EXPECT_THROW(permutation_test(two, 0, 1, ttr, 2, random_swaps(1)), Error);
  EXPECT_THROW(permutation_test(two, 0, 0, text, 2, random_swaps(1)), Error);
  const TwoCorpora undefined({"a b", "c d"}, {"e f", "g h"});
  const std::vector<Measure> mtld{find_measure("mtld", 1)};
  const auto got = permutation_test(undefined, 0, 1, mtld, 3, random_swaps(1));
  EXPECT_TRUE(std::isnan(got[0].p()));
  EXPECT_EQ(got[0].undefined(), 3);
}

TEST(Measures, NamesAndExplanations) {
  EXPECT_EQ(find_measure("mattr", 9).name, "mattr_50");
  EXPECT_EQ(find_measure("mattr_7", 9).parameter, 7);
  EXPECT_EQ(find_measure("expected_types", 9).name, "expected_types_9");
  for (const char* wrong : {"mtdl", "mattr_", "mattr_0", "mattr_x", "distinct_5", "mattr_-3", "ttr_5", ""})
    EXPECT_THROW(find_measure(wrong, 9), Error) << wrong;
  try {
    find_measure("mtdl", 9);
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("did you mean \"mtld\"?"), std::string::npos) << e.what();
  }
  for (const MeasureKind& kind : MeasureKind::all())
    EXPECT_NE(explain(kind.explanation.name).find("Source: "), std::string::npos);
}
TEST(Measures, UndefinedIsNeverZero) {  // nothing, and a single word
  for (const std::vector<std::string>& lines : {std::vector<std::string>{""}, {"word"}}) {
    ComparedCorpora corpora;
    corpora.add(lines), corpora.attest(lines);
    const DiversitySample s = sample(corpora, 0, 63);
    for (const char* name : {"mtld",
                             "mattr",
                             "msttr",
                             "hdd",
                             "vocd_exact",
                             "herdan_c",
                             "summer_s",
                             "dugast_u",
                             "maas_a2_ln",
                             "yule_i",
                             "simpson_d",
                             "honore_h",
                             "zipf_mle_exponent",
                             "zipf_ols_exponent",
                             "heaps_beta",
                             "distinct_2",
                             "ngram_entropy_bits_3",
                             "self_bleu",
                             "homogenization_rougeL",
                             "expected_types_5"})
      EXPECT_TRUE(std::isnan(find_measure(name, 5)(s))) << name << " of \"" << lines[0] << '"';
    if (!lines[0].empty()) continue;
    for (const MeasureKind& kind : MeasureKind::all()) {
      const std::string name = kind.explanation.name;
      const double x = find_measure(name, 5)(s);
      const bool count = name == "tokens" || name == "types" || name == "hapax" || name == "dis" ||
                         name == "length_mean" || name.ends_with("attested_types") ||
                         name.starts_with("ngram_t") || name == "compression_ratio";
      EXPECT_TRUE(count || std::isnan(x)) << name << " " << x;
    }
  }
}
TEST(Measures, SplitLinesAtLineFeedsOnly) {
  Vocabulary v;
  const std::vector<std::string> lines{"\xEF\xBB\xBFone\xE2\x80\xA8two\xC2\x85three"};  // BOM, U+2028, NEL
  EXPECT_EQ(number_words(lines, v).tokens.size(), 3u);
  EXPECT_EQ(v.find("one"), 0);
  EXPECT_EQ(v.find("four"), -1);
  try {
    number_words(std::vector<std::string>{"fine", "ab\xFF"}, v);
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("line 2"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("byte 3"), std::string::npos) << e.what();
  }
}
}  // namespace
}  // namespace rum::diversity_test
