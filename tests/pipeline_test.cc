// The graph of stages, their store and their runner.
#include <linux/capability.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "base/error.h"
#include "pipeline/runner.h"
#include "pipeline/store.h"
#include "tests/error_of.h"
#include "tests/program.h"
#include "tests/scratch.h"

namespace rum::pipeline_test {
namespace {
namespace fs = std::filesystem;

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
const StageKind kinds[] = {{"test-write", 1, false, write_parameter},
                           {"test-join", 1, false, join},
                           {"test-resume", 1, true, write_parameter}};

// A store in a folder of its own, and the graph whose stages it makes.
struct InAStore : testing::Test {
  Scratch scratch;
  Store store{scratch.path};
  Progress progress;
  Graph g;
};
struct Runner : InAStore {};

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
TEST_F(InAStore, FilesOfOthersAreNoDamageAndStay) {
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
// A disk that is not mounted, a file that cannot be read: no reason to make it all again.
TEST_F(InAStore, WhatCannotBeReadIsNoDamage) {
  const std::string a = g.add("test-write", "a", {{"text", "A"}}, {});
  store.make(g, a, progress, kGoOn);
  const std::string file = store.folder(a) + "/out.txt", index = store.folder(a) + "/stage.json";
  for (const std::string& path : {file, index}) {
    fs::rename(path, scratch.path + "/away");
    fs::create_symlink(path, path);  // to itself: it cannot even be told what is there
    expect_error([&] { store.damage(a); }, path + ": cannot ");
    fs::remove(path);
    fs::rename(scratch.path + "/away", path);
    EXPECT_EQ(store.damage(a), "");
  }
  fs::rename(store.folder(a), scratch.path + "/away");
  fs::create_symlink(scratch.path + "/away", store.folder(a));
  EXPECT_TRUE(store.finished(a));
  EXPECT_EQ(store.damage(a), "");
  fs::rename(scratch.path + "/away", scratch.path + "/elsewhere");
  made = 0;
  expect_error([&] { store.make(g, a, progress, kGoOn); }, "a symbolic link that leads nowhere");
  EXPECT_EQ(made, 0);
}
TEST_F(InAStore, WhatAKilledWriterLeftIsNoFileOfAStage) {
  const std::string a = g.add("test-resume", "a", {{"text", "A"}}, {});
  Disk::real().make_folders(store.part(a));
  for (const char* name : {"/out.txt.ruminate-0123abcd.tmp", "/half.txt"})
    Disk::real().replace_text(store.part(a) + name, "x");
  store.make(g, a, progress, kGoOn);
  EXPECT_EQ(Disk::real().list(store.folder(a)),
            (std::vector<std::string>{"half.txt", "out.txt", "stage.json"}));
}
TEST_F(InAStore, WhatAKilledStageLeftIsNotTakenForFinished) {
  const std::string a = g.add("test-write", "a", {{"text", "A"}}, {});
  Disk::real().make_folders(store.part(a));
  Disk::real().replace_text(store.part(a) + "/half.txt", "x");
  EXPECT_FALSE(store.finished(a));
  store.make(g, a, progress, kGoOn);
  EXPECT_FALSE(Disk::real().exists(store.folder(a) + "/half.txt"));  // this kind starts over
  EXPECT_EQ(store.damage(a), "");
}
// Else what an earlier attempt left would stand among the stage's files. Without root's privileges nobody may
// empty a folder that is read-only.
TEST_F(InAStore, WhatCannotBeRemovedIsAnError) {
  const std::string a = g.add("test-write", "a", {{"text", "A"}}, {}), locked = store.part(a) + "/locked";
  Disk::real().make_folders(locked);
  Disk::real().replace_text(locked + "/half.txt", "x");
  fs::permissions(locked, fs::perms::owner_read | fs::perms::owner_exec);
  const pid_t child = forked(fork());
  if (child == 0) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2]{};
    if (syscall(SYS_capset, &header, none) != 0) _exit(2);
    const std::string says = error_of([&] { store.make(g, a, progress, kGoOn); });
    _exit(says.find("cannot be removed") == std::string::npos ? 1 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(store.finished(a));
  fs::permissions(locked, fs::perms::owner_all);
}
// A night's run is not lost to one stage: what does not need it is made, in whatever order they stand.
TEST_F(Runner, WhatDoesNotNeedAFailedStageIsStillMade) {
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
// As on a full disk: in this process no file may grow, so the stage's own sentence is lost.
TEST_F(Runner, SaysWhyAFailedStageCouldNotSayWhy) {
  const std::string bad = g.add("test-write", "bad", {{"text", "B"}}, {}), make = scratch.path + "/make";
  std::ofstream(make) << "#!/bin/sh\necho 'no luck' >&2\nexit 3\n";
  fs::permissions(make, fs::perms::owner_all);
  fs::create_directories(scratch.path + "/stages");
  const std::string log = store.log(bad);
  const pid_t child = forked(fork());
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit none{0, 0};
    const std::string says = error_of([&] {
      if (setrlimit(RLIMIT_FSIZE, &none) != 0) fail("no limit");
      run_stages(g, store, {{make}}, progress, kGoOn);
    });
    _exit(says == "bad failed (status 3): what it said last could not be written: " + log +
                      ": cannot write: File too large; the whole log: " + log
              ? 0
              : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(slurp(log), "");
}
// Some launchers start a program so; then no ended process can be waited for.
TEST_F(Runner, EndsWhereSignalsOfEndedProcessesAreIgnored) {
  g.add("test-write", "a", {{"text", "A"}}, {});
  const auto before = ::signal(SIGCHLD, SIG_IGN);
  expect_error([&] { run_stages(g, store, {{"/bin/true"}}, progress, kGoOn); }, "a failed (status 0)");
  ::signal(SIGCHLD, before);
}
// A fact of a finished stage, as if it had been another.
void set_fact(const Store& store, const std::string& id, const std::string& fact, const Json& value) {
  const std::string path = store.folder(id) + "/stage.json";
  Json facts = parse_json(slurp(path), path);
  for (auto& [key, held] : std::get<Json::Object>(facts.value))
    if (key == fact) held = value;
  Disk::real().replace_text(path, to_json(facts));
}
TEST_F(Runner, TheTimeThatIsLeftByHand) {
  const std::string a = g.add("test-write", "a", {{"text", "A"}}, {}, 20),
                    b = g.add("test-write", "b", {{"text", "B"}}, {}, 50);
  g.add("test-join", "c", {}, {{"part", a}, {"part", b}}, 10);
  EXPECT_DOUBLE_EQ(seconds_left(g, store), 20 + 50 + 10);
  store.make(g, a, progress, kGoOn);
  set_fact(store, a, "seconds", Json(180.0));                 // and a minute as expected: 240 s instead of 80
  EXPECT_DOUBLE_EQ(seconds_left(g, store), 3 * 50 + 3 * 10);  // of no stage of c's kind is anything known
  set_fact(store, a, "seconds", Json(0.0));
  EXPECT_DOUBLE_EQ(seconds_left(g, store), .75 * (50 + 10)) << "a fast short stage promises little";
}
TEST(Store, TheNewestFactsComeFirst) {
  Scratch scratch;
  const Store empty(scratch.path + "/none");
  EXPECT_TRUE(empty.all_facts("test-write").empty());
  Store store(scratch.path);
  Progress progress;
  Graph g;
  std::vector<std::string> ids;
  for (const char* text : {"A", "B", "C"}) ids.push_back(g.add("test-write", text, {{"text", text}}, {}));
  for (const std::string& id : ids) store.make(g, id, progress, kGoOn);
  const char* when[] = {"2026-03-01T10:00:00Z", "2026-03-01T12:00:00Z", "2026-03-01T11:00:00Z"};
  for (size_t i = 0; i < 3; ++i) set_fact(store, ids[i], "finished", Json(when[i]));
  std::string labels;
  for (const Json& facts : store.all_facts("test-write")) labels += *facts.find("label")->text();
  EXPECT_EQ(labels, "BCA");
  Disk::real().replace_text(store.folder(ids[2]) + "/stage.json", "{");
  EXPECT_EQ(store.all_facts("test-write").size(), 2u);  // one that cannot be read is left out
}
TEST(Store, WhoWaitsForALockGetsItWhenItIsFree) {
  Scratch scratch;
  auto first = std::make_unique<FileLock>(scratch.path + "/lock");
  std::atomic<bool> asks = false, free = false;
  std::jthread other([&] {
    asks = true;
    const FileLock lock(scratch.path + "/lock", FileLock::Taken::wait);
    EXPECT_TRUE(lock.held());
    EXPECT_TRUE(free);
  });
  while (!asks) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  free = true;
  first.reset();
}
TEST(Store, OneAtATime) {
  Scratch scratch;
  const FileLock first(scratch.path + "/lock", FileLock::Taken::tell);
  EXPECT_TRUE(first.held());
  EXPECT_FALSE(FileLock(scratch.path + "/lock", FileLock::Taken::tell).held());
  EXPECT_THROW(FileLock(scratch.path + "/lock"), FileError);
}
}  // namespace
}  // namespace rum::pipeline_test
