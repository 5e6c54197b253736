// `ruminate diversity` as a user meets it: tables and JSON, what it reads, and how it refuses bad input.
#include <gtest/gtest.h>
#include <sched.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <sstream>

#include "base/error.h"
#include "metrics/diversity.h"
#include "tests/program.h"
#include "tests/random_lines.h"
#include "tests/sanitizer.h"
#include "tests/turkish.h"
#include "text/json.h"

namespace rum::diversity_program_test {
using namespace metrics;
namespace {
struct Diversity : Program, Ran {  // the result of the last run
  void run(const std::string& words) {
    static_cast<Ran&>(*this) = shell(program_path() + " diversity " + words);
  }
  void expect_refusal(const std::string& part) const {
    rum::expect_refusal(*this, part);
    EXPECT_EQ(out, "");
  }
  double number(size_t of_file, const char* part, const char* name) const {
    const Json all = parse_json(out, "out");
    double x = std::nan("");
    const Json* value = (*all.find("files")->array())[of_file].find(part)->find(name);
    EXPECT_TRUE(value && (value->is_null() || value->number(x))) << name;
    return x;
  }
};
std::string text_of(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& l : lines) out += l + "\n";
  return out;
}

TEST(DiversityProgram, TableOfThreeFitsAHundredColumns) {
  Diversity d;
  std::string files;
  for (uint32_t i = 1; i <= 3; ++i)
    files += d.write("corpus" + std::to_string(i), text_of(random_lines(90, 14, 60, i))) + " ";
  d.run(files + "--reference " + d.file("corpus1") + " --train " + d.file("corpus2") + " --measures all");
  ASSERT_EQ(d.status, 0) << d.err;
  std::istringstream lines(d.out);
  for (std::string line; std::getline(lines, line);) {
    if (line[0] != '#' && line.find(d.scratch.path) == std::string::npos) {
      EXPECT_LE(line.size(), 100u) << line;
    }
  }
  for (const char* part : {"mtld", "attested_types", "mauve_words", "novelty_3",
                           "no p: the paired test compares exactly two files, 3 given"})
    EXPECT_NE(d.out.find(part), std::string::npos) << part;
}
// Without the lines around it a table must say itself which system a column is of.
TEST(DiversityProgram, TablesForOthersNameTheSystems) {
  Diversity d;
  const std::string a = d.write("x_y.txt", "one two three four\n"), b = d.write("z.txt", "one one one one\n");
  d.run(a + " " + b + " --format csv --measures types");
  ASSERT_EQ(d.status, 0) << d.err;
  EXPECT_EQ(d.out.find("measure," + a + "," + b + "," + a + " - " + b + ",p\ntypes,4,1,3,"), 0u) << d.out;
  d.run(a + " " + b + " --format latex --measures types");
  EXPECT_NE(d.out.find("x\\_y.txt & "), std::string::npos) << d.out;
  EXPECT_EQ(d.out.find('#'), std::string::npos) << d.out;
  d.run(a + " " + b + " " + a + " --format md --measures types");
  EXPECT_NE(d.out.find("x\\_y.txt | "), std::string::npos) << d.out;
}
TEST(DiversityProgram, JsonHoldsTheNumbersOfTheLibrary) {
  Diversity d;
  const auto a = random_lines(60, 14, 60, 1), b = random_lines(60, 14, 70, 2);
  const std::string both = d.write("a", text_of(a)) + " " + d.write("b", text_of(b));
  d.run(both + " --json --permutations 50 --seed 4 --train " + d.file("b"));
  ASSERT_EQ(d.status, 0) << d.err;
  ComparedCorpora corpora;
  corpora.add(a), corpora.add(b);
  const std::vector<Measure> measures{find_measure("mtld", 1), find_measure("distinct_2", 1),
                                      find_measure("yule_k", 1)};
  const auto tests = permutation_test(corpora, 0, 1, measures, 50, random_swaps(4));
  const Json all = parse_json(d.out, "out");
  for (size_t m = 0; m < measures.size(); ++m) {
    const std::string& name = measures[m].name;
    EXPECT_DOUBLE_EQ(d.number(0, "measures", name.c_str()), tests[m].a);
    EXPECT_DOUBLE_EQ(d.number(1, "measures", name.c_str()), tests[m].b);
    double p = 0;
    ASSERT_TRUE(all.find("difference")->find(name)->find("p")->number(p));
    EXPECT_DOUBLE_EQ(p, tests[m].p());
  }
  EXPECT_EQ(d.number(1, "train", "novelty_2"), 0);  // b against itself
  EXPECT_TRUE(all.find("difference")->find("self_bleu")->find("p")->is_null());
  EXPECT_FALSE(all.find("no_p"));
}
TEST(DiversityProgram, SaysWhyThereIsNoP) {
  Diversity d;
  const std::string a = d.write("a", "a b\nc d\n"), b = d.write("b", "a b\n");
  d.run(a + " " + b);
  EXPECT_NE(d.out.find("no p: the paired test needs files aligned line by line; " + a + " has 2 lines, " + b +
                       " has 1"),
            std::string::npos)
      << d.out;
  d.run(a + " " + a + " --permutations 0");
  EXPECT_NE(d.out.find("no p: --permutations 0"), std::string::npos);
  d.run(a);
  EXPECT_NE(d.out.find("no p: the paired test compares exactly two files, 1 given"), std::string::npos);
}
// Javanese has neither blanks nor a dictionary of ICU's: a whole clause is one word.
TEST(DiversityProgram, SaysWhereWordsAreNone) {
  Diversity d;
  std::string clause;
  for (int i = 0; i < 5; ++i) clause += "\uA9B2\uA98F\uA9B1\uA9AB\uA997\uA9AE";
  d.run(d.write("jv", clause + "\n" + clause + clause + "\n") + " " +
        d.write("en", "two words\nand three more\n") + " --measures ttr");
  EXPECT_EQ(d.status, 0) << d.err;
  EXPECT_NE(d.out.find("jv: its words have 45 letters on average"), std::string::npos) << d.out;
  EXPECT_EQ(d.out.find("en: its words"), std::string::npos) << d.out;
}
TEST(DiversityProgram, ReadsGzipColumnsAndStandardInput) {
  Diversity d;
  d.write("plain", "one two two\nthree\n"), d.write("pairs", "x\tone two two\ny\tthree\tmore\n");
  gzFile gz = gzopen(d.file("packed").c_str(), "wb");
  gzputs(gz, "one two two\nthree\n"), gzclose(gz);
  d.run(d.file("plain") + " --measures 'tokens, ttr entropy_bits' --json");
  const double wanted = d.number(0, "measures", "ttr");
  EXPECT_DOUBLE_EQ(wanted, .75);
  for (const std::string& words : {d.file("packed"), std::string("-"), d.file("pairs") + ":2"}) {
    d.run(words + " --measures tokens,ttr,entropy_bits --json <" + d.file("plain"));
    ASSERT_EQ(d.status, 0) << d.err;
    EXPECT_DOUBLE_EQ(d.number(0, "measures", "ttr"), wanted) << words;
    EXPECT_DOUBLE_EQ(d.number(0, "measures", "entropy_bits"), 1.5) << words;
  }
  d.run(d.file("pairs") + ":3");
  d.expect_refusal("pairs:3: line 1 has no such column");
}
TEST(DiversityProgram, BadInput) {
  Diversity d;
  d.run(d.write("alone", "a b\n") + " --seed 3");
  d.expect_refusal("--seed needs two files");
  d.run(d.file("alone") + " --permutations 99");
  d.expect_refusal("--permutations needs two files");
  d.run(d.file("alone") + " " + d.file("alone") + " --permutations 0 --seed 3");
  d.expect_refusal("--seed needs --permutations above 0");
  const std::string good = d.write("good", "a b c\n"), empty = d.write("empty", ""),
                    bad = d.write("bad", "ab\nc\xFF\x64\n");
  d.run(d.file("none"));
  d.expect_refusal("none: cannot open");
  d.run(empty);
  d.expect_refusal("empty: no line in it");
  d.run("- --reference - <" + good);
  d.expect_refusal("standard input (-) can be read only once");
  d.run("-");
  d.expect_refusal("standard input: no line in it");
  d.run(good + " --reference " + empty);
  d.expect_refusal("empty: no line in it");
  d.run(good + " --train " + empty);
  d.expect_refusal("empty: no line in it");
  d.run(bad);
  d.expect_refusal("bad: line 2, byte 5");
  d.run(good + " --train " + bad);
  d.expect_refusal("bad: line 2, byte 5");
  d.run("");
  d.expect_refusal("no file given");
  d.run(good + " --measures ttr,mtdl");
  d.expect_refusal("no measure \"mtdl\"; did you mean \"mtld\"?");
  d.run(good + " --measures ,");
  d.expect_refusal("no measure is named");
  d.run(good + " --measures distinct_7");
  d.expect_refusal("the number after distinct is from 1 to 4");
  d.run(good + " --measures attested_types");
  d.expect_refusal("needs --reference");
  d.run("--explain mtdl");
  d.expect_refusal("did you mean \"mtld\"?");
  for (const char* name : {"length_median", "lines_without_word", "coverage_ref_freq_3_5", "lfp_rest",
                           "novelty_2", "longest_copy_in_line", "frontier_integral", "expected_types_77"}) {
    d.run(std::string("--explain ") + name);
    EXPECT_NE(d.out.find("Source: "), std::string::npos) << name << d.err;
  }
  d.run("--explain mattr_50");
  EXPECT_NE(d.out.find("Covington and McFall"), std::string::npos);
}
TEST(DiversityProgram, UndefinedIsShownSo) {
  Diversity d;
  const std::string blank = d.write("blank", "\n\n"), one = d.write("one", "word\n\n");
  for (const std::string& files : {blank + " " + one, blank + " " + blank, one, one + " " + one}) {
    d.run(files + " --measures all --reference " + one + " --train " + blank);
    ASSERT_EQ(d.status, 0) << d.err;
    EXPECT_NE(d.out.find("undefined"), std::string::npos);
    EXPECT_EQ(d.out.find("nan"), std::string::npos) << d.out;
    d.run(files + " --json");
    EXPECT_TRUE(std::isnan(d.number(0, "measures", "mtld")));
    EXPECT_EQ(d.number(0, "lines", "lines"), 2);
  }
}
// 1,200 words, each once, in turn of the reference and of the text: of the 499 that have a bin, 250 are the
// reference's, in whatever order they were read.
TEST(DiversityProgram, TheOrderOfReadingDoesNotChangeTheBins) {
  Diversity d;
  std::vector<std::string> reference, text;
  for (int i = 10'000; i < 11'200; ++i) (i % 2 == 0 ? reference : text).push_back("w" + std::to_string(i));
  const std::string last = " --json --measures types --reference " + d.write("reference", text_of(reference)),
                    forwards = d.write("forwards", text_of(text));
  std::reverse(text.begin(), text.end());
  const std::string backwards = d.write("backwards", text_of(text));
  const double p = 350. / 600, q = 351. / 600;  // of the words without a bin
  const double integral = 499. / 600 / 2 + (p + q) / 2 - p * q * (std::log(p) - std::log(q)) / (p - q);
  d.run(forwards + last);
  const double mauve = d.number(0, "reference", "mauve_words");
  EXPECT_NEAR(d.number(0, "reference", "frontier_integral"), integral, 1e-12);
  d.run(backwards + " " + forwards + last);
  for (const size_t file : {0, 1}) {
    EXPECT_EQ(d.number(file, "reference", "mauve_words"), mauve);
    EXPECT_NEAR(d.number(file, "reference", "frontier_integral"), integral, 1e-12);
  }
}
// A corpus and a copy of it: every permutation is a tie.
TEST(DiversityProgram, EqualCorporaHaveP1) {
  Diversity d;
  const std::string text = text_of(random_lines(40, 14, 60, 1));
  d.run(d.write("a", text) + " " + d.write("copy", text) +
        " --json --permutations 99 --measures mtld,ttr,tokens");
  const Json all = parse_json(d.out, "out");
  for (const char* name : {"mtld", "ttr", "tokens"}) {
    double p = 0;
    ASSERT_TRUE(all.find("difference")->find(name)->find("p")->number(p)) << name;
    EXPECT_EQ(p, 1) << name;
  }
}
// Longer n-grams than the measures ask for are never numbered. For 1.2 MB, of which only words are counted,
// the extra memory stays below 8 bytes per byte (with all n-grams it was 19).
TEST(DiversityProgram, MemoryOfWhatIsAskedAlone) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer's memory is its own";
  Program p;
  p.write("large", text_of(random_lines(20000, 14, 5000, 1))), p.write("small", "one line\n");
  const auto kilobytes = [&](const std::string& file, const char* measures) {
    int status = 0;
    rusage used{};
    wait4(p.start({"diversity", p.file(file), "--measures", measures}), &status, 0, &used);
    EXPECT_EQ(status, 0) << slurp(p.file("err"));
    return used.ru_maxrss;
  };
  const auto bytes = static_cast<int64_t>(std::filesystem::file_size(p.file("large")));
  for (const char* measures : {"types,mtld", "distinct_4"})
    EXPECT_LE(1024 * (kilobytes("large", measures) - kilobytes("small", measures)), 8 * bytes) << measures;
}
// Each word once: vocd's curve never flattens.
TEST(DiversityProgram, InfinityIsATextInJson) {
  Diversity d;
  std::string unique;
  for (char a = 'a'; a <= 'j'; ++a)
    for (char b = 'a'; b <= 'j'; ++b) unique += std::string("word") + a + b + " ";
  d.write("unique", unique + "\n");
  d.run(d.file("unique") + " --measures vocd_exact,mtld --json");
  const Json all = parse_json(d.out, "out");
  const Json* value = (*all.find("files")->array())[0].find("measures")->find("vocd_exact");
  ASSERT_TRUE(value && value->text()) << d.out;
  EXPECT_EQ(*value->text(), "inf");
  d.run("--help");
  EXPECT_NE(d.out.find("undefined is null"), std::string::npos) << d.out;
}
// The smallest corpus, unless lines are swapped: then the shorter line of each pair. And why there is none.
TEST(DiversityProgram, WhatTypesAreExpectedOf) {
  Diversity d;
  const std::string a = d.write("a", "a b c d\ne\n"), b = d.write("b", "a\nb c d e f\n"),
                    c = d.write("c", "a b\n");
  const auto rarefied = [&](const std::string& words) {
    d.run(words + " --json --measures expected_types");
    const Json all = parse_json(d.out, "out");
    int64_t n = 0;
    EXPECT_TRUE(all.find("rarefied_to")->whole(n));
    return n;
  };
  EXPECT_EQ(rarefied(a + " " + b), 1 + 1);
  EXPECT_EQ(rarefied(a + " " + b + " --permutations 0"), 5);
  EXPECT_EQ(rarefied(a + " " + c), 2);
  EXPECT_EQ(rarefied(a + " --tokens 6"), 6);
  d.run(a + " " + c + " --tokens 6 --measures expected_types");
  EXPECT_NE(d.out.find("expected_types_6: undefined for " + a + ", which has 5 tokens"), std::string::npos)
      << d.out;
}
// By hand: both texts repeat no word, or both of their swaps do: two of two are as far.
TEST(DiversityProgram, AnInfiniteDifferenceIsNotImpossible) {
  Diversity d;
  std::string unique, same;
  for (int i = 0; i < 60; ++i) {
    unique += "word" + std::to_string(i) + " ";
    same += i < 10 ? "word " : "word" + std::to_string(i) + " ";
  }
  d.run(d.write("a", unique + "\n") + " " + d.write("b", same + "\n") + " --json --measures vocd_exact,mtld");
  const Json all = parse_json(d.out, "out"), &difference = *all.find("difference");
  double p = 0;
  ASSERT_TRUE(difference.find("vocd_exact")->find("p")->number(p)) << d.out;
  EXPECT_EQ(p, 1);
}
TEST(DiversityProgram, HowManySwapsLeaveItUndefined) {
  Diversity d;  // MTLD is undefined where no word repeats: on one side of two of the four swaps
  std::string some, others;
  for (int i = 0; i < 12; ++i)
    some += "some" + std::to_string(i) + " ", others += "other" + std::to_string(i) + " ";
  const std::string twice = some + "\n" + some + "\n", mixed = others + "\n" + others + "\n";
  d.run(d.write("a", twice) + " " + d.write("b", mixed) + " --measures mtld");
  EXPECT_NE(d.out.find("mtld: no p, undefined in 2 of 4 swaps"), std::string::npos) << d.out;
}
TEST(DiversityProgram, OddLines) {
  Diversity d;
  d.write("odd",
          "\xEF\xBB\xBFone\xE2\x80\xA8two\xC2\x85three\n\nfour\x1C"
          "five\r\n");  // BOM, U+2028, NEL, FS
  d.run(d.file("odd") + " --json");
  EXPECT_EQ(d.number(0, "lines", "lines"), 3);
  EXPECT_EQ(d.number(0, "lines", "lines_without_word"), 1);
  EXPECT_EQ(d.number(0, "measures", "tokens"), 5);
  std::string million;  // characters, and more than a megabyte
  for (int i = 0; i < 200'000; ++i) million += "\xC3\xA4" + std::to_string(1000 + i % 997) + " ";
  d.write("million", million +
                         "\n\xC3\xA4"
                         "1000\n");
  d.run(d.file("million") + " --json --measures tokens,types,mtld,self_bleu,homogenization_rougeL --train " +
        d.file("odd"));
  ASSERT_EQ(d.status, 0) << d.err;
  EXPECT_EQ(d.number(0, "measures", "tokens"), 200'001);
  EXPECT_EQ(d.number(0, "measures", "types"), 997);
  EXPECT_DOUBLE_EQ(d.number(0, "measures", "homogenization_rougeL"), 2. / 200'001);
}
TEST(DiversityProgram, SameForAnyThreadsAndLocale) {
  Diversity d;
  const std::string files = d.write("a", text_of(random_lines(400, 14, 200, 1))) + " " +
                            d.write("b", text_of(random_lines(400, 14, 220, 2)));
  const std::string words = files + " --json --measures all --permutations 60 --reference " + d.file("a") +
                            " --train " + d.file("b");
  d.run(words);
  ASSERT_EQ(d.status, 0) << d.err;
  const std::string first = d.out;
  cpu_set_t all, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
  CPU_ZERO(&one);
  for (int cpu = 0; CPU_COUNT(&one) == 0; ++cpu)
    if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);  // the program's, too
  d.run(words);
  ASSERT_EQ(sched_setaffinity(0, sizeof all, &all), 0);
  EXPECT_EQ(d.out, first);
  const Turkish turkish;
  if (!turkish) GTEST_SKIP() << Turkish::kMissing;
  d.run(words);
  EXPECT_EQ(d.out, first);
}
}  // namespace
}  // namespace rum::diversity_program_test
