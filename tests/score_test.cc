// `ruminate score` as a user meets it: tables, JSON, columns, compressed files, and how it refuses bad input.
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "golden/cases.h"
#include "metrics/bleu.h"
#include "tests/program.h"
#include "tests/sanitizer.h"
#include "text/json.h"

namespace rum::score_test {
namespace {
struct Score : Program {
  Ran run(const std::string& flags, const std::string& before = "") const {
    return shell(before + program_path() + " score " + flags);
  }
  std::string base() const {
    write("hyp", "The mill stands by the river.\nRain again!\n\nNobody came on Monday, 3.5 miles away.\n");
    write("other", "A mill is at a river.\nIt rains\nx\nNobody came, on Monday\n");
    write("ref",
          "The mill is standing by the river.\nIt rains again.\n\nNobody came on Monday, 3.5 miles off.\n");
    return "--hyp " + file("hyp") + " --ref " + file("ref");
  }
  void refused(const std::string& flags, const std::string& part) const {
    const Ran r = run(flags);
    expect_refusal(r, part);
    EXPECT_EQ(r.out, "");
  }
};
double at(const Json& all, size_t metric, size_t system, const char* key) {
  return golden::number(golden::at(
      (*golden::at((*golden::at(all, "metrics").array())[metric], "systems").array())[system], key));
}

TEST(Score, TextAndJsonSayTheSame) {
  Score s;
  const std::string flags = s.base() + " --metrics bleu,chrf 'chrf++, ter'";
  const Ran text = s.run(flags + " --width 4"), json = s.run(flags + " --json");
  ASSERT_EQ(text.status, 0) << text.err;
  ASSERT_EQ(json.status, 0) << json.err;
  const Json all = parse_json(json.out, "json");
  const char* names[] = {"BLEU", "chrF2", "chrF2++", "TER"};
  std::istringstream lines(text.out);
  std::string line;
  for (size_t m = 0; m < 4; ++m) {
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_EQ(line.rfind(std::string(names[m]) + "|nrefs:1|case:", 0), 0u) << line;
    char expected[64];
    std::snprintf(expected, sizeof expected, " = %.4f", at(all, m, 0, "score"));
    EXPECT_NE(line.find(expected), std::string::npos) << line << expected;
  }
  EXPECT_FALSE(std::getline(lines, line));
}
TEST(Score, OptionsReachTheirMetric) {
  Score s;
  const std::string base = s.base();
  const auto signature = [&](const std::string& flags) {
    return s.run(base + " --metrics bleu,chrf,ter " + flags).out;
  };
  for (const auto& [flag, part] : {std::pair<std::string, std::string>{"--tokenize intl", "tok:intl"},
                                   {"--smooth-method floor --smooth-value 0.02", "smooth:floor[0.02]"},
                                   {"--lowercase", "BLEU|nrefs:1|case:lc"},
                                   {"--effective-order", "eff:yes|tok"},
                                   {"--max-ngram-order 2", "(BP"},
                                   {"--chrf-char-order 3", "nc:3"},
                                   {"--chrf-word-order 1", "nw:1"},
                                   {"--chrf-beta 3", "chrF3|"},
                                   {"--chrf-lowercase", "chrF2|nrefs:1|case:lc"},
                                   {"--chrf-whitespace", "space:yes"},
                                   {"--chrf-eps-smoothing", "eff:no|nc"},
                                   {"--ter-case-sensitive", "TER|nrefs:1|case:mixed"},
                                   {"--ter-normalized", "norm:yes"},
                                   {"--ter-no-punct", "punct:no"},
                                   {"--ter-asian-support", "asian:yes"},
                                   {"--metrics BLEU", "BLEU|nrefs:1|case:mixed|eff:no"},
                                   {"--confidence --seed 3 --confidence-n 50", "bs:50|seed:3|"}})
    EXPECT_NE(signature(flag).find(part), std::string::npos) << flag << "\n" << signature(flag);
}
TEST(Score, SystemsSentencesSignificance) {
  Score s;
  const std::string flags = "--hyp " + (s.base(), s.file("hyp")) + " " + s.file("other") + " --ref " +
                            s.file("ref") + " --metrics bleu ter",
                    tests = flags + " --significance --paired-bs-n 99 --paired-ar-n 99";
  const Ran json = s.run(tests + " --sentence-level --json");
  ASSERT_EQ(json.status, 0) << json.err;
  const Json all = parse_json(json.out, "json");
  for (size_t m = 0; m < 2; ++m)
    for (const char* key : {"p_bootstrap", "p_randomisation"}) {
      EXPECT_GE(at(all, m, 1, key), 0.01);
      EXPECT_LE(at(all, m, 1, key), 1);
    }
  EXPECT_EQ(s.run(tests + " --sentence-level --json").out, json.out);  // the same seed
  const std::string table = s.run(tests).out;
  EXPECT_NE(table.find("baseline"), std::string::npos) << table;
  EXPECT_NE(table.find("p randomisation"), std::string::npos) << table;
  EXPECT_NE(table.find("bs:99|ar:99|seed:12345"), std::string::npos) << table;
  EXPECT_EQ(s.run(flags + " --paired-bs --paired-bs-n 99").out.find("p randomisation"), std::string::npos);
  EXPECT_EQ(s.run(flags + " --paired-ar --paired-ar-n 99").out.find("p bootstrap"), std::string::npos);
  const std::string sentences = s.run(flags + " --sentence-level").out;
  EXPECT_EQ(std::count(sentences.begin(), sentences.end(), '\n'), 1 + 4 * 2) << sentences;
  EXPECT_EQ(sentences.rfind("line\tsystem\tBLEU\tTER\n", 0), 0u) << sentences;
  EXPECT_NE(sentences.find("\n3\t" + s.file("hyp") + "\t0.0\t0.0\n"), std::string::npos)
      << sentences;  // empty lines
  s.refused(s.base() + " --significance", "a paired test needs a baseline and another system");
}
TEST(Score, TiesCount) {
  Score s;
  std::string base, three, ref;
  for (int i = 0; i < 30; ++i) {
    const std::string line = "line " + std::to_string(i) + " says what it says";
    ref += line + "\n", base += line + "\n";
    three += (i % 10 == 0 ? "no" : line) + "\n";
  }
  s.write("base", base), s.write("same", base), s.write("three", three), s.write("ref", ref);
  const std::string to = " --ref " + s.file("ref") + " --metrics bleu,chrf,ter --significance ";
  const std::string same = "--hyp " + s.file("base") + " " + s.file("same") + to,
                    few = "--hyp " + s.file("base") + " " + s.file("three") + to;
  const Json equal = parse_json(s.run(same + "--json").out, "equal"),
             exact = parse_json(s.run(few + "--json").out, "exact"),
             old = parse_json(s.run(few + "--json --p-rule sacrebleu --paired-ar-n 99").out, "old");
  for (size_t m = 0; m < 3; ++m) {
    EXPECT_EQ(at(equal, m, 1, "p_bootstrap"), 1);
    EXPECT_EQ(at(equal, m, 1, "p_randomisation"), 1);
    EXPECT_EQ(at(exact, m, 1, "p_randomisation"), .25);  // 2 of 8 swaps are as extreme
    EXPECT_GT(at(exact, m, 1, "p_bootstrap"), .04);      // none of the three is drawn: (27/30)^30
    EXPECT_EQ(at(old, m, 1, "p_randomisation"), .01);    // ties do not count
  }
  const std::string table = s.run(few).out;
  EXPECT_NE(table.find("differ in 3 of 30 lines: p randomisation is exact, of 8 swaps"), std::string::npos)
      << table;
  EXPECT_NE(s.run(same).out.find("do not differ in any line"), std::string::npos);
  EXPECT_NE(s.run("--explain paired-ar").out.find("--p-rule sacrebleu"), std::string::npos);
  EXPECT_NE(s.run("--explain paired-bs").out.find("ties do not count"), std::string::npos);
}
TEST(Score, TooFewLinesForABootstrap) {
  Score s;
  s.write("one", "a b c d e\n"), s.write("other", "a b c d x\n"), s.write("ref", "a b c d e f\n");
  const std::string flags =
      "--hyp " + s.file("one") + " " + s.file("other") + " --ref " + s.file("ref") + " --significance";
  const Ran table = s.run(flags);
  EXPECT_NE(table.out.find("too few lines          1.0000"), std::string::npos) << table.out;
  EXPECT_EQ(table.out.find('*'), table.out.find("* below 0.05")) << table.out;
  const Json all = parse_json(s.run(flags + " --json").out, "json");
  const Json& system = (*golden::at((*golden::at(all, "metrics").array())[0], "systems").array())[1];
  EXPECT_TRUE(golden::at(system, "p_bootstrap").is_null());
  s.write("one", "a b\nc d\n"), s.write("other", "a b\nc x\n"), s.write("ref", "a b\nc d\n");
  const Ran two = s.run(flags);  // p is .001, of which a star would say too much
  EXPECT_NE(two.out.find("with 2 lines, fewer than 25"), std::string::npos);
  EXPECT_EQ(two.out.find('*'), two.out.find("* below 0.05")) << two.out;
  EXPECT_NE(golden::at(parse_json(s.run(flags + " --json").out, "json"), "note").text()->find("with 2 lines"),
            std::string::npos);
  for (const char* format : {"csv", "md", "latex"})
    EXPECT_NE(s.run(flags + " --format " + format).err.find("with 2 lines, fewer than 25"),
              std::string::npos);
}
TEST(Score, AnIntervalOfFewLinesIsSaidToBeOne) {
  Score s;
  s.write("one", "a b c d e\n"), s.write("ref", "a b c d e f\n");
  const std::string flags = "--hyp " + s.file("one") + " --ref " + s.file("ref") + " --confidence";
  const Ran one = s.run(flags);
  EXPECT_EQ(one.out.find("±"), std::string::npos) << one.out;
  EXPECT_NE(one.err.find("one line cannot vary by resampling"), std::string::npos) << one.err;
  const Json all = parse_json(s.run(flags + " --json").out, "json");
  EXPECT_TRUE(golden::at((*golden::at((*golden::at(all, "metrics").array())[0], "systems").array())[0],
                         "confidence_half_width")
                  .is_null());
  s.write("one", "a b\nc d\n"), s.write("ref", "a b\nc d\n");
  EXPECT_NE(s.run(flags).err.find("with 2 lines, fewer than 25, its intervals are too narrow"),
            std::string::npos);
}
TEST(Score, ScriptsWithoutBlanksAreNotTakenForWords) {
  Score s;
  const std::string texts[] = {"私は昨日映画を見ました。\n彼は東京に行きました。\n",
                               "ฉันกินข้าวที่บ้าน\nเขาไปโรงเรียนทุกวัน\n"};
  for (const std::string& text : texts) {
    const std::string flags = "--hyp " + s.write("h", text) + " --ref " + s.write("r", text) + " -m bleu,ter";
    const Ran words = s.run(flags);
    EXPECT_NE(words.err.find("BLEU takes each sentence for a word by --tokenize 13a: char"),
              std::string::npos);
    EXPECT_NE(words.err.find("TER takes each sentence for a word"), std::string::npos) << words.err;
    const Json json = parse_json(s.run(flags + " --json").out, "json");
    EXPECT_NE(golden::at(json, "note").text()->find("a script without spaces"), std::string::npos);
    EXPECT_NE(s.run(flags + " --tokenize char").out.find(" = 100.0 "), std::string::npos);
  }
  const std::vector<std::string> japanese{"私は昨日映画を見ました。", "彼は東京に行きました。", "It rains."},
      parted{"私 は 昨日 映画 を 見 まし た 。", "彼 は 東京 に 行き まし た 。"},
      english{"The sign says 出口.", "It rains.", "It is cold."};
  EXPECT_EQ(metrics::fitting_tokenizer(japanese), "char");
  EXPECT_EQ(metrics::fitting_tokenizer(parted), "13a");
  EXPECT_EQ(metrics::fitting_tokenizer(english), "13a");
  EXPECT_EQ(metrics::fitting_tokenizer({}), "13a");
}
// Every cell of a CSV but the names is a number or empty.
TEST(Score, CellsOfACsvAreNumbers) {
  Score s;
  std::string good, bad;
  for (int i = 0; i < 30; ++i) {
    const std::string line = "line " + std::to_string(i) + " says what it says\n";
    good += line, bad += i % 2 ? line : "no\n";
  }
  s.write("good", good), s.write("bad", bad);
  const Ran r = s.run("--hyp " + s.file("good") + " " + s.file("bad") + " --ref " + s.file("good") +
                      " --significance --paired-bs-n 99 --paired-ar-n 99 --format csv");
  std::istringstream lines(r.out);
  std::string line, cell;
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(line, "system,BLEU,mean,± 95 %,p bootstrap,p randomisation");
  int numbers = 0;
  while (std::getline(lines, line)) {
    std::istringstream cells(line);
    for (std::getline(cells, cell, ','); std::getline(cells, cell, ',');) {
      size_t read = 0;
      if (!cell.empty()) std::stod(cell, &read), ++numbers;
      EXPECT_EQ(read, cell.size()) << line;
    }
  }
  EXPECT_EQ(numbers, 3 + 5) << r.out;
}
TEST(Score, FlagsThatWouldChangeNothingAreRefused) {
  Score s;
  const std::string base = s.base();
  s.refused(base + " -m chrf++ --chrf-word-order 5", "--chrf-word-order needs the metric chrf; chrf++ is");
  const std::pair<const char*, const char*> needs[] = {
      {"--confidence-n 50", "--confidence"},
      {"--paired-bs-n 50", "--paired-bs or --significance"},
      {"--paired-ar-n 50", "--paired-ar or --significance"},
      {"--seed 3", "--confidence, --paired-bs"},
      {"--p-rule sacrebleu", "--paired-bs, --paired-ar or --significance"},
      {"--smooth-value 0.5", "--smooth-method floor or add-k"},
      {"--chrf-beta 3", "the metric chrf or chrf++"},
      {"--ter-normalized", "the metric ter"},
      {"-m chrf --lowercase", "the metric bleu"},
      {"--json --width 3", "a table"}};
  for (const auto& [flags, what] : needs) {
    const std::string f = flags, flag = f.substr(f.rfind("--"), f.find(' ', f.rfind("--")) - f.rfind("--"));
    s.refused(base + " " + f, flag + " needs " + what);
  }
  s.refused(base + " --sentence-level --confidence", "without intervals or tests");
  const std::string two = base + " --hyp " + s.file("other");
  s.refused(two + " --sentence-level --significance", "without intervals or tests");
  s.refused(two + " --confidence --confidence-n 50 --paired-bs", "give --paired-bs-n");
}
TEST(Score, TheSameFileTwice) {
  Score s;
  const std::string base = s.base(), ref = " --ref " + s.file("ref"), hyp = s.file("hyp");
  ASSERT_EQ(symlink(hyp.c_str(), s.file("link").c_str()), 0);
  s.refused("--hyp " + hyp + " " + hyp + ref, "are the same file");
  s.refused("--hyp " + hyp + " " + s.file("other") + " " + s.file("link") + ref, "are the same file");
  s.refused("--hyp - --ref - <" + s.file("ref"), "standard input (-) can be read only once");
  EXPECT_EQ(s.run("--hyp " + s.file("ref") + ref).status, 0);  // the reference itself: BLEU 100
}
TEST(Score, ColumnsCompressedAndStandardInput) {
  Score s;
  const Ran plain = s.run(s.base());
  std::ifstream hyp(s.file("hyp")), ref(s.file("ref"));
  std::string tsv, h, r;
  while (std::getline(hyp, h) && std::getline(ref, r)) tsv += "id\t" + h + "\t" + r + "\n";
  s.write("both.tsv", tsv);
  EXPECT_EQ(s.run("--hyp " + s.file("both.tsv:2") + " --ref " + s.file("both.tsv:3")).out, plain.out);
  gzFile gz = gzopen(s.file("ref.gz").c_str(), "wb");
  const std::string text = slurp(s.file("ref"));
  gzwrite(gz, text.data(), static_cast<unsigned>(text.size())), gzclose(gz);
  EXPECT_EQ(s.run("--hyp " + s.file("hyp") + " --ref " + s.file("ref.gz")).out, plain.out);
  EXPECT_EQ(s.run("--hyp - --ref " + s.file("ref"), "cat " + s.file("hyp") + " | ").out, plain.out);
  s.write("refs.tsv", "the cat\ta cat\nno other\n"), s.write("two", "the cat\nno other\n");
  const Ran some =
      s.run("--hyp " + s.file("two") + " --ref " + s.file("refs.tsv:1") + " " + s.file("refs.tsv:2"));
  EXPECT_EQ(some.out.rfind("BLEU|nrefs:var|", 0), 0u) << some.out << some.err;
  s.refused("--hyp " + s.file("refs.tsv:2") + " --ref " + s.file("two"),
            "refs.tsv:2: line 2 has no such column");
}
TEST(Score, AForgottenColumnIsSaid) {
  Score s;
  s.write("pairs.tsv", "das Haus\tthe house\nja\nder Hund\tthe dog\n"),
      s.write("ref", "the house\nja\nthe dog\n");
  const Ran r = s.run("--hyp " + s.file("pairs.tsv") + " --ref " + s.file("ref"));
  EXPECT_EQ(r.status, 0) << r.err;
  EXPECT_EQ(r.err, s.file("pairs.tsv") + ": 2 of 3 lines have a tab, and all of their columns count; " +
                       s.file("pairs.tsv") + ":2 is the second column\n");
  s.write("two.tsv", "das Haus\tthe house\nder Hund\tthe dog\n"), s.write("two", "the house\nthe dog\n");
  EXPECT_EQ(s.run("--hyp " + s.file("two.tsv") + ":2 --ref " + s.file("two")).err, "");
}
// Where every swap is counted, none is drawn: ten million trials take neither time nor memory.
TEST(Score, AnExactTestDrawsNothing) {
  Score s;
  std::string good, bad;
  for (int i = 0; i < 100; ++i) {
    const std::string line = "line " + std::to_string(i) + " says what it says\n";
    good += line, bad += i < 3 ? "no\n" : line;
  }
  s.write("good", good), s.write("bad", bad);
  const Ran r = s.run("--hyp " + s.file("good") + " " + s.file("bad") + " --ref " + s.file("good") +
                          " --paired-ar --paired-ar-n 10000000 --json",
                      kSanitized ? "" : "ulimit -v 2000000; ");
  ASSERT_EQ(r.status, 0) << r.err;
  EXPECT_EQ(at(parse_json(r.out, "json"), 0, 1, "p_randomisation"), .25);  // 2 of 8 swaps are as extreme
}
TEST(Score, BadInputGetsOneSentence) {
  Score s;
  const std::string base = s.base(), ref = " --ref " + s.file("ref");
  s.write("short", "a\nb\n"), s.write("empty", ""), s.write("latin", "fine\nna\xefve\n\n\n");
  s.refused("--hyp " + s.file("hyp") + " --ref " + s.file("short"), "short has 2 lines, ");
  s.refused("--hyp " + s.file("hyp") + " --ref " + s.file("short"), "hyp has 4; expected the same number");
  s.refused("--hyp " + s.file("hyp") + " " + s.file("short") + ref, "short has 2 lines");
  s.refused("--hyp " + s.file("empty") + ref, "empty: no line in it");
  s.refused("--hyp " + s.file("latin") + ref,
            "latin: line 2, byte 8 (byte 3 of the line): 0xEF is not UTF-8");
  s.refused("--hyp " + s.file("none") + ref, "none: cannot open");
  s.refused(base + " --metrics blue", "did you mean \"bleu\"?");
  s.refused(base + " --metrics ,", "--metrics: no metric is named");
  s.refused(base + " --smooth-method floor --smooth-value -0.5",
            "--smooth-value -0.5: expected a number of at least 0");
  EXPECT_NE(s.run(base + " --confidence --confidence-n 39").err.find("expected a whole number from 40 to"),
            std::string::npos);
  s.refused(base + " --tokenize 13", "did you mean \"13a\"?");
  s.refused(base + " --smooth-method add", "there is no \"add\"");
  s.refused(ref, "expected --hyp FILE and --ref FILE");
  s.refused("--explain blue", "did you mean \"bleu\"?");
  EXPECT_EQ(s.run(base + " --chrf-bta 2").status, 2);
  EXPECT_NE(s.run("--explain mattr_50").out.find("Covington"), std::string::npos);
  EXPECT_NE(s.run("--explain ter").out.find("Snover et al. 2006"), std::string::npos);
  EXPECT_NE(s.run("--explain paired-bs").out.find("mean d*"), std::string::npos);
}
// U+2028, U+0085 and a mark U+FEFF are characters of a line; only LF ends one.
TEST(Score, OnlyLineFeedEndsALine) {
  Score s;
  s.write("hyp",
          "\ufeff"
          "a b\nc\u2028d\u0085e\x0b"
          "f\n"),
      s.write("ref", "a b\nc d e f\n");
  const Ran r = s.run("--hyp " + s.file("hyp") + " --ref " + s.file("ref") + " --tokenize none");
  EXPECT_NE(r.out.find("hyp_len = 6 ref_len = 6"), std::string::npos) << r.out << r.err;
  EXPECT_NE(r.out.find(" 100.0/"), std::string::npos) << r.out;  // the mark is no part of the first word
  EXPECT_NE(r.err.find("hyp: the byte-order mark at its start is not text"), std::string::npos) << r.err;
}
TEST(Score, LinesThatAreNotNfcCountAsTheyStandWithAWarning) {
  Score s;
  s.write("hyp", "Das Cafe\u0301 ist gut\nja\n"), s.write("ref", "Das Caf\u00E9 ist gut\nja\n");
  const Ran r = s.run("--hyp " + s.file("hyp") + " --ref " + s.file("ref"));
  EXPECT_NE(r.out.find(" 80.0/"), std::string::npos) << r.out;  // 4 words of 5, as sacreBLEU counts
  EXPECT_NE(r.err.find("hyp: 1 of 2 lines are not in Unicode's form NFC"), std::string::npos) << r.err;
}
TEST(Score, AClosedPipeIsNoCrash) {
  Score s;
  std::string many;
  for (int i = 0; i < 20000; ++i) many += "a line of words\n";
  s.write("hyp", many);
  const Ran r = s.run("--hyp " + s.file("hyp") + " --ref " + s.file("hyp") + " --sentence-level | head -n 1");
  EXPECT_EQ(r.out, "line\tBLEU\n");
  EXPECT_EQ(r.err, "");
}
}  // namespace
}  // namespace rum::score_test
