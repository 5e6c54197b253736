// Disk faults: every system call of a save fails in turn, in every way, and the power is cut at each of them.
// The old checkpoint must still load, and an acknowledged step must never be lost.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/output.h"
#include "base/unfinished.h"
#include "checkpoint/checkpoint.h"
#include "data/clean.h"
#include "tests/error_of.h"
#include "tests/grammar/grammar.h"
#include "tests/scratch.h"

using namespace rum;
namespace {
// Fails call number `fail_at`, counted from 0 over all kinds.
class Faulty : public SystemCalls {
 public:
  int error = EIO;
  int fail_at = INT_MAX;
  bool for_good = false;           // every later call fails too
  size_t most_written = SIZE_MAX;  // per call of write
  int calls = 0, failed = 0;
  std::string first_failed;

  int open(const char* path, int flags, unsigned mode) override {
    return strikes("open") ? -1 : SystemCalls::open(path, flags, mode);
  }
  ssize_t write(int file, const void* from, size_t bytes) override {
    return strikes("write") ? -1 : SystemCalls::write(file, from, std::min(bytes, most_written));
  }
  int fsync(int file) override { return strikes("fsync") ? -1 : SystemCalls::fsync(file); }
  int close(int file) override {  // even a failing close closes the file
    SystemCalls::close(file);
    return strikes("close") ? -1 : 0;
  }
  int rename(const char* from, const char* to) override {
    return strikes("rename") ? -1 : SystemCalls::rename(from, to);
  }
  int unlink(const char* path) override { return strikes("unlink") ? -1 : SystemCalls::unlink(path); }

