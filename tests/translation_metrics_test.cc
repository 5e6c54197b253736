// Translation quality beyond the golden cases (tests/golden/mt_*.json): examples by hand, edits by kind, long
// texts, threads, refusals.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/random.h"
#include "base/threads.h"
#include "metrics/bleu.h"
#include "metrics/chrf.h"
#include "metrics/explain.h"
#include "metrics/ter.h"
#include "tests/error_of.h"
#include "tests/turkish.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum::translation_metrics_test {
using namespace metrics;
namespace {
double column(const Metric& metric, std::span<const double> row, const std::string& name) {
  const auto names = metric.columns();
  const auto at = std::find(names.begin(), names.end(), name);
  RUM_CHECK(at != names.end(), "no column {}", name);
  return row[static_cast<size_t>(at - names.begin())];
}
std::vector<double> sentence(const Metric& metric, std::string_view hyp, std::vector<std::string_view> refs) {
  std::vector<double> row(metric.columns().size());
  metric.count(std::span(&hyp, 1), refs, row);
  return row;
}

// Character by character, by the definitions: text of blanks, letters, punctuation and invalid bytes.
TEST(Words, BlanksCutAsDeclared) {
  const std::string parts[] = {"a",      "é",      "\u4e16", "\U0001F642", " ",      "\t",
                               "\x1c",   "\u0085", "\u00a0", "\u1680",     "\u2003", "\u2028",
                               "\u202f", "\u205f", "\u3000", "\u200b",     "\ufeff", "\xc2",
                               "\xe2",   "\x80",   "\x85",   "\xf0\x9f"};
  for (uint32_t seed = 0; seed < 3000; ++seed) {
    std::string line;
    const Bits4 bits = Random{seed, Stream::sample}.bits({});
    for (uint32_t i = 0; i < 8; ++i)
      line += parts[(bits.at[i % 4] >> (i / 4 * 16) & 0xFFFF) % std::size(parts)];
    std::vector<std::string> expected(1);
    size_t start = 0, stop = 0;
    for (const char *p = line.data(), *end = p + line.size(); p < end;) {
      const Character c = decode_utf8(p, end);
      if (!is_blank(c.code)) {
        if (stop == 0) start = static_cast<size_t>(p - line.data());
        stop = static_cast<size_t>(p - line.data() + c.bytes);
        expected.back().append(p, static_cast<size_t>(c.bytes));
      } else if (!expected.back().empty()) {
        expected.emplace_back();
      }
      p += c.bytes;
    }
    if (expected.back().empty()) expected.pop_back();
    const auto got = split_at_blanks(line);
    EXPECT_EQ(std::vector<std::string>(got.begin(), got.end()), expected) << seed;
    EXPECT_EQ(without_trailing_blanks(line), line.substr(0, stop)) << seed;
    EXPECT_EQ(without_outer_blanks(line), line.substr(start, stop - start)) << seed;
  }
}
TEST(Bleu, ByHand) {  // the example of Papineni et al. 2002: 'the' counts at most twice
  const auto metric = make_bleu();
  const auto row = sentence(*metric, "the the the the the the the",
                            {"the cat is on the mat", "there is a cat on the mat"});
  EXPECT_EQ(column(*metric, row, "matches_1"), 2);
  EXPECT_EQ(column(*metric, row, "totals_1"), 7);
  EXPECT_EQ(column(*metric, row, "matches_2"), 0);
  EXPECT_EQ(column(*metric, row, "ref_len"), 7);
  EXPECT_EQ(column(*metric, sentence(*metric, "a b c", {"a b c d", "a b"}), "ref_len"),
            2);  // equally close: the shorter
}
TEST(Chrf, ByHand) {  // one bigram of two, and three letters of three
  const auto metric = make_chrf({.char_order = 2});
  const auto row = sentence(*metric, "a cb", {"acd"});
  const std::vector<double> counts{3, 3, 2, 2, 2, 1};  // a, c; ac
  EXPECT_EQ(row, counts);
  const double p = (2.0 / 3 + 0.5) / 2;
  EXPECT_DOUBLE_EQ(metric->score(row), 100 * p);  // as precise as complete, so F is either
}

// The shifts are obvious here, without a search.
TEST(Ter, EditsByKind) {
  struct {
    const char *hyp, *ref;
    int insertions, deletions, substitutions, shifts;
  } cases[] = {{"a b c d", "a b c d", 0, 0, 0, 0},
               {"a b d", "a b c d", 1, 0, 0, 0},
               {"a b x c d", "a b c d", 0, 1, 0, 0},
               {"a b x d", "a b c d", 0, 0, 1, 0},
               {"c d e f a b", "a b c d e f", 0, 0, 0, 1},
               {"c d e x a b", "a b c d e f", 0, 0, 1, 1},
               {"c d e f a b y", "a b c d e f", 0, 1, 0, 1},
               {"", "a b c", 3, 0, 0, 0},
               {"a b c", "", 0, 3, 0, 0},
               {"", "", 0, 0, 0, 0}};
  const auto metric = make_ter();
  for (const auto& c : cases) {
    const auto row = sentence(*metric, c.hyp, {c.ref});
    const std::vector<double> got(row.begin() + 2, row.end());
    EXPECT_EQ(got, (std::vector<double>{double(c.insertions), double(c.deletions), double(c.substitutions),
                                        double(c.shifts)}))
        << c.hyp << " -> " << c.ref;
    EXPECT_EQ(row[0], c.insertions + c.deletions + c.substitutions + c.shifts);
  }
}
TEST(Ter, FewestEditsOverMeanLength) {
  const auto metric = make_ter();
  const auto row = sentence(*metric, "a b c", {"x y z w", "a b", "a b c d e f"});
  EXPECT_EQ(row[0], 1);
  EXPECT_EQ(row[1], 4);
  EXPECT_EQ(metric->score(row), 25);
}

TEST(Metrics, RowsAddUpAndThreadsDoNotMatter) {
  std::vector<std::vector<std::string>> systems(2);
  std::vector<Reference> refs(2);
  for (int i = 0; i < 300; ++i) {
    systems[0].push_back(fmt::format("word{} stands before word{} and word{}, {}.", i % 7, i % 5, i % 3, i));
    systems[1].push_back(fmt::format("word{}, {} and word{} stands word{}", i % 5, i, i % 3, i % 7));
    refs[0].push_back(fmt::format("word{} stands after word{} and word{}, {}", i % 7, i % 4, i % 3, i));
    i % 5 ? refs[1].emplace_back(fmt::format("here is word{} and word{}.", i % 2, i % 3))
          : refs[1].emplace_back();
  }
  const int before = threads();
  for (const std::string& name : metric_names()) {
    const auto metric = make_metric(name);
    std::vector<std::vector<double>> rows;
    for (const int n : {1, 2, 3}) {
      set_threads(n);
      for (const Rows& r : count(*metric, systems, refs)) rows.push_back(r.values);
    }
    EXPECT_EQ(rows[0], rows[2]) << name;
    EXPECT_EQ(rows[0], rows[4]) << name;
    EXPECT_EQ(rows[1], rows[3]) << name;
    EXPECT_NE(rows[0], rows[1]) << name;
    std::vector<double> sum(metric->columns().size());  // sentence by sentence, one system alone
    for (size_t i = 0; i < systems[1].size(); ++i) {
      std::vector<std::string_view> of{*refs[0][i]};
      if (refs[1][i]) of.push_back(*refs[1][i]);
      const auto row = sentence(*metric, systems[1][i], of);
      for (size_t c = 0; c < sum.size(); ++c) sum[c] += row[c];
    }
    EXPECT_EQ(sum, count(*metric, systems[1], refs).sum()) << name;
    EXPECT_GT(metric->score(sum), 2) << name;
    EXPECT_LT(metric->score(sum), 90) << name;
  }
  set_threads(before);
}
TEST(Metrics, LocaleDoesNotMatter) {
  const std::vector<std::string> hyps{"İI ısı, 3,5 und 2.5 ÄÖ", "ﬁne words"};
  const Reference ref{"i̇ı ISI 3.5 und 2,5 äö", "fine words"};
  const auto scores = [&] {
    std::string out;
    for (const std::string& name : metric_names()) {
      const auto metric =
          make_metric(name, name == "ter" ? Json::Object{} : Json::Object{{"lowercase", true}});
      out += line(*metric, count(*metric, hyps, std::span(&ref, 1)).sum(), 9) + signature(*metric) + "\n";
    }
    return out;
  };
  const std::string before = scores();
  const Turkish turkish;
  if (!turkish) GTEST_SKIP() << Turkish::kMissing;
  EXPECT_EQ(scores(), before);
}
// Many characters in one line: linear memory and seconds, not hours. The peer's shift search is bounded by
// its number of candidates; ours must be bounded in time as well.
TEST(Metrics, ALineOfManyCharacters) {
  std::string hyp, ref;
  for (int i = 0; hyp.size() < 200'000; ++i) {
    const int word = i * 7919 % 5003;
    hyp += fmt::format("w{}{}", word, i % 97 == 0 ? ". " : " ");
    ref += fmt::format("w{} ", i % 11 == 0 ? word + 1 : word);
    if (i % 13 == 0) ref += "more ";
  }
  for (const std::string& name : metric_names()) {
    const auto metric = make_metric(name);
    const double score = metric->score(sentence(*metric, hyp, {ref}));
    EXPECT_GT(score, 5) << name;
    EXPECT_LT(score, 95) << name;
  }
}
TEST(Metrics, ALineSeparatorIsABlankAndNoLineBreak) {
  const auto metric = make_bleu({.tokenize = "none"});
  const auto row = sentence(*metric, "a\u2028b\u0085c", {"a b c"});
  EXPECT_EQ(column(*metric, row, "matches_3"), 1);
  EXPECT_EQ(column(*metric,
                   sentence(*metric,
                            "\ufeff"
                            "a b",
                            {"a b"}),
                   "matches_1"),
            1);  // a mark is a character
}
TEST(Metrics, Refusals) {
  const std::vector<std::string> one{"a"}, two{"a", "b"};
  const std::vector<Reference> ref{{"a"}}, none{{std::nullopt}}, longer{{"a", "b"}};
  const std::vector<std::vector<std::string>> uneven{two, one};
  const auto metric = make_bleu();
  EXPECT_EQ(error_of([&] { count(*metric, one, longer); }),
            "BLEU: 1 hypotheses, but reference 1 has 2 lines");
  EXPECT_EQ(error_of([&] { count(*metric, uneven, longer); }),
            "BLEU: system 1 has 2 lines, but system 2 has 1");
  EXPECT_EQ(error_of([&] { count(*metric, one, none); }), "BLEU: sentence 1 has no reference");
  EXPECT_EQ(error_of([] { make_metric("belu"); }),
            "metrics: there is no \"belu\"; did you mean \"bleu\"? Known: bleu, chrf, chrf++, ter");
  EXPECT_NE(error_of([] { make_bleu({.tokenize = "13b"}); }).find("did you mean \"13a\"?"),
            std::string::npos);
  EXPECT_NE(error_of([] { make_bleu({.smooth = "flor"}); }).find("did you mean \"floor\"?"),
            std::string::npos);
  EXPECT_NE(error_of([] { make_bleu({.max_ngram_order = 0}); }).find("from 1 to 100"), std::string::npos);
  EXPECT_NE(error_of([] { make_chrf({.char_order = 0}); }).find("above 0"), std::string::npos);
  EXPECT_NE(error_of([] {
              make_metric("ter", {{"no_punkt", true}});
            }).find("did you mean \"no_punct\"?"),
            std::string::npos);
  EXPECT_EQ(error_of([] {
              make_metric("ter", {{"no_punct", 1}});
            }),
            "ter: no_punct: expected true or false, found 1");
  EXPECT_NE(error_of([] { make_metric("chrf", {{"beta", -1}}); }).find("whole number"), std::string::npos);
}
TEST(Metrics, ExplainThemselves) {
  for (const std::string& name : metric_names()) EXPECT_GT(explain(name).size(), 300u) << name;
}
}  // namespace
}  // namespace rum::translation_metrics_test
