// No work may get lost: a run is resumed as it was or not at all, by one process at a time, however it ended;
// and its files are never older, different or worse than they seem.
#include "run/resume.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "run/folder.h"
#include "run/run.h"
#include "tests/error_of.h"
#include "tests/forked.h"
#include "tests/program.h"
#include "tests/run_folder.h"
#include "tests/sanitizer.h"
#include "train/log.h"
#include "train/trainer.h"

namespace rum::resume_test {
namespace fs = std::filesystem;
namespace {
using Words = std::vector<std::string>;

// Every file below a folder, by name, with its bytes.
std::map<std::string, std::string> files(const std::string& folder) {
  std::map<std::string, std::string> out;
  for (const auto& e : fs::recursive_directory_iterator(folder))
    if (e.is_regular_file()) out[e.path().string()] = slurp(e.path().string());
  return out;
}
bool wait_for(const std::function<bool()>& there) {
  for (int i = 0; i < 6000 && !there(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return there();
}
int64_t newest(const std::string& run) {
  const std::vector<int64_t> steps = saved_steps(RunFolder{run}.checkpoints());
  return steps.empty() ? -1 : steps.back();
}
// The last step in its log.
int64_t logged(const std::string& run) {
  const std::string text = slurp(RunFolder{run}.metrics());
  const size_t at = text.rfind("{\"step\":");
  return at == std::string::npos ? 0 : std::stoll(text.substr(at + 8));
}

// A finished run of 20 steps, saved at 0, 10 and 20, and copies of it.
struct Resume : testing::Test {
  static inline std::unique_ptr<Program> p;
  static void SetUpTestSuite() {
    p = std::make_unique<Program>();
    p->corpora(), p->config("save_every = 10\nkeep = 3\nlog_every = 1\n");
    const Ran r = p->run({"train", p->file("c.toml")});
    ASSERT_EQ(r.status, 0) << r.err;
  }
  static void TearDownTestSuite() { p.reset(); }
  static std::string copy(const std::string& name) {
    fs::copy(p->file("run"), p->file(name), fs::copy_options::recursive);
    return p->file(name);
  }
  static Words resume(const std::string& run, const Words& settings = {}) {
    Words words{"train", "--resume", run};
    for (const std::string& s : settings) words.insert(words.end(), {"--set", s});
    return words;
  }
  // The program in a process that was prepared by `setup`.
  static pid_t start(const std::function<void()>& setup, const Words& words) {
    const std::string program = fs::absolute(program_path()).string();
    const pid_t child = forked(fork());
    if (child != 0) return child;
    for (const auto& [name, to] : {std::pair{"out", 1}, std::pair{"err", 2}})
      dup2(open(p->file(name).c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600), to);
    setup();
    setenv("RUM_PROGRAM", program.c_str(), 1);
    become(words);
  }
  // Trains without an end until it has logged some steps more.
  static pid_t start_long(
      const std::string& run, const std::function<void()>& setup = [] {},
      const std::string& save_every = "1000000") {
    const int64_t before = logged(run);
    const pid_t child = start(setup, resume(run, {"train.steps=1000000", "train.save_every=" + save_every,
                                                  "train.eval_every=1000000"}));
    EXPECT_TRUE(wait_for([&] { return logged(run) > before + 5; })) << slurp(p->file("err"));
    return child;
  }
};

// ---- what may change ----
TEST(ResumedConfig, EveryKeyMayChangeOrHasAReason) {
  const std::set<std::string> free{"run.folder",
                                   "run.device",
                                   "run.dtype",
                                   "run.threads",
                                   "data.train",
                                   "data.valid",
                                   "data.test",
                                   "data.plan",
                                   "batch.tokens",
                                   "batch.texts",
                                   "batch.scored",
                                   "batch.micro_batches",
                                   "batch.parts",
                                   "train.steps",
                                   "train.epochs",
                                   "train.target_tokens",
                                   "train.label_smoothing",
                                   "train.log_every",
                                   "train.eval_every",
                                   "train.save_every",
                                   "train.keep",
                                   "train.average",
                                   "train.best",
                                   "train.patience"};
  RunConfig then;
  then.model = model_config(then, 0);  // without the numbers that stand for others
  for (const Key& key : keys()) {
    const std::string section = key.name.substr(0, key.name.find('.'));
    const bool may =
        free.contains(key.name) || section == "optimizer" || section == "schedule" || section == "eval";
    EXPECT_EQ(why_fixed(key.name).empty(), may) << key.name;
    RunConfig now = then;
    for (const char* other :
         {"3", "6", "300", "0.5", "true", "false", "x", "encoder_decoder", "text", "stream", "gpt4",
          "rmsnorm", "swiglu", "rope", "cpu", "bf16", "linear", "bleu", "llama2"}) {
      error_of([&] { key.set(now, other); });
      if (key.get(now) != key.get(then)) break;
    }
    ASSERT_NE(key.get(now), key.get(then)) << key.name;
    const std::string e = error_of([&] { check_resumed(then, now); });
    EXPECT_EQ(e.empty(), may) << key.name << ": " << e;
    const std::string values = key.name + " = " + key.get(now) + ", but this run has " + key.get(then);
    EXPECT_EQ(e.find(values) == 0, !may) << e;
  }
  RunConfig same = then;
  same.model.kv_heads = 0;  // as many as the heads
  EXPECT_EQ(error_of([&] { check_resumed(then, same); }), "");
}
// Called from elsewhere, a run finds its texts; of train.from, which it may not change, only adapters need to.
TEST(ResumedConfig, TheWeightsItBeganWithStayAsTheyWereNamed) {
  const Scratch scratch;
  const std::string home = fs::canonical(scratch.path).string();
  fs::create_directories(home + "/runs/base"), fs::create_directories(home + "/runs/tuned");
  for (const char* name : {"a.tsv", "b.tsv"}) Disk::real().replace_text(home + "/" + name, "x\ty\n");
  RunConfig c;
  c.folder = "runs/tuned", c.from = "runs/base", c.train = {"a.tsv"}, c.valid = "b.tsv";
  for (const int64_t rank : {0, 4}) {
    c.lora.rank = rank;
    Disk::real().replace_text(home + "/runs/tuned/config.toml", to_toml(c));
    const RunConfig resumed = resumed_config(home + "/runs/tuned");
    EXPECT_EQ(resumed.train, std::vector<std::string>{home + "/a.tsv"});
    EXPECT_EQ(resumed.from, rank == 0 ? "runs/base" : home + "/runs/base");
    EXPECT_EQ(error_of([&] { check_resumed(c, resumed); }), "");
  }
}
TEST_F(Resume, WhatIsRefusedLeavesTheRunAsItWas) {
  const std::string run = copy("refused");
  const auto before = files(run);
  for (const auto& [setting, why] : {std::pair{"model.heads=1", "of another model"},
                                     {"model.width=32", "of another model"},
                                     {"model.positions=rope", "of another model"},
                                     {"model.rope_base=5", "of another model"},
                                     {"model.dropout=0.1", "of another model"},
                                     {"model.tied=false", "of another model"},
                                     {"run.seed=2", "the order of the texts"},
                                     {"data.kind=text", "have read the texts that way"},
                                     {"tokenizer.vocab=280", "the run's own tokenizer"},
                                     {"train.steps=19", "is already at step 20"},
                                     {"train.target_tokens=1000", "is already at step 20"}}) {
    expect_refusal(p->run(resume(run, {setting})), why);
    EXPECT_EQ(files(run), before) << setting;
  }
  expect_refusal(p->run(resume(run, {"data.train=" + p->file("valid.tsv")})),
                 "valid.tsv\" is not what this run began with, \"" + p->file("train.tsv") + "\"");
  EXPECT_EQ(files(run), before);
  const Ran more = p->run(resume(run, {"train.steps=22", "optimizer.learning_rate=1e-4"}));
  EXPECT_EQ(more.status, 0) << more.err;
  EXPECT_NE(p->run({"train", "--help"}).out.find("+ optimizer.learning_rate"), std::string::npos);
  for (const char* fixed : {"\n  model.heads", "\n  run.folder"})
    EXPECT_NE(p->run({"train", "--help"}).out.find(fixed), std::string::npos) << fixed;
}
// Afterwards the run's own text says which steps had which value.
TEST_F(Resume, WhatItChangesIsSaidAndLogged) {
  const std::string run = copy("changed");
  ASSERT_EQ(p->run(resume(run, {"train.steps=22", "optimizer.learning_rate=0.125"})).status, 0);
  const Ran r = p->run(resume(run, {"train.steps=24", "optimizer.learning_rate=0.25"}));
  ASSERT_EQ(r.status, 0) << r.err;
  for (const std::string& text : {r.err, slurp(run + "/log.txt")})
    for (const char* line : {"optimizer.learning_rate = 0.25, was 0.125 up to step 22\n",
                             "train.steps = 24, was 22 up to step 22\n"})
      EXPECT_NE(text.find(line), std::string::npos) << text;
  size_t changes = 0;
  for (size_t at = 0; (at = r.err.find(" up to step ", at)) != std::string::npos; ++at) ++changes;
  EXPECT_EQ(changes, 2u) << r.err;
  EXPECT_EQ(p->run(resume(run)).err.find(" up to step "), std::string::npos);
}
// An interrupted copy: what is missing would be its default.
TEST_F(Resume, AConfigThatHasLostItsEndIsRefused) {
  const std::string run = copy("cut"), path = RunFolder{run}.config(), whole = slurp(path);
  for (const char* from : {"[run]", "[data]", "[optimizer]", "[eval]", "length_penalty"}) {
    std::ofstream(path) << whole.substr(0, whole.find(from));
    const auto before = files(run);
    expect_refusal(p->run(resume(run, {"train.steps=30"})), path + ": cut off: ");
    EXPECT_EQ(files(run), before) << from;
  }
  std::ofstream(path) << whole;
  EXPECT_EQ(p->run(resume(run, {"train.steps=22"})).status, 0);
}
TEST_F(Resume, WhatCannotBeWrittenIsFoundBeforeAnythingIs) {
  for (const char* name : {"log.txt", "samples.txt", "metrics.jsonl"})
    for (const bool link : {false, true}) {
      const std::string run = copy(fmt::format("closed{}-{}", link, name)), path = run + "/" + name;
      fs::remove(path);
      if (link)
        fs::create_symlink(p->file("elsewhere"), path);
      else
        fs::create_directory(path);
      const auto before = files(run);
      const Ran r = p->run(resume(run, {"train.steps=30"}));
      expect_refusal(r, path + ": cannot open for writing");
      EXPECT_EQ(r.err.find("is removed"), std::string::npos) << r.err;
      EXPECT_EQ(files(run), before) << name;
      EXPECT_FALSE(fs::exists(p->file("elsewhere")));
    }
}
TEST_F(Resume, CheckpointsOfAnotherRunAreNotThinnedOut) {
  const std::string mine = copy("kept"), received = copy("received");
  fs::remove_all(received + "/checkpoints");
  fs::create_directory_symlink(mine + "/checkpoints", received + "/checkpoints");
  const auto before = files(mine);
  expect_refusal(p->run(resume(received, {"train.steps=30"})),
                 received + "/checkpoints: cannot write checkpoints there: it is a symbolic link");
  EXPECT_EQ(files(mine), before);
}
TEST_F(Resume, ARunOverwritesNoFilesOfOthers) {
  const std::string mine = p->file("mine");
  fs::create_directory(mine);
  for (const char* name : {"config.toml", "tokenizer.json", "environment.json", "data.json", "metrics.jsonl",
                           "samples.txt", "gemm.txt", "results.json", "log.txt"}) {
    const std::string path = mine + "/" + name;
    fs::copy(p->file("c.toml"), path);
    const auto before = files(mine);
    // A config that lies in the folder for its run, too.
    const std::string config = name == std::string("config.toml") ? path : p->file("c.toml");
    expect_refusal(p->run({"train", config, "--set", "run.folder=" + mine}), path + " is not of a run");
    EXPECT_EQ(files(mine), before);
    fs::remove(path);
  }
  // Stopped before its first checkpoint, a run begins again.
  p->write("mine/config.toml", "x"), p->write("mine/data.json", "x"), p->write("mine/log.txt", "begun\n");
  fs::create_directory(mine + "/checkpoints");
  const Ran r = p->run({"train", p->file("c.toml"), "--set", "run.folder=" + mine});
  EXPECT_EQ(r.status, 0) << r.err;
  EXPECT_EQ(slurp(mine + "/log.txt").find("begun\n"), 0u);
}
TEST_F(Resume, AnotherJudgeBeginsAnew) {
  const std::string run = copy("judge");
  const Ran r = p->run(resume(run, {"train.steps=30", "train.best=bleu"}));
  EXPECT_EQ(r.status, 0) << r.err;
  EXPECT_NE(r.err.find("the model is judged differently now"), std::string::npos) << r.err;
  EXPECT_EQ(noted(load(checkpoint_path(RunFolder{run}.checkpoints(), 30)), "best_step"), 30);
}
TEST_F(Resume, SoDoOtherTextsThatFitTheBatch) {
  const auto best_step = [](const Ran& r, const std::string& run, bool anew, int64_t step = 22) {
    EXPECT_EQ(r.status, 0) << r.err;
    EXPECT_EQ(r.err.find("the model is judged differently now") != std::string::npos, anew) << r.err;
    return noted(load(checkpoint_path(RunFolder{run}.checkpoints(), step)), "best_step");
  };
  // No text is longer than the context, 96; some are longer than 40.
  const std::string same = copy("same-texts"), fewer = copy("fewer-texts");
  const Ran kept = p->run(resume(same, {"train.steps=22", "batch.tokens=128", "train.eval_every=100"}));
  EXPECT_GE(best_step(kept, same, false), 10);
  // Those of BLEU may be more than those of the loss.
  const std::string bleu = copy("texts-of-bleu");
  for (const char* steps : {"train.steps=21", "train.steps=22"}) {
    const bool later = steps == std::string("train.steps=22");
    const Ran r =
        p->run(resume(bleu, {steps, "train.best=bleu", "train.eval_every=1", "eval.texts=1",
                             "eval.bleu_texts=15", later ? "batch.tokens=40" : "batch.tokens=128"}));
    EXPECT_EQ(best_step(r, bleu, true, later ? 22 : 21), later ? 22 : 21);
  }
  const Ran anew = p->run(resume(fewer, {"train.steps=22", "batch.tokens=40", "train.eval_every=22"}));
  EXPECT_EQ(best_step(anew, fewer, true), 22);
  // What is not judged may come and go, and the last step wins whatever was judged before.
  const std::string few = copy("few-judged"), last = copy("last-wins");
  const Words judged{"train.eval_every=1", "eval.texts=1", "eval.bleu_texts=1"};
  const auto go_on = [&](const char* steps, const char* tokens) {
    Words settings{steps, tokens};
    settings.insert(settings.end(), judged.begin(), judged.end());
    return p->run(resume(few, settings));
  };
  ASSERT_EQ(go_on("train.steps=21", "batch.tokens=128").status, 0);
  const Ran narrower = go_on("train.steps=22", "batch.tokens=40");
  EXPECT_EQ(narrower.status, 0) << narrower.err;
  EXPECT_EQ(narrower.err.find("judged differently"), std::string::npos) << narrower.err;
  const Ran quiet = p->run(resume(last, {"train.steps=22", "train.best=last", "batch.tokens=40"}));
  EXPECT_EQ(quiet.status, 0) << quiet.err;
  EXPECT_EQ(quiet.err.find("judged differently"), std::string::npos) << quiet.err;
}
TEST_F(Resume, ScoresOfOtherTextsAreNotCompared) {
  const std::string run = copy("scores");
  const Ran r = p->run(resume(run, {"train.steps=22", "train.eval_every=22", "eval.bleu_texts=2"}));
  EXPECT_EQ(r.status, 0) << r.err;
  EXPECT_EQ(noted(load(checkpoint_path(RunFolder{run}.checkpoints(), 22)), "best_score_step"), 22);
}
TEST_F(Resume, AnEvaluationThatIsRepeatedStandsThereOnce) {
  fs::create_directory(p->file("records"));
  p->write("records/metrics.jsonl",
           "{\"step\":10,\"loss\":2.5}\n{\"step\":10,\"valid_loss\":2.25}\n{\"step\":20,\"loss\":1.5}\n"
           "{\"step\":20,\"valid_loss\":1.25}\n{\"step\":30,\"loss\":0.5}\n");
  p->write("records/samples.txt", "step 10\n  a\nstep 20\n  b\n");
  Progress progress;
  cut_log(RunFolder{p->file("records")}, {.step = 20, .evaluated = 10}, progress);
  EXPECT_EQ(slurp(p->file("records/metrics.jsonl")),
            "{\"step\":10,\"loss\":2.5}\n{\"step\":10,\"valid_loss\":2.25}\n{\"step\":20,\"loss\":1.5}\n");
  EXPECT_EQ(slurp(p->file("records/samples.txt")), "step 10\n  a\n");
}
TEST_F(Resume, AnEstimateIsOfWhatIsLeft) {
  const Ran done = p->run({"train", "--resume", p->file("run"), "--dry-run"});
  EXPECT_NE(done.out.find("time          0s from step 20 on\n"), std::string::npos) << done.out << done.err;
  expect_refusal(p->run({"train", "--resume", p->file("run"), "--set", "train.steps=5", "--dry-run"}),
                 "is already at step 20, beyond train.steps = 5");
  const Ran fresh = p->run({"train", p->file("c.toml"), "--dry-run"});
  EXPECT_EQ(fresh.out.find("from step"), std::string::npos) << fresh.out << fresh.err;
}

// ---- one process, one state ----
TEST_F(Resume, OneProcessTrainsInAFolder) {
  const std::string run = copy("alone"), link = p->file("link");
  fs::create_directory_symlink(run, link);
  const Words estimate{"train", "--resume", run, "--set", "train.steps=30", "--dry-run"};
  const auto before = files(run);
  EXPECT_EQ(p->run(estimate).status, 0) << slurp(p->file("err"));
  EXPECT_EQ(files(run), before) << "an estimate writes nothing";
  const pid_t first = start_long(run);
  Program other;
  EXPECT_EQ(other.run(estimate).status, 0) << "and does not disturb the running process";
  for (const std::string& name : {run, link, run + "/", p->file("run") + "/../alone"})
    expect_refusal(other.run(resume(name, {"train.steps=30"})), "another process is using it");
  kill(first, SIGKILL);
  EXPECT_NE(p->end(first).status, 0);
  EXPECT_EQ(newest(run), 20);
  EXPECT_EQ(p->run(resume(run, {"train.steps=30", "train.eval_every=10"})).status, 0)
      << slurp(p->file("err"));
}
TEST_F(Resume, TheModelOfAnEarlierEndDoesNotOutliveIt) {
  const std::string run = copy("extended");
  const auto before = files(run);
  ASSERT_TRUE(before.contains(run + "/model.safetensors"));
  const pid_t child = start_long(run);
  kill(child, SIGINT);
  const Ran r = p->end(child);
  EXPECT_EQ(r.status, 130) << r.err;
  EXPECT_NE(r.err.find("model.safetensors of step 20 is removed"), std::string::npos) << r.err;
  EXPECT_FALSE(fs::exists(run + "/model.safetensors"));
  EXPECT_FALSE(fs::exists(run + "/results.json"));
  EXPECT_NE(load_run(run)->source.find("/checkpoints/"), std::string::npos);
  // A run that is resumed at its end keeps its model.
  const std::string done = copy("done");
  EXPECT_EQ(p->run(resume(done)).status, 0) << slurp(p->file("err"));
  EXPECT_EQ(weights_hash(load_run(done)->params), weights_hash(load_run(p->file("run"))->params));
}
TEST_F(Resume, ANewRunDoesNotMixWithAnOldModel) {
  const std::string run = copy("mixed");
  fs::remove_all(run + "/checkpoints");
  const auto before = files(run);
  expect_refusal(p->run({"train", p->file("c.toml"), "--set", "run.folder=" + run, "--set",
                         "data.train=" + p->file("valid.tsv")}),
                 "holds the model of another run");
  EXPECT_EQ(files(run), before);
}
TEST_F(Resume, TheEndFallsBackToTheCheckpointsThatAreLeft) {
  const std::string all = slurp(p->file("train.tsv")), run = p->file("few");
  size_t end = 0;
  for (int line = 0; line < 10; ++line) end = all.find('\n', end) + 1;
  p->write("few.tsv", all.substr(0, end));
  const Ran r = p->run({"train", p->file("c.toml"), "--set", "run.folder=" + run, "--set",
                        "data.train=" + p->file("few.tsv"), "--set", "train.steps=200", "--set",
                        "optimizer.learning_rate=1e-2", "--set", "train.save_every=100", "--set",
                        "train.keep=2", "--set", "train.average=2"});
  ASSERT_EQ(r.status, 0) << r.err;
  const std::string folder = RunFolder{run}.checkpoints();
  const int64_t best = noted(load(checkpoint_path(folder, 200)), "best_step");
  ASSERT_LT(best, 100) << "overfitted: the last weights are not the best";
  fs::remove(checkpoint_path(folder, best));
  std::string bytes = slurp(checkpoint_path(folder, 100));  // to be averaged with the last
  bytes[bytes.size() - 100] ^= 1;
  Disk::real().replace_text(checkpoint_path(folder, 100), bytes);
  const Ran more = p->run(resume(run));
  EXPECT_EQ(more.status, 0) << more.err;
  EXPECT_NE(more.err.find(checkpoint_path(folder, best) + ": cannot open"), std::string::npos) << more.err;
  EXPECT_NE(more.err.find(checkpoint_path(folder, 100) + ": byte"), std::string::npos) << more.err;
  EXPECT_NE(more.err.find("train.average = 2, but the folder has only 1 to average"), std::string::npos)
      << more.err;
  EXPECT_NE(more.err.find("that of step 200 is the best"), std::string::npos) << more.err;
  EXPECT_NE(more.out.find("model: step 200"), std::string::npos) << more.out;
}

// ---- ends ----
TEST_F(Resume, ATerminalThatClosesCostsNoStep) {
  const std::string run = copy("hangup");
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = start_long(run, [&] {
    signal(SIGHUP, SIG_DFL);  // the tests themselves may run under nohup
    dup2(ends[1], 2), close(ends[0]), close(ends[1]);
  });
  close(ends[0]), close(ends[1]);  // the reader of the messages disappears, too
  const int64_t reached = logged(run);
  kill(child, SIGHUP);  // from the kernel, and a moment later from the shell
  usleep(1000);
  kill(child, SIGHUP);
  EXPECT_EQ(p->end(child).status, 130);
  EXPECT_GE(newest(run), reached);
}
TEST_F(Resume, UnderNohupItGoesOn) {
  const std::string run = copy("nohup");
  const pid_t child = start_long(run, [] { signal(SIGHUP, SIG_IGN); });
  kill(child, SIGHUP);
  const int64_t at = logged(run);
  EXPECT_TRUE(wait_for([&] { return logged(run) > at + 20; }));
  kill(child, SIGTERM);
  EXPECT_EQ(p->end(child).status, 130);
}
TEST_F(Resume, AnInterruptIsHeardWhileTheTestSetIsTranslated) {
  const std::string run = copy("tested");
  std::string test;
  for (int i = 0; i < 300; ++i) test += slurp(p->file("test.tsv"));
  p->write("large.tsv", test);
  const pid_t child =
      start([] {}, resume(run, {"train.steps=21", "data.test=" + p->file("large.tsv"), "eval.beam=64"}));
  // The model is saved before it is tested.
  ASSERT_TRUE(wait_for([&] { return logged(run) == 21 && fs::exists(run + "/model.safetensors"); }));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  kill(child, SIGINT);
  const Ran r = p->end(child);
  EXPECT_EQ(r.status, 130) << r.err;
  EXPECT_NE(r.err.find("stopped at step 21"), std::string::npos) << r.err;
  EXPECT_TRUE(fs::exists(run + "/model.safetensors"));
  EXPECT_FALSE(fs::exists(run + "/results.json"));
  EXPECT_EQ(p->run(resume(run, {"data.test=" + p->file("test.tsv"), "eval.beam=2"})).status, 0)
      << slurp(p->file("err"));
  EXPECT_TRUE(fs::exists(run + "/results.json"));
}

// What TensorBoard shows of a run, read as its source does: files in the order of their names; a session that
// starts at a step replaces everything from that step on.
uint64_t varint(std::string_view& b) {
  uint64_t n = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<uint8_t>(b[0]);
    b.remove_prefix(1);
    n |= uint64_t{byte & 127u} << shift;
    if (byte < 128) return n;
  }
}
std::map<uint64_t, std::pair<uint64_t, std::string>> fields(std::string_view b) {  // number and bytes of each
  std::map<uint64_t, std::pair<uint64_t, std::string>> out;
  while (!b.empty()) {
    const uint64_t key = varint(b), wire = key & 7;
    uint64_t n = wire == 1 ? 8 : wire == 5 ? 4 : varint(b);
    auto& [number, bytes] = out[key >> 3];
    number = n;
    if (wire == 0) continue;
    bytes = std::string(b.substr(0, n));
    b.remove_prefix(n);
  }
  return out;
}
std::vector<uint64_t> steps_shown(const std::string& run, const std::string& tag) {
  std::vector<uint64_t> shown;
  for (const std::string& name : Disk::real().list(run)) {
    if (!name.starts_with("events.out.")) continue;
    const std::string all = slurp(run + "/" + name);
    for (size_t at = 0; at + 12 < all.size();) {
      uint64_t length = 0;
      std::memcpy(&length, all.data() + at, 8);
      auto event = fields(std::string_view(all).substr(at + 12, length));
      at += 16 + length;
      const uint64_t step = event[2].first;
      if (event.contains(7) && fields(event[7].second)[1].first == 1)
        std::erase_if(shown, [&](uint64_t s) { return s >= step; });
      if (event[5].second.find(tag) != std::string::npos) shown.push_back(step);
    }
  }
  return shown;
}
TEST_F(Resume, TensorBoardShowsEachStepOnce) {
  const std::string run = copy("board");
  ASSERT_EQ(steps_shown(run, "loss/train").size(), 20u);
  const pid_t child = start_long(run);
  kill(child, SIGKILL);
  p->end(child);
  ASSERT_GT(steps_shown(run, "loss/train").back(), 20u);
  EXPECT_EQ(p->run(resume(run, {"train.steps=25", "train.eval_every=10"})).status, 0)
      << slurp(p->file("err"));
  std::vector<uint64_t> expected(25);
  for (size_t i = 0; i < 25; ++i) expected[i] = i + 1;
  EXPECT_EQ(steps_shown(run, "loss/train"), expected);
}

// ---- damage ----
TEST_F(Resume, APipeInPlaceOfAFileIsNotWaitedFor) {
  const std::string run = copy("piped");
  for (const char* name : {"model.safetensors", "tokenizer.json", "config.toml", "metrics.jsonl"}) {
    const std::string path = run + "/" + name;
    fs::rename(path, p->file("aside"));
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    expect_refusal(p->run({"inspect", run}), path + " is not a regular file");
    fs::remove(path);
    fs::rename(p->file("aside"), path);
  }
}
TEST_F(Resume, AModelWithoutCheckpointsIsNotTakenForNothing) {
  const std::string run = copy("bare");
  fs::remove_all(run + "/checkpoints");
  const auto before = files(run);
  expect_refusal(p->run(resume(run)),
                 "it has a model but no checkpoint to resume from; train.from = \"" + run);
  EXPECT_EQ(files(run), before);
}
TEST_F(Resume, DamagedCheckpointsAreNamedEach) {
  const std::string run = copy("damaged");
  fs::remove(run + "/model.safetensors");
  for (const int64_t step : {0, 10, 20}) {
    const std::string path = checkpoint_path(RunFolder{run}.checkpoints(), step);
    std::string bytes = slurp(path);
    bytes[bytes.size() - 100] ^= 1;
    Disk::real().replace_text(path, bytes);
  }
  const auto before = files(run);
  for (const Words& words : {resume(run), Words{"translate", run}, Words{"inspect", run},
                             Words{"train", p->file("c.toml"), "--set", "run.folder=" + run}}) {
    const Ran r = p->run(words);
    expect_refusal(r, "none of its checkpoints (3) can be read");
    for (const int64_t step : {0, 10, 20})
      EXPECT_NE(r.err.find(checkpoint_path(RunFolder{run}.checkpoints(), step) + ": byte"),
                std::string::npos);
    EXPECT_EQ(r.err.find("without --resume"), std::string::npos) << r.err;
    EXPECT_EQ(files(run), before);
  }
}
TEST_F(Resume, ADamagedLineOfTheLogIsPassedOver) {
  const std::string run = copy("log"), path = RunFolder{run}.metrics();
  std::string text = slurp(path);
  const size_t second = text.find('\n') + 1, third = text.find('\n', second);
  text.erase(third - 1, 1);
  Disk::real().replace_text(path, text);
  const Ran shown = p->run({"inspect", run});
  EXPECT_EQ(shown.status, 0) << shown.err;
  EXPECT_NE(shown.err.find("metrics.jsonl: damaged lines skipped: 1"), std::string::npos) << shown.err;
  const Ran more = p->run(resume(run, {"train.steps=21"}));
  EXPECT_EQ(more.status, 0) << more.err;
  EXPECT_NE(more.err.find("metrics.jsonl: damaged lines left out: 1"), std::string::npos) << more.err;
  text.erase(second, third - second);
  EXPECT_EQ(slurp(path).substr(0, text.size()), text);
}
TEST_F(Resume, SamplesOfStepsDoneAgainAreShownOnce) {
  const std::string run = copy("samples");
  const std::string kept = "step 10\n  a\n  = b\n  > c\nstep 20\n  a\n  = b\n  > d\n";
  p->write("samples/samples.txt", kept + "step 25\n  a\n  = b\n  > e\n");
  const Ran r = p->run(resume(run, {"train.steps=22"}));
  EXPECT_EQ(r.status, 0) << r.err;
  const std::string samples = Disk::real().read(run + "/samples.txt");
  EXPECT_EQ(samples.substr(0, kept.size()), kept);
  EXPECT_EQ(samples.find("step 25"), std::string::npos) << samples;
}
TEST_F(Resume, WeightsOfAnotherTypeAreNamed) {
  const std::string run = p->file("typed");
  write_run(run, {});
  TensorFile model = read_safetensors(RunFolder{run}.model());
  for (auto& [name, t] : model.tensors) {
    std::vector<double> numbers(static_cast<size_t>(t.size()));
    for (int64_t i = 0; i < t.size(); ++i) numbers[static_cast<size_t>(i)] = t.at(i);
    t = Tensor::from<double>(numbers, t.shape(), DType::f64);
  }
  write_safetensors(model, RunFolder{run}.model());
  EXPECT_NE(error_of([&] { load_run(run); }).find("has numbers of type F64, a model here has F32"),
            std::string::npos);
}
TEST_F(Resume, WeightsThatAreNotFiniteAreNeverSaved) {
  const std::string run = copy("infinite"), newest_path = checkpoint_path(RunFolder{run}.checkpoints(), 20);
  Checkpoint c = load(newest_path);
  for (auto& [name, t] : c.tensors)
    if (name == "tokens") t.data<float>()[0] = NAN;
  for (const char* ours : {"step", "ruminate", "header_hash", "body_hash"}) c.meta.erase(ours);
  save(c, newest_path);
  Progress progress;
  RunConfig config = resumed_config(run);
  config.steps = 30;
  testing::internal::CaptureStderr();
  const std::string e = error_of([&] { Trainer(config, progress, true).run([](int64_t) { return true; }); });
  testing::internal::GetCapturedStderr();
  EXPECT_NE(e.find("is not finite after step 21, which is not saved"), std::string::npos) << e;
  EXPECT_NE(e.find("the last good checkpoint is " + checkpoint_path(RunFolder{run}.checkpoints(), 10)),
            std::string::npos)
      << e;
  EXPECT_EQ(newest(run), 20);
}

// ---- what is said ----
TEST_F(Resume, SizesBeyondReasonAreSaidAtOnce) {
  for (const std::string key : {"train.steps", "train.target_tokens", "batch.tokens", "batch.texts",
                                "batch.scored", "batch.micro_batches"}) {
    const Ran r = p->run({"train", p->file("c.toml"), "--set", key + "=1000000000000", "--set",
                          "run.folder=" + p->file("huge"), "--dry-run"},
                         "", kSanitized ? 0 : int64_t{3} << 30);
    expect_refusal(r, key);
    EXPECT_NE(r.err.find("1000000000000"), std::string::npos) << r.err;
  }
  expect_refusal(p->run({"train", p->file("c.toml"), "--set", "optimizer.epsilon=0"}),
                 "optimizer.epsilon: expected a number from 1e-20 to 1, found 0");
}
TEST_F(Resume, ACommandToCopyIsQuoted) {
  const std::string run = copy("my run");
  const pid_t child = start_long(run);
  kill(child, SIGINT);
  const Ran r = p->end(child);
  EXPECT_NE(r.err.find("ruminate train --resume '" + run + "'"), std::string::npos) << r.err;
}
TEST_F(Resume, FromWithinItsFolder) {
  const std::string home = p->file("home");
  fs::create_directories(home);
  for (const char* name : {"train.tsv", "valid.tsv", "test.tsv"}) fs::copy(p->file(name), home + "/" + name);
  std::string toml = slurp(p->file("c.toml"));  // the same with relative paths
  for (size_t at; (at = toml.find(p->scratch.path + "/")) != std::string::npos;)
    toml.erase(at, p->scratch.path.size() + 1);
  toml.replace(toml.find("\"run\""), 5, "\"runs/small\"");
  Disk::real().replace_text(home + "/c.toml", toml);
  const auto in = [&](const std::string& folder, const Words& words) {
    return p->end(start([&] { EXPECT_EQ(chdir(folder.c_str()), 0); }, words));
  };
  ASSERT_EQ(in(home, {"train", "c.toml"}).status, 0) << slurp(p->file("err"));
  const std::string run = home + "/runs/small";
  const Ran r = in(run, resume(".", {"train.steps=25"}));
  EXPECT_EQ(r.status, 0) << r.err;
  EXPECT_NE(r.err.find(run + ": "), std::string::npos) << r.err;  // by its name
  EXPECT_EQ(in(home, resume("runs/small/", {"train.steps=30"})).status, 0) << slurp(p->file("err"));
  EXPECT_EQ(newest(run), 30);
}
TEST_F(Resume, TextsAreWrittenAsTheyCome) {
  write_run(p->file("prose"), {.kind = CorpusKind::documents});
  const auto words = [&](const std::string& count, const std::string& batch) {
    return Words{"generate", p->file("prose"), "--prompt", "the",     "--max-new",
                 "6",        "--count",        count,      "--batch", batch};
  };
  const Ran parts = p->run(words("150", "64")), whole = p->run(words("150", "150"));
  EXPECT_EQ(parts.status, 0) << parts.err;
  EXPECT_EQ(parts.out, whole.out);
  EXPECT_GT(std::set<char>(whole.out.begin(), whole.out.end()).size(), 20u);
  const pid_t child = start([] {}, words("1e6", "64"));
  EXPECT_TRUE(wait_for([&] { return slurp(p->file("out")).size() > 100'000; })) << "nothing before the end";
  kill(child, SIGKILL);
  p->end(child);
}
}  // namespace
}  // namespace rum::resume_test
