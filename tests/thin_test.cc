// IBM model 1 against an independent implementation, and thinning: the wanted value is reached, and what must
// not change does not.
#include "edits/thin.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <map>

#include "base/error.h"
#include "base/threads.h"
#include "edits/ibm1.h"
#include "edits/spelling.h"
#include "metrics/lexical_diversity.h"
#include "tests/grammar/grammar.h"
#include "text/words.h"

namespace rum::thin_test {
using namespace metrics;
using namespace edits;
namespace {
using Lines = std::vector<std::string>;

// Of a a a b two are drawn: there is no b in half of the draws, and no draw without an a.
TEST(Thin, TypesExpectedByHand) {
  Vocabulary words;
  const int32_t a = words.add("a"), b = words.add("b");
  const std::vector<int32_t> tokens{a, a, b, a};
  HumanText human;
  human.add(Lines{"a"});
  EXPECT_NEAR(types_expected(tokens, words, 2), 1.5, 1e-12);
  EXPECT_NEAR(types_expected(tokens, words, 2, &human), 1, 1e-12);
  EXPECT_NEAR(types_expected(tokens, words, 1, &human), .75, 1e-12);
  EXPECT_NEAR(types_expected(tokens, words, 4), 2, 1e-12);
}
TEST(Ibm1, IsItsEquations) {
  const Lines german{"das haus", "das buch", "ein buch", "", "das das haus"},
      english{"the house", "the book", "a book", "nothing", "the house"};
  Vocabulary g, e;
  const NumberedLines gs = number_words(german, g), es = number_words(english, e);
  // p(g|e), with "" for the empty word: initially uniform over the words that co-occur.
  std::map<std::string, std::map<std::string, double>> t;
  auto given = [&](size_t i) {
    Lines w = words(english[i]);
    w.push_back("");
    return w;
  };
  for (size_t i = 0; i < german.size(); ++i)
    for (const auto& b : given(i))
      for (const auto& a : words(german[i])) t[b][a] = 1;
  for (int round = 0; round < 4; ++round) {
    for (auto& [b, row] : t) {
      double sum = 0;
      for (auto& [a, p] : row) sum += p;
      for (auto& [a, p] : row) p /= sum;
    }
    if (round == 3) break;
    auto counts = t;
    for (auto& [b, row] : counts)
      for (auto& [a, c] : row) c = 0;
    for (size_t i = 0; i < german.size(); ++i)
      for (const auto& a : words(german[i])) {
        double z = 0;
        for (const auto& b : given(i)) z += t[b][a];
        for (const auto& b : given(i)) counts[b][a] += t[b][a] / z;
      }
    t = counts;
  }
  const TranslationTable table = ibm1(es, gs, e.size(), 3);
  for (int32_t b = 0; b <= static_cast<int32_t>(e.size()); ++b)
    for (int32_t a = 0; a < static_cast<int32_t>(g.size()); ++a) {
      const std::string name = b < static_cast<int32_t>(e.size()) ? e.word(b) : "";
      const auto& row = t[name];
      const auto found = row.find(g.word(a));
      EXPECT_NEAR(table.p(a, b), found == row.end() ? 0 : found->second, 1e-6) << name << " " << g.word(a);
    }
  EXPECT_TRUE(table.of(e.find("nothing")).empty());
  EXPECT_THROW(ibm1(es, number_words(Lines{"x"}, g), e.size()), Error);
}
TEST(Ibm1, FindsTheTranslations) {
  Lines german, english;
  for (const Pair& t : grammar_pairs(2000, 5)) german.push_back(t.source), english.push_back(t.target);
  Vocabulary g, e;
  const NumberedLines gs = number_words(german, g), es = number_words(english, e);
  const TranslationTable table = ibm1(gs, es, g.size());
  for (const auto& [de, en] : std::map<std::string, std::string>{{"haus", "house"},
                                                                 {"karim", "karim"},
                                                                 {"gestern", "yesterday"},
                                                                 {"134", "134"},
                                                                 {"oft", "often"}}) {
    const auto row = table.of(g.find(de));
    const auto best =
        std::max_element(row.begin(), row.end(), [](const auto& a, const auto& b) { return a.p < b.p; });
    EXPECT_EQ(e.word(best->made), en) << de;
  }
}
TEST(Surface, OnlyWordsAreExchanged) {
  const Spelling s(Lines{"a Berlin house"});
  auto exchanged = [&](const std::string& line, std::map<size_t, std::string> now) {
    return s.exchange(line, [&](size_t i) { return now[i]; });
  };
  EXPECT_EQ(exchanged("  \"It's\u00a0here!\" (Öl’s)", {{0, "berlin"}, {2, "house"}}),
            "  \"Berlin\u00a0here!\" (house)");
  EXPECT_EQ(exchanged("Öl, x", {{0, "house"}}), "House, x");
  for (const std::string line : {"", " ", "… !", "a  b."}) EXPECT_EQ(exchanged(line, {}), line);
}
TEST(Surface, WordsAreSpeltAsWithinSentences) {
  const Lines lines{"House of Peter", "The house in Berlin", "Berlin",
                    "berlin x",       "Über Öl über Berlin", "NATO says"};
  const Spelling s(lines);
  EXPECT_EQ(s.write("house"), "house");
  EXPECT_EQ(s.write("house", true), "House");
  EXPECT_EQ(s.write("berlin"), "Berlin");
  EXPECT_EQ(s.write("nato"), "NATO");  // only ever at the beginning
  EXPECT_EQ(s.write("über", true), "Über");
  EXPECT_EQ(s.write("unseen"), "unseen");
}

// A corpus in which each thing has a common name and rare ones: "Ding7" is "seven0" mostly,
// rarely "seven1" to 4.
struct Things {
  Lines source, target;
};
Things things() {
  Things out;
  const char* names[] = {"ball", "cup", "door", "egg", "fork", "glass", "hat", "ink", "jar", "key"};
  for (int i = 0; i < 10; ++i)
    for (int n = 0; n < 40; ++n) {
      const std::string rare = n < 30 ? "" : std::string(1, static_cast<char>('a' + (n - 30) / 2));
      out.source.push_back("Das " + std::string(names[i]) + "ding, Karl!");
      out.target.push_back((n % 2 ? "The " : "A ") + std::string(names[i]) + rare + ", Charles!");
      if (n % 20 == 0) out.source.push_back(""), out.target.push_back("");
    }
  return out;
}
TEST(Thin, RareSynonymsGiveWay) {
  const Things t = things();
  const Thinned all = thin(t.source, t.target, 13, 500);
  ASSERT_EQ(all.lines.size(), t.target.size());
  EXPECT_EQ(all.words_replaced, 100);  // 10 things x 5 rare names, each twice
  for (size_t i = 0; i < t.target.size(); ++i) {
    const std::string& line = t.target[i];
    std::string wanted = line;
    for (const char* name : {"ball", "cup", "door", "egg", "fork", "glass", "hat", "ink", "jar", "key"})
      if (const size_t at = line.find(std::string(" ") + name);
          at != line.npos && line[at + 1 + strlen(name)] != ',')
        wanted.erase(at + 1 + strlen(name), 1);
    EXPECT_EQ(all.lines[i], wanted) << t.source[i];
  }
  EXPECT_NEAR(all.cost.substitutions, 100. / 1200, 1e-12);
  EXPECT_EQ(all.cost.total(), all.cost.substitutions);
}
TEST(Thin, ReachesWhatIsWanted) {
  const Things t = things();
  const double before = thin(t.source, t.target, 1, 600).before;
  for (double share : {1.0, .9, .7, .5}) {
    const Thinned out = thin(t.source, t.target, share * before, 600);
    EXPECT_NEAR(out.got, out.wanted, .6)
        << share;  // one type, seen twice, is .75 types in 600 of 1,200 words
    Vocabulary v;
    const NumberedLines lines = number_words(out.lines, v);
    EXPECT_NEAR(expected_types(spectrum(count_tokens(lines.tokens, v.size())), 600), out.got, 1e-9);
    EXPECT_EQ(out.before, before);
    if (share == 1) {
      EXPECT_EQ(out.lines, t.target);
    }
  }
}
// Half of the rare names are in no human text: the wanted value excludes them, and it is reached without
// them.
TEST(Thin, TypesThatNobodyAttestsDoNotCount) {
  const Things t = things();
  HumanText people;
  people.add(Lines{"the a charles ball cup door egg fork glass hat ink jar key",
                   "balla cupa doora egga forka glassa hata inka jara keya",
                   "ballb cupb doorb eggb forkb glassb hatb inkb jarb keyb"});
  const auto attested = [&](const Lines& lines) {  // of 600 tokens; by the sum over types
    std::map<std::string, int> counts;
    double all = 0, types = 0;
    for (const std::string& line : lines)
      for (const std::string& word : words(line)) ++counts[word], ++all;
    for (const auto& [word, n] : counts) {
      double missed = 1;  // C(all - n, 600) / C(all, 600)
      for (int k = 0; k < n; ++k) missed *= (all - 600 - k) / (all - k);
      types += people.attests(word) ? 1 - missed : 0;
    }
    return types;
  };
  const double before = thin(t.source, t.target, 1, 600, &people).before;
  EXPECT_NEAR(before, attested(t.target), 1e-9);
  EXPECT_LT(before, thin(t.source, t.target, 1, 600).before - 20);
  for (const double share : {1.0, .8, .6}) {
    const Thinned out = thin(t.source, t.target, share * before, 600, &people);
    EXPECT_NEAR(out.got, out.wanted, .6) << share;
    EXPECT_NEAR(out.got, attested(out.lines), 1e-9);
  }
}
TEST(Thin, TheSurestOfTheRarestGoesFirst) {
  Lines source, target;
  for (int i = 0; i < 20; ++i)
    for (const char* pair : {"auto car", "haus house", "baum tree"}) {
      const std::string both = pair;
      source.push_back(both.substr(0, 4)), target.push_back(both.substr(5));
    }
  source.push_back("haus auto fluss baum"), target.push_back("river house car");
  source.push_back("auto"), target.push_back("vehicle");
  const Thinned one = thin(source, target, 4, 64);  // of five types in all 64 words
  EXPECT_EQ(one.lines.back(), "car");
  EXPECT_EQ(one.words_replaced, 1);
}
TEST(Thin, NoLineSaysAWordTwiceForIt) {
  Lines source, target;
  for (int i = 0; i < 20; ++i) source.push_back("auto"), target.push_back("car");
  source.push_back("auto wagen"), target.push_back("automobile car");
  source.push_back("auto"), target.push_back("automobile");
  const Thinned out = thin(source, target, 1, 12);
  EXPECT_EQ(out.lines[20], "automobile car");
  EXPECT_EQ(out.lines[21], "car");
}
TEST(Thin, IsTheSameEachTime) {
  Lines german, english;
  for (const Pair& t : grammar_pairs(1000, 3)) german.push_back(t.source), english.push_back(t.target);
  const int before = threads();
  set_threads(1);
  const Thinned one = thin(german, english, 60, 5000);
  set_threads(3);
  const Thinned three = thin(german, english, 60, 5000);
  set_threads(before);
  EXPECT_EQ(one.lines, three.lines);
  EXPECT_LT(one.got, one.before);
  for (size_t i = 0; i < english.size(); ++i) {  // numbers stay, and so does what is not a word
    const auto a = words_in(english[i]), b = words_in(one.lines[i]);
    ASSERT_EQ(a.size(), b.size());
    for (size_t k = 0; k < a.size(); ++k) {
      if (a[k] == "20" || a[k] == "134") {
        EXPECT_EQ(a[k], b[k]);
      }
    }
    EXPECT_EQ(english[i].back(), one.lines[i].back());
  }
  EXPECT_TRUE(std::isupper(one.lines[0][0]));
}
TEST(Thin, BadInputIsNamed) {
  EXPECT_THROW(thin(Lines{"a"}, Lines{"a", "b"}, 1, 1), Error);
  EXPECT_THROW(thin(Lines{"a"}, Lines{"a"}, 1, 2), Error);
  EXPECT_THROW(thin(Lines{"a"}, Lines{"a"}, 0, 1), Error);
  EXPECT_THROW(thin(Lines{"a"}, Lines{"\xff"}, 1, 1), Error);
  EXPECT_EQ(thin(Lines{"a"}, Lines{"a"}, 1, 1).lines, Lines{"a"});
}
}  // namespace
}  // namespace rum::thin_test
