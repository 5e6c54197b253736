// Repairs of single errors, worked out by hand, and of a corpus of our own with planted errors.
#include "edits/repair.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/threads.h"
#include "edits/inject.h"
#include "tests/grammar/grammar.h"

namespace rum::repair_test {
using namespace edits;
namespace {
using Lines = std::vector<std::string>;
// Repairs one line; `more` is further human text.
std::string repaired(const std::string& source, const std::string& human, const std::string& generated,
                     const Lines& more = {}) {
  metrics::HumanText attested;
  attested.add(Lines{human});
  attested.add(more);
  return repair(Lines{source}, Lines{human}, Lines{generated}, {attested, metrics::Language::english})
      .lines[0];
}

TEST(Repair, InventedWords) {
  EXPECT_EQ(repaired("", "The old house burnt.", "The ancient hozzle burnt.", {"ancient"}),
            "The ancient house burnt.");  // "ancient" is a choice of words
  EXPECT_EQ(repaired("", "He sleeps.", "He blorps sleeps."), "He sleeps.");
  EXPECT_EQ(repaired("", "He sleeps.", "Blorp he sleeps."), "He sleeps.");
  EXPECT_EQ(repaired("", "Peter sings", "(Blorp), sings!"), "(Peter), sings!");
}
TEST(Repair, CopiedWords) {
  EXPECT_EQ(repaired("Er mag Zucker sehr.", "He likes sugar a lot.", "He loves Zucker a lot.", {"loves"}),
            "He loves sugar a lot.");
}
TEST(Repair, NumbersAndNames) {
  EXPECT_EQ(repaired("", "We saw 20 cats in May.", "We saw 30 cats in May."), "We saw 20 cats in May.");
  EXPECT_EQ(repaired("", "We watched 20 cats.", "We saw cats.", {"saw"}), "We saw 20 cats.");
  EXPECT_EQ(repaired("", "Then Anna left.", "Then Peter went.", {"Peter went"}), "Then Anna went.");
  EXPECT_EQ(repaired("", "See the Town Hall.", "Look at the town hall.", {"look at"}),
            "Look at the Town Hall.");
  EXPECT_EQ(repaired("", "We went.", "We went Rome.", {"Rome"}), "We went.");
}
TEST(Repair, Negation) {
  EXPECT_EQ(repaired("", "He does not read.", "He reads.", {"reads"}), "He does not read.");
  EXPECT_EQ(repaired("", "He often reads.", "He never reads.", {"never"}), "He often reads.");
  EXPECT_EQ(repaired("", "A man never sees it all.", "One man sees it all.", {"one"}),
            "One man never sees it all.");
}
TEST(Repair, Stuttering) {
  EXPECT_EQ(repaired("", "The end of the day.", "The end of the of the day."), "The end of the day.");
  EXPECT_EQ(repaired("", "A very good day.", "A very very very good day."), "A very good day.");
  EXPECT_EQ(repaired("", "A nice day.", "A bad bad day.", {"bad"}), "A bad day.");
  EXPECT_EQ(repaired("", "A nice old day.", "A bad bad day.", {"bad"}), "A bad old day.");  // one, not both
  EXPECT_EQ(repaired("", "Bye bye now.", "Bye bye now."), "Bye bye now.");
}
TEST(Repair, Omissions) {
  EXPECT_EQ(repaired("", "On Monday we went to the old mill by the river.", "We went to the mill."),
            "On Monday we went to the old mill by the river.");
  EXPECT_EQ(repaired("", "We went to the mill.", "We went there.", {"there"}),
            "We went there.");  // short, not far too
  EXPECT_EQ(repaired("", "Yesterday we all went there to see the old mill", "we went yesterday"),
            "we all went there to see the old yesterday");  // which is there, if elsewhere: not missing
  EXPECT_EQ(repaired("", "One two three four.", ""), "One two three four.");
}
TEST(Repair, WhatIsRightStaysByteForByte) {
  const std::string odd = "  A  choice -- of\u00a0\"words\" … ";
  EXPECT_EQ(repaired("Q", "Another selection of terms here", odd, {"a choice of words"}), odd);
  EXPECT_EQ(repaired("", "", ""), "");
}
TEST(Repair, ACorpusWithPlantedErrors) {
  Lines source, human;
  for (const Pair& t : grammar_pairs(1000, 8)) source.push_back(t.source), human.push_back(t.target);
  metrics::HumanText attested;
  attested.add(human);
  const metrics::ErrorRules rules{attested, metrics::Language::english};
  Lines generated = inject(human, {.05, .02, .1, .01}, 3).lines;
  for (size_t i = 0; i < generated.size(); ++i) {
    std::string& line = generated[i];
    const size_t blank = line.find(' ');
    if (blank == line.npos) continue;
    if (i % 5 == 1) line.insert(blank, " blorp");
    if (i % 5 == 2) line.insert(blank, " " + source[i].substr(0, source[i].find(' ')));
    if (i % 5 == 3) line.insert(blank, line.substr(0, blank));
    if (i % 5 == 4) line.insert(blank, " 77 and not");
  }
  const int before = threads();
  set_threads(1);
  const Repaired one = repair(source, human, generated, rules);
  set_threads(3);
  const Repaired out = repair(source, human, generated, rules);
  set_threads(before);
  EXPECT_EQ(one.lines, out.lines);
  metrics::ErrorCounts sum;  // the report matches the lines
  for (const metrics::SentenceErrors& e : find_errors(out.lines, human, source, rules)) sum += e.counts;
  EXPECT_EQ(sum.invented, out.after.invented);
  EXPECT_EQ(sum.substitutions, out.after.substitutions);
  EXPECT_GE(out.before.invented, 190);
  EXPECT_GE(out.before.numbers_added, 190);
  EXPECT_EQ(out.after.invented, 0);
  EXPECT_EQ(out.after.copied, 0);
  for (const char* name : {"number_mismatch", "name_mismatch", "negation_mismatch", "repeated_bigrams"}) {
    const metrics::ErrorMeasure& m = metrics::error_measure(name);
    EXPECT_LT(m.count_errors(out.after), .1 * m.count_errors(out.before)) << name;
  }
  EXPECT_GT(out.after.substitutions, .5 * out.before.substitutions);  // words that are merely different stay
  EXPECT_LE(out.lines_changed, 1000);
}
TEST(Repair, BadInputIsNamed) {
  metrics::HumanText none;
  const metrics::ErrorRules rules{none, metrics::Language::english};
  EXPECT_THROW(repair(Lines{"a"}, Lines{"a", "b"}, Lines{"a", "b"}, rules), Error);
  EXPECT_THROW(repair(Lines{"a"}, Lines{"a"}, Lines{"\xff"}, rules), Error);
}
}  // namespace
}  // namespace rum::repair_test
