// `ruminate errors` as a user meets it.
#include <fmt/format.h>
#include <zlib.h>

#include <cmath>

#include "metrics/errors.h"
#include "tests/program.h"
#include "text/json.h"

namespace rum::errors_program_test {
using namespace metrics;
namespace {
struct ErrorsCommand : testing::Test {
  Program p;
  void SetUp() override {
    p.write("hyp", "Yesterday Eva had 1,000 cats\nthe the the end\n\nHund and gleep\n");
    p.write("other", "Yesterday Peter had 1.000 cats\nthe end\n\nthe dog and the bird\n");
    p.write("ref", "Yesterday Peter had 1.000 cats\nthe end\n\nthe dog and the bird\n");
    p.write("src", "Gestern hatte Peter 1.000 Katzen\ndas Ende\n\nder Hund und der Vogel\n");
    p.write("more", "gleep\n");
  }
  std::vector<std::string> words(std::vector<std::string> more = {}) const {
    std::vector<std::string> out = {"errors", "--hyp",       p.file("hyp"), p.file("other"),
                                    "--ref",  p.file("ref"), "--src",       p.file("src")};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
  Ran run(std::vector<std::string> more = {}, const std::string& in = "") const {
    return p.run(words(more), in);
  }
  // A file used under the name of another.
  Ran with(const std::string& name, const std::string& text, std::vector<std::string> more = {}) const {
    p.write(name, text);
    return run(more);
  }
};
double number(const Json& j, const char* group, const char* key) {
  double out = NAN;
  const Json* found = j.find(group)->find(key);
  EXPECT_NE(found, nullptr) << key;
  if (found != nullptr) found->number(out);
  return out;
}
std::vector<std::string> row(const std::string& table, const std::string& name) {
  std::istringstream lines(table);
  std::vector<std::string> out;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    if (words >> word && word == name)
      while (words >> word) out.push_back(word);
  }
  return out;
}

TEST_F(ErrorsCommand, TheSameTextInAnyFormAndWithAMarkIsTheSame) {
  const std::string nfd = "Das Cafe\u0301 ist scho\u0308n\nder Ka\u0308se ist gut\n";
  p.write("nfd", "\xEF\xBB\xBF" + nfd),
      p.write("nfc", "Das Caf\u00E9 ist sch\u00F6n\nder K\u00E4se ist gut\n");
  const Ran errors = p.run({"errors", "--hyp", p.file("nfd"), "--ref", p.file("nfc"), "--lang", "de"});
  EXPECT_EQ(row(errors.out, "ter"), (std::vector<std::string>{"0.00%", "0"})) << errors.out << errors.err;
  EXPECT_EQ(row(errors.out, "invented"), (std::vector<std::string>{"types", "0"})) << errors.out;
  for (const char* flag : {"--reference", "--train"}) {
    const Ran r = p.run({"diversity", p.file("nfd"), flag, p.file("nfc"), "--measures", "types"});
    EXPECT_EQ(r.status, 0) << r.err;
    const auto found = row(r.out, flag == std::string("--train") ? "novelty_1" : "oov_rate");
    EXPECT_EQ(found, std::vector<std::string>{"0"}) << r.out;
  }
}
TEST_F(ErrorsCommand, TableAndJsonAgree) {
  const Ran table = run(), json = run({"--json", "--worst", "2", "--by", "name_mismatch"});
  ASSERT_EQ(table.status, 0) << table.err;
  ASSERT_EQ(json.status, 0) << json.err;
  const Json j = parse_json(json.out, "json");
  const Json::Array& systems = *j.find("systems")->array();
  ASSERT_EQ(systems.size(), 2u);
  const Json& s = systems[0];
  // Eva for Peter; "the the" twice; hund copied, gleep invented; 6 + 4 + 0 + 3 words (1,000 is two).
  EXPECT_DOUBLE_EQ(number(s, "measures", "name_mismatch"), 1);
  EXPECT_DOUBLE_EQ(number(s, "measures", "number_mismatch"), 0);
  EXPECT_DOUBLE_EQ(number(s, "measures", "copied_words"), 1. / 13);
  EXPECT_DOUBLE_EQ(number(s, "measures", "invented_words"), 2. / 13);  // Eva too
  EXPECT_DOUBLE_EQ(number(s, "measures", "repeated_bigrams"), 2. / 10);
  EXPECT_DOUBLE_EQ(number(s, "measures", "length_ratio"), 13. / 13);
  EXPECT_DOUBLE_EQ(number(s, "counts", "repeated"), 2);
  EXPECT_TRUE(s.find("measures")->find("negation_mismatch")->is_null());  // undefined, not 0
  for (const ErrorMeasure& m : error_measures()) {
    const auto cells = row(table.out, m.name);
    ASSERT_GE(cells.size(), 2u) << m.name << "\n" << table.out;
    const double v = number(s, "measures", m.name);
    EXPECT_EQ(cells[0], std::isnan(v) ? "undefined"
                        : m.share     ? fmt::format("{:.2f}%", 100 * v)
                                      : fmt::format("{:.4f}", v))
        << m.name;
  }
  EXPECT_EQ(row(table.out, "name_mismatch"), (std::vector<std::string>{"100.00%", "2", "0.00%", "0"}));
  EXPECT_DOUBLE_EQ(number(systems[1], "measures", "ter"), 0);
  const Json::Array& worst = *s.find("worst")->array();
  ASSERT_EQ(worst.size(), 1u);  // names are nowhere else
  int64_t line = 0;
  EXPECT_TRUE(worst[0].find("line")->whole(line));
  EXPECT_EQ(line, 1);
  EXPECT_EQ(*worst[0].find("translation")->text(), "Yesterday Eva had 1,000 cats");
  EXPECT_EQ(*(*worst[0].find("words")->find("names_missing")->array())[0].text(), "Peter");
}
TEST_F(ErrorsCommand, WorstSentencesWithAndWithoutText) {
  const Ran shown = run({"--worst", "9"});
  ASSERT_EQ(shown.status, 0) << shown.err;
  for (const char* part : {"line 4: ter ", "  source       der Hund und der Vogel",
                           "  reference    the dog and the bird", "  translation  Hund and gleep",
                           "copied 1 (hund), invented 1 (gleep)", "repeated 2 (the the, the the)"})
    EXPECT_NE(shown.out.find(part), std::string::npos) << part << "\n" << shown.out;
  EXPECT_EQ(shown.out.find("line 3"), std::string::npos);  // empty and right
  for (const bool json : {false, true}) {
    const Ran bare = json ? run({"--worst", "9", "--no-text", "--json"}) : run({"--worst", "9", "--no-text"});
    ASSERT_EQ(bare.status, 0) << bare.err;
    for (const char* word : {"Hund", "hund", "gleep", "Peter", "Vogel", "bird"})
      EXPECT_EQ(bare.out.find(word), std::string::npos) << word << "\n" << bare.out;
    EXPECT_NE(bare.out.find("copied"), std::string::npos);
  }
}
TEST_F(ErrorsCommand, LexiconsAttest) {
  EXPECT_EQ(row(run().out, "invented_words")[1], "2");
  EXPECT_EQ(row(run({"--lexicon", p.file("more")}).out, "invented_words")[1], "1");
}
TEST_F(ErrorsCommand, ReadsColumnsGzipAndStandardInput) {
  const std::string expected = run({"--json"}).out;
  p.write("hyp.tsv", "1\tYesterday Eva had 1,000 cats\tx\n2\tthe the the end\n3\t\n4\tHund and gleep\n");
  gzFile gz = gzopen(p.file("ref.gz").c_str(), "w");
  const std::string ref = slurp(p.file("ref"));
  gzwrite(gz, ref.data(), static_cast<unsigned>(ref.size()));
  gzclose(gz);
  const Ran r = p.run({"errors", "--hyp", p.file("hyp.tsv:2"), "--hyp", "-", "--ref", p.file("ref.gz"),
                       "--src", p.file("src"), "--json"},
                      slurp(p.file("other")));
  ASSERT_EQ(r.status, 0) << r.err;
  EXPECT_EQ(to_json(*(*parse_json(r.out, "r").find("systems")->array())[0].find("counts")),
            to_json(*(*parse_json(expected, "e").find("systems")->array())[0].find("counts")));
  EXPECT_NE(r.out.find("\"standard input\""), std::string::npos);
}
TEST_F(ErrorsCommand, LineSeparatorsOfUnicodeEndNoLine) {
  const Ran r = with("hyp", "Yesterday\u2028Eva\n\u0085the end\n\uFEFF\nHund\n");
  EXPECT_EQ(r.status, 0) << r.err;
  EXPECT_EQ(row(r.out, "sentences")[0], "4");
}
TEST_F(ErrorsCommand, BadInputGetsOneSentence) {
  expect_refusal(with("hyp", "a\nb\n"),
                 "hyp has 2 lines, " + p.file("ref") + " has 4; expected the same number");
  expect_refusal(with("hyp", ""), "hyp: no line in it");
  expect_refusal(with("hyp", "a\nb\nc\nbad \xFF\n"),
                 "hyp: line 4, byte 11 (byte 5 of the line): 0xFF is not UTF-8");
  SetUp();
  p.write("hyp.tsv", "a\tb\nc\nd\ne\n");
  expect_refusal(run({"--hyp", p.file("hyp.tsv:2")}), "hyp.tsv:2: line 2 has no such column");
  expect_refusal(with("src", "a\n"), "src has 1 lines");
  SetUp();
  expect_refusal(run({"--hyp", "-", "--lexicon", "-"}), "standard input (-) can be read only once");
  expect_refusal(run({"--by", "name_mismach"}), "did you mean \"name_mismatch\"?");
  expect_refusal(run({"--by", "ter"}), "--by needs --worst");
  expect_refusal(run({"--lexicon", p.file("none")}), "none: cannot open: No such file");
  expect_refusal(p.run({"errors", "--explain", "copied_word"}), "did you mean \"copied_words\"?");
  expect_refusal(p.run({"errors"}), "expected --hyp FILE and --ref FILE");
  const Ran language = run({"--lang", "fr"});
  EXPECT_EQ(language.status, 2);
  EXPECT_NE(language.err.find("known: en, de"), std::string::npos) << language.err;
}
TEST_F(ErrorsCommand, Explains) {
  const Ran r = p.run({"errors", "--explain", "number_mismatch"});
  EXPECT_EQ(r.status, 0);
  EXPECT_NE(r.out.find("1.000 and 1,000 are 1000"), std::string::npos);
}
}  // namespace
}  // namespace rum::errors_program_test
