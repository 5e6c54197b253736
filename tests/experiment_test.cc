// Experiments: the graph, the store, the runner, and the program from its corpora to its report, on pairs of
// our own grammar.
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <list>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/hash.h"
#include "base/random.h"
#include "checkpoint/safetensors.h"
#include "edits/targets.h"
#include "experiment/arms.h"
#include "experiment/measures.h"
#include "experiment/results.h"
#include "experiment/subset.h"
#include "generate/generated.h"
#include "metrics/chrf.h"
#include "metrics/diversity.h"
#include "metrics/errors.h"
#include "pipeline/runner.h"
#include "pipeline/store.h"
#include "program.h"
#include "tests/csv.h"
#include "tests/error_of.h"
#include "tests/grammar/smoke.h"
#include "tests/run_folder.h"
#include "text/words.h"

namespace rum::experiment_test {
using namespace metrics;
using namespace experiment;
namespace {
namespace fs = std::filesystem;

void expect_error(const std::function<void()>& f, const std::string& part) {
  const std::string said = error_of(f);
  EXPECT_NE(said.find(part), std::string::npos) << "said: " << said << "\nexpected: " << part;
}
const std::function<bool()> kGoOn = [] { return false; };

// Kinds of stages for these tests: one writes its parameter, one concatenates its inputs' output.
int made = 0;
void write_parameter(const StageContext& x) {
  ++made;
  Disk::real().replace_text(x.folder + "/out.txt", *x.stage.parameters.find("text")->text());
}
void join(const StageContext& x) {
  ++made;
  std::string out;
  for (const std::string& i : x.inputs("part")) out += Disk::real().read(i + "/out.txt");
  Disk::real().replace_text(x.folder + "/out.txt", out);
}
// Targets, one "id source<TAB>target" a line, and a seed set.
void write_some_targets(const StageContext& x) {
  edits::TargetSet t;
  std::istringstream lines(*x.stage.parameters.find("text")->text());
  for (std::string line; std::getline(lines, line);) {
    const size_t blank = line.find(' '), tab = line.find('\t');
    t.ids.push_back(std::stoi(line));
    t.texts.push_back({line.substr(blank + 1, tab - blank - 1), line.substr(tab + 1)});
  }
  edits::write_targets(x.folder, t);
  Disk::real().replace_text(x.folder + "/seed.tsv", "eins\tone\n");
}
void write_some_scores(const StageContext& x) {
  Disk::real().replace_text(x.folder + "/scores.tsv", *x.stage.parameters.find("text")->text());
}
const StageKind kinds[] = {{"test-write", 1, false, write_parameter},
                           {"test-scores", 1, false, write_some_scores},
                           {"test-targets", 1, false, write_some_targets},
                           {"test-join", 1, false, join},
                           {"test-resume", 1, true, write_parameter}};

TEST(Graph, AStageIsNamedByWhatDecidesItsOutput) {
  const auto ids = [](const std::string& a, const std::string& label, const std::string& hint) {
    Graph g;
    const std::string first = g.add("test-write", label, {{"text", a}}, {}, 1, {{"where", hint}});
    const std::string second = g.add("test-write", "b", {{"text", "b"}}, {});
    const std::string both = g.add("test-join", "both", {}, {{"part", first}, {"part", second}});
    return std::array{first, second, both};
  };
  const auto one = ids("a", "first", "here"), same = ids("a", "another label", "there"),
             other = ids("x", "first", "here");
  EXPECT_EQ(one, same);         // labels and hints do not count
  EXPECT_NE(one[0], other[0]);  // parameters do, and all that depends on them
  EXPECT_NE(one[2], other[2]);
  EXPECT_EQ(one[1], other[1]);  // and nothing else
  Graph g;
  EXPECT_EQ(g.add("test-write", "a", {{"text", "a"}}, {}), g.add("test-write", "again", {{"text", "a"}}, {}));
  EXPECT_EQ(g.stages().size(), 1u);
  expect_error([&] { g.add("test-wirte", "a", {}, {}); }, "did you mean \"test-write\"?");
  expect_error([&] { g.at("train-0"); }, "no stage \"train-0\"");
}

TEST(Store, MakesOnceAndSeesDamage) {
  Scratch scratch;
  Store store(scratch.path + "/x");
  Progress progress;
  Graph g;
  const std::string a = g.add("test-write", "a", {{"text", "A"}}, {}),
                    b = g.add("test-join", "b", {}, {{"part", a}, {"part", a}});
  expect_error([&] { store.make(g, b, progress, kGoOn); }, "needs " + a);
  made = 0;
  for (int i = 0; i < 2; ++i) store.make(g, a, progress, kGoOn), store.make(g, b, progress, kGoOn);
  EXPECT_EQ(made, 2);
  EXPECT_EQ(slurp(store.folder(b) + "/out.txt"), "AA");
  EXPECT_FALSE(store.begun(b));
  EXPECT_EQ(store.damage(b), "");
  Disk::real().replace_text(store.folder(b) + "/out.txt", "AB");
  EXPECT_NE(store.damage(b).find("out.txt does not match"), std::string::npos) << store.damage(b);
  store.remove(b, progress);
  EXPECT_FALSE(store.finished(b));
  store.make(g, b, progress, kGoOn);
  EXPECT_EQ(slurp(store.folder(b) + "/out.txt"), "AA");
  fs::remove(store.folder(a) + "/out.txt");
  EXPECT_NE(store.damage(a), "");
  Disk::real().replace_text(store.folder(b) + "/stage.json", "{\"files\":{\"../../../x\":\"0\"}}");
  EXPECT_NE(store.damage(b).find("not in the folder"), std::string::npos) << store.damage(b);
}
TEST(Store, FilesOfOthersAreNoDamageAndStay) {
  Scratch scratch;
  Store store(scratch.path);
  Progress progress;
  Graph g;
  const std::string a = g.add("test-write", "a", {{"text", "A"}}, {});
  store.make(g, a, progress, kGoOn);
  EXPECT_TRUE(store.strangers(a).empty());
  Disk::real().make_folders(store.folder(a) + "/mine");
  Disk::real().replace_text(store.folder(a) + "/mine/notes.txt", "mine");
  fs::create_symlink(scratch.path, store.folder(a) + "/link");
  EXPECT_EQ(store.damage(a), "");
  EXPECT_EQ(store.strangers(a), (std::vector<std::string>{"link", "mine/notes.txt"}));
  for (const char* old : {".old-1", ".old-2"}) {  // with a new one each time
    store.remove(a, progress);
    EXPECT_FALSE(store.finished(a));
    EXPECT_EQ(slurp(store.folder(a) + old + "/mine/notes.txt"), "mine");
    EXPECT_FALSE(fs::exists(store.folder(a) + old + "/out.txt"));
    store.make(g, a, progress, kGoOn);
    Disk::real().make_folders(store.folder(a) + "/mine");
    Disk::real().replace_text(store.folder(a) + "/mine/notes.txt", "mine");
  }
  Disk::real().replace_text(store.folder(a) + "/stage.json", "{");  // the owner of out.txt is no longer known
  store.remove(a, progress);
  EXPECT_EQ(slurp(store.folder(a) + ".old-3/out.txt"), "A");
  EXPECT_EQ(slurp(scratch.path + "/stages/" + a + ".old-3/mine/notes.txt"), "mine");
}
TEST(Store, WhatAKilledWriterLeftIsNoFileOfAStage) {
  Scratch scratch;
  Store store(scratch.path);
  Progress progress;
  Graph g;
  const std::string a = g.add("test-resume", "a", {{"text", "A"}}, {});
  Disk::real().make_folders(store.part(a));
  for (const char* name : {"/out.txt.ruminate-0123abcd.tmp", "/half.txt"})
    Disk::real().replace_text(store.part(a) + name, "x");
  store.make(g, a, progress, kGoOn);
  EXPECT_EQ(Disk::real().list(store.folder(a)),
            (std::vector<std::string>{"half.txt", "out.txt", "stage.json"}));
}
TEST(Store, WhatAKilledStageLeftIsNotTakenForFinished) {
  Scratch scratch;
  Store store(scratch.path);
  Progress progress;
  Graph g;
  const std::string a = g.add("test-write", "a", {{"text", "A"}}, {});
  Disk::real().make_folders(store.part(a));
  Disk::real().replace_text(store.part(a) + "/half.txt", "x");
  EXPECT_FALSE(store.finished(a));
  store.make(g, a, progress, kGoOn);
  EXPECT_FALSE(Disk::real().exists(store.folder(a) + "/half.txt"));  // this kind starts over
  EXPECT_EQ(store.damage(a), "");
}
// What a train stage of 20 steps needs, whose first evaluation stays the best one.
struct Training {
  Scratch scratch;
  Store store{scratch.path};
  Progress progress;
  Graph g;
  std::string split, tokenizer;
  Training() {
    progress.be_silent();
    size_t from = 0;
    const std::vector<Pair> pairs = grammar_pairs(200, 5);
    Json::Object files;
    for (const auto& [set, count] : {std::pair{"train", 120}, {"valid", 8}, {"test", 8}}) {
      const std::string path = fmt::format("{}/{}.tsv", scratch.path, set);
      const std::span<const Pair> part = std::span(pairs).subspan(from, count);
      Disk::real().replace_text(path, corpus_bytes({part.begin(), part.end()}, CorpusKind::pairs));
      files.emplace_back(set, path);
      from += count;
    }
    split = g.add(
        "split", "split",
        {{"seed_pairs", 100}, {"pool_pairs", 1}, {"judge_pairs", 0}, {"valid_pairs", 0}, {"test_pairs", 0}},
        {}, 1, files);
    tokenizer = g.add("tokenizer", "tokenizer",
                      {{"vocab", 300}, {"pattern", "gpt2"}, {"split_digits", false}, {"min_frequency", 2}},
                      {{"split", split}});
    store.make(g, split, progress, kGoOn);
    store.make(g, tokenizer, progress, kGoOn);
  }
  std::string stage(const std::vector<std::pair<std::string, std::string>>& settings) {
    RunConfig c;
    for (const auto& [key, value] :
         std::vector<std::pair<std::string, std::string>>{{"model.layers", "1"},
                                                          {"model.width", "16"},
                                                          {"model.heads", "2"},
                                                          {"model.context", "96"},
                                                          {"batch.tokens", "128"},
                                                          {"eval.bleu_texts", "0"},
                                                          {"train.steps", "8"},
                                                          {"train.eval_every", "5"},
                                                          {"train.save_every", "2"},
                                                          {"schedule.warmup", "0"}})
      set_key(c, key, value);
    for (const auto& [key, value] : settings) set_key(c, key, value);
    return g.add("train", "t",
                 {{"recipe", recipe_json(c)}, {"seed", 1}, {"data", Json::Object{{"seed_pairs", 100}}}},
                 {{"tokenizer", tokenizer}, {"split", split}});
  }
  std::string weights(const std::string& id,
                      const char* name) const {  // as bytes, without what a file says of itself
    std::string out;
    for (const auto& [tensor, numbers] :
         read_safetensors(store.folder(id) + "/run/" + name + ".safetensors").tensors)
      out += tensor + std::string(reinterpret_cast<const char*>(numbers.data<float>()),
                                  static_cast<size_t>(numbers.size()) * sizeof(float));
    return out;
  }
};
// The folder of checkpoints goes file by file.
TEST(Store, ATrainingKilledAsItTidiesUpIsNotRepeated) {
  Training x;
  const std::string id = x.stage({});
  x.store.make(x.g, id, x.progress, kGoOn);
  const std::string last = x.weights(id, "last"), best = x.weights(id, "best"), part = x.store.part(id);
  fs::rename(x.store.folder(id), part);
  Disk::real().remove(part + "/stage.json");
  fs::create_directories(part + "/run/checkpoints");
  std::ofstream(part + "/run/checkpoints/step-00000008.ckpt") << "half";
  const std::string measured = slurp(part + "/run/metrics.jsonl");
  EXPECT_EQ(error_of([&] { x.store.make(x.g, id, x.progress, kGoOn); }), "");
  EXPECT_EQ(x.weights(id, "last"), last);
  EXPECT_EQ(x.weights(id, "best"), best);
  EXPECT_EQ(slurp(x.store.folder(id) + "/run/metrics.jsonl"), measured);
  EXPECT_FALSE(fs::exists(x.store.folder(id) + "/run/checkpoints"));
}
// With train.best = "last" the run's own model is what train.average makes of the last checkpoints.
TEST(Store, TheLastWeightsOfAStageAreThoseThatTrainAverageAsksFor) {
  Training x;
  const std::string one = x.stage({{"train.best", "last"}}),
                    mean = x.stage({{"train.best", "last"}, {"train.average", "3"}, {"train.keep", "3"}});
  x.store.make(x.g, one, x.progress, kGoOn);
  x.store.make(x.g, mean, x.progress, kGoOn);
  EXPECT_NE(x.weights(mean, "last"), x.weights(one, "last"));
  EXPECT_EQ(x.weights(one, "last"), x.weights(one, "model"));
  EXPECT_EQ(x.weights(mean, "last"), x.weights(mean, "model"));
}
// A night's run is not lost to one stage: what does not need it is made, in whatever order they stand.
TEST(Runner, WhatDoesNotNeedAFailedStageIsStillMade) {
  Scratch scratch;
  Store store(scratch.path);
  Graph g;
  const std::string bad = g.add("test-write", "bad", {{"text", "B"}}, {}),
                    needs = g.add("test-join", "needs bad", {}, {{"part", bad}}),
                    good = g.add("test-write", "good", {{"text", "G"}}, {}),
                    last = g.add("test-join", "needs good", {}, {{"part", good}});
  // Makes a stage as the program would, except the bad one.
  const std::string make = scratch.path + "/make";
  fs::create_directories(scratch.path + "/stages");
  std::ofstream(make) << "#!/bin/sh\n[ \"$1\" != " << bad << " ] || { echo 'no luck'; exit 3; }\n"
                      << "cd " << scratch.path << "/stages && mkdir $1 && echo {} >$1/stage.json\n";
  fs::permissions(make, fs::perms::owner_all);
  Progress progress(scratch.path + "/log.txt");
  EXPECT_EQ(error_of([&] { run_stages(g, store, {{make}}, progress, kGoOn); }),
            "bad failed (status 3): no luck; the whole log: " + store.log(bad) +
                "; not made because they need what failed: 1");
  EXPECT_TRUE(store.finished(good) && store.finished(last));
  EXPECT_FALSE(store.finished(bad) || store.finished(needs));
  EXPECT_NE(slurp(scratch.path + "/log.txt").find("2 of 4: needs good"), std::string::npos);
}
// Some launchers start a program so; then no ended process can be waited for.
TEST(Runner, EndsWhereSignalsOfEndedProcessesAreIgnored) {
  Scratch scratch;
  Store store(scratch.path);
  Progress progress;
  Graph g;
  g.add("test-write", "a", {{"text", "A"}}, {});
  const auto before = ::signal(SIGCHLD, SIG_IGN);
  expect_error([&] { run_stages(g, store, {{"/bin/true"}}, progress, kGoOn); }, "a failed (status 0)");
  ::signal(SIGCHLD, before);
}
TEST(Store, OneAtATime) {
  Scratch scratch;
  const FileLock first(scratch.path + "/lock", FileLock::Taken::tell);
  EXPECT_TRUE(first.held());
  EXPECT_FALSE(FileLock(scratch.path + "/lock", FileLock::Taken::tell).held());
  EXPECT_THROW(FileLock(scratch.path + "/lock"), FileError);
}

TEST(Targets, AreAlignedBySentence) {
  // Pool sentences 0 and 2 are one source, translated by two people; the machine left 1 out.
  const edits::TargetSet human{{0, 1, 2, 3}, {{"a", "A"}, {"b", "B"}, {"a", "AA"}, {"a", "A"}}, {}},
      machine{{0, 2, 3}, {{"a", "x"}, {"a", "y"}, {"a", "z"}}, {}};
  const auto [m, h] = edits::aligned(machine, human);
  EXPECT_EQ(m.ids, (std::vector<int64_t>{0, 2, 3}));
  EXPECT_EQ(h.ids, m.ids);
  EXPECT_EQ(edits::sides(m.texts, &Pair::target), (std::vector<std::string>{"x", "y", "z"}));
  EXPECT_EQ(edits::sides(h.texts, &Pair::target), (std::vector<std::string>{"A", "AA", "A"}));
  const edits::TranslatedTwice t = translated_twice(machine, human);
  EXPECT_EQ(t.references, std::vector<std::string>{"A"});  // the third says the same as the first
  EXPECT_EQ(t.second, std::vector<std::string>{"AA"});
  EXPECT_EQ(t.targets, std::vector<std::string>{"x"});
  EXPECT_TRUE(translated_twice({{1}, {{"b", "x"}}, {}}, human).sources.empty());
  // Each of several targets is compared with the same two.
  const edits::TranslatedTwice each = translated_twice({{0, 0}, {{"a", "x"}, {"a", "y"}}, {}}, human);
  EXPECT_EQ(each.targets, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(each.second, (std::vector<std::string>{"AA", "AA"}));
  // Of a sentence with several targets each is kept.
  const auto [two, twice] = edits::aligned({{2, 0, 2}, {{"a", "y"}, {"a", "x"}, {"a", "z"}}, {}}, human);
  EXPECT_EQ(two.ids, (std::vector<int64_t>{0, 2, 2}));
  EXPECT_EQ(edits::sides(two.texts, &Pair::target), (std::vector<std::string>{"x", "y", "z"}));
  EXPECT_EQ(edits::sides(twice.texts, &Pair::target), (std::vector<std::string>{"A", "AA", "AA"}));
}
// What a measure stage says of targets beside human ones.
struct Measured {
  Json all;
  Measured(const char* human_text, const char* targets_text) {
    Scratch scratch;
    Store store(scratch.path);
    Progress progress;
    progress.be_silent();
    Graph g;
    const std::string human = g.add("test-targets", "human", {{"text", human_text}}, {}),
                      targets = g.add("test-targets", "targets", {{"text", targets_text}}, {}),
                      measured = g.add("measure", "m", Json::Object{},
                                       {{"targets", targets}, {"human", human}, {"split", human}});
    for (const std::string& id : {human, targets, measured}) store.make(g, id, progress, kGoOn);
    const std::string file = store.folder(measured) + "/measures.json";
    all = parse_json(slurp(file), file);
  }
  double operator()(const char* group, const char* measure, const char* key) const {
    double out = NAN;
    all.find(group)->find(measure)->find(key)->number(out);
    return out;
  }
};
// What a joined set is compared by is all of it, each target with its sentence's human one.
TEST(Targets, AreMeasuredWithAllThatASentenceHas) {
  const Measured at("0 a\tone two\n1 b\tthree\n",
                    "0 a\tone six\n1 b\tthree\n0 a\tfour two\n1 b\tfive three\n");
  EXPECT_EQ(at("diversity", "tokens", "value"), 7);
  EXPECT_EQ(at("diversity", "tokens", "human"), 6);
  EXPECT_EQ(at("diversity", "types", "value"), 6);
  EXPECT_EQ(at("diversity", "types", "human"), 3);
  EXPECT_DOUBLE_EQ(at("errors", "ter", "value"), 3. / 6);  // six, four and five, of six human words
  EXPECT_EQ(at("errors", "ter", "chances"), 6);
  EXPECT_EQ(at("errors", "1-bleu", "chances"), 4);
  // Sentence BLEU is 100 for "three"; of two words one is right, and no pair, which counts half: 50 for each
  // other.
  EXPECT_DOUBLE_EQ(at("errors", "1-bleu", "value"), 1 - (1 + 3 * .5) / 4);
  // Character n-grams that match, of all: "onesix" and "onetwo" 3/6, 2/5, 1/4, 0, 0, 0, "fourtwo" beside
  // "onetwo" 4/7 and 4/6, 2/6 and 2/5, 1/5 and 1/4, 0, 0, 0, "fivethree" beside "three" 5/9 and 5/5, 4/8, 3/7,
  // 2/6, 1/5.
  const auto f = [](double p, double r) { return 5 * p * r / (4 * p + r); };
  const double six = (3. / 6 + 2. / 5 + 1. / 4) / 6,
               four = f((4. / 7 + 2. / 6 + 1. / 5) / 6, (4. / 6 + 2. / 5 + 1. / 4) / 6),
               five = f((5. / 9 + 4. / 8 + 3. / 7 + 2. / 6 + 1. / 5) / 5, 1);
  EXPECT_NEAR(at("errors", "1-chrf", "value"), 1 - (1 + six + four + five) / 4, 1e-12);
  // The sentences can be swapped in four ways, in two of which the types differ by 3; the targets, in eight,
  // in two.
  EXPECT_NEAR(at("diversity", "types", "p"), .5, .06);
}

// Shares of three or four numbers say little, so how many there are is written beside them.
TEST(Targets, HaveTheirErrorsCountedWithTheChancesForThem) {
  const Measured at("0 a\tSee 3 of 4 cats.\n1 a\tSee 3 of all cats.\n2 b\tNo number.\n",
                    "0 a\tSee 3 of 5 cats.\n2 b\tNo number.\n");
  EXPECT_EQ(at("errors", "number_mismatch", "chances"), 4);  // 3 and 4, 3 and 5
  EXPECT_EQ(at("errors", "number_mismatch", "value"), .5);
  EXPECT_EQ(at("errors", "negation_mismatch", "chances"), 2);
  EXPECT_EQ(at("errors", "1-bleu", "chances"), 2);
  EXPECT_EQ(at("floor", "number_mismatch", "chances"), 4);
  EXPECT_EQ(at("floor", "number_mismatch", "value"), .5);
  EXPECT_EQ(at("floor", "number_mismatch", "human_chances"), 3);
  EXPECT_DOUBLE_EQ(at("floor", "number_mismatch", "human"), 1. / 3);
  EXPECT_EQ(at("floor", "1-chrf", "human_chances"), 1);
  EXPECT_LT(at("floor", "1-chrf", "value"),
            at("floor", "1-chrf", "human"));  // "5" is closer to "4" than "all"
}

// Two targets of each sentence are as diverse as the whole list read twice, in whatever order their file has them.
TEST(Targets, OfOneSentenceDoNotLookLikeRepetition) {
  Scratch scratch;
  Store store(scratch.path);
  Progress progress;
  progress.be_silent();
  constexpr int kSentences = 60;
  std::string side_by_side, first, second;
  for (int i = 0; i < kSentences; ++i) {
    std::string text = "s\t";
    for (int j = 0; j < 10; ++j) text += fmt::format("{}w{}", j ? " " : "", (7 * i + 13 * j) % 150);
    side_by_side += fmt::format("{} {}\n{} {}\n", i, text, i, text);
    first += fmt::format("{} {}\n", i, text);
    second += fmt::format("{} {}\n", kSentences + i, text);
  }
  Graph g;
  const auto mtld = [&](const std::string& name, const std::string& text) {
    const std::string targets = g.add("test-targets", name, {{"text", text}}, {}),
                      human = g.add("test-targets", "human of " + name, {{"text", first + second}}, {}),
                      measured = g.add("measure", "measures of " + name, Json::Object{},
                                       {{"targets", targets}, {"human", human}, {"split", human}});
    for (const std::string& id : {targets, human, measured}) store.make(g, id, progress, kGoOn);
    const std::string file = store.folder(measured) + "/measures.json";
    double out = NAN;
    parse_json(slurp(file), file).find("diversity")->find("mtld")->find("value")->number(out);
    return out;
  };
  EXPECT_DOUBLE_EQ(mtld("side by side", side_by_side), mtld("read twice", first + second));
}

// Best first by the given scores: b, d, c, a. Of c there is no human target, and of b there are two.
TEST(Targets, OfOthersStandInTheOrderOrWithTheWeightsOfTheGenerated) {
  Scratch scratch;
  Store store(scratch.path);
  Progress progress;
  progress.be_silent();
  Graph g;
  const auto targets = [&](const char* label, const char* text) {
    return g.add("test-targets", label, {{"text", text}}, {});
  };
  const std::string generated = targets("generated", "0 a\tA\n1 b\tB\n2 c\tC\n3 d\tD\n"),
                    human = targets("human", "0 a\tone\n1 b\ttwo\n1 b\tsecond\n3 d\tfour\n"),
                    scores = g.add("test-scores", "scores",
                                   {{"text", "id\tscore\n0\t-2\n1\t1.5\n2\t-1\n3\t0\n"}}, {}),
                    ordered = g.add("order", "ordered", {{"first", "best"}, {"seed", int64_t{1}}},
                                    {{"targets", generated}, {"split", human}, {"by", scores}}),
                    weighed = g.add("weigh", "weighed", {{"seed", int64_t{1}}},
                                    {{"targets", generated}, {"split", human}, {"by", scores}});
  const auto replaced_in = [&](const std::string& of) {
    return g.add("replace", "replaced", {{"seed", int64_t{1}}},
                 {{"targets", of}, {"split", human}, {"with", human}});
  };
  const std::string in_order = replaced_in(ordered), with_weights = replaced_in(weighed);
  for (const std::string& id : {generated, human, scores, ordered, weighed, in_order, with_weights})
    store.make(g, id, progress, kGoOn);
  const edits::TargetSet order = edits::read_targets(store.folder(in_order));
  EXPECT_TRUE(order.ordered);
  EXPECT_EQ(order.ids, (std::vector<int64_t>{1, 3, 0}));
  EXPECT_EQ(edits::sides(order.texts, &Pair::source), (std::vector<std::string>{"b", "d", "a"}));
  EXPECT_EQ(edits::sides(order.texts, &Pair::target), (std::vector<std::string>{"two", "four", "one"}));
  const edits::TargetSet weights = edits::read_targets(store.folder(with_weights)),
                         before = edits::read_targets(store.folder(weighed));
  EXPECT_FALSE(weights.ordered);
  EXPECT_EQ(edits::sides(weights.texts, &Pair::target), (std::vector<std::string>{"one", "two", "four"}));
  EXPECT_EQ(weights.weights, (std::vector<float>{before.weights[0], before.weights[1], before.weights[3]}));
  EXPECT_LT(weights.weights[0], weights.weights[1]);
  // Without a sentence in common nothing is left.
  const std::string foreign = targets("of other sentences", "7 x\tX\n"),
                    nothing = g.add("replace", "nothing", {{"seed", int64_t{1}}},
                                    {{"targets", generated}, {"split", human}, {"with", foreign}});
  store.make(g, foreign, progress, kGoOn);
  expect_error([&] { store.make(g, nothing, progress, kGoOn); }, "no pair has a target");
}

// ---- configs
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}
TEST(ExperimentConfig, TheScalesAreRead) {
  for (const char* scale :
       {"smoke", "laptop", "laptop-debian", "remedies", "remedies-debian", "finetune", "growing",
        "growing-generators", "growing-models", "orders", "filters", "fraction", "mixing-seeds",
        "mixing-recipes", "chain", "map", "map-decodings", "mechanisms", "paper"}) {
    const std::string path = fmt::format("data/configs/experiments/{}.toml", scale);
    const ExperimentConfig c = read_experiment(path);
    EXPECT_GE(c.arms.size(), 5u) << path;
    EXPECT_GE(c.claims.size(), 4u) << path;
    if (std::string(scale) != "smoke") {
      EXPECT_GE(c.seeds, 3) << path;
    }
  }
}
TEST(ExperimentConfig, TargetsAreNamedByAGeneratorAndADecoding) {
  const TargetsName generated("self/greedy"), human("human");
  EXPECT_EQ(generated.generator, "self");
  EXPECT_EQ(generated.decoding, "greedy");
  EXPECT_EQ(human.generator, "human");
  EXPECT_EQ(human.decoding, "");  // even where a decoding has that name
}
// By hand from remedies.toml: E's arms, those that their claims name, and what the gate needs.
TEST(ExperimentPart, AGroupComesWithWhatItIsComparedWith) {
  const ExperimentConfig all = read_experiment("data/configs/experiments/remedies.toml"),
                         e = only_groups(all, {"E"});
  std::vector<std::string> arms, claims;
  for (const Arm& a : e.arms) arms.push_back(a.name);
  for (const Claim& c : e.claims) claims.push_back(c.id);
  EXPECT_EQ(arms,
            (std::vector<std::string>{"human", "self, greedy", "two generators", "two generators, one weaker",
                                      "four generators, one weaker and one stronger", "greedy and drawn"}));
  EXPECT_EQ(claims, (std::vector<std::string>{"C1", "C7", "C7 weaker", "C7 four", "R join"}));
  EXPECT_EQ(e.gate.claim, "C1");
  expect_error([&] { only_groups(all, {"e"}); }, "no group \"e\"; known: A, D, E, F, R");
}
TEST(ExperimentPart, AClaimNeedsBothOfItsDifferences) {
  ExperimentConfig all;
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    Arm& arm = all.arms.emplace_back();
    arm.name = name, arm.group = std::string(name) == "a" ? "X" : "Y";
  }
  Claim more;
  more.kind = "students", more.better = "a", more.worse = "b", more.minus_with = {"c", "d"};
  all.claims = {more};
  const ExperimentConfig x = only_groups(all, {"X"});
  std::vector<std::string> arms;
  for (const Arm& a : x.arms) arms.push_back(a.name);
  EXPECT_EQ(arms, (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_EQ(x.claims.size(), 1u);
}
// Whose text it is, read off what the operations of smoke.toml do.
TEST(ExperimentConfig, WhoWroteWhatAnArmLearnsFrom) {
  std::map<std::string, Writers> of;
  for (const Arm& a : read_experiment("data/configs/experiments/smoke.toml").arms) of[a.name] = writers_of(a);
  using Names = std::vector<std::string>;
  for (const auto& [arm, text, targets] : std::vector<std::tuple<const char*, const char*, Names>>{
           {"human", "human", {"human"}},
           {"human, 25 %", "human", {"human"}},
           {"self, greedy", "self/greedy", {"self/greedy"}},
           {"best half by dual cross-entropy", "self/greedy", {"self/greedy"}},
           {"human, worst first by dual cross-entropy of the generated", "human", {"human"}},
           {"mixed, 50 % human", "self/greedy, 50 % human", {"self/greedy", "human"}},
           {"two generators", "self/greedy in turn with low/greedy", {"self/greedy", "low/greedy"}},
           {"two translations of each source",
            "self/greedy and self/sampled",
            {"self/greedy", "self/sampled"}},
           {"human, errors injected", "human, inject", {"human"}},
           {"self, errors repaired", "self/greedy, repair", {"self/greedy"}},
           {"accumulate, a quarter fresh, generation 1",
            "generation 0/beam, 25 % human, and all of generation 0",
            {"generation 0/beam", "human"}}}) {
    EXPECT_EQ(of.at(arm).text, text) << arm;
    EXPECT_EQ(of.at(arm).targets, targets) << arm;
  }
}
TEST(ExperimentConfig, SaysWhatIsWrongAndWhere) {
  const std::string good = slurp("data/configs/experiments/smoke.toml");
  const auto refuse = [&](const char* from, const char* to, const char* part) {
    expect_error([&] { parse_experiment(replaced(good, from, to), "x.toml"); }, part);
  };
  const auto averaged = [&](const char* with, const char* part) {
    refuse("mean_with = [[\"best half by several scores in turn\", \"self, greedy\"]]", with, part);
  };
  averaged("mean_with = [[\"self, greedy\"]]", "claim[4].mean_with: expected a list of pairs");
  averaged("mean_with = [[\"self, greedy\", \"human, 2 %\"]]", "no arm \"human, 2 %\"; did you mean");
  refuse("kind = \"errors\"", "kind = \"errors\"\nmean_with = [[\"human\", \"self, greedy\"]]",
         "mean_with names arms: it is for a claim of kind \"students\"");
  refuse("kind = \"errors\"", "kind = \"errors\"\nminus_with = [\"human\", \"self, greedy\"]",
         "minus_with names arms: it is for a claim of kind \"students\"");
  // C1 is about human against self, greedy, C6 names a ceiling and others to average with.
  const auto minus = [&](const char* with, const char* part) {
    refuse("text = \"real beats regurgitated\"", fmt::format("text = \"x\"\nminus_with = {}", with).c_str(),
           part);
  };
  minus("[\"human\"]", "claim[0].minus_with: expected a pair");
  minus("[[\"human\", \"self, greedy\"]]", "claim[0].minus_with: expected a pair");
  minus("[\"human\", \"self, greedi\"]", "no arm \"self, greedi\"; did you mean \"self, greedy\"?");
  minus("[\"human\", \"human\"]", "claim C1 compares \"human\" with itself");
  minus("[\"human\", \"self, greedy\"]", "claim C1 takes a difference from itself");
  minus("[\"self, greedy\", \"human\"]\nmodel = \"best\"",
        "arm \"self, greedy\" is not judged by its best weights");
  refuse("mean_with = [[\"best half by several scores in turn\", \"self, greedy\"]]",
         "minus_with = [\"best half by several scores in turn\", \"self, greedy\"]",
         "claim C6 is about a difference minus another, which closes no gap");
  refuse("mean_with = [[", "minus_with = [\"human\", \"self, greedy\"]\nmean_with = [[",
         "give one of mean_with and minus_with");
  refuse("seeds = 2", "seed = 2", "x.toml:5: unknown key experiment.seed; did you mean \"seeds\"?");
  refuse("seeds = 2", "seeds = 0", "experiment.seeds: expected a whole number from 1");
  refuse("seeds = 2", "seeds = \"2\"", "experiment.seeds: expected a whole number, found \"2\"");
  refuse("seeds = 2", "seeds = 2.5", "experiment.seeds: expected a whole number, found 2.5");
  EXPECT_EQ(parse_experiment(replaced(good, "seeds = 2", "seeds = 2.0"), "x.toml").seeds,
            2);  // as in a config
  refuse("layers = 1", "layers = \"1\"", "layers: expected integer, without quotes; found \"1\"");
  refuse("pool_pairs = 500\n", "", "data.pool_pairs is missing");
  refuse("targets = \"self/greedy\"", "targets = \"slef/greedy\"",
         "no generator \"slef\"; did you mean \"self\"?");
  refuse("targets = \"self/greedy\"", "targets = \"self/gredy\"",
         "no decoding \"gredy\"; did you mean \"greedy\"?");
  for (const char* name : {"targets = \"outside/greedy\"", "targets = \"outside/\""})
    refuse("targets = \"outside\"", name, "has no decoding here");
  refuse("student = \"student\"", "student = \"studnt\"", "no recipe \"studnt\"; did you mean \"student\"?");
  refuse("width = 32", "widht = 32", "did you mean \"model.width\"?");
  refuse("better = \"human\"", "better = \"humna\"", "no arm \"humna\"; did you mean \"human\"?");
  refuse("kind = \"students\"", "kind = \"student\"", "did you mean \"students\"?");
  refuse("pairs = 200", "pairs = 2000",
         "generator low asks for 2000 pairs, the seed set has data.seed_pairs = 700");
  refuse("judge_pairs = 300\n", "", "generator informed learns from the judge set: set data.judge_pairs");
  refuse("outside.jsonl\"", "outside.jsonl\"\njudge_set = true",
         "generator outside learns from the judge set: give it a recipe");
  refuse("pairs = 200", "pairs = 200\ndtype = \"int\"", "no type \"int\"; did you mean \"int8\"?");
  const std::string typed = replaced(good, "pairs = 200", "pairs = 200\ndtype = \"int8\"");
  for (const Generator& g : parse_experiment(typed, "x.toml").generators)
    EXPECT_EQ(g.dtype, g.name == "low" ? "int8" : "f32");
  refuse("name = \"self, sampled\"", "name = \"self, greedy\"", "two arms are named \"self, greedy\"");
  refuse("name = \"self, sampled\"", "name = \"human\"", "arm \"human\" has the name of targets, but is not");
  refuse("name = \"self, sampled\"", "name = \"self\\ntouch ran\"", "name: expected a text without control");
  refuse("volumes = [0.5, 1.0]", "volumes = [0.5, 1.5]", "numbers from 1e-06 to 1");
  refuse("[recipe.student.model]", "[recipe.student.run]\nfolder = \"x\"\n[recipe.student.model]",
         "recipe.student.run.folder is set by the experiment itself");
  refuse("[recipe.student.tokenizer]", "[recipe.student.tokenizer]\nbegin = \"<s>\"",
         "recipe.student.tokenizer.begin has no meaning for models that translate");
  refuse("[recipe.classifier.train]", "[recipe.classifier.tokenizer]\nvocab = 300\n[recipe.classifier.train]",
         "recipe.classifier.tokenizer: all models share the tokenizer that recipe.student describes");
  refuse("[recipe.student.tokenizer]", "[recipe.student.tokenizer]\npattern = \"characters\"",
         "recipe.student.tokenizer.pattern = \"characters\" knows only the characters of the seed set");
  EXPECT_EQ(read_experiment("data/configs/experiments/paper.toml").recipes.at("large").dtype, DType::bf16);
  refuse("choose = \"channel\"", "choose = \"chanel\"",
         "no way to choose \"chanel\"; did you mean \"channel\"?");
  refuse("utility = \"chrf1\"", "utility = \"chrf\"",
         "x.toml:88: utility: there is no \"chrf\"; did you mean");
  refuse("of = [\"sampled\"]", "of = [\"channel\"]", "no decoding of one translation \"channel\"");
  refuse("of = [\"sampled\"]\n", "", "decoding.channel.of: expected the decodings");
  refuse("op = \"inject\"", "op = \"injekt\"", "no operation \"injekt\"; did you mean \"inject\"?");
  refuse("op = \"mix\"", "op = \"judge\"", "no operation \"judge\"");
  refuse("real = 0.5", "reel = 0.5", "real is missing");
  refuse("with = \"human\" }", "with = \"humna\" }", "no generator \"humna\"");
  refuse("{ op = \"replace\", with = \"human\" }", "{ op = \"replace\" }", "with is missing");
  refuse(
      "[{ op = \"order\", by = \"dual\", first = \"worst\" }, { op = \"replace\"",
      "[{ op = \"replace\", with = \"human\" }, { op = \"filter\", by = \"detector\", keep = 0.5 }, { op = "
      "\"replace\"",
      "scorer detector (linear) judges a generator's own texts, and \"replace\" before it");
  refuse("sample = true\ndraws = 2", "draws = 2", "decoding.twice draws nothing: several draws need sample");
  refuse("draws = 2", "draws = 0", "decoding.twice.draws: expected a whole number from 1");
  refuse("[decoding.greedy]\nbeam = 1", "[judging]\ndraws = 2\n[decoding.greedy]\nbeam = 1",
         "unknown key judging.draws");
  refuse("of = [\"sampled\", \"greedy\"]", "of = [\"twice\"]",
         "no decoding of one translation \"twice\"; known: beam, greedy, sampled");
  refuse("decoding = \"beam\"\nkeep", "decoding = \"twice\"\nkeep",
         "no decoding of one translation \"twice\"");
  refuse("decoding = \"sampled\"", "decoding = \"twice\"",
         "no sampling decoding of one translation \"twice\"");
  refuse("targets = \"self/twice\"",
         "targets = \"self/twice\"\napply = [{ op = \"filter\", by = \"random\", keep = 0.5 }]",
         "scorer random gives a sentence one score, but \"self/twice\" are 2 translations of each");
  refuse("kind = \"density\"", "kind = \"density\"\ndecoding = \"nonsense\"",
         "scorer.density.decoding: a scorer of kind density does not read it; only consistency");
  refuse(
      "kind = \"confidence\"", "kind = \"confidence\"\nrecipe = \"student\"",
      "scorer.confidence.recipe: a scorer of kind confidence does not read it; only classifier, density, ");
  refuse("outside.jsonl\"", "outside.jsonl\"\npairs = 5", "generator outside learns from no pairs");
  refuse("outside.jsonl\"", "outside.jsonl\"\ndtype = \"bf16\"", "generator outside computes nothing");
  refuse("[decoding.greedy]", "[decoding.greedy]\ntemperature = 0.7",
         "decoding.greedy.temperature needs sample = true");
  refuse("[decoding.greedy]", "[decoding.greedy]\nlength_penalty = 0.7",
         "decoding.greedy.length_penalty needs a beam above 1");
  refuse("kind = \"oracle\"", "kind = \"oracle\"\nanyway = true",
         "a scorer of kind oracle does not read it; only classifier, density, linear, states");
  refuse("of = [\"confidence\", ", "of = [\"detector\", ",
         "no scorer to learn a quality from \"detector\"; ");
  refuse("of = [\"confidence\", ", "of = [\"oracle\", ", "no scorer to learn a quality from \"oracle\"; ");
  refuse("of = [\"confidence\"", "of = []\n# \"confidence\"",
         "scorer.quality.of: expected the scorers that it learns from");
  refuse("kind = \"density\"", "kind = \"density\"\nof = [\"length\"]",
         "scorer.density.of: a scorer of kind density does not read it; only quality");
  refuse("op = \"resample\", by = \"detector\"", "op = \"resample\", by = \"oracle\"",
         "\"resample\" reads log odds of a human author, and scorer oracle (oracle) gives none: name a "
         "detector");
  refuse("op = \"weigh\", by = \"density\"", "op = \"weigh\", by = \"confidence\"", "name a detector");
  refuse("with = \"low/greedy\"\n[scorer", "with = \"self/oracle\"\n[scorer", "and an oracle chose by them");
  refuse("targets = \"self/greedy\"\napply = [{ op = \"resample\"",
         "targets = \"self/greedy\"\nvolumes = [1.0, 0.5, 1.0]\napply = [{ op = \"resample\"",
         "volumes: the same value stands there twice");
  refuse("[{ op = \"drop_copies\" }", "[{ op = \"alternate\", with = [] }", "expected the names of targets");
  refuse("better = \"human\"\nworse = \"self, greedy\"", "better = \"human\"\nworse = \"human\"",
         "compares \"human\" with itself");
  refuse("share = 0.25", "share = 1.25", "share: expected a number from");
  refuse(
      "[{ op = \"mix\"", "[{ op = \"weigh\", by = \"density\" }, { op = \"mix\"",
      "\"mix\" would undo the order or the weights that \"weigh\" before it gave the targets: put it first");
  refuse("[{ op = \"drop_copies\" }, { op = \"filter\", by = \"dual\"",
         "[{ op = \"alternate\", with = [\"low/greedy\"] }, { op = \"filter\", by = \"confidence\"",
         "scorer confidence (confidence) judges a generator's own texts, and \"alternate\" before it puts "
         "others in their place: put it first");
  for (const auto& [scattering, op] :
       {std::pair{"{ op = \"order\", by = \"dual\", first = \"worst\" }", "order"},
        std::pair{"{ op = \"join\", with = [\"self/sampled\"] }", "join"},
        std::pair{"{ op = \"resample\", by = \"detector\" }", "resample"},
        std::pair{"{ op = \"alternate\", with = [\"self/twice\"] }", "alternate"},
        std::pair{"{ op = \"mix\", real = 0.1, real_last = true }", "mix"}})
    refuse("[{ op = \"drop_copies\" }", ("[" + std::string(scattering)).c_str(),
           ("in the order of the pool, and after \"" + std::string(op) +
            "\" they no longer are: put \"filter\" first")
               .c_str());
  refuse("better = \"human\"\nworse = \"self/greedy\"", "better = \"low/greedy\"\nworse = \"self/greedy\"",
         "a claim about targets compares generated ones with human ones");
  refuse("outside.jsonl\"", "outside.jsonl\"\nseed = 2",
         "generator outside has nothing to draw: a seed needs a recipe");
  refuse("[{ op = \"repair\"", "[{ op = \"mix\", real = 0.1, real_last = true }, { op = \"repair\"",
         "\"repair\" would undo the order or the weights that \"mix\" before it gave the targets");
  refuse("op = \"repair\"", "op = \"repair\", like = \"self/greedy\"", "unknown key arm[15].apply[0].like");
  refuse("above_human = true", "above_humans = true", "did you mean \"above_human\"?");
  refuse("by = \"dual\", keep", "by = \"duel\", keep", "no scorer \"duel\"; did you mean \"dual\"?");
  refuse("judge_pairs = 300\n", "", "learns from the judge set: set data.judge_pairs");
  refuse("with = \"low/greedy\"\n[scorer", "with = \"human\"\n[scorer", "may see its human targets");
  refuse("targets = \"self/greedy\"\napply = [{ op = \"resample\"",
         "targets = \"human\"\napply = [{ op = \"resample\"",
         "scorer detector (linear) asks the generator that wrote the targets, but no generator trained here "
         "wrote \"human\"");
  refuse("ceiling = \"human\"", "ceiling = \"people\"", "no arm \"people\"");
  refuse(
      "ceiling = \"human\"", "ceiling = \"human\"\nmodel = \"best\"",
      "arm \"best half by dual cross-entropy\" is not judged by its best weights: add \"best\" to its judge");
  refuse("model = \"best\"", "model = \"beest\"", "no kind of weights \"beest\"; did you mean \"best\"?");
  refuse("volumes = [0.5, 1.0]", "volumes = [0.5]", "arm \"human\" has no students of the whole pool");
  refuse("model = \"best\"", "measures = [\"ter\"]", "students are judged by their scores");
  refuse("measures = [\"ter\"]", "model = \"best\"", "only students have weights");
  refuse("measures = [\"ter\"]", "measures = [\"invented_word\"]",
         "no measure of errors \"invented_word\"; did you mean \"invented_words\"?");
  refuse("\"mtld\"", "\"mtdl\"", "no measure of diversity \"mtdl\"; did you mean \"mtld\"?");
  refuse("\"mtld\"", "\"ter\"", "no measure of diversity \"ter\"");
  refuse("\"mtld\"", "\"tokens\"", "tokens is neither better higher nor better lower");
  refuse("[\"ter\"]", "[\"length_ratio\"]", "length_ratio is neither better higher nor better lower");
  refuse("worse = \"self/greedy\"\nmeasures", "worse = \"low/sampled\"\nmeasures",
         "no arm learns from \"low/sampled\"");
  refuse("arm = \"human\"\nbleu", "bleu", "gate.arm is missing");
  refuse("claim = \"C1\"", "claim = \"C5\"", "no claim about students \"C5\"; ");
  refuse("targets = \"none\"\nfrom = \"self\"", "targets = \"none\"",
         "\"none\" judges a generator as it is: give `from`");
  refuse("targets = \"human\"\nfrom = \"self\"", "targets = \"human\"\nfrom = \"outside\"",
         "no generator trained here \"outside\"; ");
  refuse("targets = \"human\"\nfrom = \"self\"",
         "targets = \"human\"\nfrom = \"self\"\nstudent = \"encoder-decoder\"",
         "generator self has model.kind = \"gpt\", recipe encoder-decoder has \"encoder_decoder\"; only a "
         "model of the "
         "same shape");
  refuse("[recipe.student.optimizer]", "[recipe.student.train]\nfrom = \"x\"\n[recipe.student.optimizer]",
         "x.toml:");
  refuse("keep = true", "keeps = true", "unknown key chain[1].keeps; did you mean \"keep\"?");
  refuse("generations = 2\ndecoding", "generations = 3\ndecoding",
         "give them the same number of generations");
  refuse("detector = \"tried\"", "detector = \"oracle\"", "no detector \"oracle\"");
  refuse("name = \"replace\"", "name = \"re/place\"", "must not contain \"/\"");
  refuse("[experiment]", "[experiment", "x.toml:");
}

// A claim without measures has those of C4 and C5 in laptop.toml.
TEST(ExperimentConfig, AClaimWithoutMeasuresHasTheStandardOnes) {
  const auto measures = [](const std::string& text) {
    std::map<std::string, std::set<std::string>> out;
    for (const Claim& c : parse_experiment(text, "x.toml").claims)
      if (c.kind != "students") out[c.id] = {c.measures.begin(), c.measures.end()};
    return out;
  };
  const std::string laptop = slurp("data/configs/experiments/laptop.toml");
  const auto named = measures(laptop);
  EXPECT_EQ(named.at("C4").size(), 6u);
  EXPECT_EQ(named.at("C5").size(), 7u);
  EXPECT_EQ(measures(replaced(replaced(laptop, "measures = [\"ter\"", "# [\"ter\""),
                              "measures = [\"expected_types\"", "# [\"expected_types\"")),
            named);
}
// By hand: a p of B replicates is at least 2 / (B + 1), and .05 is reached by 40 m of them for m comparisons.
TEST(ExperimentConfig, SaysWhichClaimsNothingCanDecide) {
  const ExperimentConfig smoke = read_experiment("data/configs/experiments/smoke.toml");  // C1, C6; C3 later
  const auto said = [&](int64_t replicates) {
    ExperimentConfig c = smoke;
    c.bootstrap = replicates;
    return fmt::format("{}", fmt::join(undecidable(c), "|"));
  };
  EXPECT_EQ(comparisons(smoke, "students", false), 2u);
  EXPECT_EQ(comparisons(smoke, "students", true), 3u);
  EXPECT_EQ(comparisons(smoke, "diversity", true), 3u);
  EXPECT_EQ(said(120), "");
  EXPECT_EQ(
      said(119),
      "Claims about students that were chosen after looking stay undecided whatever the results: 3 "
      "comparisons are corrected for together, which needs experiment.bootstrap of at least 120, not 119.");
  EXPECT_EQ(said(79),
            "Claims about students stay undecided whatever the results: 2 comparisons are corrected for "
            "together, which needs experiment.bootstrap of at least 80, not 79.");
  ExperimentConfig many = smoke;
  many.bootstrap = 2000;
  Claim diversity;
  diversity.kind = "diversity", diversity.measures.assign(47, "mtld");
  many.waiting = {diversity};  // 50 / 1001 is below .05, 51 / 1001 is not
  EXPECT_TRUE(undecidable(many).empty());
  many.waiting[0].measures.push_back("mtld");
  ASSERT_EQ(undecidable(many).size(), 1u);
  EXPECT_TRUE(undecidable(many)[0].starts_with("Claims about diversity stay undecided"))
      << undecidable(many)[0];
}
// What each measure says of texts whose order is known: 1,000 words drawn at random from 800 or from 40, and
// targets that are the reference or a spoilt one.
TEST(Measures, GoTheirOwnWay) {
  const Random random{8, Stream::sample};
  std::vector<std::string> rich, poor;
  for (uint32_t i = 0; i < 200; ++i) {
    rich.emplace_back(), poor.emplace_back();
    for (uint32_t w = 0; w < 5; ++w) {
      const uint32_t bits = random.bits({0, 0, i, w}).at[0];
      rich.back() += fmt::format("w{} ", bits % 800), poor.back() += fmt::format("w{} ", bits % 40);
    }
  }
  ComparedCorpora corpora;
  corpora.add(rich), corpora.add(poor), corpora.attest(rich);
  for (const TargetMeasure& m : measures_of("diversity")) {
    const Measure measure = find_measure(m.name, 500);
    const double difference =
        measure(sample(corpora, 0, measure.needs())) - measure(sample(corpora, 1, measure.needs()));
    if (m.better != 0) {
      EXPECT_GT(m.better * difference, 0) << m.name;
    }
  }
  HumanText people;
  const std::vector<std::string> reference{"He did not see 3 of the men in Rome.",
                                           "The cat sat on the mat today."},
      source{"Er sah 3 nicht.", "Die Katze sass heute."},
      spoilt{"Sah Men of see the of see the of see the 4 blorp in Oslo and went home again.", "Katze sat."};
  people.add(reference);
  const auto sum = [&](const std::vector<std::string>& targets) {
    ErrorCounts out;
    for (const SentenceErrors& s : find_errors(targets, reference, source, {people, Language::english}))
      out += s.counts;
    return out;
  };
  size_t differ = 0, i = 0;
  const auto all = measures_of("errors");
  ASSERT_EQ(all.size(), 2 + error_measures().size());
  EXPECT_STREQ(all[0].name, "1-bleu");
  EXPECT_STREQ(all[1].name, "1-chrf");
  for (const TargetMeasure& m : all.subspan(2)) {
    const ErrorMeasure& measure = error_measures()[i++];
    EXPECT_STREQ(m.name, measure.name);
    if (m.better == 0) continue;
    EXPECT_EQ(m.better, -1) << m.name;
    const double good = measure.value(sum(reference)).value_or(NAN),
                 bad = measure.value(sum(spoilt)).value_or(NAN);
    EXPECT_LE(good, bad) << m.name;
    differ += good < bad;
  }
  EXPECT_GE(differ, 10u);
}

std::set<std::string> known(const std::string& wrong_config) {  // what the refusal of an unknown name lists
  const std::string said = error_of([&] { parse_experiment(wrong_config, "x.toml"); }), mark = "; known: ";
  std::set<std::string> out;
  std::istringstream list(said.substr(said.find(mark) + mark.size()));
  for (std::string name; std::getline(list >> std::ws, name, ',');) out.insert(name);
  return out;
}
TEST(ExperimentConfig, SmokeCoversEveryOperationScorerAndWayToChoose) {
  const std::string text = slurp("data/configs/experiments/smoke.toml");
  const ExperimentConfig c = parse_experiment(text, "smoke.toml");
  std::set<std::string> operations, scorers, ways;
  for (const Arm& a : c.arms)
    for (const AppliedOperation& o : a.apply) {
      operations.insert(o.op);
      for (const auto& [_, scorer] : o.scores) scorers.insert(c.scorers.at(scorer).kind);
    }
  for (const auto& [_, r] : c.rerankings) ways.insert(r.how);
  EXPECT_EQ(operations, known(replaced(text, "op = \"mix\"", "op = \"xxxxxxxxx\"")));
  EXPECT_EQ(scorers, known(replaced(text, "kind = \"fluency\"", "kind = \"xxxxxxxxx\"")));
  EXPECT_EQ(ways, known(replaced(text, "choose = \"mbr\"", "choose = \"xxxxxxxxx\"")));
  EXPECT_GE(operations.size(), 14u);
  EXPECT_GE(scorers.size(), 15u);
}

// A graph reads its corpora for hashes and line counts alone.
struct Graphs {
  Scratch scratch;
  Graphs() {
    std::string lines;
    for (int i = 0; i < 110'000; ++i) lines += "a\tb\n";
    for (const char* file : {"train.tsv", "valid.tsv", "test.tsv"})
      Disk::real().replace_text(scratch.path + "/" + file, lines);
  }
  ExperimentConfig config(const std::string& scale) const {
    ExperimentConfig c = read_experiment("data/configs/experiments/" + scale + ".toml");
    c.data.train = scratch.path + "/train.tsv", c.data.valid = scratch.path + "/valid.tsv",
    c.data.test = scratch.path + "/test.tsv";
    return c;
  }
};
const StudentRun& student(const ExperimentGraph& g, std::string_view arm, double volume = 1) {
  for (const StudentRun& run : g.students)
    if (run.arm->name == arm && run.seed == 1 && run.volume == volume) return run;
  throw Error("no student of " + std::string(arm));
}
std::set<std::string> trained(const ExperimentGraph& g) {
  std::set<std::string> out;
  for (const Stage& s : g.graph.stages())
    if (s.kind == "train") out.insert(s.id);
  return out;
}
std::vector<std::string> both(const std::set<std::string>& a, const std::set<std::string>& b) {
  std::vector<std::string> out;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out;
}
// Five seeds each: the generators self, low and high, which three of them have; self's students of human and of its own
// targets in remedies, map and mechanisms. Of the configs that go on where these end: the generators
// and reverse models of both, and the students of the same arms.
TEST(ExperimentGraph, ConfigsOfOneFolderShareTheirStages) {
  const Graphs at;
  std::map<std::string, std::set<std::string>> ids;
  for (const char* scale :
       {"remedies", "finetune", "map", "mechanisms", "growing", "growing-generators", "growing-models",
        "orders", "filters", "fraction", "mixing-seeds", "mixing-recipes", "map-decodings"}) {
    const ExperimentConfig c = at.config(scale);
    EXPECT_EQ(c.folder, "runs/experiments/remedies");
    // The format when stages were first made: another one would make them all again.
    EXPECT_EQ(*Json(recipe_json(c.recipes.at("student"))).find("model.bias")->text(), "false");
    ids[scale] = trained(experiment_graph(c));
  }
  EXPECT_EQ(both(ids["remedies"], ids["finetune"]).size(), 15u);
  EXPECT_EQ(both(ids["remedies"], ids["map"]).size(), 25u);
  EXPECT_EQ(both(ids["remedies"], ids["mechanisms"]).size(), 15u);
  EXPECT_EQ(both(ids["finetune"], ids["map"]).size(), 15u);
  EXPECT_EQ(both(ids["remedies"], ids["orders"]).size(), 5u * (2 + 8));
  EXPECT_EQ(both(ids["remedies"], ids["filters"]).size(), 5u * (2 + 4));
  // Students are stopped by BLEU there, but those of a part of the generated targets.
  EXPECT_EQ(both(ids["remedies"], ids["fraction"]).size(), 5u * (1 + 2));
  EXPECT_EQ(both(ids["growing"], ids["fraction"]).size(), 5u * (1 + 3));
  EXPECT_EQ(both(ids["remedies"], ids["growing-generators"]).size(), 5u * (2 + 6));
  EXPECT_EQ(both(ids["growing"], ids["growing-generators"]).size(), 5u * (1 + 5));
  EXPECT_EQ(both(ids["growing"], ids["growing-models"]).size(), 5u * (2 + 5));  // dual has its reverse model
  EXPECT_EQ(both(ids["remedies"], ids["mixing-seeds"]).size(), 5u * (1 + 2));
  EXPECT_EQ(both(ids["remedies"], ids["mixing-recipes"]).size(), 5u * (4 + 4));
  EXPECT_EQ(both(ids["map"], ids["mixing-recipes"]).size(), 5u * (3 + 4));
  EXPECT_EQ(both(ids["map"], ids["map-decodings"]).size(), 5u * (2 + 5));
}
// Graphs of parts of an experiment are made one after another: no file is read twice.
TEST(ExperimentGraph, AFileIsReadOnce) {
  const Graphs at;
  const ExperimentConfig c = at.config("finetune");
  FilesRead read;
  const std::string split = experiment_graph(c, nullptr, &read).split;
  EXPECT_EQ(read.size(), 3u);
  EXPECT_EQ(read.at(c.data.train).lines, 110'000);
  Disk::real().replace_text(c.data.valid, "changed\tsince\n");
  EXPECT_EQ(experiment_graph(c, nullptr, &read).split, split);
}
// A given model is the same at every seed, so its output without sampling is generated only once.
TEST(ExperimentGraph, AGivenModelIsItsFilesAndWhatItIsTold) {
  const Graphs at;
  const std::string run = at.scratch.path + "/told";
  write_run(run, {.kind = CorpusKind::documents});
  std::list<ExperimentConfig> configs;  // graphs point into theirs
  const auto graph = [&](const std::string& generator) {
    ExperimentConfig& c = configs.emplace_back(
        parse_experiment(slurp("data/configs/experiments/smoke.toml") + "[generator.told]\n" + generator +
                             "[[arm]]\nname = \"told\"\ntargets = \"told/greedy\"\n"
                             "[[arm]]\nname = \"drawn\"\ntargets = \"told/sampled\"\n",
                         "x.toml"));
    c.data.train = at.scratch.path + "/train.tsv", c.data.valid = at.scratch.path + "/valid.tsv",
    c.data.test = at.scratch.path + "/test.tsv";
    for (Generator& g : c.generators)
      if (g.name == "outside") g.file = c.data.test;
    return experiment_graph(c);
  };
  const auto targets = [&](const ExperimentGraph& g, const char* arm, int64_t seed) {
    for (const StudentRun& r : g.students)
      if (r.arm->name == arm && r.seed == seed) return r.targets_stage;
    throw Error("no student of " + std::string(arm));
  };
  const std::string model = "model = \"" + run + "\"\n", told = "template = \"say {source}\"\n";
  const ExperimentGraph g = graph(model + told);
  const std::string id = targets(g, "told", 1);
  EXPECT_EQ(targets(g, "told", 2), id);
  EXPECT_NE(targets(g, "drawn", 2), targets(g, "drawn", 1));
  EXPECT_EQ(g.graph.at(id).input("generator"), "");
  EXPECT_NE(targets(graph(model + "template = \"tell {source}\"\n"), "told", 1), id);
  EXPECT_NE(targets(graph(model + told + "chat = true\n"), "told", 1), id);
  EXPECT_NE(targets(graph(model + told + "dtype = \"int8\"\n"), "told", 1), id);
  fs::rename(run, run + " elsewhere");
  EXPECT_EQ(targets(graph("model = \"" + run + " elsewhere\"\n" + told), "told", 1), id);
  expect_error([&] { graph(model + told); }, "told: not a run folder");
  write_run(run, {.kind = CorpusKind::documents, .seed = 2});
  EXPECT_NE(targets(graph(model + told), "told", 1), id);
  expect_error([&] { graph(model); }, "generator told: " + run + " is a plain-text model: give a template");
  write_run(run, {});
  expect_error([&] { graph(model + told); },
               "is a translation model, which needs no prompt: leave out template");
  EXPECT_NO_THROW(graph(model));
  expect_error([&] { graph(model + "template = \"say\"\n"); }, "must hold {source} once");
  expect_error([&] { graph(model + "chat = true\n"); }, "chat = true a template");
  expect_error([&] { graph(model + "recipe = \"student\"\n"); }, "give one of recipe");
  expect_error([&] { graph("recipe = \"student\"\n" + told); }, "a template needs a model");
}
TEST(ExperimentGraph, FineTuningGoesOnFromTheGeneratorsOwnWeights) {
  const Graphs at;
  const ExperimentConfig c = at.config("finetune");
  const ExperimentGraph g = experiment_graph(c);
  const StudentRun &start = student(g, "not tuned further"), &own = student(g, "tuned on its own");
  EXPECT_EQ(start.targets_stage, "");
  const Stage& trained = g.graph.at(own.student);
  EXPECT_EQ(trained.input("from"), start.student);
  EXPECT_EQ(g.graph.at(own.targets_stage).input("generator"), start.student);
  EXPECT_EQ(g.graph.at(start.student).input("from"), "");
  EXPECT_EQ(g.graph.at(start.evaluated.at("last")).input("student"), start.student);
}
// By hand from chain.toml: parts of 13,500; each generation's text is written by the previous one.
TEST(ExperimentGraph, AGenerationLearnsFromWhatTheOneBeforeMadeOfNewSources) {
  const Graphs at;
  const ExperimentConfig c = at.config("chain");
  const ExperimentGraph g = experiment_graph(c);
  EXPECT_EQ(g.students.size(), 5u * (1 + 3 * 5));
  const auto whole = [&](const Stage& s, const char* key) {
    int64_t v = -1;
    if (const Json* j = s.parameters.find(key)) j->whole(v);
    return v;
  };
  std::string before = student(g, "generation 0").student;
  EXPECT_EQ(whole(g.graph.at(student(g, "generation 0").targets_stage), "count"), 13500);
  for (int64_t n = 1; n <= 5; ++n) {
    const StudentRun& run = student(g, fmt::format("replace, generation {}", n));
    const Stage& text = g.graph.at(run.targets_stage);
    EXPECT_EQ(text.kind, "generate");
    EXPECT_EQ(text.input("generator"), before);
    EXPECT_EQ(whole(text, "first"), 13500 * n);
    EXPECT_EQ(whole(text, "count"), 13500);
    EXPECT_EQ(whole(text, "generation"), n == 1 ? -1 : n);
    before = run.student;
  }
  // Accumulating: the text of the fifth generation is joined with all earlier text, down to the human
  // targets.
  std::string id = student(g, "accumulate, generation 5").targets_stage;
  for (int64_t n = 5; n >= 1; --n) {
    const Stage& joined = g.graph.at(id);
    ASSERT_EQ(joined.kind, "join");
    EXPECT_EQ(whole(g.graph.at(joined.input("targets")), "first"), 13500 * n);
    id = joined.input("with");
  }
  EXPECT_EQ(id, student(g, "generation 0").targets_stage);
  // Fresh human targets are for the same part.
  const Stage& mixed = g.graph.at(
      g.graph.at(student(g, "accumulate, a tenth fresh, generation 2").targets_stage).input("targets"));
  EXPECT_EQ(mixed.kind, "mix");
  EXPECT_EQ(whole(g.graph.at(mixed.input("human")), "first"), 27000);
  EXPECT_EQ(g.tried.size(), 5u * (1 + 3 * 4));  // the first generation's text is that of all chains
}
TEST(ExperimentGraph, GeneratorsOfOneRecipeDifferByTheirSeed) {
  const Graphs at;
  ExperimentConfig c = at.config("remedies");
  const auto trainings = [&] {
    std::set<std::string> out;
    const ExperimentGraph g = experiment_graph(c);
    for (const Stage& s : g.graph.stages())
      if (s.kind == "train" && s.label.starts_with("generator ")) out.insert(s.id);
    return out.size();
  };
  const size_t before = trainings();
  const auto other = std::find_if(c.generators.begin(), c.generators.end(),
                                  [](const Generator& g) { return g.name == "other"; });
  other->pairs = 0;  // now it is `self` under another name
  EXPECT_EQ(trainings(), before - 5);
  other->seed = 1;
  EXPECT_EQ(trainings(), before);
}
TEST(ExperimentGraph, SeveralDrawsAreTargetsTogether) {
  const Graphs at;
  const ExperimentConfig c = at.config("mixing-seeds");
  const ExperimentGraph g = experiment_graph(c);
  const Stage &one = g.graph.at(student(g, "one drawn translation").targets_stage),
              &four = g.graph.at(student(g, "four drawn translations").targets_stage);
  int64_t draws = 0;
  four.parameters.find("draws")->whole(draws);
  EXPECT_EQ(draws, 4);
  EXPECT_EQ(one.parameters.find("draws"), nullptr);
  EXPECT_EQ(to_json(*one.parameters.find("decoding")), to_json(*four.parameters.find("decoding")));
  EXPECT_EQ(one.input("generator"), four.input("generator"));
}
TEST(ExperimentGraph, AtEqualStepsASmallVolumeLearnsAsLong) {
  const Graphs at;
  const ExperimentConfig c = at.config("laptop");
  const ExperimentGraph g = experiment_graph(c);
  const auto volume = [&](const StudentRun& run) {
    double v = 0;
    g.graph.at(run.student).parameters.find("data")->find("volume")->number(v);
    return v;
  };
  EXPECT_EQ(volume(student(g, "human", .25)), .25);
  const StudentRun& quarter = student(g, "human, equal steps", .25);
  EXPECT_EQ(volume(quarter), 1);
  EXPECT_EQ(quarter.student, student(g, "human, 25 %").student);  // group B has it at equal tokens
  EXPECT_EQ(student(g, "human, equal steps", 1).student, student(g, "human").student);
}

// By hand: laptop's 29 arms and volumes but for six that are another arm's students; of finetune's six arms one
// is the generator as it is.
TEST(ExperimentGraph, StudentsOfTwoArmsAreTrainedOnceAndAGeneratorIsNone) {
  const Graphs at;
  const ExperimentConfig laptop = at.config("laptop"), finetune = at.config("finetune");
  EXPECT_EQ(trained_students(experiment_graph(laptop)), 23 * laptop.seeds);
  EXPECT_EQ(trained_students(experiment_graph(finetune)), 5 * finetune.seeds);
}

// A recipe is checked only when its stage runs, which may be an hour after the start; so the shipped ones are
// checked here.
TEST(ExperimentConfigs, ThoseThatShipHaveRecipesThatTrain) {
  int64_t read = 0;
  for (const auto& e : std::filesystem::directory_iterator("data/configs/experiments")) {
    const ExperimentConfig c = read_experiment(e.path().string());
    ++read;
    for (auto [name, recipe] : c.recipes) {
      recipe.train = {"x"}, recipe.valid = "y";
      EXPECT_NO_THROW(check_config(recipe)) << e.path() << ", recipe " << name;
    }
  }
  EXPECT_GE(read, 9);
}

// ---- the program
struct Experiment : Program {
  std::string config = slurp("data/configs/experiments/smoke.toml");
  Experiment() {
    write_smoke_corpus(scratch.path);
    for (int files = 4; files > 0; --files) config = replaced(config, "data/cache/smoke", scratch.path);
  }
  std::vector<std::string> words(const char* action, const std::string& folder,
                                 std::vector<std::string> more = {}) {
    write("c.toml", config);
    std::vector<std::string> out{"experiment", action, file("c.toml"), "--folder", file(folder)};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
};
// Everything but times: when it was made, and the table of how long stages took.
std::string timeless(std::string html) {
  for (const auto& [from, to] :
       {std::pair{"Made ", " on "}, std::pair{">hours of one process</th>", "</table>"}}) {
    const size_t begin = html.find(from), end = html.find(to, begin);
    EXPECT_NE(end, std::string::npos) << from;
    if (end != std::string::npos) html.erase(begin, end - begin);
  }
  return html;
}

// One candidate of each source is kept: by the oracle one closest to the human target, by minimum Bayes risk
// the one most like the others. The candidates are drawn once for all ways to choose.
void expect_choices(const Experiment& e) {
  std::map<std::string, std::set<std::string>> drawn;  // by how, the stages of the candidates
  int64_t chosen = 0, sampled = 0;
  for (const auto& entry : fs::directory_iterator(e.file("x/stages"))) {
    const std::string folder = entry.path().string(), id = entry.path().filename().string();
    if (id.starts_with("generate-")) {
      const Json facts = parse_json(slurp(folder + "/stage.json"), id);
      sampled += facts.find("parameters")->find("draws") != nullptr &&
                 facts.find("parameters")->find("set") == nullptr;
    }
    if (!id.starts_with("choose-")) continue;
    const Json facts = parse_json(slurp(folder + "/stage.json"), id);
    const std::string how = *facts.find("parameters")->find("choose")->text();
    std::map<int64_t, std::vector<std::string>> candidates;
    std::string split;
    for (const Json& input : *facts.find("inputs")->array()) {
      const std::string from = e.file("x/stages/" + *input.text());
      if (input.text()->starts_with("split-")) split = from;
      if (!input.text()->starts_with("generate-") || (how == "channel" && !candidates.empty())) continue;
      drawn[how].insert(*input.text());
      for (const Generated& g : read_generated(from + "/generated.jsonl"))
        candidates[g.id].push_back(g.target);
    }
    const auto metric = make_chrf({.beta = how == "mbr" ? 1 : 2});
    const auto score = [&](const std::string& hypothesis, const std::string& reference) {
      std::vector<double> row(metric->columns().size());
      const std::string_view h = hypothesis, r = reference;
      metric->count({&h, 1}, {&r, 1}, row);
      return metric->score(row);
    };
    const edits::TargetSet pool = edits::read_pool(split);
    for (const Generated& g : read_generated(folder + "/generated.jsonl")) {
      const std::vector<std::string>& all = candidates.at(g.id);
      EXPECT_EQ(all.size(), how == "channel" ? 4u : 5u);
      EXPECT_TRUE(std::find(all.begin(), all.end(), g.target) != all.end()) << g.target;
      if (how == "channel" || g.id % 10 != 0) continue;
      const auto value = [&](const std::string& text) {
        if (how == "oracle") return score(text, pool.texts[static_cast<size_t>(g.id)].target);
        double sum = 0;
        for (const std::string& other : all) sum += score(text, other);
        return sum;
      };
      for (const std::string& other : all)
        EXPECT_GE(value(g.target), value(other) - 1e-6) << how << ": " << other;
    }
    ++chosen;
  }
  EXPECT_EQ(chosen, 3 * 2);
  EXPECT_EQ(sampled, 2 * 2);  // at each seed once, the consistency scorer's too; and two draws as targets
  EXPECT_EQ(drawn["mbr"], drawn["oracle"]);
}

// Weights chosen by BLEU are those of the first evaluation with the highest one.
void expect_best_by_bleu(const Experiment& e) {
  int64_t chosen = 0;
  for (const auto& entry : fs::directory_iterator(e.file("x/stages"))) {
    const std::string folder = entry.path().string();
    const std::string facts = slurp(folder + "/stage.json");
    if (!entry.path().filename().string().starts_with("train-") ||
        facts.find("\"train.best\"") == std::string::npos || facts.find("judge_set") != std::string::npos)
      continue;
    ++chosen;
    std::string best;
    double highest = -1;
    std::istringstream lines(slurp(folder + "/run/metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const Json j = parse_json(line, "metrics");
      const Json *bleu = j.find("valid_bleu"), *step = j.find("step");
      double score = 0;
      if (bleu == nullptr || !bleu->number(score) || score <= highest) continue;
      highest = score;
      best = to_json(*step);
    }
    EXPECT_EQ(read_safetensors(folder + "/run/best.safetensors").meta["step"], best);
  }
  EXPECT_EQ(chosen, 2);  // at each seed
}
// Drawn twice, a sentence has two targets, and they are two.
void expect_draws(const Experiment& e) {
  int64_t drawn = 0;
  for (const auto& entry : fs::directory_iterator(e.file("x/stages"))) {
    const std::string folder = entry.path().string();
    if (!entry.path().filename().string().starts_with("generate-") ||
        slurp(folder + "/stage.json").find("\"name\": \"self/twice\"") == std::string::npos)
      continue;
    ++drawn;
    std::map<int64_t, std::vector<std::string>> by_id;
    for (const Generated& g : read_generated(folder + "/generated.jsonl")) by_id[g.id].push_back(g.target);
    EXPECT_EQ(by_id.size(), 500u);
    int64_t differ = 0;
    for (const auto& [id, texts] : by_id) {
      ASSERT_EQ(texts.size(), 2u) << id;
      differ += texts[0] != texts[1];
    }
    EXPECT_GT(differ, 100);
    EXPECT_GT(edits::read_targets(folder).ids.size(), 900u);  // some translations are empty
  }
  EXPECT_EQ(drawn, 2);  // at each seed
}

// The second generation of a chain over parts of 166: its text names its generation and is of the third part; beside
// it stand the two parts before, of which a quarter of the generated ones has human targets.
void expect_generations(const Experiment& e) {
  int64_t second = 0, joined = 0;
  for (const auto& entry : fs::directory_iterator(e.file("x/stages"))) {
    const std::string folder = entry.path().string(), id = entry.path().filename().string();
    const std::string facts = slurp(folder + "/stage.json");
    if (id.starts_with("generate-") && facts.find("\"generation\": 2") != std::string::npos &&
        facts.find("\"first\"") != std::string::npos) {
      ++second;
      const edits::TargetSet t = edits::read_targets(folder);
      EXPECT_GE(t.ids.front(), 332);
      EXPECT_LT(t.ids.back(), 498);
      EXPECT_EQ(read_generated(folder + "/generated.jsonl").front().from.generation, 2);
    }
    if (!id.starts_with("join-") ||
        facts.find("accumulate, a quarter fresh, generation 2") == std::string::npos)
      continue;
    ++joined;
    const edits::TargetSet all = edits::read_targets(folder);
    std::map<int64_t, int64_t> by_part, human;
    std::string split;
    for (const auto& other : fs::directory_iterator(e.file("x/stages")))
      if (other.path().filename().string().starts_with("split-")) split = other.path().string();
    const edits::TargetSet pool = edits::read_pool(split);
    for (size_t i = 0; i < all.ids.size(); ++i) {
      ++by_part[all.ids[i] / 166];
      human[all.ids[i] / 166] += pool.texts[static_cast<size_t>(all.ids[i])].target == all.texts[i].target;
    }
    EXPECT_EQ(by_part[0], 166);
    EXPECT_EQ(human[0], 166);
    for (const int64_t part : {1, 2}) {
      EXPECT_GT(by_part[part], 120);  // some translations are empty
      EXPECT_GE(human[part], 42);     // a quarter of 166, and what the generator got right
    }
  }
  EXPECT_EQ(second, 2 * 2);
  EXPECT_EQ(joined, 2);
}

// Of a mixture with tags the generated pairs have one before their source, the human ones none.
void expect_tags(const Experiment& e) {
  int64_t mixtures = 0, human = 0, tagged = 0;
  for (const auto& entry : fs::directory_iterator(e.file("x/stages"))) {
    const std::string folder = entry.path().string();
    if (slurp(folder + "/stage.json").find("\"tagged\": true") == std::string::npos) continue;
    ++mixtures;
    std::string split;
    for (const auto& other : fs::directory_iterator(e.file("x/stages")))
      if (other.path().filename().string().starts_with("split-")) split = other.path().string();
    const edits::TargetSet pool = edits::read_pool(split), mixed = edits::read_targets(folder);
    for (size_t i = 0; i < mixed.ids.size(); ++i) {
      const Pair& original = pool.texts[static_cast<size_t>(mixed.ids[i])];
      if (mixed.texts[i].source == original.source) {
        ++human;
        EXPECT_EQ(mixed.texts[i].target, original.target);
      } else {
        ++tagged;
        EXPECT_EQ(mixed.texts[i].source, "\xC2\xA4 " + original.source);
      }
    }
  }
  EXPECT_EQ(mixtures, 2);  // at each seed
  EXPECT_EQ(human, 2 * 125);
  EXPECT_GT(tagged, 2 * 300);
}
// A claim that waits for its arms counts in the correction, so that the first verdict is the last; one that
// was chosen after looking counts only for its like.
void expect_corrected_over_all(const Experiment& e, const char* report) {
  struct Judged {
    bool later;
    double p = 1, corrected = 1;
  };
  std::vector<Judged> all;  // by BLEU
  const Json written = parse_json(slurp(e.file(report)), report);
  for (const Claim& c : parse_experiment(e.config, "c.toml").claims) {
    if (c.kind != "students") continue;
    all.push_back({c.chosen_later});
    for (const Json& claim : *written.find("claims")->array()) {
      if (*claim.find("id")->text() != c.id) continue;
      const Json& by_bleu = claim.find("rows")->array()->front();
      by_bleu.find("p")->number(all.back().p), by_bleu.find("p_holm")->number(all.back().corrected);
    }
  }
  int64_t later = 0;
  for (const Judged& a : all) {
    const auto counts = [&](const Judged& x) { return a.later || !x.later; };
    double expected = 0;  // the largest p times the number of those not smaller, over p up to its own
    for (const Judged& x : all) {
      if (!counts(x) || x.p > a.p) continue;
      double not_smaller = 0;
      for (const Judged& y : all) not_smaller += counts(y) && y.p >= x.p;
      expected = std::max(expected, std::min(1.0, not_smaller * x.p));
    }
    EXPECT_NEAR(a.corrected, expected, 1e-12);
    later += a.later;
  }
  EXPECT_EQ(later, 1);
}
// A difference is that of the two arms' means over seeds, between students of one recipe, judged by the same
// kind of weights where both are.
void expect_differences(const Experiment& e) {
  std::map<std::string, std::vector<double>> seeds;  // by arm, volume, weights and score
  for (auto row : read_csv(slurp(e.file("x/results.csv"))))
    if (row["group"] != "targets" && row["group"] != "floor")
      seeds[row["arm"] + "|" + row["volume"] + "|" + row["weights"] + "|" + row["measure"]].push_back(
          std::stod(row["value"]));
  std::map<std::string, std::string> against;
  for (auto row : read_csv(slurp(e.file("x/differences.csv")))) {
    std::string other = row["against"], weights = "last";
    against[row["arm"] + "|" + row["volume"] + "|" + row["weights"]] = other;
    if (other.ends_with(", best weights")) other.resize(other.rfind(", ")), weights = "best";
    if (const size_t part = other.rfind(", 50 % of the pool"); part != std::string::npos) other.resize(part);
    const auto &a = seeds.at(row["arm"] + "|" + row["volume"] + "|" + row["weights"] + "|" + row["score"]),
               &b = seeds.at(other + "|" + row["volume"] + "|" + weights + "|" + row["score"]);
    ASSERT_EQ(a.size(), 2u);
    EXPECT_NEAR(std::stod(row["value"]), (a[0] + a[1] - b[0] - b[1]) / 2, 1e-9) << row["arm"];
  }
  EXPECT_EQ(against.at("self, greedy|1|last"), "human");
  EXPECT_EQ(against.at("self, greedy|0.5|last"), "human, 50 % of the pool");
  EXPECT_EQ(against.at("self, greedy, encoder-decoder|1|last"), "human, encoder-decoder");
  EXPECT_EQ(against.at("human, 25 %|1|best"), "human, best weights");
  EXPECT_FALSE(against.contains("human|1|best"));  // it would be compared with itself
}
// It learned from 700 pairs of the seed set and 300 of the judge set.
void expect_learned_from_both(const Experiment& e) {
  int64_t informed = 0;
  for (const auto& entry : fs::directory_iterator(e.file("x/stages"))) {
    const std::string folder = entry.path().string();
    if (slurp(folder + "/stage.json").find("\"and_judge_set\": true") == std::string::npos) continue;
    ++informed;
    EXPECT_NE(slurp(folder + "/data.json").find("\"pairs\":1000"), std::string::npos) << folder;
  }
  EXPECT_EQ(informed, 2);  // at each seed
}

// The mean over seeds of the pairs that students of the whole pool saw, rounded once.
void expect_pool_pairs(const Experiment& e) {
  const Store store(e.file("x"));
  const ExperimentConfig c = parse_experiment(e.config, "c.toml");
  const ExperimentGraph g = experiment_graph(c, &store);
  std::map<std::string, double> pairs;
  for (const StudentRun& run : g.students)
    if (run.volume == 1 && !run.targets_stage.empty())
      pairs[run.arm->name] +=
          static_cast<double>(edits::read_targets(store.folder(run.targets_stage)).ids.size()) / 2;
  std::set<std::string> found;
  for (auto row : read_csv(slurp(e.file("x/results.csv")))) {
    const std::string arm = row["arm"];
    if (row["volume"] != "1" || row["weights"] != "last" || !pairs.contains(arm)) continue;
    found.insert(arm);
    EXPECT_EQ(std::stod(row["pool_pairs"]), std::round(pairs.at(arm))) << arm;
    // 700 pairs taught self, 200 taught low.
    if (arm == "human, worst first by dual cross-entropy of the generated") {
      EXPECT_EQ(row["targets"] + ":" + row["seed_pairs"], "human:0");
    } else if (arm == "two generators") {
      EXPECT_EQ(row["targets"] + ":" + row["seed_pairs"], "self/greedy in turn with low/greedy:700 200");
    }
  }
  EXPECT_EQ(found.size(), pairs.size());
}

// A claim with minus_with is about one difference less another, at each seed. An arm with another's targets has
// its students, so what it differs by is the same in every draw: nothing is left, without any width.
void expect_difference_of_differences(const Experiment& e) {
  const Store store(e.file("x"));
  const auto claim = [](const char* id, const char* minus) {
    return fmt::format(
        "\n[[claim]]\nid = \"{}\"\ntext = \"x\"\nkind = \"students\"\nbetter = \"human\"\nworse = "
        "\"self, greedy\"\nminus_with = {}\n",
        id, minus);
  };
  const ExperimentConfig c = parse_experiment(
      e.config + "\n[[arm]]\nname = \"again\"\ntargets = \"self/greedy\"\n" +
          claim("more", "[\"human\", \"two generators\"]") + claim("none", "[\"human\", \"again\"]"),
      "c.toml");
  const ExperimentGraph g = experiment_graph(c, &store);
  const ExperimentResults r = gather(c, g, store);
  const auto by_seed = [&](const char* name, size_t m) {
    for (const ArmResult& a : r.arms)
      if (a.arm->name == name && a.weights == "last" && a.volume == 1) return a.replicates[m].by_seed;
    return std::vector<double>{};
  };
  int64_t found = 0;
  for (const ClaimResult& claim : r.claims)
    for (size_t m = 0; m < claim.rows.size() && !claim.claim->minus_with.first.empty(); ++m, ++found) {
      const ClaimResult::Row& row = claim.rows[m];
      EXPECT_TRUE(std::isnan(row.randomised));
      EXPECT_FALSE(row.gap);
      if (claim.claim->id == "none") {
        EXPECT_EQ(std::tuple(row.difference.value, row.difference.low, row.difference.high),
                  std::tuple(0., 0., 0.));
        EXPECT_EQ(row.verdict, Verdict::undecided);
        continue;
      }
      const auto human = by_seed("human", m), self = by_seed("self, greedy", m),
                 two = by_seed("two generators", m);
      ASSERT_EQ(human.size(), 2u);
      std::vector<double> more;  // human - self - (human - two)
      for (size_t s = 0; s < 2; ++s) more.push_back(two[s] - self[s]);
      EXPECT_NEAR(row.difference.value, (more[0] + more[1]) / 2, 1e-9);
      EXPECT_NEAR(row.difference.seeds.sd, std::abs(more[0] - more[1]) / std::sqrt(2), 1e-9);
      EXPECT_NEAR(row.from, (human[0] - two[0] + human[1] - two[1]) / 2, 1e-9);
      EXPECT_NEAR(row.to, (human[0] - self[0] + human[1] - self[1]) / 2, 1e-9);
      // The same draws as of "self, greedy" against "two generators".
      const auto arm = [&](const char* name) -> const ArmResult& {
        return *std::find_if(r.arms.begin(), r.arms.end(), [&](const ArmResult& a) {
          return a.arm->name == name && a.weights == "last" && a.volume == 1;
        });
      };
      const Effect plain = difference(arm("two generators").replicates[m], arm("self, greedy").replicates[m]);
      EXPECT_NEAR(row.difference.low, plain.low, 1e-9);
      EXPECT_NEAR(row.difference.high, plain.high, 1e-9);
    }
  EXPECT_EQ(found, 6);
}
// A claim over several pairs of arms is about the mean of their differences.
void expect_mean_difference(const Experiment& e) {
  const Store store(e.file("x"));
  const ExperimentConfig c = parse_experiment(e.config, "c.toml");
  const ExperimentGraph g = experiment_graph(c, &store);
  const ExperimentResults r = gather(c, g, store);
  for (const ClaimResult& claim : r.claims) {
    if (claim.claim->id != "C6") continue;
    ASSERT_EQ(claim.rows.size(), 3u);
    for (size_t m = 0; m < 3; ++m) {
      const auto score = [&](const char* name) {
        for (const ArmResult& a : r.arms)
          if (a.arm->name == name && a.weights == "last" && a.volume == 1) return a.scores[m].value;
        return std::nan("");
      };
      const double better =
          (score("best half by dual cross-entropy") + score("best half by several scores in turn")) / 2;
      EXPECT_NEAR(claim.rows[m].difference.value, better - score("self, greedy"), 1e-9);
    }
  }
}

TEST(ExperimentProgram, EveryArmFromCorporaToReport) {
  Experiment e;
  // First one group alone: its report says what it leaves out, and a full run reuses its stages.
  const Ran part = e.run(e.words("run", "x", {"--group", "A"}));
  ASSERT_EQ(part.status, 0) << part.err;
  const Ran early = e.run(e.words("report", "x", {"--output", e.file("early")}));
  ASSERT_EQ(early.status, 0) << early.err;
  EXPECT_NE(early.out.find("C1"), std::string::npos) << early.out;
  EXPECT_NE(early.out.find("arms are made; left out: "), std::string::npos) << early.out;
  expect_corrected_over_all(e, "early/claims.json");  // without the arms of some
  const Ran ran = e.run(e.words("run", "x"));
  ASSERT_EQ(ran.status, 0) << ran.err;
  const Ran again = e.run(e.words("run", "x"));
  EXPECT_NE(again.err.find("0 of them now"), std::string::npos) << again.err;
  EXPECT_EQ(e.run(e.words("jobs", "x", {"--plain"})).out, "");  // nothing is left to do
  expect_choices(e);
  expect_draws(e);
  expect_best_by_bleu(e);
  expect_generations(e);
  expect_learned_from_both(e);
  expect_tags(e);
  // The linear detector and the density pair were tried on texts of both authors, at both seeds.
  int64_t tried = 0;
  for (const auto& found : std::filesystem::recursive_directory_iterator(e.file("x")))
    if (found.path().filename() == "match.json")
      tried += slurp(found.path().string()).find("held-out AUROC") != std::string::npos;
  EXPECT_EQ(tried, 12);  // so were a classifier, the head over states, and a detector of two generations
  const Ran report = e.run(e.words("report", "x"));
  ASSERT_EQ(report.status, 0) << report.err;
  expect_corrected_over_all(e, "x/claims.json");
  expect_differences(e);
  EXPECT_EQ(report.out.find("left out"), std::string::npos) << report.out;
  EXPECT_NE(slurp(e.file("early/report.html")).find("Arms that are not finished yet, and left out: "),
            std::string::npos);
  for (const char* claim : {"C1", "C3", "C4", "C5"})
    EXPECT_NE(report.out.find(claim), std::string::npos) << report.out;
  const std::string html = slurp(e.file("x/report.html"));
  for (const char* part :
       {">Claims</h2>", "Learning curves", "A fraction of real data", "What each mechanism costs", "wanted",
        ">Samples</h2>", "What differs from the paper", "Training curves",
        "Validity of what ranks self/greedy", "ROC", "Gap closed, by NLL", "Read with care",
        "Chains of generations", "Where generated text helps",
        "<td data-label=\"arm\">not tuned further</td>", "&ldquo;nearest to the human target&rdquo;",
        "minimum Bayes risk under chrf1", "<tr><td data-label=\"set\">judge set"})
    EXPECT_NE(html.find(part), std::string::npos) << part;
  const size_t pair =
      html.find("<td data-label=\"arm\">human, encoder-decoder</td>");  // it is compared only with itself
  ASSERT_NE(pair, std::string::npos);
  EXPECT_EQ(html.substr(pair, html.find("</tr>", pair) - pair).find("["), std::string::npos);
  EXPECT_LT(html.size(), 2'000'000u);
  for (const char* bad : {"http://", "https://", "<script", ">nan<", ">-nan<", ">inf<"})
    EXPECT_EQ(html.find(bad), std::string::npos) << bad;
  expect_pool_pairs(e);
  expect_mean_difference(e);
  expect_difference_of_differences(e);
  // 14 arms, volumes and weights at 2 seeds, 3 scores each; and every sentence of each.
  const std::string rows = slurp(e.file("x/results.csv")), sentences = slurp(e.file("x/sentences.csv"));
  EXPECT_GT(std::count(rows.begin(), rows.end(), '\n'), 14 * 2 * 3);
  EXPECT_EQ((std::count(sentences.begin(), sentences.end(), '\n') - 1) % 200, 0);
  const Json claims = parse_json(slurp(e.file("x/claims.json")), "claims.json");
  ASSERT_EQ(claims.find("claims")->array()->size(), 5u);
  for (const Json& row : *claims.find("claims")->array()->back().find("rows")->array())
    EXPECT_TRUE(row.find("gap_closed")->find("share")) << "C6 names a ceiling";
  for (const Json& claim : *claims.find("claims")->array()) {
    int64_t sentences = -1;  // of errors those that two people translated, 60 sources of the pool
    if (const Json* j = claim.find("sentences")) j->whole(sentences);
    const std::string id = *claim.find("id")->text();
    for (const Json& row : *claim.find("rows")->array()) {
      if (id != "C5") break;  // human text is more diverse: of yule_k that is a smaller one
      double difference = 0;
      row.find("difference")->number(difference);
      const std::string verdict = *row.find("verdict")->text();
      const double more = *row.find("by")->text() == "yule_k" ? -difference : difference;
      EXPECT_TRUE(verdict == "undecided" || (more > 0) == (verdict == "holds")) << to_json(row);
    }
    if (id == "C4") {
      EXPECT_GT(sentences, 20);
    } else if (id == "C5") {
      EXPECT_GT(sentences, 300);
    } else {
      EXPECT_EQ(sentences, -1) << id;
    }
  }

  // Without text, no corpus text remains: no five words in a row.
  ASSERT_EQ(e.run(e.words("report", "x", {"--no-text", "--output", e.file("bare")})).status, 0);
  std::set<std::string> runs;
  for (const char* corpus : {"train.tsv", "test.tsv"}) {
    std::string text = slurp(e.file(corpus));
    std::replace(text.begin(), text.end(), '\t', '\n');
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      const auto w = words(line);
      for (size_t i = 0; i + 5 <= w.size(); ++i)
        runs.insert(fmt::format("{}", fmt::join(w.begin() + static_cast<ptrdiff_t>(i),
                                                w.begin() + static_cast<ptrdiff_t>(i + 5), " ")));
    }
  }
  ASSERT_GT(runs.size(), 1000u);
  const auto holds_text = [&](const std::string& file) {
    const auto w = words(slurp(e.file(file)));
    for (size_t i = 0; i + 5 <= w.size(); ++i)
      if (runs.contains(fmt::format("{}", fmt::join(w.begin() + static_cast<ptrdiff_t>(i),
                                                    w.begin() + static_cast<ptrdiff_t>(i + 5), " "))))
        return true;
    return false;
  };
  EXPECT_TRUE(holds_text("x/report.html"));  // so the search does find text that is there
  for (const auto& entry : fs::directory_iterator(e.file("bare")))
    EXPECT_FALSE(holds_text("bare/" + entry.path().filename().string())) << entry.path();

  // Targets as chats.
  const Ran chats = e.run(e.words("export", "x", {"--arm", "self, greedy", "--seed", "2"}));
  ASSERT_EQ(chats.status, 0) << chats.err;
  const Json first = parse_json(chats.out.substr(0, chats.out.find('\n')), "chat");
  EXPECT_EQ(*(*first.find("messages")->array())[1].find("role")->text(), "user");
  const Ran told = e.run(e.words("export", "x", {"--arm", "self, greedy", "--system", "Be short."}));
  EXPECT_NE(told.out.find("\"content\":\"Be short.\""), std::string::npos) << told.err;
  const Ran written =
      e.run(e.words("export", "x", {"--arm", "self, greedy", "--seed", "2", "--output", e.file("chats")}));
  EXPECT_EQ(written.status, 0) << written.err;
  EXPECT_EQ(slurp(e.file("chats")), chats.out);
  const auto exported_to = [&](const std::string& to) {
    return e.run(e.words("export", "x", {"--arm", "self, greedy", "--seed", "2", "--output", to}));
  };
  EXPECT_EQ(exported_to("-").out, chats.out);
  EXPECT_FALSE(fs::exists("-"));
  expect_refusal(exported_to("."), "\".\" is a folder; name a file");
  for (const char* input : {"c.toml", "train.tsv"}) {
    const std::string before = slurp(e.file(input));
    expect_refusal(exported_to(e.file(input)), "it is read here as well");
    EXPECT_EQ(slurp(e.file(input)), before);
  }
  expect_refusal(e.run(e.words("report", "x", {"--output", "-"})), "\"-\" is no folder");
  expect_refusal(e.run(e.words("export", "x", {"--arm", "self, gredy"})), "did you mean \"self, greedy\"?");
  expect_refusal(e.run(e.words("export", "x", {})), "export needs --arm NAME; known: human; ");
  expect_refusal(e.run(e.words("export", "x", {"--arm", "human", "--seed", "9"})), "experiment.seeds = 2");
  expect_refusal(e.run(e.words("report", "x", {"--arm", "human"})),
                 "--arm is for `ruminate experiment export`");
  expect_refusal(e.run(e.words("status", "x", {"--output", "x"})),
                 "--output is for `ruminate experiment report`");
  const Ran listed = e.run(e.words("jobs", "unmade", {"--plain", "--threads", "3"}));
  EXPECT_NE(listed.out.find(" --threads 3 "), std::string::npos) << listed.out.substr(0, 400) << listed.err;

  // Without its corpora a finished experiment reports the same.
  const std::vector<std::string> files{"train.tsv", "valid.tsv", "test.tsv", "outside.jsonl"};
  for (const std::string& file : files) fs::rename(e.file(file), e.file(file + ".away"));
  EXPECT_EQ(e.run(e.words("status", "x")).status, 0);
  const Ran away = e.run(e.words("report", "x"));
  EXPECT_EQ(away.status, 0) << away.err;
  EXPECT_EQ(timeless(slurp(e.file("x/report.html"))), timeless(html));
  expect_refusal(e.run(e.words("run", "x")), "cannot open");
  expect_refusal(e.run(e.words("status", "none")), "cannot open");
  for (const std::string& file : files) fs::rename(e.file(file + ".away"), e.file(file));

  // Foreign files in a stage are kept; altered files are refused, whatever their contents.
  std::string judged;
  for (const auto& entry : fs::directory_iterator(e.file("x/stages")))
    if (entry.path().filename().string().starts_with("judge-")) judged = entry.path().string();
  std::ofstream(judged + "/notes.txt") << "mine";
  const Ran left = e.run(e.words("run", "x"));
  EXPECT_NE(left.err.find("kept: notes.txt"), std::string::npos) << left.err;
  EXPECT_NE(left.err.find("0 of them now"), std::string::npos) << left.err;
  EXPECT_EQ(e.run(e.words("report", "x")).status, 0);
  const std::string facts = slurp(judged + "/stage.json"), before = slurp(judged + "/test.jsonl");
  const std::string hash = hex64(hash64(before));
  for (const std::string& now :
       {before + "{\"nll\": 1}\n", before + before, std::string("[]\n"), std::string()}) {
    std::ofstream(judged + "/test.jsonl") << now;
    expect_refusal(e.run(e.words("report", "x")), "test.jsonl does not match its checksum");
    std::ofstream(judged + "/stage.json") << replaced(facts, hash, hex64(hash64(now)));
    expect_refusal(e.run(e.words("report", "x")), "test.jsonl: ");
    std::ofstream(judged + "/stage.json") << facts;
  }
  // A damaged stage is made again, with the same content.
  const Ran mended = e.run(e.words("run", "x"));
  EXPECT_EQ(slurp(judged + ".old-1/notes.txt"), "mine");
  EXPECT_NE(mended.err.find("is damaged (test.jsonl does not match its checksum): making it again"),
            std::string::npos)
      << mended.err;
  EXPECT_NE(mended.err.find("1 of them now"), std::string::npos) << mended.err;
  ASSERT_EQ(e.run(e.words("report", "x")).status, 0);
  EXPECT_EQ(timeless(slurp(e.file("x/report.html"))), timeless(html));
  EXPECT_EQ(slurp(e.file("x/sentences.csv")), sentences);
}

// A config that is small enough to run often: one seed, three arms.
std::string small(const std::string& config) {
  std::string out = replaced(config, "seeds = 2", "seeds = 1");
  const size_t arms = out.find("[[arm]]"), claims = out.find("[[claim]]"),
               c3 = out.find("[[claim]]\nid = \"C3\""), gate = out.find("[gate]");
  out = out.substr(0, arms) +
        "[[arm]]\nname = \"human\"\ntargets = \"human\"\n[[arm]]\nname = \"self, greedy\"\ntargets = "
        "\"self/greedy\"\n" +
        "[[arm]]\nname = \"mixed\"\ntargets = \"self/greedy\"\napply = [{ op = \"mix\", real = 0.5 }]\n" +
        out.substr(claims, c3 - claims) + out.substr(gate);
  return out;
}
void expect_nothing_of_one_seed(const Experiment& e, const std::string& folder) {
  const Json claims = parse_json(slurp(e.file(folder + "/claims.json")), "claims.json");
  const Json& c1 = claims.find("claims")->array()->front();
  ASSERT_EQ(c1.find("rows")->array()->size(), 3u);
  for (const Json& row : *c1.find("rows")->array()) EXPECT_EQ(*row.find("verdict")->text(), "undecided");
  EXPECT_FALSE(*claims.find("gate")->find("met")->boolean());
  const std::string html = slurp(e.file(folder + "/report.html"));
  EXPECT_NE(html.find("1 seed tells nothing about the variance between seeds"), std::string::npos);
  EXPECT_NE(html.find("arms, 1 seed each; they learned"), std::string::npos);
  for (const char* bad : {"±not defined", "1 seeds", "<b>helps</b>", "<b>hurts</b>"})
    EXPECT_EQ(html.find(bad), std::string::npos) << bad;
}
TEST(ExperimentProgram, KilledAtRandomItEndsAsIfItHadNotBeen) {
  Experiment e;
  // All kinds of stages that continue where they stopped, or read the output of several others.
  e.config = small(e.config) +
             "[[arm]]\nname = \"mbr\"\ntargets = \"self/mbr\"\n"
             "[[arm]]\nname = \"tuned\"\ntargets = \"human\"\nfrom = \"self\"\n"
             "[[chain]]\nname = \"c\"\ngenerations = 2\nkeep = true\nfresh = 0.25\n";
  const Ran whole = e.run(e.words("run", "whole"));
  ASSERT_EQ(whole.status, 0) << whole.err;
  ASSERT_EQ(e.run(e.words("report", "whole")).status, 0);
  expect_nothing_of_one_seed(e, "whole");
  const int kills = std::getenv("RUM_TEST_ALL") ? 100 : 6;
  const Random random{3, Stream::sample};
  int killed = 0;
  for (uint32_t i = 0; i < 1000 && killed < kills; ++i) {
    const pid_t child = e.start(e.words("run", "killed"));
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + random.bits({0, 0, 0, i}).at[0] % 700));
    kill(child, SIGKILL);
    if (e.end(child).status == 128 + SIGKILL) {
      ++killed;
    } else {  // it was finished: start another one
      fs::remove_all(e.file("killed"));
    }
  }
  EXPECT_EQ(killed, kills);
  const Ran rest = e.run(e.words("run", "killed"));
  ASSERT_EQ(rest.status, 0) << rest.err;
  ASSERT_EQ(e.run(e.words("report", "killed")).status, 0);
  EXPECT_EQ(timeless(slurp(e.file("killed/report.html"))), timeless(slurp(e.file("whole/report.html"))));
  for (const char* f : {"results.csv", "sentences.csv", "claims.json"})
    EXPECT_EQ(slurp(e.file(std::string("killed/") + f)), slurp(e.file(std::string("whole/") + f))) << f;
}
TEST(ExperimentProgram, AChangedSettingRedoesWhatDependsOnIt) {
  Experiment e;
  e.config = small(e.config);
  ASSERT_EQ(e.run(e.words("run", "x")).status, 0);
  e.config = replaced(e.config, "real = 0.5", "real = 0.25");
  const Ran ran = e.run(e.words("run", "x"));
  ASSERT_EQ(ran.status, 0) << ran.err;
  // The mixture, its measures, its student, the evaluation: nothing else.
  EXPECT_NE(ran.err.find("4 of them now"), std::string::npos) << ran.err;
}
TEST(ExperimentProgram, ASourceLongerThanTheContextIsLeftOutWithACount) {
  Experiment e;
  e.config = small(e.config);
  const auto lengthen = [&](const char* file, int which) {
    std::istringstream lines(slurp(e.file(file)));
    std::string longer;
    int number = 0;
    for (std::string line; std::getline(lines, line); longer += line + "\n")
      if (++number == which)
        for (int i = 0; i < 7; ++i) line = line.substr(0, line.find('\t')) + " " + line;
    e.write(file, longer);
  };
  lengthen("train.tsv", 710);  // of the pool
  lengthen("test.tsv", 3);
  const Ran ran = e.run(e.words("run", "x"));
  ASSERT_EQ(ran.status, 0) << ran.err;
  const Ran report = e.run(e.words("report", "x"));
  ASSERT_EQ(report.status, 0) << report.err;
  std::istringstream results(slurp(e.file("x/results.csv")));
  for (std::string row; std::getline(results, row);)
    EXPECT_EQ(row.find("NLL,,"), std::string::npos) << row;  // without a number
  EXPECT_NE(slurp(e.file("x/report.html")).find("<li>1 of 100 test pairs does not fit the context"),
            std::string::npos);
  int stages = 0;
  for (const auto& entry : fs::directory_iterator(e.file("x/stages"))) {
    const std::string stage = entry.path().filename().string();
    if (stage.starts_with("judge-")) {
      std::istringstream judged(slurp(entry.path() / "test.jsonl"));
      int64_t number = 0;
      for (std::string line; std::getline(judged, line); ++number)
        EXPECT_EQ(line.find("\"nll\":0,\"tokens\":0}") != std::string::npos, number == 2) << line;
      EXPECT_GT(number, 3);
    }
    if (!stage.starts_with("generate-")) continue;
    ++stages;
    EXPECT_NE(slurp(entry.path() / "counts.json").find("\"left_out\":1"), std::string::npos) << stage;
    const std::string targets = slurp(entry.path() / "targets.tsv");
    EXPECT_LT(std::count(targets.begin(), targets.end(), '\n'), 500) << stage;
  }
  EXPECT_GE(stages, 1);
}
// As `ruminate translate --template` would write it, cut off or not.
TEST(ExperimentProgram, AModelOfPlainTextTranslatesAsItIsTold) {
  Experiment e;
  write_run(e.file("told"), {.kind = CorpusKind::documents, .context = 128});
  e.config = small(e.config) + "[generator.told]\nmodel = \"" + e.file("told") +
             "\"\ntemplate = \"say {source}:\"\n[[arm]]\nname = \"told\"\ngroup = \"T\"\ntargets = "
             "\"told/greedy\"\n";
  ASSERT_EQ(e.run(e.words("run", "x", {"--group", "T"})).status, 0);
  std::string stage;
  for (const auto& entry : fs::directory_iterator(e.file("x/stages")))
    if (slurp(entry.path() / "stage.json").find("say {source}:") != std::string::npos)
      stage = entry.path().string();
  const std::string whole = slurp(stage + "/generated.jsonl");
  std::string sources;
  int64_t unfinished = 0;  // its context of 128 tokens ends before max_new, 256
  for (const Generated& g : read_generated(stage + "/generated.jsonl")) {
    sources += g.source + "\n";
    unfinished += !g.finished;
  }
  ASSERT_GT(unfinished, 0);
  EXPECT_NE(slurp(stage + "/counts.json").find(fmt::format("\"unfinished\":{}}}", unfinished)),
            std::string::npos)
      << slurp(stage + "/counts.json");
  e.write("de", sources);
  ASSERT_EQ(e.run({"translate", e.file("told"), "--input", e.file("de"), "--template",
                   "say {source}:", "--jsonl", "--output", e.file("pool"), "--generator", "told/greedy"})
                .status,
            0);
  EXPECT_TRUE(whole == slurp(e.file("pool")));

  const std::string part = stage + ".part";
  fs::remove(stage + "/stage.json");
  fs::rename(stage, part);
  Disk::real().replace_text(part + "/generated.jsonl", whole.substr(0, whole.size() / 2));
  ASSERT_EQ(e.run(e.words("run", "x", {"--group", "T"})).status, 0);
  EXPECT_TRUE(slurp(stage + "/generated.jsonl") == whole);
  // Without the model its output is still recognised.
  fs::rename(e.file("told"), e.file("away"));
  const Ran report = e.run(e.words("report", "x", {"--group", "T"}));
  EXPECT_EQ(report.status, 0) << report.err;
  EXPECT_NE(slurp(e.file("x/report.html")).find(fmt::format("<li>{} translations break off ", unfinished)),
            std::string::npos);
  expect_refusal(e.run(e.words("run", "x", {"--group", "T"})), "not a run folder");
}
TEST(ExperimentProgram, AConfigOfSomethingElseIsNotOverwritten) {
  Experiment e;
  fs::create_directory(e.file("x"));
  e.write("x/config.toml", "[run]\nfolder = \"x\"\n");
  expect_refusal(e.run(e.words("run", "x")), "x/config.toml: it is not of an experiment");
  EXPECT_EQ(slurp(e.file("x/config.toml")), "[run]\nfolder = \"x\"\n");
  EXPECT_EQ(std::distance(fs::directory_iterator(e.file("x")), {}), 1);
}
TEST(ExperimentProgram, TwoRunsAtOnceAreRefused) {
  Experiment e;
  e.config = small(e.config);
  fs::create_directories(e.file("x/locks"));
  const FileLock held(e.file("x/locks/experiment"));
  expect_refusal(e.run(e.words("run", "x")), "another process runs this experiment");
}
TEST(ExperimentProgram, JobsAreCommandsThatMakeTheWholeExperiment) {
  Experiment e;
  e.config = small(e.config);
  const Ran jobs = e.run(e.words("jobs", "x", {"--plain"}));
  ASSERT_EQ(jobs.status, 0) << jobs.err;
  std::istringstream lines(jobs.out);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const std::string id = line.substr(line.rfind(' ') + 1);
    const Ran made = e.run(e.words("stage", "x", {"--stage", id, "--threads", "1"}));
    EXPECT_EQ(made.status, 0) << made.err;
  }
  EXPECT_GT(count, 10);
  EXPECT_EQ(e.run(e.words("report", "x")).status, 0);
  EXPECT_NE(e.run(e.words("jobs", "y", {"--slurm"})).out.find("sbatch --parsable"), std::string::npos);
  expect_refusal(e.run(e.words("report", "y")), "no arm is finished yet");
  fs::create_directory(e.file("theirs"));
  e.write("theirs/report.html", "mine");
  expect_refusal(e.run(e.words("report", "x", {"--output", e.file("theirs")})), "not of an earlier report");
  EXPECT_EQ(slurp(e.file("theirs/report.html")), "mine");
  expect_refusal(e.run(e.words("stage", "x", {"--stage", "train-1"})), "no stage \"train-1\"");
  const Ran wrong = e.run(e.words("rum", "x"));
  EXPECT_EQ(wrong.status, 2);
  EXPECT_NE(wrong.err.find("unknown \"rum\"; did you mean \"run\"? Known: run, status, "), std::string::npos)
      << wrong.err;
}
// As a user runs it: paths of the config itself, no flags but the groups.
TEST(ExperimentProgram, MakeReproduceRunsAScaleAndWritesItsReport) {
  const Experiment e;
  const char* program = std::getenv("RUM_PROGRAM");
  for (const char* folder : {"build", "data/cache", "data/configs/experiments"})
    fs::create_directories(e.file(folder));
  fs::create_symlink(fs::absolute(program ? program : "build/ruminate"), e.file("build/ruminate"));
  fs::create_directory_symlink(e.scratch.path, e.file("data/cache/smoke"));
  std::string config = small(slurp("data/configs/experiments/smoke.toml"));
  config = replaced(config, "name = \"human\"", "group = \"A\"\nname = \"human\"");
  config = replaced(config, "name = \"self, greedy\"", "group = \"B\"\nname = \"self, greedy\"");
  e.write("data/configs/experiments/smoke.toml", config);
  e.write("data/smoke.sh", "exit 1  # the corpus is there\n");
  const std::string command = "cd " + e.scratch.path + " && bash " +
                              fs::absolute("tools/reproduce.sh").string() + " smoke A B >said 2>&1";
  ASSERT_EQ(system(command.c_str()), 0) << slurp(e.file("said"));
  EXPECT_NE(slurp(e.file("said")).find("C1"), std::string::npos) << slurp(e.file("said"));
  EXPECT_TRUE(fs::exists(e.file("runs/experiments/smoke/report.html")));
}
TEST(ExperimentProgram, TheCorpusIsTheConfigsUnlessOneIsGiven) {
  Experiment e;
  const std::string given = e.run(e.words("jobs", "x", {"--plain"})).out;
  EXPECT_FALSE(given.empty());
  EXPECT_EQ(e.run(e.words("status", "x")).status, 0);
  EXPECT_FALSE(fs::exists(e.file("x")));  // who only asks makes nothing
  for (int files = 4; files > 0; --files)
    e.config = replaced(e.config, "\"" + e.scratch.path, "\"" + e.file("gone"));
  expect_refusal(e.run(e.words("jobs", "x")), "gone/train.tsv: cannot open");
  const std::vector<std::string> flags{"--plain", "--data", e.scratch.path, "--generated",
                                       "outside=" + e.file("outside.jsonl")};
  const Ran moved = e.run(e.words("jobs", "x", flags));
  EXPECT_EQ(moved.status, 0) << moved.err;
  EXPECT_EQ(std::count(moved.out.begin(), moved.out.end(), '\n'),
            std::count(given.begin(), given.end(), '\n'));
  std::istringstream lines(moved.out);
  for (std::string line; std::getline(lines, line);)
    EXPECT_NE(line.find("--data " + e.scratch.path), std::string::npos) << line;
}
// An installed program has no build/ruminate.
TEST(ExperimentProgram, JobsCallTheProgramThatListsThem) {
  Experiment e;
  e.words("jobs", "x");
  const char* named = std::getenv("RUM_PROGRAM");
  const std::string ours = fs::canonical(named ? named : "build/ruminate").string();
  fs::copy_file(ours, e.file("here"));
  for (const std::string& program : {ours, std::string("./here")}) {
    const std::string command =
        "cd " + e.scratch.path + " && " + program + " experiment jobs c.toml --folder x --plain >jobs";
    ASSERT_EQ(system(command.c_str()), 0);
    EXPECT_EQ(slurp(e.file("jobs")).find(program + " experiment stage c.toml "), 0u) << program;
  }
}
// Names that would run commands if they were pasted into a script unquoted.
TEST(ExperimentProgram, JobsRunNothingButTheirStages) {
  Experiment e;
  e.config = small(e.config);
  const std::string folder = "x '$(touch ran)'; touch ran `touch ran` \"end";
  e.write("sbatch",
          "#!/bin/bash\nfor word; do last=$word; done\nSLURM_ARRAY_TASK_ID=1 bash -c \"$last\"\n"
          "echo 7\n");
  const char* named = std::getenv("RUM_PROGRAM");
  const std::string ours = fs::proximate(named ? named : "build/ruminate").string();
  fs::create_directories(fs::path(e.file(ours)).parent_path());
  e.write(ours, "#!/bin/bash\nprintf '%s\\n' \"$7\" \"${@: -1}\" >>seen\n");
  for (const std::string& program : {std::string("sbatch"), ours})
    fs::permissions(e.file(program), fs::perms::owner_all);
  for (const char* kind : {"--plain", "--slurm"}) {
    const Ran jobs = e.run(e.words("jobs", folder, {kind}));
    ASSERT_EQ(jobs.status, 0) << jobs.err;
    e.write("script", jobs.out), e.write("seen", "");
    ASSERT_EQ(system(("cd " + e.scratch.path + " && PATH=.:$PATH bash script >said 2>&1").c_str()), 0)
        << slurp(e.file("said"));
    EXPECT_FALSE(fs::exists(e.file("ran"))) << jobs.out;
    std::istringstream seen(slurp(e.file("seen")));
    std::string where, id;
    while (std::getline(seen, where) && std::getline(seen, id)) EXPECT_EQ(where, e.file(folder));
    EXPECT_EQ(id.substr(0, 5), "judge") << "the last wave";
  }
}
TEST(ExperimentProgram, BadInputIsRefusedWithItsPlace) {
  Experiment e;
  e.config = small(e.config);
  expect_refusal(e.run(e.words("jobs", "x\ntouch ran")), "without control characters");
  expect_refusal(e.run(e.words("jobs", "a", {"--slurm", "--plain"})), "--plain needs commands alone");
  expect_refusal(e.run(e.words("report", "a", {"--jobs", "2"})), "--jobs needs `ruminate experiment run`");
  expect_refusal(e.run(e.words("export", "a", {"--threads", "2"})),
                 "--threads needs `ruminate experiment run`");
  expect_refusal(e.run(e.words("run", "a", {"--group", "A"})), "no group \"A\"; there are none");
  const std::string train = slurp(e.file("train.tsv")), test = slurp(e.file("test.tsv")),
                    outside = slurp(e.file("outside.jsonl"));
  e.write("test.tsv", train.substr(0, train.find('\n') + 1) + test);
  expect_refusal(e.run(e.words("run", "a")), "overlap in 1 pairs (line 1 and line 1 share a source)");
  size_t judge = 0;  // a pair beyond seed set and pool
  for (int line = 0; line < 1300; ++line) judge = train.find('\n', judge) + 1;
  e.write("test.tsv", train.substr(judge, train.find('\n', judge) + 1 - judge) + test);
  expect_refusal(e.run(e.words("run", "a")), "overlap in 1 pairs (line 1 and line 1301 share a source)");
  e.write("test.tsv", test);
  e.config = replaced(e.config, "pool_pairs = 500", "pool_pairs = 1500");
  expect_refusal(e.run(e.words("run", "b")),
                 "data.seed_pairs, data.pool_pairs and data.judge_pairs ask for 2500");
  e.config = replaced(e.config, "pool_pairs = 1500", "pool_pairs = 500");
  const std::string given = e.config;
  e.config = replaced(e.config, "with = \"low/greedy\"", "with = \"informed/greedy\"") +
             "[[arm]]\nname = \"by quality\"\ntargets = \"self/greedy\"\n"
             "apply = [{ op = \"filter\", by = \"quality\", keep = 0.5 }]\n";
  expect_refusal(e.run(e.words("run", "b")), "generator informed learned from the judge set, so ");
  e.config = given;
  // A volume that is too small for a batch.
  const std::string arms = e.config;
  e.config = replaced(e.config, "name = \"human\"\ntargets = \"human\"\n",
                      "name = \"human\"\ntargets = \"human\"\nvolumes = [0.003, 1.0]\n");
  expect_refusal(e.run(e.words("run", "v")), "fewer than a batch of 256");
  e.config = arms;
  // The output of an external model.
  e.config = replaced(e.config, "targets = \"self/greedy\"", "targets = \"outside\"");
  const auto refuse = [&](const std::string& lines, const char* part) {
    e.write("outside.jsonl", lines);
    expect_refusal(e.run(e.words("run", "c")), part);
  };
  refuse(outside.substr(outside.find('\n') + 1), "1 ids of the pool are missing: 0");
  refuse(outside + outside.substr(0, outside.find('\n') + 1), "line 501: id 0 appears twice");
  refuse(outside + "{\"id\": 500, \"target\": \"x\"}\n", "id 500 is not in the pool, which has ids 0 to 499");
  refuse(outside + "{\"id\": 3}\n", "\"target\" is missing");
  refuse("Haus\thouse\n", "has 1 lines, the pool 500");
  // Blank lines at the end are none; sources, where they are, are the pool's, in any form of Unicode.
  refuse(outside.substr(outside.find('\n') + 1) + "\n \n", "1 ids of the pool are missing: 0");
  std::string aligned;
  for (const auto& entry : fs::directory_iterator(e.file("c/stages")))
    if (entry.path().filename().string().starts_with("split-"))
      for (const Pair& t : edits::read_pool(entry.path().string()).texts) {
        const auto id = std::count(aligned.begin(), aligned.end(), '\n');
        aligned += to_json(Json::Object{{"id", int64_t{id}}, {"source", t.source}, {"target", "x"}}) + "\n";
      }
  ASSERT_EQ(std::count(aligned.begin(), aligned.end(), '\n'), 500);
  const std::string again = "{\"id\": 0, \"target\": \"x\"}\n";
  std::string decomposed = aligned;
  for (size_t at = 0; (at = decomposed.find("\u00FC", at)) != std::string::npos;)
    decomposed.replace(at, 2, "u\u0308");
  EXPECT_NE(decomposed, aligned);
  refuse(aligned + again, "line 501: id 0 appears twice");
  refuse(decomposed + again, "line 501: id 0 appears twice");
  refuse("{\"id\": 7, \"source\": \"Unsinn.\", \"target\": \"x\"}\n" + aligned,
         "line 1: its source is not that of the pool's pair 7 (\"");
  fs::remove(e.file("outside.jsonl"));
  expect_refusal(e.run(e.words("run", "c")), "outside.jsonl");
  expect_refusal(e.run({"experiment", "run", e.file("none.toml")}), "none.toml");
}
}  // namespace
}  // namespace rum::experiment_test
