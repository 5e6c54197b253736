// Injected errors: the wanted rates, counted another way where there is one, with the same words as before.
#include "edits/inject.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/threads.h"
#include "tests/grammar/grammar.h"
#include "text/words.h"

namespace rum::inject_test {
using namespace edits;
namespace {
using Lines = std::vector<std::string>;
Lines english(int count) {
  Lines out;
  for (Pair& t : grammar_pairs(count, 9)) out.push_back(std::move(t.target));
  return out;
}
Lines sorted_words(const Lines& lines) {
  Lines all;
  for (const std::string& line : lines)
    for (std::string& w : words(line)) all.push_back(std::move(w));
  std::sort(all.begin(), all.end());
  return all;
}
double tokens(const Lines& lines) {
  double n = 0;
  for (const std::string& line : lines) n += static_cast<double>(split_at_blanks(line).size());
  return n;
}

TEST(EditRates, AreTersEditsPerWord) {
  const Lines reference{"a b c d", "e f g h i", "j"}, translation{"a b d", "i e f g h", "j k"};
  const EditRates r = edit_rates(translation, reference);
  EXPECT_DOUBLE_EQ(r.insertions, .1);  // c is missing, i has moved, k is too many: of 10 words
  EXPECT_DOUBLE_EQ(r.shifts, .1);
  EXPECT_DOUBLE_EQ(r.deletions, .1);
  EXPECT_EQ(r.substitutions, 0);
  EXPECT_DOUBLE_EQ(r.total(), .3);
  EXPECT_DOUBLE_EQ(r.distance({.1, 0, .2, .05}), .35);
  EXPECT_EQ(edit_rates({}, {}).total(), 0);
  EXPECT_THROW(edit_rates(translation, Lines{"a"}), Error);
}
TEST(Inject, NoErrorsChangeNothing) {
  const Lines human{"", "  two  blanks ", "\"Öl\" -- 20!", "a"};
  const Injected out = inject(human, {}, 1);
  EXPECT_EQ(out.lines, human);
  EXPECT_EQ(out.got.total(), 0);
}
TEST(Inject, RatesAreReached) {
  const Lines human = english(2000);
  for (const EditRates& wanted :
       {EditRates{.03, .02, .08, .01}, EditRates{.1, .05, .25, .04}, EditRates{.05, .1, .4, .08}}) {
    const Injected out = inject(human, wanted, 4);
    EXPECT_NEAR(out.got.insertions, wanted.insertions, .003);
    EXPECT_NEAR(out.got.deletions, wanted.deletions, .003);
    EXPECT_NEAR(out.got.substitutions, wanted.substitutions, .003);
    EXPECT_NEAR(out.got.shifts, wanted.shifts, .003);
    EXPECT_EQ(out.got.distance(edit_rates(out.lines, human)), 0);  // the lines are those that were measured
    const double n = tokens(human);
    EXPECT_NEAR((tokens(out.lines) - n) / n, wanted.deletions - wanted.insertions, .006);
  }
}
TEST(Inject, WordsAreTheSameAsBefore) {
  const Lines human = english(1000);
  const Injected out = inject(human, {0, 0, .3, .05}, 2);
  EXPECT_NE(out.lines, human);
  EXPECT_EQ(sorted_words(out.lines), sorted_words(human));  // wrong and moved words, none lost or gained
  EXPECT_EQ(tokens(out.lines), tokens(human));
  const Injected fewer = inject(human, {.2, 0, 0, 0}, 2), more = inject(human, {0, .2, 0, 0}, 2);
  EXPECT_NEAR(tokens(fewer.lines) / tokens(human), .8, .002);
  EXPECT_NEAR(tokens(more.lines) / tokens(human), 1.2, .002);
  const Lines before = sorted_words(human), after = sorted_words(more.lines);
  EXPECT_TRUE(std::includes(after.begin(), after.end(), before.begin(), before.end()));
  const double share = static_cast<double>(std::count(before.begin(), before.end(), "the")) /
                       static_cast<double>(before.size());
  const double added = static_cast<double>(after.size() - before.size());
  const auto the = static_cast<double>(std::count(after.begin(), after.end(), "the") -
                                       std::count(before.begin(), before.end(), "the"));
  EXPECT_NEAR(the / added, share, 4 * std::sqrt(share / added));  // frequent words come more often
}
TEST(Inject, RepeatedErrorsAreTheSameInTheSamePlace) {
  const Lines human = english(2000);
  const EditRates wanted{.05, .05, .2, 0};
  const Injected out = inject(human, wanted, 4, true);
  EXPECT_NEAR(out.got.total(), wanted.total(), .015);
  EXPECT_EQ(out.got.distance(edit_rates(out.lines, human)), 0);
  int differ = 0;
  Lines doubled = human;
  doubled.insert(doubled.end(), human.begin(), human.end());
  const Lines repeated = inject(doubled, wanted, 4, true).lines, once = inject(doubled, wanted, 4).lines;
  for (size_t i = 0; i < human.size(); ++i) {
    EXPECT_EQ(repeated[i], repeated[human.size() + i]);
    differ += once[i] != once[human.size() + i];
  }
  EXPECT_GT(differ, 1000);
}
TEST(Inject, MarksAndCapitalsStay) {
  const Lines human{"Tom (said) \"hello\", Anna!", "The Dog."};
  for (uint32_t seed = 0; seed < 20; ++seed) {
    const Lines out = inject(human, {0, 0, 1, 0}, seed).lines;
    std::string marks;
    for (const char c : out[0])
      if (!std::isalpha(static_cast<unsigned char>(c))) marks += c;
    EXPECT_EQ(marks, " () \"\", !");
    EXPECT_TRUE(std::isupper(out[0][0]) && std::isupper(out[1][0])) << out[0];
  }
}
TEST(Inject, LinesKeepAWord) {
  const Lines human{"a", "b c", "", "d"};
  EXPECT_EQ(inject(human, {1, 0, 0, 0}, 1).lines, (Lines{"a", "c", "", "d"}));
}
// There is no word to add or to put for another: marks are left out or moved, and none is new.
TEST(Inject, WithoutWordsNoneIsAdded) {
  const Lines human{"?! ...", "-", "( ) ;", ""};
  for (const bool repeated : {false, true})
    for (uint32_t seed = 0; seed < 20; ++seed) {
      const Lines out = inject(human, {.2, 1, 1, .5}, seed, repeated).lines;
      ASSERT_EQ(out.size(), human.size());
      for (size_t i = 0; i < out.size(); ++i) {
        std::vector<std::string_view> before = split_at_blanks(human[i]), after = split_at_blanks(out[i]);
        std::sort(before.begin(), before.end()), std::sort(after.begin(), after.end());
        EXPECT_TRUE(std::includes(before.begin(), before.end(), after.begin(), after.end())) << out[i];
      }
    }
}
TEST(Inject, SameSeedSameLines) {
  const Lines human = english(300);
  const EditRates wanted{.1, .05, .2, .05};
  const int before = threads();
  set_threads(1);
  const Lines one = inject(human, wanted, 5).lines;
  set_threads(3);
  EXPECT_EQ(inject(human, wanted, 5).lines, one);
  EXPECT_NE(inject(human, wanted, 6).lines, one);
  set_threads(before);
}
TEST(Inject, BadInputIsNamed) {
  EXPECT_THROW(inject(Lines{"a"}, {-.1, 0, 0, 0}, 1), Error);
  EXPECT_THROW(inject(Lines{"a"}, {0, 1.5, 0, 0}, 1), Error);
  EXPECT_THROW(inject(Lines{"a"}, {0, 0, std::nan(""), 0}, 1), Error);
  EXPECT_THROW(inject(Lines{"\xff"}, {}, 1), Error);
}
}  // namespace
}  // namespace rum::inject_test
