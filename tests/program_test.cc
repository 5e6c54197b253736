// The program as a user meets it: what it says, where it says it, and its exit status.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/grammar/grammar.h"
#include "tests/sanitizer.h"
#include "tests/scratch.h"

using namespace rum;
namespace fs = std::filesystem;
namespace {
std::string slurp(const std::string& path) {
  std::ifstream in(path);
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}
struct Ran {
  int status = -1;
  std::string out, err;
};

struct Program {
  Scratch scratch;
  std::string file(const std::string& name) const { return scratch.path + "/" + name; }
  void write(const std::string& name, const std::string& text) const { std::ofstream(file(name)) << text; }
  pid_t start(std::vector<std::string> words, int64_t memory = 0) const {
    const pid_t child = fork();
    if (child != 0) return child;
    if (memory > 0) {
      const rlimit limit{static_cast<rlim_t>(memory), static_cast<rlim_t>(memory)};
      setrlimit(RLIMIT_AS, &limit);
    }
    for (const auto& [name, to] : {std::pair{"out", 1}, std::pair{"err", 2}})
      dup2(open(file(name).c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600), to);
    dup2(open(file("in").c_str(), O_RDONLY | O_CREAT, 0600), 0);
    const char* program = getenv("RUM_PROGRAM");
    words.insert(words.begin(), program ? program : "build/ruminate");
    std::vector<char*> argv;
    for (std::string& w : words) argv.push_back(w.data());
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    _exit(127);
  }
  Ran end(pid_t child) const {
    int status = 0;
    waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), slurp(file("out")),
            slurp(file("err"))};
  }
  Ran run(std::vector<std::string> words, const std::string& in = "", int64_t memory = 0) const {
    write("in", in);
    return end(start(std::move(words), memory));
  }
  void corpora() const {
    const auto pairs = grammar_pairs(330, 5);
    std::string parts[3];
    for (size_t i = 0; i < pairs.size(); ++i)
      parts[i < 300 ? 0 : i < 315 ? 1 : 2] += pairs[i].source + "\t" + pairs[i].target + "\n";
    write("train.tsv", parts[0]), write("valid.tsv", parts[1]), write("test.tsv", parts[2]);
  }
  void config(const std::string& more = "") const {
    write("c.toml",
          "[run]\nfolder = \"" + file("run") + "\"\n[data]\ntrain = \"" + file("train.tsv") +
              "\"\nvalid = \"" + file("valid.tsv") + "\"\ntest = \"" + file("test.tsv") +
              "\"\n[tokenizer]\nvocab = 300\n[model]\nlayers = 1\nheads = 2\nwidth = 16\ncontext = 96\n"
              "[batch]\ntokens = 192\n[schedule]\nwarmup = 2\n[train]\nsteps = 20\neval_every = 10\n" +
              more);
  }
};
// One sentence on standard error, status 1.
void expect_refusal(const Ran& r, const std::string& part) {
  EXPECT_EQ(r.status, 1) << r.err;
  EXPECT_NE(r.err.find(part), std::string::npos) << r.err;
  const size_t last = r.err.rfind("ruminate ");
  ASSERT_NE(last, std::string::npos) << r.err;
  EXPECT_EQ(r.err.find('\n', last), r.err.size() - 1) << r.err;
}

TEST(Program, HelpNamesEveryCommandAndKey) {
  Program p;
  const Ran all = p.run({"--help"});
  EXPECT_EQ(all.status, 0);
  for (const char* name : {"data", "tokenizer", "train", "translate", "generate", "score", "inspect"}) {
    EXPECT_NE(all.out.find(std::string("ruminate ") + name), std::string::npos) << name;
    const Ran one = p.run({name, "--help"});
    EXPECT_EQ(one.status, 0) << one.err;
    EXPECT_NE(one.out.find("--help"), std::string::npos);
  }
  EXPECT_NE(p.run({"train", "--help"}).out.find("optimizer.learning_rate"), std::string::npos);
  const Ran wrong = p.run({"trian"});
  EXPECT_EQ(wrong.status, 2);
  EXPECT_NE(wrong.err.find("did you mean \"train\"?"), std::string::npos) << wrong.err;
  EXPECT_EQ(p.run({"train", "--bogus"}).status, 2);
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
  EXPECT_NE(p.run({"inspect", p.file("run/model.safetensors")}).out.find("block.0.qkv.weight"),
            std::string::npos);
  EXPECT_NE(p.run({"inspect", "--ops"}).out.find("layernorm"), std::string::npos);
}

TEST(Program, WritesPlainText) {
  Program p;
  std::string text;
  for (const Text& t : grammar_pairs(300, 9)) text += t.target + "\n\n";
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
  EXPECT_EQ(again.out, one.out);  // the same seed
  expect_refusal(p.run({"translate", p.file("run")}, "x\n"), "is a model of plain text");
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
  expect_refusal(train({"data.train=" + p.file("none.tsv")}), "none.tsv");
  p.write("empty.tsv", "");
  expect_refusal(train({"data.train=" + p.file("empty.tsv")}), "empty.tsv");
  p.write("notab.tsv", "Haus\thouse\nkein Tabulator\n");
  expect_refusal(train({"data.train=" + p.file("notab.tsv")}),
                 "notab.tsv: line 2: expected source<TAB>target");
  p.write("utf8.tsv", "Haus\thouse\nH\xff\thouse\n");
  expect_refusal(train({"data.train=" + p.file("utf8.tsv")}), "utf8.tsv");
  expect_refusal(p.run({"train", p.file("none.toml")}), "none.toml");
  expect_refusal(p.run({"train", "--resume", p.file("none")}), "none");
  expect_refusal(p.run({"translate", p.file("none"), "--input", "-", "--output", "-"}), "none");
  p.write("hyp", "a\nb\n"), p.write("ref", "a\n");
  expect_refusal(p.run({"score", "--hyp", p.file("hyp"), "--ref", p.file("ref")}), "2");
  EXPECT_FALSE(fs::exists(p.file("run")));
}

TEST(Program, OutOfMemorySaysWhatWouldFit) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer needs more address space than the limit";
  Program p;
  p.corpora(), p.config();
  const std::vector<std::string> words{"train", p.file("c.toml"),  "--set", "batch.tokens=262144",
                                       "--set", "model.width=256", "--set", "run.threads=1",
                                       "--set", "batch.texts=64"};
  const Ran r = p.run(words, "", int64_t{1} << 30);
  expect_refusal(r, "out of memory");
  const size_t at = r.err.find("; batch.tokens = ");
  ASSERT_NE(at, std::string::npos) << r.err;
  const int64_t fits = std::stoll(r.err.substr(at + 17));
  EXPECT_GE(fits, 1024);
  EXPECT_LT(fits, 262144);
}
}  // namespace
