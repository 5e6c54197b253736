// kill -9 while saving: a child saves in a loop and acknowledges each step through a pipe once save() has
// returned; the parent kills it at a random moment, every second time just after a file was begun, at any
// speed of the machine. The newest checkpoint must load and be no older than the last acknowledged one. The
// next child continues in the same folder, as a resumed run does.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "tests/forked.h"
#include "tests/scratch.h"

using namespace rum;
namespace {
constexpr int64_t kRows = 4, kNumbers = 500'000;  // 8 MB

Checkpoint sample(int64_t step) {
  Checkpoint out{step, {{"seed", "1"}}, {}};
  for (int64_t row = 0; row < kRows; ++row) {
    Tensor t = Tensor::empty({kNumbers}, DType::f32, DeviceKind::cpu);
    std::fill_n(t.data<float>(), kNumbers, static_cast<float>(step * kRows + row));
    out.tensors.emplace_back(fmt::format("row.{}", row), t);
  }
  return out;
}
bool holds_sample(const Checkpoint& c) {
  for (int64_t row = 0; row < kRows; ++row) {
    const Tensor& t = c.tensors.at(static_cast<size_t>(row)).second;
    const float expected = static_cast<float>(c.step * kRows + row);
    if (!std::all_of(t.data<float>(), t.data<float>() + kNumbers, [&](float x) { return x == expected; }))
      return false;
  }
  return true;
}
[[noreturn]] void child(const std::string& folder, int pipe) {
  try {
    remove_stale(folder);
    const std::optional<Found> found = newest_valid(folder);
    for (int64_t step = found ? found->checkpoint.step + 1 : 1;; ++step) {
      save(sample(step), checkpoint_path(folder, step));
      if (write(pipe, &step, sizeof step) != sizeof step) break;
      retain(folder, {step - 1});
    }
  } catch (...) {
  }
  _exit(1);
}
int half_written(const std::string& folder) {
  int count = 0;
  for (const std::string& name : Disk::real().list(folder)) count += name.ends_with(".tmp");
  return count;
}
// The last step that the child acknowledged before it was killed, `delay_us` after its first or, `writing`,
// after it had begun the next file; 0: none.
int64_t run_and_kill(const std::string& folder, useconds_t delay_us, bool writing) {
  int ends[2];
  RUM_CHECK(pipe(ends) == 0, "no pipe");
  const pid_t process = forked(fork());
  if (process == 0) {
    close(ends[0]);
    child(folder, ends[1]);
  }
  close(ends[1]);
  int64_t acknowledged = 0;
  const bool begun = read(ends[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged;
  for (int i = 0; begun && writing && i < 100'000 && half_written(folder) == 0; ++i) usleep(100);
  if (begun) usleep(delay_us);
  kill(process, SIGKILL);
  int status = 0;
  waitpid(process, &status, 0);
  int64_t step = 0;
  while (read(ends[0], &step, sizeof step) == sizeof step) acknowledged = step;
  close(ends[0]);
  EXPECT_TRUE(begun && WIFSIGNALED(status)) << "the child ended by itself";
  return acknowledged;
}
TEST(Kill, NineWhileSavingLosesNoAcknowledgedStep) {
  const int trials = std::getenv("RUM_TEST_ALL") ? 1000 : 20;
  Scratch folder;
  std::mt19937_64 random(9);
  int left = 0;
  for (int trial = 0; trial < trials; ++trial) {
    const bool writing = trial % 2 == 1;
    const auto delay = static_cast<useconds_t>(random() % (writing ? 4'000 : 40'000));
    const int64_t acknowledged = run_and_kill(folder.path, delay, writing);
    left += half_written(folder.path);
    int warnings = 0;
    const std::optional<Found> found = newest_valid(folder.path, [&](const std::string&) { ++warnings; });
    ASSERT_TRUE(found) << trial;
    ASSERT_EQ(warnings, 0) << trial;
    ASSERT_GE(found->checkpoint.step, acknowledged) << trial;
    ASSERT_TRUE(holds_sample(found->checkpoint)) << trial;
  }
  std::printf("%d kills while saving 8 MB: %d left a half-written file, 0 checkpoints unreadable, 0 lost\n",
              trials, left);
  EXPECT_GT(left, trials / 10);  // else the kills miss what they should hit
}
}  // namespace
