// `ruminate translate` as a user sees it: bad lines among good ones, where the output goes, and an answer to
// each line as it arrives.
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <csignal>
#include <memory>
#include <thread>

#include "base/file.h"
#include "base/output.h"
#include "generate/generated.h"
#include "tests/program.h"
#include "tests/run_folder.h"

namespace rum::translate_program_test {
namespace {
struct TranslateCommand : testing::Test {
  static inline std::unique_ptr<Program> p;
  static void SetUpTestSuite() {
    p = std::make_unique<Program>();
    p->corpora(), p->config();
    const Ran r = p->run({"train", p->file("c.toml")});
    ASSERT_EQ(r.status, 0) << r.err;
  }
  static void TearDownTestSuite() { p.reset(); }
  static std::vector<std::string> words(std::vector<std::string> more) {
    more.insert(more.begin(), {"translate", p->file("run"), "--max-new", "8"});
    return more;
  }
  static Ran run(std::vector<std::string> more, const std::string& in = "") {
    return p->run(words(std::move(more)), in);
  }
  static std::vector<std::string> lines(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }
};
const std::string kLong = [] {
  std::string s;
  for (int i = 0; i < 300; ++i) s += "Haus ";
  return s;
}();

TEST_F(TranslateCommand, OneBadLineCostsNoOther) {
  const Ran good = run({}, "das Haus\nder Hund\n");
  ASSERT_EQ(good.status, 0) << good.err;
  const auto two = lines(good.out);
  ASSERT_EQ(two.size(), 2u);
  const std::string in = "das Haus\n" + kLong + "\na\tb\n\xFFx\n \xC2\xA0\nder Hund\n";
  const Ran r = run({}, in);
  EXPECT_EQ(r.status, 1);
  EXPECT_EQ(lines(r.out), (std::vector<std::string>{two[0], "", "", "", "", two[1]}));
  for (const char* part :
       {"line 2 has", "line 3 has a tab", "line 4", "not UTF-8", "3 of 6 lines were left out"})
    EXPECT_NE(r.err.find(part), std::string::npos) << r.err;
  EXPECT_EQ(r.err.find("line 5"), std::string::npos) << r.err;  // blank: nothing to translate
}
// A model of letters that may write none of them twice, and of which none ends a text.
TEST(TranslateProgram, ALineOfWhichNoTokenMayFollowIsALine) {
  Program p;
  write_run(p.file("run"), {.kind = CorpusKind::documents, .pattern = "characters"});
  RunConfig c = read_config(p.file("run/config.toml"));
  set_key(c, "tokenizer.end", "");
  p.write("run/config.toml", to_toml(c));
  for (const char* beam : {"1", "2"}) {
    const Ran r = p.run(
        {"translate", p.file("run"), "--template", "{source}", "--no-repeat", "1", "--beam", beam}, "a\nb\n");
    EXPECT_EQ(r.status, 0) << r.err;
    EXPECT_EQ(std::count(r.out.begin(), r.out.end(), '\n'), 2) << r.out;
  }
}
TEST_F(TranslateCommand, ACharacterThatTheTokenizerLacksCostsItsLineAlone) {
  const Ran trained = p->run({"train", p->file("c.toml"), "--set", "tokenizer.pattern=characters", "--set",
                              "run.folder=" + p->file("characters"), "--set", "train.steps=3"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  const Ran r = p->run({"translate", p->file("characters"), "--max-new", "8"},
                       "das Haus\ndas \u20ac\nder Hund\n"),
            good = p->run({"translate", p->file("characters"), "--max-new", "8"}, "das Haus\n\nder Hund\n");
  EXPECT_EQ(good.status, 0) << good.err;
  EXPECT_EQ(r.status, 1);
  EXPECT_EQ(r.out, good.out);
  EXPECT_NE(r.err.find("line 2: the character U+20AC"), std::string::npos) << r.err;
  const std::string pairs = "das Haus\tthe house\n", bad = "das Haus\tdas \u20ac\n";
  const Ran some = p->run({"perplexity", p->file("characters"), "-i", "-"}, pairs + bad + pairs);
  EXPECT_EQ(some.status, 1);
  EXPECT_EQ(some.out, p->run({"perplexity", p->file("characters"), "-i", "-"}, pairs + pairs).out);
  EXPECT_NE(some.err.find("line 2: the character U+20AC"), std::string::npos) << some.err;
}
// Standard error may be full, closed, or a pipe whose reader is gone: what was said there costs no result.
TEST_F(TranslateCommand, WhatNobodyCanReadCostsNoResult) {
  p->write("lines", "das Haus\na\tb\nder Hund\n"), p->write("bad.tsv", "das Haus\tthe house\nno tab\n");
  p->write("nfd", "Cafe\u0301\n"), p->write("one.tsv", "das Haus\tthe house\n");
  const std::string run = p->file("run"), out = p->file("out"), rc = p->file("rc");
  const std::string commands[] = {
      "translate " + run + " --max-new 8 -i " + p->file("lines"),
      "translate " + run + " --max-new 8 -o " + p->file("made") + " -i " + p->file("lines"),
      "perplexity " + run + " -i " + p->file("bad.tsv"),
      "score --hyp " + p->file("nfd") + " --ref " + p->file("nfd"),
      "chat --system T. --pairs " + p->file("one.tsv") + " -o " + p->file("made")};
  for (const std::string& words : commands) {
    const std::string command = program_path() + " " + words + " >" + out;
    // Standard output, what the output file holds, and the exit status.
    const auto result = [&](const std::string& line) {
      p->write("made", ""), p->write("rc", "");
      EXPECT_NE(std::system(line.c_str()), -1);
      return slurp(out) + "|" + slurp(p->file("made")) + "|" + slurp(rc);
    };
    const std::string said = "; echo $? >" + rc;
    const std::string expected = result(command + " 2>" + p->file("err") + said);
    EXPECT_NE(slurp(p->file("err")), "") << words;
    for (const char* to : {" 2>/dev/full", " 2>&-"})
      EXPECT_EQ(result(command + to + said), expected) << words << to;
    EXPECT_EQ(result("{ sleep .2; " + command + said + "; } 2>&1 | :"), expected) << words;
  }
}
TEST_F(TranslateCommand, FlagsThatWouldChangeNothingAreRefused) {
  expect_refusal(run({"--sample", "--length-penalty", "1"}), "--length-penalty needs a beam search");
  expect_refusal(run({"--best-of", "4", "--length-penalty", "1"}), "--length-penalty needs a beam search");
  expect_refusal(run({"--beam", "1", "--length-penalty", "1"}), "--length-penalty needs a beam search");
  expect_refusal(run({"--jsonl", "-o", p->file("x"), "--flush"}), "--flush needs lines of text");
  expect_refusal(run({"--beam", "4", "--n-best", "5"}), "--n-best 5 needs --beam 5 or more");
  EXPECT_EQ(run({"--beam", "2", "--length-penalty", "1"}, "das Haus\n").status, 0);
}
TEST_F(TranslateCommand, LongLinesAreSkippedCutOrRefused) {
  const std::string in = "das Haus\n" + kLong + "\n";
  const Ran cut = run({"--on-long", "cut"}, in);
  EXPECT_EQ(cut.status, 0) << cut.err;
  EXPECT_EQ(lines(cut.out).size(), 2u);
  EXPECT_NE(cut.err.find("1 of 2 lines were cut"), std::string::npos) << cut.err;
  const Ran failed = run({"--on-long", "fail", "-o", p->file("failed")}, in);
  expect_refusal(failed, "--on-long split, skip or cut");
  expect_refusal(run({"--on-long", "split", "--n-best", "2"}, in), "--n-best excludes --on-long split");
  EXPECT_FALSE(std::filesystem::exists(p->file("failed")));
  EXPECT_FALSE(std::filesystem::exists(p->file("failed.ruminate.tmp")));
  const Ran pool = run({"--jsonl", "-o", p->file("pool.jsonl")}, "\n" + in);
  EXPECT_EQ(pool.status, 1);
  const auto written = lines(slurp(p->file("pool.jsonl")));
  ASSERT_EQ(written.size(), 3u);
  EXPECT_NE(written[0].find("\"target\":\"\""), std::string::npos) << written[0];
  EXPECT_NE(written[2].find("\"target\":\"\""), std::string::npos) << written[2];
  // What was left out can still be told from what it was.
  EXPECT_NE(written[2].find("\"source\":\"" + kLong.substr(0, 60)), std::string::npos) << written[2];
  EXPECT_NE(run({"--jsonl", "-o", p->file("pool.jsonl")}, "\n" + in).err.find("3 of them were there"),
            std::string::npos);
}
TEST_F(TranslateCommand, TheSameLineInAnyFormIsTheSame) {
  const Ran a = run({"--scores"},
                    "u\xCC\x88"
                    "ber\n"),
            b = run({"--scores"},
                    "\xEF\xBB\xBF\xC3\xBC"
                    "ber\n");
  EXPECT_EQ(a.out, b.out);
  EXPECT_EQ(lines(a.out).size(), 1u);
}
TEST_F(TranslateCommand, TheOutputIsLookedAtBeforeTheInput) {
  for (const bool jsonl : {false, true})
    for (const auto& [to, says] :
         {std::pair{p->file("none/out"), "there is no folder"}, {p->scratch.path, "is a folder"}}) {
      std::vector<std::string> more{"-i", p->file("no such input"), "-o", to};
      if (jsonl) more.push_back("--jsonl");
      expect_refusal(run(more), says);
    }
}
// Of every command: neither by its own name nor by another is a file written over that it reads.
TEST_F(TranslateCommand, NoOutputOverwritesAnInput) {
  const std::string run = p->file("run"), in = p->file("text"), other = p->file("valid.tsv"),
                    link = p->file("by another name");
  const std::string pairs = slurp(other);
  p->write("text", pairs);
  std::filesystem::create_symlink(in, link);
  const std::string none = p->file("none");  // outputs are looked at first
  const std::vector<std::pair<std::vector<std::string>, std::string>> all{
      {{"translate", run, "-i", in, "-o"}, in},
      {{"translate", run, "-i", in, "--jsonl", "-o"}, in},
      {{"translate", run, "-o"}, p->file("in")},  // standard input
      {{"translate", run, "-i", in, "-o"}, run + "/config.toml"},
      {{"translate", run, "-i", in, "-o"}, run + "/tokenizer.json"},
      {{"translate", run + "/model.safetensors", "-i", in, "-o"}, run + "/model.safetensors"},
      {{"perplexity", run, "-i", in, "--html"}, in},
      {{"perplexity", run, "-i", in, "--html"}, run + "/config.toml"},
      {{"inspect", run, "--svg"}, run + "/config.toml"},
      {{"inspect", run, "--html"}, run + "/metrics.jsonl"},
      {{"tokenizer", "train", "--input", other, in, "-o"}, in},
      {{"chat", "--system", "T.", "--pairs", in, "-o"}, in},
      {{"chat", "--system", "T.", "--input", in, "--url", "http://x", "--model", "m", "-o"}, in},
      {{"detect", "fit", "--human", in, "--machine", other, "-o"}, in},
      {{"detect", "fit", "--human", other, "--machine", "m=" + in, "-o"}, in},
      {{"detect", "fit", "--human", other, "--machine", other, "--option", "run=" + run, "-o"},
       run + "/config.toml"},
      {{"detect", "calibrate", "--human", other, "--detector", in, "-o"}, in},
      {{"detect", "score", "--detector", none, "--in", in, "-o"}, in},
      {{"detect", "score", "--detector", in, "--in", other, "-o"}, in},
      {{"detect", "plan", "--pool", in, "--human", other, "-o"}, in},
      {{"detect", "plan", "--pool", other, "--human", in, "-o"}, in},
      {{"detect", "explain", "--detector", none, "--document", in, "--html"}, in},
      {{"data", "debian", "--index-de", other, "--index-en", in, "-o"}, in}};
  for (auto [words, output] : all)
    for (const std::string& name : {output, link}) {
      if (name == link && output != in) continue;
      words.push_back(name);
      const std::string before = slurp(output);
      expect_refusal(p->run(words, output == p->file("in") ? "das Haus\n" : ""),
                     name + ": it is read here as well");
      EXPECT_EQ(slurp(output), output == p->file("in") ? "das Haus\n" : before) << words[0] << words[1];
      words.pop_back();
    }
  expect_refusal(p->run({"data", "prepare", "-i", p->file("train.tsv"), "-o", p->scratch.path}),
                 "train.tsv: it is read here as well");
  EXPECT_EQ(slurp(in), pairs);
  // A page beside a run's own files is drawn again and again.
  for (int i = 0; i < 2; ++i) EXPECT_EQ(p->run({"inspect", run, "--svg", run + "/loss.svg"}).status, 0);
  // A new folder has a name.
  for (const char* command : {"quantize", "export", "import"})
    expect_refusal(p->run({command, run, "-"}), "\"-\" is no folder");
}
TEST_F(TranslateCommand, APipeIsWrittenToAsItIs) {
  const std::string pipe = p->file("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  std::string got;
  std::thread reader([&] { got = slurp(pipe); });
  const Ran r = run({"-o", pipe}, "das Haus\n");
  reader.join();
  EXPECT_EQ(r.status, 0) << r.err;
  EXPECT_EQ(got, run({}, "das Haus\n").out);
  struct stat s;
  ASSERT_EQ(stat(pipe.c_str(), &s), 0);
  EXPECT_TRUE(S_ISFIFO(s.st_mode));
}
TEST_F(TranslateCommand, ASecondWriterOfAFileIsRefused) {
  const FileLock first(p->file("two.ruminate.tmp"));
  for (const char* how : {"--scores", "--jsonl"})
    expect_refusal(run({how, "-o", p->file("two")}, "das Haus\n"),
                   " " + p->file("two") + ": another process is using it");
  p->write("left.ruminate.tmp", "");  // by a writer that was killed
  EXPECT_EQ(run({"--jsonl", "-o", p->file("left")}, "das Haus\n").status, 0);
  EXPECT_FALSE(std::filesystem::exists(p->file("left.ruminate.tmp")));
  const AppendLock lines(p->file("pool"));
  expect_refusal(run({"-o", p->file("pool")}, "das Haus\n"), "another process is using it");
}
// Words of the longest source of a file of pairs, and a line of so many.
int64_t longest_source(const std::string& file) {
  int64_t longest = 0;
  std::istringstream pairs(slurp(file));
  for (std::string pair; std::getline(pairs, pair);) {
    std::istringstream source(pair.substr(0, pair.find('\t')));
    int64_t words = 0;
    for (std::string word; source >> word;) ++words;
    longest = std::max(longest, words);
  }
  return longest;
}
std::string line_of(int64_t words) {
  std::string out;
  for (int64_t i = 0; i < words; ++i) out += i == 0 ? "das" : " Haus";
  return out + "\n";
}
TEST_F(TranslateCommand, LinesLongerThanWhatTrainingHadAreCounted) {
  const int64_t most = longest_source(p->file("train.tsv"));
  const std::string in = line_of(most) + line_of(most + 1) + "\n" + line_of(most + 2),
                    words = std::to_string(most) + " words that training had",
                    two = "2 of 4 lines have more ";
  EXPECT_NE(slurp(p->file("run/data.json")).find("\"source_words\": " + std::to_string(most)),
            std::string::npos);
  p->write("lines", in);
  for (const std::vector<std::string>& how : {std::vector<std::string>{},
                                              {"-i", p->file("lines")},
                                              {"-i", p->file("lines"), "-o", p->file("out of it")},
                                              {"--jsonl", "-o", p->file("long.jsonl")},
                                              {"--jsonl", "-o", p->file("long.jsonl")},
                                              {"--flush"},
                                              {"--on-long", "split"}}) {
    const Ran r = run(how, in);
    EXPECT_EQ(r.status, 0) << r.err;
    EXPECT_NE(r.err.find(two + "than the " + words), std::string::npos) << r.err;
    EXPECT_EQ(r.err.find("lines have more"), r.err.rfind("lines have more")) << r.err;  // once
  }
  EXPECT_EQ(run({}, line_of(most) + line_of(1)).err.find("lines have more"), std::string::npos);
  const Ran many = run({}, line_of(most + 1) + std::string(1000, '\n'));
  EXPECT_NE(many.err.find("1 of 1,001 lines have more "), std::string::npos) << many.err;
}
TEST_F(TranslateCommand, WhatTrainingHadIsOfWhatItTrainedOnAndMayBeUnknown) {
  namespace fs = std::filesystem;
  const int64_t most = longest_source(p->file("train.tsv"));
  const std::string longer = line_of(most + 1), said = "lines have more";
  const auto says = [&](const std::string& folder) {
    const Ran r = p->run({"translate", folder, "--max-new", "8"}, longer);
    EXPECT_EQ(r.status, 0) << r.err;
    EXPECT_EQ(std::count(r.out.begin(), r.out.end(), '\n'), 1);
    return r.err;
  };
  // A pair that the context does not hold is left out, and its source was not trained on.
  const std::string pairs = slurp(p->file("train.tsv"));
  p->write("with_long.tsv", kLong + "\ta house\n" + pairs);
  const Ran trained = p->run({"train", p->file("c.toml"), "--set", "data.train=" + p->file("with_long.tsv"),
                              "--set", "run.folder=" + p->file("with_long"), "--set", "train.steps=2"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  EXPECT_NE(says(p->file("with_long")).find(std::to_string(most) + " words that training had"),
            std::string::npos);
  // One that began with the weights of another may have seen longer ones there.
  const Ran on = p->run({"train", p->file("c.toml"), "--set", "train.from=" + p->file("run"), "--set",
                         "run.folder=" + p->file("tuned"), "--set", "train.steps=2"});
  ASSERT_EQ(on.status, 0) << on.err;
  EXPECT_EQ(says(p->file("tuned")).find(said), std::string::npos);
  // Its numbers are those of the weights in int8 as well.
  ASSERT_EQ(p->run({"quantize", p->file("run"), p->file("int8")}).status, 0);
  EXPECT_NE(says(p->file("int8")).find(said), std::string::npos);
  // A run of an older version has no number, or no such file; resumed it gets one.
  const std::string old = p->file("old"), data = old + "/data.json";
  fs::copy(p->file("run"), old, fs::copy_options::recursive);
  const std::string noted = slurp(data), number = "\"source_words\": " + std::to_string(most);
  const size_t at = noted.find(",\n    " + number);
  ASSERT_NE(at, std::string::npos) << noted;
  p->write("old/data.json", std::string(noted).erase(at, 6 + number.size()));
  EXPECT_EQ(says(old), "");
  fs::remove(data);
  EXPECT_EQ(says(old), "");
  const Ran resumed = p->run({"train", "--resume", old, "--set", "train.steps=22"});
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_EQ(slurp(data), noted);
  EXPECT_NE(says(old).find(said), std::string::npos);
  // What nobody trained is named, and the lines are translated all the same.
  for (const char* bad : {"-3", "1e300", "\"many\"", "99999999999999999999", "null", "[]"}) {
    p->write("old/data.json", std::string(noted).replace(noted.find(number) + 16, number.size() - 16, bad));
    const std::string e = says(old);
    EXPECT_NE(e.find("data.json: "), std::string::npos) << bad << e;
    EXPECT_NE(e.find("source_words"), std::string::npos) << bad << e;
    EXPECT_EQ(std::count(e.begin(), e.end(), '\n'), 1) << bad << e;
  }
  for (const char* bad : {"", "{}", "3", "[3]", "[{\"file\": \"x"}) {
    p->write("old/data.json", bad);
    const std::string e = says(old);
    EXPECT_NE(e.find("data.json"), std::string::npos) << bad << e;
    EXPECT_EQ(std::count(e.begin(), e.end(), '\n'), 1) << bad << e;
  }
  p->write("old/data.json",
           std::string(noted).replace(noted.find(number) + 16, number.size() - 16, "9000000000000000000"));
  EXPECT_EQ(says(old), "");
}
// JSON lines keep what was to be translated, whatever became of it.
TEST_F(TranslateCommand, JsonLinesHaveTheSourceAsItWasGiven) {
  const Ran trained = p->run({"train", p->file("c.toml"), "--set", "tokenizer.pattern=characters", "--set",
                              "run.folder=" + p->file("letters"), "--set", "train.steps=3"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  const std::string whole = kLong.substr(0, kLong.size() - 1);
  const std::vector<std::string> sources{"das Haus", whole, "a\tb", "das \u20ac", "der Hund"};
  const auto pool = [&](const char* on_long) {
    const std::string file = p->file(std::string("pool ") + on_long);
    std::string in;
    for (const std::string& s : sources) in += s + "\n";
    std::vector<Generated> out;
    for (const char* there : {"0 of them were there", "5 of them were there"}) {
      const Ran r = p->run({"translate", p->file("letters"), "--beam", "1", "--max-new", "8", "--on-long",
                            on_long, "--jsonl", "-o", file},
                           in);
      EXPECT_EQ(r.status, 1) << r.err;
      EXPECT_NE(r.err.find(there), std::string::npos) << r.err;
      out = read_generated(file);
    }
    EXPECT_EQ(out.size(), sources.size());
    for (size_t i = 0; i < out.size(); ++i) EXPECT_EQ(out[i].source, sources[i]) << i;
    return out;
  };
  const Ran one =
      p->run({"translate", p->file("letters"), "--beam", "1", "--max-new", "8", "--on-long", "cut"},
             "das Haus\n" + whole + "\nder Hund\n");
  const auto alone = lines(one.out);
  ASSERT_EQ(alone.size(), 3u);
  EXPECT_NE(alone[1], "");
  const auto cut = pool("cut"), skipped = pool("skip");
  for (const auto& all : {cut, skipped}) {
    EXPECT_EQ(all[0].target, alone[0]);
    EXPECT_EQ(all[2].target + all[3].target, "");
    EXPECT_EQ(all[4].target, alone[2]);
  }
  EXPECT_EQ(cut[1].target, alone[1]);
  EXPECT_EQ(skipped[1].target, "");
  // Half of a source was translated: that is part of how.
  EXPECT_EQ(cut[0].from.decoding, skipped[0].from.decoding + " long sources cut");
}
// Whoever stops it learns what is lost; nothing is left behind.
TEST_F(TranslateCommand, StoppedItLeavesNoPartOfAFile) {
  std::string many;
  for (int i = 0; i < 200'000; ++i) many += "das Haus\n";
  p->write("many", many), p->write("kept", "as it was\n");
  for (const char* output : {"new", "kept"}) {
    const pid_t child =
        p->start({"translate", p->file("run"), "--input", p->file("many"), "-o", p->file(output)});
    const std::string unfinished = p->file(output) + std::string(".ruminate.tmp");
    for (int i = 0; i < 6000 && !std::filesystem::exists(unfinished); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    kill(child, SIGINT);
    const Ran r = p->end(child);
    EXPECT_EQ(r.status, 130) << r.err;
    EXPECT_NE(r.err.find("stopped after "), std::string::npos) << r.err;
    EXPECT_FALSE(std::filesystem::exists(unfinished));
  }
  EXPECT_FALSE(std::filesystem::exists(p->file("new")));
  EXPECT_EQ(slurp(p->file("kept")), "as it was\n");
}
// With --jsonl what has been translated stays, and the same command continues to the same bytes.
TEST_F(TranslateCommand, AStoppedPoolIsContinued) {
  std::string many;
  for (int i = 0; i < 3'000; ++i) many += "das Haus der Hund\n";
  p->write("pool.de", many);
  const auto pool = [&](const char* output) {
    return words({"--beam", "8", "--input", p->file("pool.de"), "--jsonl", "--output", p->file(output)});
  };
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    std::filesystem::remove(p->file("stopped.jsonl"));
    const auto before = std::signal(signal, SIG_DFL);  // these tests may run under nohup
    const pid_t child = p->start(pool("stopped.jsonl"));
    std::signal(signal, before);
    std::error_code none;
    for (int i = 0; i < 6000 && std::filesystem::file_size(p->file("stopped.jsonl"), none) + 1 <= 1; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    kill(child, signal);
    const Ran r = p->end(child);
    EXPECT_EQ(r.status, 130) << r.err;
    const size_t kept = read_generated(p->file("stopped.jsonl")).size();
    EXPECT_NE(r.err.find(fmt::format("has {} of 3000 lines; the same command continues", kept)),
              std::string::npos)
        << r.err;
    EXPECT_GT(kept, 0u);
    EXPECT_LT(kept, 3'000u);
  }
  ASSERT_EQ(p->run(pool("stopped.jsonl")).status, 0);
  ASSERT_EQ(p->run(pool("whole.jsonl")).status, 0);
  EXPECT_EQ(slurp(p->file("stopped.jsonl")), slurp(p->file("whole.jsonl")));
}
// As on a cluster: the limit is an error of writing and no signal, so that nothing is left behind.
TEST_F(TranslateCommand, BeyondTheLimitOnFilesNothingIsLeft) {
  std::string many;
  for (int i = 0; i < 3'000; ++i) many += "das Haus\n";
  const Ran r = p->shell("ulimit -f 4; exec " + program_path() + " translate " + p->file("run") +
                         " --beam 1 --input " + p->write("many", many) + " --output " + p->file("limited"));
  EXPECT_EQ(r.status, 1) << r.err;
  EXPECT_NE(r.err.find("limited: cannot write: File too large"), std::string::npos) << r.err;
  EXPECT_FALSE(std::filesystem::exists(p->file("limited")));
  EXPECT_FALSE(std::filesystem::exists(p->file("limited.ruminate.tmp")));
}
// Of nothing there is no probability: 0 would be the best of all.
TEST_F(TranslateCommand, WhatIsNotTranslatedHasNoProbability) {
  const std::string in = "das Haus\n" + kLong + "\n\na\tb\n\xFFx\n";
  const auto scored = lines(run({"--scores"}, in).out);
  ASSERT_EQ(scored.size(), 5u);
  EXPECT_EQ(scored[0].find('-'), 0u) << scored[0];
  for (size_t i = 1; i < 5; ++i) EXPECT_EQ(scored[i], "nan\t") << i;
  EXPECT_EQ(run({"--jsonl", "--output", p->file("none.jsonl")}, in).status, 1);
  const std::vector<Generated> all = read_generated(p->file("none.jsonl"));
  ASSERT_EQ(all.size(), 5u);
  EXPECT_LT(all[0].log_prob, 0);
  for (size_t i = 1; i < 5; ++i) EXPECT_TRUE(std::isnan(all[i].log_prob)) << i;
}
TEST_F(TranslateCommand, AModelIsFoundThroughALinkToItsWeights) {
  std::filesystem::create_symlink(p->file("run/model.safetensors"), p->file("linked.safetensors"));
  EXPECT_EQ(p->run({"translate", p->file("linked.safetensors"), "--max-new", "8"}, "das Haus\n").out,
            run({}, "das Haus\n").out);
  expect_refusal(p->run({"translate", p->file("run/tokenizer.json")}, ""),
                 "tokenizer.json: not a run folder but a file; name the folder of its run");
}
TEST_F(TranslateCommand, OfNoLinesThereIsAPoolToo) {
  p->write("nothing", "");
  const Ran r = p->run({"translate", p->file("run"), "--input", p->file("nothing"), "--jsonl", "--output",
                        p->file("empty.jsonl")});
  EXPECT_EQ(r.status, 0) << r.err;
  EXPECT_TRUE(std::filesystem::exists(p->file("empty.jsonl")));
  EXPECT_EQ(slurp(p->file("empty.jsonl")), "");
}
// "x\n" is shorter than what tells packed files apart.
TEST_F(TranslateCommand, EachLineIsAnsweredWhenItHasCome) {
  for (const char* name : {"in", "named"}) {  // as standard input, and by its name
    const std::string in = p->file(name);
    std::filesystem::remove(in);
    ASSERT_EQ(mkfifo(in.c_str(), 0600), 0);
    const int keep =
        open(in.c_str(), O_RDWR | O_CLOEXEC);  // so that neither side waits for the other to open it
    std::filesystem::remove(p->file("out"));
    const pid_t child = p->start(
        words(name == std::string("in") ? std::vector<std::string>{} : std::vector<std::string>{"-i", in}));
    ASSERT_EQ(write(keep, "x\n", 2), 2);
    bool answered = false;
    for (int i = 0; i < 600 && !answered; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      answered = slurp(p->file("out")).ends_with('\n');
    }
    EXPECT_TRUE(answered) << name;
    close(keep);
    EXPECT_EQ(p->end(child).status, 0);
    std::filesystem::remove(in);
  }
}
// Weights and tokenizer must match, wherever they are used together.
TEST_F(TranslateCommand, AnotherTokenizerIsRefused) {
  namespace fs = std::filesystem;
  const std::string other = p->file("other");
  fs::copy(p->file("run"), other, fs::copy_options::recursive);
  const Ran trained = p->run({"tokenizer", "train", "--input", p->file("valid.tsv"), "--vocab", "300",
                              "--special", "<eos>", "<sep>", "-o", p->file("tokenizer.json")});
  ASSERT_EQ(trained.status, 0) << trained.err;
  fs::rename(p->file("tokenizer.json"), other + "/tokenizer.json");
  const std::string says = "not the tokenizer that";
  const std::string checkpoint = other + "/checkpoints/step-00000020.ckpt";
  for (const std::string& what : {other, other + "/model.safetensors", checkpoint}) {
    expect_refusal(p->run({"translate", what}, "das Haus\n"), says);
    expect_refusal(p->run({"perplexity", what, "--input", p->file("valid.tsv")}), says);
  }
  expect_refusal(p->run({"inspect", other}), says);
  expect_refusal(p->run({"train", p->file("c.toml"), "--set", "train.from=" + other, "--set",
                         "run.folder=" + p->file("on")}),
                 says);
  EXPECT_FALSE(fs::exists(p->file("on")));
  const std::string config = slurp(other + "/config.toml"), metrics = slurp(other + "/metrics.jsonl");
  expect_refusal(p->run({"train", "--resume", other, "--set", "train.steps=30"}),
                 "tokenizer.json has changed");
  EXPECT_EQ(slurp(other + "/config.toml"), config);
  EXPECT_EQ(slurp(other + "/metrics.jsonl"), metrics);
  const std::string run = p->file("run"), whole = slurp(run + "/config.toml");
  expect_refusal(p->run({"train", "--resume", run, "--set", "model.width=32"}), "of another model");
  EXPECT_EQ(slurp(run + "/config.toml"), whole);
}
// Nor may a config say something else of the weights than what they were trained with: no error would show
// it.
TEST_F(TranslateCommand, AConfigOfAnotherModelIsRefused) {
  namespace fs = std::filesystem;
  const std::string other = p->file("edited"), config = other + "/config.toml";
  fs::copy(p->file("run"), other, fs::copy_options::recursive);
  const std::string whole = slurp(config), checkpoint = other + "/checkpoints/step-00000020.ckpt";
  const auto refused = [&](const std::string& says) {
    for (const std::string& what : {other, other + "/model.safetensors", checkpoint})
      for (const std::vector<std::string>& words :
           {std::vector<std::string>{"perplexity", what, "--input", p->file("valid.tsv")},
            {"quantize", what, p->file("q")}})
        expect_refusal(p->run(words), "config.toml: " + says);
    EXPECT_FALSE(fs::exists(p->file("q")));
  };
  for (const char* from : {"", "[tokenizer]", "heads = ", "rope_base = ", "tied = "}) {
    std::ofstream(config) << whole.substr(0, whole.find(from));
    refused("cut off: ");
  }
  const auto edited = [&](const std::string& key, const std::string& value) {
    const size_t at = whole.find("\n" + key + " = ") + 1;
    std::ofstream(config) << whole.substr(0, at) + key + " = " + value + whole.substr(whole.find('\n', at));
  };
  for (const auto& [section, key, value] : {std::array{"model", "heads", "1"},
                                            {"model", "restart", "false"},
                                            {"model", "epsilon", "0.5"},
                                            {"tokenizer", "end", "\"<sep>\""}}) {
    edited(key, value);
    refused(fmt::format("{}.{} = {}, but ", section, key, value));
  }
  edited("dropout", "0.5");  // of training alone
  EXPECT_EQ(p->run({"translate", other}, "das Haus\n").status, 0);
}
}  // namespace
}  // namespace rum::translate_program_test
