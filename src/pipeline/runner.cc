#include "pipeline/runner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <system_error>
#include <thread>

#include "base/clock.h"
#include "base/error.h"

namespace rum {
namespace {
// Starts a process that writes to a log; it gets a signal to stop if we die.
pid_t start(const std::vector<std::string>& command, const std::string& log) {
  std::vector<char*> words;
  for (const std::string& w : command) words.push_back(const_cast<char*>(w.c_str()));
  words.push_back(nullptr);
  const pid_t parent = ::getpid(), child = ::fork();
  if (child < 0) fail(fmt::format("cannot start a process: {}", std::generic_category().message(errno)));
  if (child > 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);
  ::setpgid(0, 0);  // Ctrl-C reaches only us; we pass it on
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0644),
            in = ::open("/dev/null", O_RDONLY);
  if (out >= 0) {
    ::dup2(out, 1);
    ::dup2(out, 2);
  }
  if (in >= 0) ::dup2(in, 0);
  ::execvp(words[0], words.data());
  ::_exit(127);
}
std::string last_line(const std::string& path) {  // "" if there is none
  const std::string text = Disk::real().exists(path) ? Disk::real().read(path) : "";
  const size_t end = text.find_last_not_of("\n");
  if (end == std::string::npos) return "";
  const size_t begin = text.rfind('\n', end);
  return text.substr(begin == std::string::npos ? 0 : begin + 1,
                     end - (begin == std::string::npos ? 0 : begin + 1) + 1);
}
// Why a stage failed, by its log. If not even a line's end can be added to that, as on a full disk, the
// stage's own last words could not be either.
std::string why_failed(const std::string& log) {
  const std::string said = last_line(log);
  try {
    Disk::real().append(log, "\n");
  } catch (const FileError& e) {
    return fmt::format("{}{}what it said last could not be written: {}", said, said.empty() ? "" : "; ",
                       e.what());
  }
  return said.empty() ? "it printed nothing" : said;
}

class Runner {
 public:
  Runner(const Graph& graph, Store& store, const RunnerConfig& config, Progress& progress)
      : graph_(graph),
        store_(store),
        config_(config),
        progress_(progress) {
    for (const Stage& s : graph.stages()) {
      if (!store.finished(s.id)) continue;
      const std::string damage = store.damage(s.id);
      if (damage.empty()) {
        ++result_.there;
        if (const auto others = store.strangers(s.id); !others.empty())
          progress.line(fmt::format("{}: not part of this stage, kept: {}", store.folder(s.id),
                                    fmt::join(others, ", ")));
        continue;
      }
      progress.line(fmt::format("{} is damaged ({}): making it again", s.label, damage));
      store.remove(s.id, progress);
    }
  }
  RunnerResult run(const Stop& stop) {
    for (;;) {
      if (!result_.stopped && stop()) {
        result_.stopped = true;
        for (const Job& j : running_) ::kill(j.process, SIGTERM);
      }
      reap();
      if (!result_.stopped) launch();
      if (running_.empty()) break;
      show();
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    if (!failed_.empty()) fail(failures());
    return result_;
  }

 private:
  struct Job {
    const Stage* stage;
    pid_t process;
    double since;
  };
  void launch() {
    for (const Stage& s : graph_.stages()) {
      if (static_cast<int64_t>(running_.size()) >= config_.jobs) return;
      if (store_.finished(s.id) || failed_.contains(s.id)) continue;
      bool ready =
          std::none_of(running_.begin(), running_.end(), [&](const Job& j) { return j.stage == &s; });
      for (const StageInput& i : s.inputs) ready = ready && store_.finished(i.id);
      if (!ready) continue;
      std::vector<std::string> command = config_.command;
      command.push_back(s.id);
      running_.push_back({&s, start(command, store_.log(s.id)), seconds_now()});
    }
  }
  void reap() {
    for (size_t i = 0; i < running_.size();) {
      int status = 0;
      const Job job = running_[i];
      if (::waitpid(job.process, &status, WNOHANG) != job.process) {
        ++i;
        continue;
      }
      running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
      if (store_.finished(job.stage->id)) {
        ++result_.made;
        progress_.line(fmt::format("{} of {}: {} ({})", result_.made + result_.there, graph_.stages().size(),
                                   job.stage->label, duration(seconds_now() - job.since)));
      } else if (!result_.stopped) {
        const std::string log = store_.log(job.stage->id);
        const std::string how =
            fmt::format("{} failed ({}): {}; the whole log: {}", job.stage->label,
                        WIFSIGNALED(status) ? fmt::format("signal {}", WTERMSIG(status))
                                            : fmt::format("status {}", WEXITSTATUS(status)),
                        why_failed(log), log);
        if (failed_.empty()) first_failure_ = how;
        failed_.insert(job.stage->id);
        progress_.line(how);
      }
    }
  }
  // One sentence: the first failure, how many more there are, and what they hold up.
  std::string failures() const {
    const auto waiting =
        static_cast<int64_t>(graph_.stages().size() - failed_.size()) - result_.there - result_.made;
    std::string out = first_failure_;
    if (failed_.size() > 1) out += fmt::format("; failed besides: {}", failed_.size() - 1);
    if (waiting > 0 && !result_.stopped)
      out += fmt::format("; not made because they need what failed: {}", waiting);
    return out;
  }
  void show() {
    const double now = seconds_now();
    if (now - shown_ < 0.5) return;
    shown_ = now;
    std::string names;
    double running = 0;
    for (const Job& j : running_) {
      names += (names.empty() ? "" : "; ") + j.stage->label;
      running += now - j.since;
    }
    const double left =
        std::max(0.0, seconds_left(graph_, store_) - running) / static_cast<double>(config_.jobs);
    progress_.status(fmt::format("{} of {} stages, {} left: {}", result_.made + result_.there,
                                 graph_.stages().size(), duration(left), names));
  }

  const Graph& graph_;
  Store& store_;
  const RunnerConfig& config_;
  Progress& progress_;
  RunnerResult result_;
  std::vector<Job> running_;
  std::set<std::string> failed_;  // ids; they are not tried again
  std::string first_failure_;
  double shown_ = 0;
};
}  // namespace

double seconds_left(const Graph& graph, const Store& store) {
  // A minute that went as expected comes first: a few short stages say little about long ones.
  struct Rate {
    double expected = 60, took = 60;
  };
  std::map<std::string, Rate> rates;
  Rate all;
  for (const Stage& s : graph.stages()) {
    if (!store.finished(s.id)) continue;
    double seconds = 0;
    if (const Json facts = store.facts(s.id);
        !facts.find("seconds") || !facts.find("seconds")->number(seconds))
      continue;
    for (Rate* r : {&rates[s.kind], &all}) {
      r->expected += s.cost;
      r->took += seconds;
    }
  }
  double left = 0;
  for (const Stage& s : graph.stages()) {
    if (store.finished(s.id)) continue;
    const auto at = rates.find(s.kind);
    const Rate& r = at == rates.end() ? all : at->second;
    left += s.cost * r.took / r.expected;
  }
  return left;
}

RunnerResult run_stages(const Graph& graph, Store& store, const RunnerConfig& config, Progress& progress,
                        const Stop& stop) {
  const FileLock only(store.lock("experiment"), FileLock::Taken::tell);
  RUM_CHECK(only.held(), "{}: another process runs this experiment{}{}", store.path(),
            config.when_busy.empty() ? "" : "; ", config.when_busy);
  ::signal(SIGCHLD, SIG_DFL);  // inherited as ignored, the end of a stage could not be waited for
  return Runner(graph, store, config, progress).run(stop);
}
}  // namespace rum
