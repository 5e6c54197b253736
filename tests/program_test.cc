// The program as a user sees it: its output, where that goes, and its exit status.
#include "tests/program.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <regex>
#include <set>
#include <thread>
#include <tuple>

#include "base/output.h"
#include "run/config.h"
#include "tests/sanitizer.h"
namespace rum::program_test {
namespace fs = std::filesystem;
namespace {
TEST(Program, HelpNamesEveryCommandAndKey) {
  Program p;
  const Ran all = p.run({"--help"});
  EXPECT_EQ(all.status, 0);
  const auto found = [](const std::string& text, const char* what) {
    std::set<std::string> out;
    const std::regex name(what);
    for (std::sregex_iterator i(text.begin(), text.end(), name), end; i != end; ++i) out.insert((*i)[1]);
    return out;
  };
  std::string sources;
  for (const fs::directory_entry& file : fs::directory_iterator("tools/commands"))
    sources += slurp(file.path().string());
  const std::set<std::string> commands = found(all.out, "\n  ruminate ([a-z]+) ");
  EXPECT_EQ(commands, found(sources, "const Command [a-z_]+\\{\\s*\"([a-z]+)\""));
  EXPECT_TRUE(commands.contains("train"));
  for (const std::string& name : commands) {
    const Ran one = p.run({name, "--help"});
    EXPECT_EQ(one.status, 0) << one.err;
    EXPECT_NE(one.out.find("--help"), std::string::npos);
  }
  const std::string train = p.run({"train", "--help"}).out;
  for (const Key& key : keys()) EXPECT_NE(train.find(" " + key.name + " "), std::string::npos) << key.name;
  const Ran wrong = p.run({"trian"});
  EXPECT_EQ(wrong.status, 2);
  EXPECT_NE(wrong.err.find("did you mean \"train\"?"), std::string::npos) << wrong.err;
  EXPECT_EQ(p.run({"train", "--bogus"}).status, 2);
  // The same of a command's verbs.
  for (const auto& [command, misspelt, meant] : {std::tuple{"data", "prepair", "prepare"},
                                                 {"tokenizer", "encod", "encode"},
                                                 {"detect", "scor", "score"}}) {
    const Ran verb = p.run({command, misspelt});
    EXPECT_EQ(verb.status, 2);
    EXPECT_NE(verb.err.find(std::string("did you mean \"") + meant + "\"?"), std::string::npos) << verb.err;
    const Ran help = p.run({command, "--help"}), none = p.run({command});
    EXPECT_EQ(help.status, 0);
    EXPECT_NE(help.out.find(std::string("ruminate ") + command + " " + meant), std::string::npos) << help.out;
    EXPECT_EQ(none.status, 2);
    EXPECT_EQ(none.err, help.out);
  }
}
TEST(Program, WhatIsGivenWronglyIsNamed) {
  Program p;
  const Ran missing = p.run({"generate", "run", "--promt", "x"});  // what is missing is there, misspelt
  EXPECT_EQ(missing.status, 2);
  EXPECT_NE(missing.err.find("--promt was not expected; did you mean \"--prompt\"?"), std::string::npos)
      << missing.err;
  expect_refusal(p.run({"data", "prepare", "--input", "-", "-", "--output", p.file("o")}),
                 "standard input (-) can be read only once");
  // Where the output goes is looked at before the input.
  for (const std::string& to : {p.file("taken"), p.file("taken/below")}) {
    p.write("taken", "");
    const std::string says = "\"" + p.file("taken") + "\" is a file; name a folder";
    expect_refusal(p.run({"data", "prepare", "--input", p.file("none"), "--output", to}), says);
    expect_refusal(p.run({"train", "--set", "run.folder=" + to, "--set", "data.train=none", "--set",
                          "data.valid=none", "data/configs/text.toml"}),
                   says);
  }
  const Ran nothing = p.run({"data", "prepare", "--input", p.file("none"), "--output", ""});
  EXPECT_EQ(nothing.status, 2);
  EXPECT_EQ(nothing.err.find("ruminate data prepare: --output: expected a value, found an empty text"), 0u)
      << nothing.err;
  p.write("three.tsv", "Haus\thouse\na\tb\tc\n");
  expect_refusal(p.run({"detect", "fit", "--human", p.file("three.tsv"), "--machine", p.file("three.tsv"),
                        "-o", p.file("d")}),
                 "three.tsv: line 2: expected source<TAB>target with one tab, found 2");
}

TEST(Lab, EveryExerciseIsStillThere) {  // `make lab` finds functions by their first line
  EXPECT_EQ(std::system("bash tools/lab.sh check"), 0);
}
TEST(Lab, TheTestsOfEveryExerciseExist) {  // a filter that matches nothing would accept any attempt
  const std::string tests = fs::read_symlink("/proc/self/exe");
  int exercises = 0;
  for (const fs::directory_entry& file : fs::directory_iterator("tools/labs")) {
    std::ifstream lab(file.path());
    for (std::string line; std::getline(lab, line);) {
      if (!line.starts_with("tests: run ")) continue;
      const std::string filter = line.substr(11);
      const std::string look = tests + " --gtest_list_tests --gtest_filter='" + filter + "' | grep -q '^  '";
      EXPECT_EQ(std::system(look.c_str()), 0) << filter;
      ++exercises;
    }
  }
  EXPECT_EQ(exercises, 6);
}
TEST(Program, TrainsTranslatesScoresInspects) {
  Program p;
  p.corpora(), p.config();
  const Ran dry = p.run({"train", p.file("c.toml"), "--dry-run"});
  EXPECT_EQ(dry.status, 0) << dry.err;
  EXPECT_NE(dry.out.find("parameters"), std::string::npos);
  EXPECT_FALSE(fs::exists(p.file("run")));
  const Ran trained = p.run({"train", p.file("c.toml")});
  EXPECT_EQ(trained.status, 0) << trained.err;
  EXPECT_NE(trained.out.find("test BLEU"), std::string::npos) << trained.out;
  const std::string version = p.run({"--version"}).out;
  ASSERT_EQ(version.rfind("ruminate ", 0), 0u) << version;
  EXPECT_NE(slurp(p.file("run/environment.json")).find('"' + version.substr(9, version.size() - 10) + '"'),
            std::string::npos)
      << version;
  expect_refusal(p.run({"train", p.file("c.toml")}), "holds a run at step 20");
  const std::string source = grammar_pairs(1, 5)[0].source;
  const Ran translated = p.run({"translate", p.file("run"), "--input", "-", "--output", "-", "--beam", "2"},
                               source + "\n\n" + source + "\n");
  EXPECT_EQ(translated.status, 0) << translated.err;
  EXPECT_EQ(std::count(translated.out.begin(), translated.out.end(), '\n'), 3) << translated.out;
  p.write("hyp", "the cat sat on the mat\n"), p.write("ref", "the cat sat on the mat\n");
  const Ran scored = p.run({"score", "--hyp", p.file("hyp"), "--ref", p.file("ref")});
  EXPECT_EQ(scored.status, 0) << scored.err;
  EXPECT_NE(scored.out.find("100.0"), std::string::npos) << scored.out;
  const Ran step = p.run({"inspect", p.file("run"), "--step"});
  EXPECT_EQ(step.status, 0) << step.err;
  EXPECT_NE(step.out.find("attention"), std::string::npos);
  EXPECT_NE(p.run({"inspect", p.file("run")}).out.find("training loss"), std::string::npos);
  const Ran drawn = p.run({"inspect", p.file("run"), "--svg", "-"});
  EXPECT_EQ(drawn.status, 0) << drawn.err;
  EXPECT_EQ(drawn.out.find("<svg xmlns="), 0u) << drawn.out;
  for (const char* part : {"viewBox=", "<style>", ">validation</text>", "class=\"line s0\"", "</svg>\n"})
    EXPECT_NE(drawn.out.find(part), std::string::npos) << part << drawn.out;
  EXPECT_NE(p.run({"inspect", p.file("run/model.safetensors")}).out.find("block.0.qkv.weight"),
            std::string::npos);
  EXPECT_NE(p.run({"inspect", "--ops"}).out.find("layernorm"), std::string::npos);
  // Flags that would be passed over are refused.
  expect_refusal(p.run({"inspect", p.file("run"), "--step", "--svg", "-"}), "exclude each other");
  expect_refusal(p.run({"inspect", p.file("run"), "--step", "--html", "-"}), "exclude each other");
  expect_refusal(p.run({"inspect", "--ops", "--step"}), "exclude each other");
  for (const std::vector<std::string>& flag :
       {std::vector<std::string>{"--step"}, {"--svg", "-"}, {"--html", "-"}}) {
    std::vector<std::string> words{"inspect", p.file("run/model.safetensors")};
    words.insert(words.end(), flag.begin(), flag.end());
    expect_refusal(p.run(words), "are for run folders");
  }
  // A run whose paths are relative, from another folder than theirs.
  std::string config = slurp(p.file("run/config.toml"));
  for (size_t at; (at = config.find(p.scratch.path + "/")) != std::string::npos;)
    config.erase(at, p.scratch.path.size() + 1);
  p.write("run/config.toml", config);
  const Ran elsewhere = p.run({"inspect", p.file("run"), "--step"});
  EXPECT_EQ(elsewhere.status, 0) << elsewhere.err;
}
// Where a file is asked for, "-" is standard output and no file of that name.
TEST(Program, WritesToStandardOutputWhereAsked) {
  Program p;
  p.corpora();
  const auto train = [&](const std::string& to) {
    return p.run({"tokenizer", "train", "-i", p.file("train.tsv"), "--vocab", "280", "-o", to});
  };
  ASSERT_EQ(train(p.file("t.json")).status, 0);
  const Ran piped = train("-");
  EXPECT_EQ(piped.status, 0) << piped.err;
  EXPECT_EQ(piped.out, slurp(p.file("t.json")));
  EXPECT_EQ(train("/dev/stdout").status, 0) << slurp(p.file("err"));
  EXPECT_FALSE(fs::exists("-"));
  p.write("de", "Package: x\nDescription-md5: 1\nDescription-de: ein Haus\n ein Satz.\n\n");
  p.write("en", "Package: x\nDescription-md5: 1\nDescription-en: a house\n a sentence.\n\n");
  const Ran pairs =
      p.run({"data", "debian", "--index-de", p.file("de"), "--index-en", p.file("en"), "-o", "-"});
  EXPECT_EQ(pairs.status, 0) << pairs.err;
  EXPECT_EQ(pairs.out.find("ein Haus\ta house\n"), 0u) << pairs.out;
  EXPECT_NE(pairs.err.find("pairs from package descriptions"), std::string::npos) << pairs.err;
  expect_refusal(p.run({"data", "prepare", "-i", p.file("train.tsv"), "-o", "-"}), "\"-\" is no folder");
}

TEST(Program, SettingsStandBeforeOrBehindTheConfig) {
  Program p;
  p.corpora(), p.config();
  const Ran behind = p.run({"train", p.file("c.toml"), "--set", "run.seed=5", "--print-config"}),
            before = p.run({"train", "--set", "run.seed=5", p.file("c.toml"), "--print-config"});
  EXPECT_EQ(before.status, 0) << before.err;
  EXPECT_NE(before.out.find("seed = 5"), std::string::npos);
  EXPECT_EQ(before.out, behind.out);
}

TEST(Program, AnyTextTrainsAsTheReadmeSays) {
  Program p;
  std::string book, longest;
  for (const Pair& t : grammar_pairs(200, 11)) book += t.target + "\n\n", longest += t.target + " ";
  p.write("book.txt", book + longest + "\n");
  const std::string command = "data prepare --documents --max-words 0 --input ",
                    readme = slurp("README.md") + slurp("data/configs/text.toml");
  for (size_t at = 0, found = 0; found < 2; ++found, ++at)  // in both
    ASSERT_NE(at = readme.find(command, at), std::string::npos);
  const Ran prepared = p.run({"data", "prepare", "--documents", "--max-words", "0", "--input",
                              p.file("book.txt"), "--output", p.file("text"), "--valid", "5", "--test", "5"});
  ASSERT_EQ(prepared.status, 0) << prepared.err;
  std::vector<std::string> words{"train", "data/configs/text.toml", "--dry-run"};
  for (const char* part : {"train", "valid", "test"})
    words.insert(words.end(), {"--set", std::string("data.") + part + "=" + p.file("text/") + part + ".txt"});
  for (const char* small : {"model.layers=1", "model.width=32", "model.heads=2", "tokenizer.vocab=300"})
    words.insert(words.end(), {"--set", small});
  const Ran dry = p.run(words);
  EXPECT_EQ(dry.status, 0) << dry.err;
  EXPECT_NE(dry.err.find("documents are longer than 512 tokens"), std::string::npos) << dry.err;
  EXPECT_NE(dry.err.find("train.epochs = 100 makes it"), std::string::npos) << dry.err;
}

// Its figures would be of texts that the model has learned by heart.
TEST(Program, ACorpusThatIsTrainedOnIsNoTest) {
  Program p;
  p.corpora(), p.config();
  const Ran apart = p.run({"train", p.file("c.toml"), "--set", "train.steps=4"});
  ASSERT_EQ(apart.status, 0) << apart.err;
  EXPECT_EQ(apart.err.find("warning"), std::string::npos) << apart.err;
  p.write("copy.tsv", slurp(p.file("train.tsv")));  // by what it holds, not by its name
  for (const char* key : {"data.valid", "data.test"}) {
    const std::string folder = p.file(key);
    const Ran same = p.run({"train", p.file("c.toml"), "--set", "train.steps=4", "--set",
                            "run.folder=" + folder, "--set", std::string(key) + "=" + p.file("copy.tsv")});
    ASSERT_EQ(same.status, 0) << same.err;
    const std::string told =
        "warning: " + std::string(key) + ": " + p.file("copy.tsv") + " holds what is trained on";
    for (const std::string& text : {same.err, slurp(folder + "/log.txt")}) {
      const size_t at = text.find(told);
      ASSERT_NE(at, std::string::npos) << text;
      EXPECT_EQ(text.find("warning", at + 1), std::string::npos) << text;
    }
  }
}
// Before the corpora are read and a tokenizer is trained: here the first of them is unfit.
TEST(Program, WhatIsMissingIsFoundBeforeTheWorkBegins) {
  Program p;
  p.corpora(), p.config(), p.write("unfit.tsv", "no tab\n");
  const auto with = [&](const std::string& setting) {
    return p.run({"train", p.file("c.toml"), "--set", "data.train=" + p.file("unfit.tsv"), "--set", setting});
  };
  for (const char* key : {"data.valid", "data.test", "data.plan", "tokenizer.file"}) {
    expect_refusal(with(std::string(key) + "=" + p.file("none")),
                   std::string(key) + ": " + p.file("none") + ": cannot open: No such file or directory");
    expect_refusal(with(std::string(key) + "=" + p.scratch.path), std::string(key) + ": " + p.scratch.path);
  }
  for (const char* key : {"tokenizer.begin", "tokenizer.end"})
    expect_refusal(
        with(std::string(key) + "=<s>"),
        std::string(key) + " = \"<s>\": a newly trained tokenizer has the special tokens <eos> and <sep>");
  expect_refusal(with("tokenizer.end="),
                 "tokenizer.end is empty: a translation model learns from this token");
  expect_refusal(with("train.steps=3"), "unfit.tsv");
  // One that is there lacks it, too.
  ASSERT_EQ(p.run({"train", p.file("c.toml"), "--set", "train.steps=2"}).status, 0);
  expect_refusal(p.run({"train", p.file("c.toml"), "--set", "run.folder=" + p.file("other"), "--set",
                        "tokenizer.file=" + p.file("run/tokenizer.json"), "--set", "tokenizer.begin=<s>"}),
                 "tokenizer.begin: the tokenizer has no special token \"<s>\"");
}
TEST(Program, WritesPlainText) {
  Program p;
  std::string text;
  for (const Pair& t : grammar_pairs(300, 9)) text += t.target + "\n\n";
  p.write("train.txt", text), p.write("valid.txt", text.substr(0, 2000));
  p.config();
  const std::vector<std::string> words{"train", p.file("c.toml"),
                                       "--set", "data.kind=text",
                                       "--set", "data.train=" + p.file("train.txt"),
                                       "--set", "data.valid=" + p.file("valid.txt"),
                                       "--set", "data.test="};
  ASSERT_EQ(p.run(words).status, 0) << slurp(p.file("err"));
  const Ran one = p.run({"generate", p.file("run"), "--prompt", "the", "--count", "3", "--max-new", "5"});
  EXPECT_EQ(one.status, 0) << one.err;
  EXPECT_EQ(one.out.rfind("the", 0), 0u) << one.out;
  const Ran again = p.run({"generate", p.file("run"), "--prompt", "the", "--count", "3", "--max-new", "5"});
  EXPECT_EQ(again.out, one.out);                 // the same seed
  const std::string marked = "\xEF\xBB\xBFthe";  // as an editor's file gives it
  EXPECT_EQ(p.run({"generate", p.file("run"), "--prompt", marked, "--count", "3", "--max-new", "5"}).out,
            one.out);
  expect_refusal(p.run({"translate", p.file("run")}, "x\n"), "is a plain-text model");
  // Text i is the same for any number of texts.
  const Ran more = p.run({"generate", p.file("run"), "--prompt", "the", "--count", "520", "--max-new", "5"});
  EXPECT_EQ(more.out.substr(0, one.out.size()), one.out);
  expect_refusal(p.run({"generate", p.file("run"), "--prompt", "the", "--temperature", "0"}), "--greedy");
  expect_refusal(p.run({"generate", p.file("run"), "--prompt", ""}), "--prompt is empty");
}

TEST(Program, InterruptedItSavesAndResumes) {
  Program p;
  p.corpora(), p.config("log_every = 1\n");
  const pid_t child = p.start({"train", p.file("c.toml"), "--set", "train.steps=100000"});
  for (int i = 0; i < 600 && slurp(p.file("run/metrics.jsonl")).find("\"step\":3,") == std::string::npos; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  kill(child, SIGINT);
  const Ran r = p.end(child);
  EXPECT_EQ(r.status, 130) << r.err;
  EXPECT_NE(r.err.find("--resume"), std::string::npos) << r.err;
  const size_t at = r.err.find("stopped at step ");
  ASSERT_NE(at, std::string::npos) << r.err;
  const int step = std::stoi(r.err.substr(at + 16));
  const Ran more =
      p.run({"train", "--resume", p.file("run"), "--set", "train.steps=" + std::to_string(step + 2)});
  EXPECT_EQ(more.status, 0) << more.err;
  EXPECT_NE(more.err.find("resumed at step " + std::to_string(step)), std::string::npos) << more.err;
}

TEST(Program, KilledWhileItTranslatesAPoolItGoesOn) {
  Program p;
  p.corpora(), p.config();
  ASSERT_EQ(
      p.run({"train", p.file("c.toml"), "--set", "model.kind=encoder_decoder", "--set", "data.test="}).status,
      0)
      << slurp(p.file("err"));
  EXPECT_NE(p.run({"inspect", p.file("run")}).out.find("encoder-decoder, twice 1 layers"), std::string::npos);
  const Ran step = p.run({"inspect", p.file("run"), "--step"});
  EXPECT_NE(step.out.find("cross_attention"), std::string::npos) << step.err;
  EXPECT_EQ(p.run({"translate", p.file("run")}, "Haus\n").status, 0) << slurp(p.file("err"));
  std::string pool;
  for (const Pair& t : grammar_pairs(2500, 3)) pool += t.source + "\n";
  p.write("pool", pool);
  auto words = [&](const char* to) {
    return std::vector<std::string>{"translate", p.file("run"), "--input",      p.file("pool"),
                                    "--output",  p.file(to),    "--jsonl",      "--sample",
                                    "--max-new", "16",          "--generation", "2"};
  };
  ASSERT_EQ(p.run(words("whole.jsonl")).status, 0) << slurp(p.file("err"));
  const std::string whole = slurp(p.file("whole.jsonl"));
  EXPECT_EQ(std::count(whole.begin(), whole.end(), '\n'), 2500);
  EXPECT_NE(whole.find("\"generator\":\"run\""), std::string::npos);
  EXPECT_NE(whole.find("\"generation\":2"), std::string::npos);
  int killed = 0;
  for (size_t had = 0, size = 0; had < whole.size();
       had = size) {  // killed each time it has written something
    const pid_t child = p.start(words("cut.jsonl"));
    for (int status = 0;
         (size = slurp(p.file("cut.jsonl")).size()) <= had && waitpid(child, &status, WNOHANG) == 0;)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    killed += kill(child, SIGKILL) == 0;
    waitpid(child, nullptr, 0);
    size = slurp(p.file("cut.jsonl")).size();
    ASSERT_GT(size, had) << slurp(p.file("err"));
    // The part of a write that a power cut loses.
    if (size < whole.size()) p.write("cut.jsonl", slurp(p.file("cut.jsonl")).substr(0, size -= 7));
  }
  EXPECT_GE(killed, 3);
  EXPECT_EQ(slurp(p.file("cut.jsonl")), whole);
  auto other = words("cut.jsonl");
  other.back() = "3";
  expect_refusal(p.run(other), "line 1: the generation is \"2\"");
  expect_refusal(p.run({"translate", p.file("run"), "--jsonl"}), "--jsonl needs --output");
  expect_refusal(p.run({"translate", p.file("run"), "--generation", "2"}), "--generation needs --jsonl");
  const auto refused = [&](std::vector<std::string> more, const char* part) {
    more.insert(more.begin(), {"translate", p.file("run")});
    expect_refusal(p.run(more), part);
  };
  refused({"--best-of", "4", "--beam", "2"}, "--best-of excludes --sample, --beam and --n-best");
  refused({"--utility", "bleu"}, "--utility needs --best-of");
  refused({"--best-of", "4", "--reverse", "x"}, "--reverse needs --choose channel");
  refused({"--best-of", "4", "--choose", "channel"}, "needs --reverse RUN");
  refused({"--best-of", "4", "--choose", "channel", "--reverse", p.file("none")}, "none: not a run folder");
  const Ran best = p.run({"translate", p.file("run"), "--best-of", "4", "--scores"}, "Haus\n\nder Hund\n");
  EXPECT_EQ(best.status, 0) << best.err;
  EXPECT_EQ(std::count(best.out.begin(), best.out.end(), '\n'), 3) << best.out;
  // Refused input leaves nothing behind; a skipped line keeps its place.
  std::string far;
  for (int i = 0; i < 300; ++i) far += "Haus ";
  p.write("far", far + "\n"), other[3] = p.file("far"), other[5] = p.file("new.jsonl");
  other.insert(other.end(), {"--on-long", "fail"});
  expect_refusal(p.run(other), "far: line 1 has");
  EXPECT_FALSE(fs::exists(p.file("new.jsonl")));
  p.write("tab", "a\tb\n\nHaus\n"), other[3] = p.file("tab");
  const Ran gaps = p.run(other);
  EXPECT_EQ(gaps.status, 1);
  EXPECT_NE(gaps.err.find("tab: line 1 has a tab"), std::string::npos) << gaps.err;
  const std::string lines = slurp(p.file("new.jsonl"));
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 3) << lines;
}

TEST(Program, TheTokenizerNamesTheLineAndKeepsThoseBefore) {
  Program p;
  p.write("text", "ab ba\n");
  const auto train = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"tokenizer", "train", "--input", p.file("text"), "--pattern", "characters",
                               "-o", p.file("t.json")});
    return p.run(more);
  };
  expect_refusal(train({"--min-frequency", "3"}), "--min-frequency needs a --pattern with merges");
  expect_refusal(train({"--vocab", "300"}), "--vocab needs a --pattern with merges");
  ASSERT_EQ(train({}).status, 0);
  const auto filter = [&](const char* what, const std::string& in) {
    return p.run({"tokenizer", what, "--tokenizer", p.file("t.json")}, in);
  };
  const Ran good = filter("encode", "ab\nba\n");
  EXPECT_EQ(filter("encode", "ab\r\nba\r\n").out, good.out);
  ASSERT_EQ(good.status, 0) << good.err;
  EXPECT_EQ(filter("decode", good.out).out, "ab\nba\n");
  const Ran bad = filter("encode", "ab\nba\na\u20ac\nb\n");
  expect_refusal(bad, "standard input: line 3: the character U+20AC");
  EXPECT_EQ(bad.out, good.out);
  expect_refusal(filter("encode", "ab\na\xFF\n"), "standard input: line 2: byte 2 is not UTF-8");
  const Ran no_id = filter("decode", good.out + "1 x\n");
  expect_refusal(no_id, "standard input: line 3: expected ids from 0 to ");
  EXPECT_EQ(no_id.out, "ab\nba\n");
  for (const char* from : {" <.", " <&-"})
    for (const char* what : {"encode", "decode"})
      expect_refusal(
          p.shell(program_path() + " tokenizer " + what + " --tokenizer " + p.file("t.json") + from),
          "standard input: cannot ");
  p.write("plain", "ab\nba\n"), p.write("ids", good.out);
  for (const auto& [what, in] : {std::pair{"encode", "plain"}, {"decode", "ids"}}) {
    const Ran packed = p.shell("gzip -c " + p.file(in) + " | " + program_path() + " tokenizer " + what +
                               " --tokenizer " + p.file("t.json"));
    EXPECT_EQ(packed.out, what == std::string("encode") ? good.out : "ab\nba\n") << packed.err;
  }
  expect_refusal(
      p.shell("printf 'PK\\3\\4' | " + program_path() + " tokenizer encode --tokenizer " + p.file("t.json")),
      "standard input: packed with zip");
}
// Held before anything is read: what is read does not exist.
TEST(Program, TheSecondWriterOfAnOutputIsRefusedBeforeItsWork) {
  const Program p;
  const std::string out = p.file("made"), none = p.file("none");
  const std::vector<std::vector<std::string>> commands = {
      {"tokenizer", "train", "-i", none, "-o", out},
      {"data", "debian", "--index-de", none, "--index-en", none, "-o", out},
      {"detect", "fit", "--human", none, "--machine", none, "-o", out},
      {"detect", "calibrate", "--detector", none, "--human", none, "-o", out},
      {"detect", "score", "--detector", none, "--in", none, "-o", out},
      {"detect", "plan", "--detector", none, "--pool", none, "-o", out},
      {"detect", "explain", "--detector", none, "--in", none, "--html", out},
      {"perplexity", none, "--input", none, "--html", out},
      {"import", none, out},
      {"export", none, out},
      {"quantize", none, out}};
  for (const auto& command : commands) {
    {
      const OutputLock first(out);
      expect_refusal(p.run(command), out + ": another process is using it");
    }
    const Ran alone = p.run(command);
    EXPECT_EQ(alone.status, 1) << command[0];
    EXPECT_EQ(alone.err.find("another process"), std::string::npos) << alone.err;
    for (const char* left : {"made", "made.ruminate.tmp"})
      EXPECT_FALSE(fs::exists(p.file(left))) << command[0];
  }
  const std::vector<std::string> prepare{"data", "prepare", "-i", none, "-o", p.file("a/b/corpus")};
  {
    const OutputLock first(p.file("a/b/corpus/"));
    expect_refusal(p.run(prepare), "another process is using it");
  }
  expect_refusal(p.run(prepare), none + ": cannot open");
  EXPECT_FALSE(fs::exists(p.file("a")));
  fs::create_directories(p.file("mine"));  // stays, though nothing is written into it
  expect_refusal(p.run({"data", "prepare", "-i", none, "-o", p.file("mine")}), none + ": cannot open");
  EXPECT_TRUE(fs::is_empty(p.file("mine")));
}
// Whoever stops a command learns what is lost, and nothing is left behind.
TEST(Program, StoppedItLeavesNoPartOfItsOutput) {
  Program p;
  const std::string pipe = p.file("pipe");  // with nobody at its other end
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  p.write("kept", "as it was\n");
  struct Case {
    int signal;
    std::vector<std::string> words;
    std::string output, unfinished;
  };
  for (const Case& c : {Case{SIGINT, {"tokenizer", "train", "-i", pipe}, "kept", "kept.ruminate.tmp"},
                        Case{SIGTERM, {"detect", "fit", "--human", pipe}, "new", "new.ruminate.tmp"},
                        Case{SIGHUP, {"data", "prepare", "-i", pipe}, "a/b", "a/b/.ruminate.tmp"}}) {
    std::vector<std::string> words = c.words;
    words.insert(words.end(), {"-o", p.file(c.output)});
    const auto before = std::signal(c.signal, SIG_DFL);  // these tests may run under nohup
    const pid_t child = p.start(words);
    std::signal(c.signal, before);
    for (int i = 0; i < 6000 && !fs::exists(p.file(c.unfinished)); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    kill(child, c.signal);
    const Ran r = p.end(child);
    EXPECT_EQ(r.status, 130) << c.output;
    EXPECT_EQ(r.err, "stopped, and what was made so far is lost: " + p.file(c.output) +
                         " is written whole or not at all\n");
    EXPECT_FALSE(fs::exists(p.file(c.unfinished))) << c.output;
  }
  EXPECT_EQ(slurp(p.file("kept")), "as it was\n");
  for (const char* name : {"new", "a"}) EXPECT_FALSE(fs::exists(p.file(name))) << name;
}
// For everything that prints, exit status 0 means that all output was written.
TEST(Program, OutputThatDoesNotArriveIsAnError) {
  const Program p;
  p.corpora();
  p.write("hyp", "a b\nc d\n");
  const std::string hyp = p.file("hyp"), pairs = p.file("train.tsv");
  const std::string commands[] = {
      "--help",
      "score --help",
      "score --hyp " + hyp + " --ref " + hyp,
      "score --explain bleu",
      "diversity " + hyp + " --measures ttr",
      "diversity " + hyp + " --measures ttr --json",
      "diversity --explain ttr",
      "errors --hyp " + hyp + " --ref " + hyp,
      "errors --explain ter",
      "data prepare --input " + pairs + " --output " + p.file("prepared"),
      "data show " + p.file("prepared"),
      "inspect --ops",
  };
  for (const std::string& command : commands)
    for (const char* to : {" >/dev/full", " >&-"}) {
      SCOPED_TRACE(command + to);
      const Ran r = p.shell(program_path() + " " + command + to);
      EXPECT_EQ(r.status, 1);
      EXPECT_NE(r.err.find("standard output"), std::string::npos) << r.err;
    }
}
TEST(Program, BadInputGetsOneSentence) {
  Program p;
  p.corpora(), p.config();
  auto train = [&](std::vector<std::string> settings) {
    std::vector<std::string> words{"train", p.file("c.toml")};
    for (std::string& s : settings) words.insert(words.end(), {"--set", std::move(s)});
    return p.run(words);
  };
  expect_refusal(train({"model.widht=8"}), "did you mean \"model.width\"?");
  expect_refusal(train({"model.heads=3"}), "model.heads = 3 does not divide model.width = 16");
  expect_refusal(train({"model.context=4"}), "the context holds 4 positions");
  expect_refusal(train({"batch.tokens=8"}), "a batch 8 tokens");
  expect_refusal(train({"batch.scored=2"}), "a batch 192 tokens, 2 of them with a loss (batch.scored)");
  for (const char* flag : {"--ratio", "--max-characters"})
    expect_refusal(
        p.run({"data", "prepare", "-i", p.file("train.tsv"), "-o", p.file("x"), "--documents", flag, "9"}),
        std::string(flag) + " needs pairs");
  expect_refusal(train({"=5"}), "--set =5: expected key=value");
  expect_refusal(train({"steps=5"}), "did you mean \"train.steps\"?");
  expect_refusal(train({"data.train=" + p.file("none.tsv")}), "none.tsv: cannot open: No such file");
  p.write("empty.tsv", "");
  expect_refusal(train({"data.train=" + p.file("empty.tsv")}), "empty.tsv: no text in it (0 bytes");
  p.write("notab.tsv", "Haus\thouse\nkein Tabulator\n");
  expect_refusal(train({"data.train=" + p.file("notab.tsv")}),
                 "notab.tsv: line 2: expected source<TAB>target");
  p.write("utf8.tsv", "Haus\thouse\nH\xff\thouse\n");
  expect_refusal(train({"data.train=" + p.file("utf8.tsv")}),
                 "utf8.tsv: line 2: byte 2 of the line: 0xFF is not UTF-8");
  expect_refusal(p.run({"train", p.file("none.toml")}), "none.toml: cannot open: No such file");
  expect_refusal(p.run({"train", "--resume", p.file("none")}), "none: not a run folder");
  expect_refusal(p.run({"translate", p.file("none"), "--input", "-", "--output", "-"}),
                 "none: not a run folder");
  p.write("hyp", "a\nb\n"), p.write("ref", "a\n");
  expect_refusal(p.run({"score", "--hyp", p.file("hyp"), "--ref", p.file("ref")}),
                 "ref has 1 lines, " + p.file("hyp") + " has 2; expected the same number");
  EXPECT_FALSE(fs::exists(p.file("run")));
}

TEST(Program, LinksInACircleAreNamed) {
  Program p;
  fs::create_symlink("loop", p.file("loop"));
  p.write("ref", "a\n");
  expect_refusal(p.run({"score", "--hyp", p.file("loop"), "--ref", p.file("ref")}),
                 "loop: cannot open: its symbolic links lead to each other in a circle");
}
TEST(Program, OutOfMemorySaysSo) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer needs more address space than the limit";
  Program p;
  p.write("long", std::string(100'000'000, 'x'));
  const Ran r = p.run({"errors", "--hyp", p.file("long"), "--ref", p.file("long")}, "", int64_t{3} << 28);
  expect_refusal(r, "ruminate errors: out of memory");
}
TEST(Program, OutOfMemorySaysWhatWouldFit) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer needs more address space than the limit";
  Program p;
  p.corpora(), p.config();
  const std::vector<std::string> words{"train", p.file("c.toml"),  "--set", "batch.tokens=262144",
                                       "--set", "model.width=256", "--set", "run.threads=1",
                                       "--set", "batch.texts=64"};
  const Ran r = p.run(words, "", int64_t{1} << 29);
  expect_refusal(r, "out of memory");
  const size_t at = r.err.find("; batch.tokens = ");
  ASSERT_NE(at, std::string::npos) << r.err;
  const int64_t fits = std::stoll(r.err.substr(at + 17));
  EXPECT_GE(fits, 1024);
  EXPECT_LT(fits, 262144);
  // A batch for each of 15 validation texts; packed all at once, they would be a gigabyte.
  std::vector<std::string> wide = words;
  wide[3] = "batch.tokens=4000000", wide.back() = "batch.texts=1", wide.push_back("--dry-run");
  expect_refusal(p.run(wide, "", int64_t{1} << 30), "; batch.tokens = ");
}
}  // namespace
}  // namespace rum::program_test
