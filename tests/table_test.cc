// Tables in the four forms that commands print, and long lines split to fit a model.
#include "text/table.h"

#include <gtest/gtest.h>

#include "error_of.h"
#include "generate/long_lines.h"
#include "program.h"

namespace rum::table_test {
namespace {
const TextTable kTable{
    {{"system", "BLEU", "mean ± 95 %"}, {"a_b", "1.0", "1 ± 2"}, {"chosen, \"ä\"", "10.25", "-"}}};

TEST(Tables, AsTextColumnsStandBelowEachOther) {
  EXPECT_EQ(written(kTable),
            "system        BLEU  mean ± 95 %\n"
            "a_b            1.0        1 ± 2\n"
            "chosen, \"ä\"  10.25            -\n");
  EXPECT_EQ(written(TextTable{{{"x", "1"}, {"of these"}, {"y", "22"}}}), "x   1\nof these\ny  22\n");
}
TEST(Tables, AWideOneContinuesBelowAndBreaksNoWord) {
  TextTable t{{{"name"}, {"row"}}};
  for (int i = 0; i < 12; ++i)
    t.rows[0].push_back("column " + std::to_string(i)), t.rows[1].push_back(std::to_string(i));
  std::istringstream in(written(t));
  std::string line, all;
  int heads = 0;
  while (std::getline(in, line)) {
    EXPECT_LE(line.size(), 80u);
    heads += line.rfind("name", 0) == 0;
    all += line + "\n";
  }
  EXPECT_EQ(heads, 2);
  for (int i = 0; i < 12; ++i) EXPECT_NE(all.find("column " + std::to_string(i)), std::string::npos);
}
TEST(Tables, ForProgramsAndPapers) {
  EXPECT_EQ(written(kTable, "csv"),
            "system,BLEU,mean ± 95 %\na_b,1.0,1 ± 2\n\"chosen, \"\"ä\"\"\",10.25,-\n");
  EXPECT_EQ(written(kTable, "md"),
            "| system | BLEU | mean ± 95 % |\n| :-- | --: | --: |\n| a\\_b | 1.0 | 1 ± 2 |\n"
            "| chosen, \"ä\" | 10.25 | - |\n");
  EXPECT_EQ(written(kTable, "latex"),
            "\\begin{tabular}{lrr}\n\\hline\nsystem & BLEU & mean $\\pm$ 95 \\% \\\\\n\\hline\n"
            "a\\_b & 1.0 & 1 $\\pm$ 2 \\\\\nchosen, \"ä\" & 10.25 & - \\\\\n\\hline\n\\end{tabular}\n");
  const TextTable headed{{{"x", "1"}, {"of these"}, {"~^\\", "2"}}};
  EXPECT_EQ(written(headed, "csv"), "x,1\n~^\\,2\n");
  EXPECT_NE(written(headed, "latex").find("\\multicolumn{2}{l}{of these}"), std::string::npos);
  EXPECT_NE(written(headed, "latex").find("\\~{}\\^{}\\textbackslash{} & 2"), std::string::npos);
  EXPECT_NE(error_of([] { written(kTable, "html"); }).find("expected text, csv, md or latex"),
            std::string::npos);
}
TEST(Tables, OfCommands) {
  Program p;
  p.write("a", "the house is small\nthe sea is wide\n"), p.write("b", "a house is small\nthe sea was wide\n");
  p.write("r", "the house is tiny\nthe sea is wide\n");
  const Ran score = p.run({"score", "--hyp", p.file("a"), p.file("b"), "--ref", p.file("r"), "--metrics",
                           "bleu,ter", "--format", "csv"});
  EXPECT_EQ(score.out.rfind("system,BLEU,TER\n" + p.file("a") + ",", 0), 0u) << score.out << score.err;
  const Ran errors = p.run({"errors", "--hyp", p.file("a"), "--ref", p.file("r"), "--format", "latex"});
  EXPECT_EQ(errors.out.rfind("\\begin{tabular}{lr}\n", 0), 0u) << errors.out << errors.err;
  const Ran diversity =
      p.run({"diversity", p.file("a"), p.file("b"), "--measures", "tokens,types", "--format", "md"});
  EXPECT_NE(diversity.out.find("| tokens | 8 | 8 | 0 |"), std::string::npos)
      << diversity.out << diversity.err;
  EXPECT_EQ(p.run({"score", "--hyp", p.file("a"), "--ref", p.file("r"), "--format", "html"}).status, 2);
}

std::vector<std::string> split(const std::string& line, size_t most, bool keep = false) {
  return split_to_fit(
      line, [&](std::string_view s) { return s.size() <= most; }, [&](std::string_view) { return keep; });
}
TEST(Split, AtTheEndsOfSentencesThenAtBlanks) {
  using Parts = std::vector<std::string>;
  const std::string line = "One is short. Two is short too. Three, which is a longer one, is last.";
  EXPECT_EQ(split(line, 100), Parts{line});
  EXPECT_EQ(split(line, 40),
            (Parts{"One is short. Two is short too.", "Three, which is a longer one, is last."}));
  EXPECT_EQ(split(line, 20),
            (Parts{"One is short.", "Two is short too.", "Three, which is a", "longer one, is last."}));
  EXPECT_EQ(split("short. unbreakablyLongWord x", 10), (Parts{"short.", "x"}));
  EXPECT_EQ(split("short. unbreakablyLongWord x", 10, true), (Parts{"short.", "unbreakablyLongWord", "x"}));
  EXPECT_EQ(split("Er kam um 3.5 Uhr an. Gut.", 22), (Parts{"Er kam um 3.5 Uhr an.", "Gut."}));
  EXPECT_EQ(split("", 10), Parts{});
}
}  // namespace
}  // namespace rum::table_test