 private:
  bool strikes(const char* name) {
    const int number = calls++;
    if (number != fail_at && !(for_good && number > fail_at)) return false;
    if (++failed == 1) first_failed = name;
    errno = error;
    return true;
  }
};

Checkpoint sample(int64_t step) {
  std::vector<float> numbers(300);
  for (size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = static_cast<float>(step) + static_cast<float>(i) * 0.5f;
  const Shape shape{300};
  return {step,
          {{"seed", "1"}},
          {{"w", Tensor::from<float>(std::span<const float>(numbers), shape, DType::f32)}}};
}
void expect_sample(const Checkpoint& c) {
  ASSERT_EQ(c.tensors.size(), 1u);
  ASSERT_EQ(c.tensors[0].second.size(), 300);
  for (int i = 0; i < 300; ++i) ASSERT_EQ(c.tensors[0].second.at(i), static_cast<double>(c.step) + i * 0.5);
}
bool has_temporary(const std::string& folder) {
  for (const std::string& name : Disk::real().list(folder))
    if (name.ends_with(".tmp")) return true;
  return false;
}

int calls_of_a_save() {
  Scratch folder;
  Faulty calls;
  Disk disk(calls);
  save(sample(2), checkpoint_path(folder.path, 2), disk);
  return calls.calls;
}
TEST(DiskFaults, EveryCallFailedInTurnLeavesTheOldCheckpoint) {
  const int count = calls_of_a_save();
  ASSERT_GE(count, 9);  // open, 2 writes, fsync, close, rename; open, fsync, close of the folder
  std::map<std::string, int> seen;
  for (const bool same_path : {false, true})
    for (const bool for_good : {false, true})
      for (const int error : {EIO, ENOSPC, EDQUOT})
        for (int at = 0; at < count; ++at) {
          Scratch folder;
          Faulty calls;
          Disk disk(calls);
          const std::string old = checkpoint_path(folder.path, 1);
          save(sample(1), old);
          calls.error = error, calls.for_good = for_good, calls.fail_at = at;
          SCOPED_TRACE(fmt::format("call {} fails, errno {}", at, error));
          std::string message;
          try {
            save(sample(2), same_path ? old : checkpoint_path(folder.path, 2), disk);
          } catch (const FileError& e) {
            message = e.what();
          }
          ++seen[calls.first_failed];
          // Only the close of the folder, after its fsync, makes no difference.
          ASSERT_EQ(message.empty(), at == count - 1) << message;
          if (!message.empty()) {
            ASSERT_TRUE(message.starts_with(folder.path)) << message;
            if (error == ENOSPC || error == EDQUOT) {
              ASSERT_NE(message.find("no space left: free 1 MB or choose another folder"), std::string::npos)
                  << message;
            }
          }
          if (!for_good) {
            ASSERT_FALSE(has_temporary(folder.path));
          }
          const std::optional<Found> found = newest_valid(folder.path);
          ASSERT_TRUE(found);
          expect_sample(found->checkpoint);
          const bool renamed = at >= count - 3;
          ASSERT_EQ(found->checkpoint.step, renamed ? 2 : 1);
          if (!same_path) expect_sample(load(old));
        }
  EXPECT_EQ(seen.size(), 5u);  // open, write, fsync, close, rename
}
TEST(DiskFaults, InterruptedCallsAndShortWritesAreGoneOnWith) {
  const int count = calls_of_a_save();
  for (int at = 0; at < count; ++at) {
    Scratch folder;
    Faulty calls;
    calls.fail_at = at, calls.error = EINTR;
    Disk disk(calls);
    const bool rename = at == count - 4;  // the one call that no signal interrupts
    if (rename) continue;
    save(sample(2), checkpoint_path(folder.path, 2), disk);
    EXPECT_EQ(calls.failed, 1);
    expect_sample(newest_valid(folder.path)->checkpoint);
  }
  for (const size_t most : {size_t{1}, size_t{7}, size_t{4096}}) {
    Scratch folder;
    Faulty calls;
    calls.most_written = most;
    Disk disk(calls);
    save(sample(2), checkpoint_path(folder.path, 2), disk);
    expect_sample(newest_valid(folder.path)->checkpoint);
    if (most == 1) {
      EXPECT_GT(calls.calls, 1400);
    }
  }
}
TEST(DiskFaults, AShortWriteBeforeTheFullDiskLeavesNothing) {
  Scratch folder;
  save(sample(1), checkpoint_path(folder.path, 1));
  for (int at = 1; at < 20; ++at) {
    Faulty calls;
    calls.most_written = 64, calls.error = ENOSPC, calls.fail_at = at;
    Disk disk(calls);
    EXPECT_THROW(save(sample(2), checkpoint_path(folder.path, 2), disk), FileError) << at;
    ASSERT_EQ(calls.first_failed, "write");
    ASSERT_EQ(Disk::real().list(folder.path).size(), 1u);
  }
  expect_sample(newest_valid(folder.path)->checkpoint);
}

// Simulates a power cut: what was not synced may or may not be lost.
class PowerCut : public SystemCalls {
 public:
  struct Cut {};
  explicit PowerCut(int calls_left) : left_(calls_left) {}
  int open(const char* path, int flags, unsigned mode) override {
    tick();
    const int file = SystemCalls::open(path, flags, mode);
    if (file != -1) {
      path_[file] = path;
      if (flags & O_TRUNC) synced_[path] = 0;
    }
    return file;
  }
  ssize_t write(int file, const void* from, size_t bytes) override {
    tick();
    synced_.try_emplace(path_.at(file), std::filesystem::file_size(path_.at(file)));
    return SystemCalls::write(file, from, std::min<size_t>(bytes, 500));
  }
  int fsync(int file) override {
    tick();
    const std::string path = path_.at(file);
    if (std::filesystem::is_directory(path))
      renames_.clear();
    else
      synced_.erase(path);
    return 0;
  }
  int close(int file) override {
    path_.erase(file);
    SystemCalls::close(file);
    if (left_ >= 0) tick();  // without power, closing in a destructor must not throw
    return 0;
  }
  int rename(const char* from, const char* to) override {
    tick();
    std::optional<std::string> old;
    if (Disk::real().exists(to)) old = Disk::real().read(to);
    renames_.push_back({from, to, old});
    if (synced_.contains(from)) synced_[to] = synced_[from], synced_.erase(from);
    return SystemCalls::rename(from, to);
  }
  int unlink(const char* path) override {
    tick();
    return SystemCalls::unlink(path);
  }
  // The contents of the disk afterwards, in the worst cases.
  void lose(bool data, bool names) {
    for (const auto& [file, path] : path_) SystemCalls::close(file);
    if (data)
      for (const auto& [path, size] : synced_) {
        std::error_code gone;
        std::filesystem::resize_file(path, size, gone);
      }
    if (!names) return;
    for (auto r = renames_.rbegin(); r != renames_.rend(); ++r) {
      std::filesystem::rename(r->to, r->from);
      if (r->old) Disk::real().replace_text(r->to, *r->old);
    }
  }

 private:
  struct Rename {
    std::string from, to;
    std::optional<std::string> old;
  };
  void tick() {
    if (--left_ < 0) throw Cut{};
  }
  int left_;
  std::map<int, std::string> path_;       // open files
  std::map<std::string, size_t> synced_;  // files with unsynced bytes: what is sure to be there
  std::vector<Rename> renames_;           // not synced yet
};

// Saves steps 1, 2, ... with `keep` checkpoints until the power goes; returns the last acknowledged step.
int64_t save_until_cut(const std::string& folder, PowerCut& calls, bool& finished) {
  Disk disk(calls);
  int64_t acknowledged = 0;
  finished = false;
  try {
    for (int64_t step = 1; step <= 3; ++step) {
      save(sample(step), checkpoint_path(folder, step), disk);
      acknowledged = step;
      retain(folder, {}, disk);
    }
    finished = true;
  } catch (const PowerCut::Cut&) {
  }
  return acknowledged;
}
TEST(DiskFaults, APowerCutAtAnyCallLosesNoAcknowledgedStep) {
  int cuts = 0;
  for (const bool data : {false, true})
    for (const bool names : {false, true}) {
      bool finished = false;
      for (int at = 0; !finished; ++at, ++cuts) {
        Scratch folder;
        PowerCut calls(at);
        const int64_t acknowledged = save_until_cut(folder.path, calls, finished);
        calls.lose(data, names);
        remove_stale(folder.path);
        const std::optional<Found> found = newest_valid(folder.path);
        SCOPED_TRACE(fmt::format("cut at call {}, data lost {}, names lost {}", at, data, names));
        ASSERT_GE(found ? found->checkpoint.step : 0, acknowledged);
        if (found) expect_sample(found->checkpoint);
      }
    }
  EXPECT_GT(cuts, 4 * 30);
}
TEST(DiskFaults, APowerCutWhileReplacingLeavesTheOldOrTheNewFileWhole) {
  for (const bool data : {false, true})
    for (const bool names : {false, true})
      for (int at = 0, acknowledged = 1; acknowledged == 1; ++at) {
        Scratch folder;
        const std::string path = folder.path + "/best.ckpt";
        save(sample(1), path);
        PowerCut calls(at);
        Disk disk(calls);
        try {
          save(sample(2), path, disk);
          acknowledged = 2;
        } catch (const PowerCut::Cut&) {
        }
        calls.lose(data, names);
        const Checkpoint found = load(path);
        ASSERT_GE(found.step, acknowledged);
        expect_sample(found);
      }
}
// Files whose last says that the others are complete: while it is there, all are of one generation.
constexpr const char* kTogether[] = {"train", "valid", "stats"};
void write_together(const std::string& folder, const std::string& text, Disk& disk) {
  const Disk::Part part = std::as_bytes(std::span(text));
  std::vector<Disk::NewFile> files;
  for (const char* name : kTogether) files.push_back({folder + "/" + name, {&part, 1}});
  disk.replace_together(files);
}
std::string texts_together(const std::string& folder) {
  std::string out;
  for (const char* name : kTogether)
    out += Disk::real().exists(folder + "/" + name) ? Disk::real().read(folder + "/" + name) : "-";
  return out;
}
TEST(DiskFaults, FilesThatBelongTogetherAreNeverMixed) {
  // Of each: open, write, fsync, close. Then the last one is removed.
  constexpr int kWritten = 3 * 4;
  for (int at = 0;; ++at) {
    Scratch folder;
    write_together(folder.path, "a", Disk::real());
    Faulty calls;
    calls.error = ENOSPC, calls.fail_at = at;
    Disk disk(calls);
    const std::string message = error_of([&] { write_together(folder.path, "b", disk); });
    const std::string found = texts_together(folder.path);
    SCOPED_TRACE(fmt::format("call {} fails", at));
    EXPECT_FALSE(has_temporary(folder.path));
    if (at <= kWritten) {
      EXPECT_EQ(found, "aaa");
      EXPECT_FALSE(message.empty());
    } else {
      EXPECT_TRUE(found == "aaa" || found == "bbb" || found.ends_with('-')) << found;
    }
    if (calls.failed == 0) {
      EXPECT_EQ(found, "bbb");
      break;
    }
  }
  for (const bool data : {false, true})
    for (const bool names : {false, true})
      for (int at = 0, acknowledged = 0; acknowledged == 0; ++at) {
        Scratch folder;
        write_together(folder.path, "a", Disk::real());
        PowerCut calls(at);
        Disk disk(calls);
        try {
          write_together(folder.path, "b", disk);
          acknowledged = 1;
        } catch (const PowerCut::Cut&) {
        }
        calls.lose(data, names);
        const std::string found = texts_together(folder.path);
        EXPECT_TRUE(found == "aaa" || found == "bbb" || found.ends_with('-')) << found << " at " << at;
        if (acknowledged == 1) {
          EXPECT_EQ(found, "bbb");
        }
      }
}
TEST(DiskFaults, AFullDiskLeavesAPreparedCorpusAsItWas) {
  Scratch folder;
  CleanRules rules;
  rules.valid = 10, rules.test = 10;
  const Json old = save_prepared(prepare(grammar_pairs(200, 1), rules), folder.path, Json::Array{});
  const Prepared later = prepare(grammar_pairs(300, 2), rules);
  for (const int at : {0, 1, 5, 9, 13, 15}) {  // in each of the four files
    Faulty calls;
    calls.error = ENOSPC, calls.for_good = true, calls.fail_at = at;
    Disk disk(calls);
    EXPECT_NE(error_of([&] { save_prepared(later, folder.path, Json::Array{}, disk); }).find("no space left"),
              std::string::npos)
        << at;
    EXPECT_EQ(to_json(check_prepared(folder.path)), to_json(old)) << at;
  }
}
TEST(Disk, NoLinkIsFollowedAndNothingOfOthersIsOverwritten) {
  Scratch folder;
  const auto path = [&](const char* name) { return folder.path + "/" + name; };
  Disk& disk = Disk::real();
  disk.append(path("victim"), "mine");
  // as a folder from elsewhere may contain
  std::filesystem::create_symlink("victim", path("config.toml.tmp"));
  std::filesystem::create_symlink("victim", path("linked"));
  std::filesystem::create_symlink("victim", path("log.txt"));
  std::filesystem::create_symlink("none", path("dangling"));
  disk.append(path("report.html.tmp"), "mine, too");
  disk.replace_text(path("config.toml"), "new");
  disk.replace_text(path("report.html"), "new");
  disk.replace_text(path("linked"), "new");  // the link is removed, not its target
  for (const char* link : {"log.txt", "dangling"})
    EXPECT_NE(error_of([&] { disk.append(path(link), "x"); }).find("it is a symbolic link"),
              std::string::npos);
  for (const char* name : {"config.toml", "report.html", "linked"}) EXPECT_EQ(disk.read(path(name)), "new");
  EXPECT_EQ(disk.read(path("victim")), "mine");
  EXPECT_EQ(disk.read(path("report.html.tmp")), "mine, too");
  EXPECT_TRUE(std::filesystem::is_symlink(path("config.toml.tmp")));
  EXPECT_FALSE(disk.exists(path("none")));

  Faulty calls;  // the first name is taken
  calls.fail_at = 0, calls.error = EEXIST;
  Disk(calls).replace_text(path("config.toml"), "newer");
  EXPECT_EQ(calls.failed, 1);
  EXPECT_EQ(disk.read(path("config.toml")), "newer");
  EXPECT_EQ(disk.list(folder.path).size(), 8u);  // and no leftover
}
TEST(Disk, ADeviceIsNotReplaced) {
  Scratch folder;
  const std::string pipe = folder.path + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  std::filesystem::create_symlink("/dev/null", folder.path + "/null");
  for (const std::string& path : {pipe, folder.path + "/null", std::string("/dev/stdout")}) {
    EXPECT_TRUE(is_device(path)) << path;
    EXPECT_NE(error_of([&] { Disk::real().replace_text(path, "x"); }).find("is not a regular file"),
              std::string::npos)
        << path;
  }
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path + "/null"));
  for (const char* plain : {"none", "/dev/shm/none", "."}) EXPECT_FALSE(is_device(plain)) << plain;
}
TEST(Disk, APipeIsNotWaitedFor) {
  Scratch folder;
  const std::string pipe = folder.path + "/model.safetensors";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  for (const auto& open : std::vector<std::function<void()>>{
           [&] { File file(pipe); }, [&] { Disk::real().read(pipe); }, [&] { load(pipe); }})
    EXPECT_NE(error_of(open).find("model.safetensors is not a regular file"), std::string::npos);
}
TEST(Disk, UnfinishedFilesAreToldFromThoseOfOthers) {
  const std::string a = unfinished_name("runs/x/step-1.ckpt"), b = unfinished_name("runs/x/step-1.ckpt");
  EXPECT_NE(a, b);
  EXPECT_TRUE(a.starts_with("runs/x/step-1.ckpt."));
  for (const std::string& ours : {a, b, std::string("out.ruminate.tmp")})
    EXPECT_TRUE(is_unfinished(ours)) << ours;
  for (const char* others : {"a.tmp", "step-1.ckpt.tmp", "a.ruminate-0123456.tmp", "a.ruminate-0123456g.tmp",
                             "a.ruminate-01234567.tmp2", "a-01234567.tmp", ".tmp", "ruminate.tmp", ""})
    EXPECT_FALSE(is_unfinished(others)) << others;
}
TEST(OutputFile, WritesIntoNoFileThatLiesThere) {
  Scratch folder;
  const auto path = [&](const char* name) { return folder.path + "/" + name; };
  Disk& disk = Disk::real();
  disk.append(path("victim"), "mine"), disk.append(path("out.tmp"), "mine, too");
  std::filesystem::create_hard_link(path("victim"), path("out.ruminate.tmp"));
  const auto write = [&] {
    OutputFile out(path("out"));
    out.write("new");
    out.finish();
  };
  write();
  EXPECT_EQ(disk.read(path("out")), "new");
  EXPECT_EQ(disk.list(folder.path), (std::vector<std::string>{"out", "out.tmp", "victim"}));
  std::filesystem::create_symlink("victim", path("out.ruminate.tmp"));
  EXPECT_NE(error_of(write).find("it is a symbolic link"), std::string::npos);
  EXPECT_EQ(disk.read(path("victim")), "mine");
  EXPECT_EQ(disk.read(path("out.tmp")), "mine, too");
}
TEST(OutputFile, WhatWasPrivateStaysSo) {
  namespace fs = std::filesystem;
  Scratch scratch;
  const std::string path = scratch.path + "/mine";
  const auto permissions = [&] { return fs::status(path).permissions(); };
  constexpr auto kMine = fs::perms::owner_read | fs::perms::owner_write;
  for (const auto& wanted : {kMine, kMine | fs::perms::group_read | fs::perms::others_read}) {
    Disk::real().replace_text(path, "old");
    fs::permissions(path, wanted);
    write_output(path, "new");
    EXPECT_EQ(permissions(), wanted);
    Disk::real().replace_text(path, "newer");
    EXPECT_EQ(permissions(), wanted);
    EXPECT_EQ(Disk::real().read(path), "newer");
  }
}
TEST(OutputFile, ALinkStaysAndLeadsToWhatIsWritten) {
  namespace fs = std::filesystem;
  Scratch folder;
  const auto path = [&](const char* name) { return folder.path + "/" + name; };
  fs::create_directory(path("links")), fs::create_directory(path("there"));
  fs::create_symlink("../there/out", path("links/relative"));  // whose file is not there yet
  fs::create_symlink(path("links/relative"), path("links/two"));
  for (const char* text : {"new", "newer"}) {
    write_output(path("links/two"), text);
    EXPECT_EQ(Disk::real().read(path("there/out")), text);
    EXPECT_TRUE(fs::is_symlink(path("links/two")) && fs::is_symlink(path("links/relative")));
  }
  EXPECT_EQ(check_output_file(path("links/two")), path("links") + "/../there/out");
  fs::create_symlink("no such folder/out", path("nowhere"));
  EXPECT_NE(error_of([&] { check_output(path("nowhere")); }).find("there is no folder"), std::string::npos);
  fs::create_symlink("b", path("a")), fs::create_symlink("a", path("b"));
  for (const auto& use : std::vector<std::function<void()>>{[&] { check_output(path("a")); },
                                                            [&] { write_output(path("a"), "x"); }})
    EXPECT_NE(error_of(use).find("lead to each other in a circle"), std::string::npos);
  fs::create_symlink("no such folder", path("dangling"));
  EXPECT_NE(error_of([&] { check_output_folder(path("dangling/below")); }).find("leads nowhere"),
            std::string::npos);
}
TEST(OutputFile, WhatIsReadIsNotWrittenOver) {
  namespace fs = std::filesystem;
  Scratch folder;
  const auto path = [&](const char* name) { return folder.path + "/" + name; };
  Disk::real().replace_text(path("in"), "text"), Disk::real().replace_text(path("other"), "text");
  fs::create_symlink("in", path("link"));
  for (const std::string& name : {path("in"), path("link"), folder.path + "/./in"})
    EXPECT_NE(error_of([&] {
                check_output(name, {path("other"), path("in")});
              }).find("it is read here as well"),
              std::string::npos)
        << name;
  check_output(path("other"), {path("in"), path("none"), "-"});
  check_output(path("new"), {path("in"), path("new")});  // which is not there
}
// A name alone says nothing: it is what lies beside it that makes it the file of a run or of an experiment.
TEST(OutputFile, WhatARunOrAnExperimentOwnsIsNotWrittenOver) {
  namespace fs = std::filesystem;
  Scratch folder;
  const auto path = [&](const std::string& name) { return folder.path + "/" + name; };
  for (const char* name :
       {"config.toml", "model.safetensors", "tokenizer.json", "log.txt", "checkpoints", "x"})
    check_output(path(name));
  for (const char* made : {"run/checkpoints", "x/stages/split-1", "x/locks", "x/logs"})
    fs::create_directories(path(made));
  Disk::real().replace_text(path("run/config.toml"), "");
  fs::create_symlink("run/model.safetensors", path("link"));
  for (const char* owned : {"run/config.toml", "run/model.safetensors", "run/tokenizer.json", "run/log.txt",
                            "link", "run/checkpoints/step-1.ckpt", "run/checkpoints/../results.json"}) {
    const std::string why = error_of([&] { check_output(path(owned)); });
    EXPECT_NE(why.find("it belongs to the run "), std::string::npos) << owned << why;
    EXPECT_NE(error_of([&] { write_output(path(owned), "new"); }), "") << owned;
  }
  for (const char* owned : {"x/stages/split-1/seed.tsv", "x/config.toml", "x/log.txt", "x/logs/a.txt"})
    EXPECT_NE(error_of([&] { check_output(path(owned)); }).find("it belongs to the experiment "),
              std::string::npos)
        << owned;
  for (const char* free : {"run/translations.txt", "x/sources.txt", "x/notes"})
    write_output(path(free), "new");
  const AppendLock stage(path("x/stages/split-1/pool.jsonl"));  // which the experiment itself holds
}
// open, write, fsync, close, rename; open, fsync and close of the folder: as Disk::replace.
TEST(OutputFile, IsDurableOrTheOldOneStays) {
  constexpr int kCalls = 8, kRename = 4;
  for (const int error : {0, EIO, EINTR})
    for (int at = 0; at < kCalls; ++at) {
      SCOPED_TRACE(fmt::format("call {} fails, errno {}", at, error));
      Scratch folder;
      const std::string path = folder.path + "/out";
      Disk::real().replace_text(path, "old");
      Faulty calls;
      calls.error = error, calls.fail_at = error == 0 ? INT_MAX : at;
      const std::string message = error_of([&] {
        OutputFile out(path, calls);
        out.write("new");
        out.finish();
      });
      const bool retried = error == EINTR && at != 0 && at != kRename;
      EXPECT_EQ(message.empty(), error == 0 || retried || at == kCalls - 1) << message;
      EXPECT_EQ(Disk::real().read(path), message.empty() || at > kRename ? "new" : "old");
      EXPECT_FALSE(has_temporary(folder.path));
      if (error == 0) {
        EXPECT_EQ(calls.calls, kCalls);
      }
    }
}
TEST(OutputFile, AWriteThatGetsNowhereIsAnError) {
  struct Stuck : SystemCalls {
    ssize_t write(int, const void*, size_t) override { return 0; }
  } calls;
  Scratch folder;
  OutputFile out(folder.path + "/out", calls);
  EXPECT_NE(error_of([&] { out.write("new"); }).find("/out: cannot write: Input/output error"),
            std::string::npos);
}
TEST(Disk, SaysWhatTheSystemRefused) {
  Scratch folder;
  Disk& disk = Disk::real();
  EXPECT_EQ(error_of<FileError>([&] { disk.replace_text(folder.path + "/none/x", "text"); }),
            folder.path + "/none/x: cannot open for writing: No such file or directory");
  disk.make_folders(folder.path + "/a/b/");
  disk.make_folders(folder.path + "/a/b/c");
  disk.make_folders(folder.path + "/a/b/c");
  EXPECT_TRUE(disk.exists(folder.path + "/a/b/c"));
  EXPECT_NE(
      error_of<FileError>([&] { disk.replace_text(folder.path + "/a", "text"); }).find("Is a directory"),
      std::string::npos);
  EXPECT_EQ(disk.list(folder.path), std::vector<std::string>{"a"});  // and no a.tmp
  disk.append(folder.path + "/log", "one\n");
  disk.append(folder.path + "/log", "two\n");
  EXPECT_EQ(disk.read(folder.path + "/log"), "one\ntwo\n");
  EXPECT_NE(
      error_of<FileError>([&] { disk.make_folders(folder.path + "/log/x"); }).find("cannot make the folder"),
      std::string::npos);
  disk.remove(folder.path + "/log");
  disk.remove(folder.path + "/log");
  EXPECT_FALSE(disk.exists(folder.path + "/log"));
  EXPECT_NE(error_of<FileError>([&] { disk.remove(folder.path + "/a"); }).find("cannot remove"),
            std::string::npos);
  EXPECT_NE(error_of<FileError>([&] { disk.list(folder.path + "/none"); }).find("cannot list"),
            std::string::npos);
  if (disk.exists("/dev/full")) {
    EXPECT_EQ(error_of<FileError>([&] { disk.append("/dev/full", "x"); }),
              "/dev/full: no space left: free 1 MB or choose another folder");
  }
}
}  // namespace
