#include "base/unfinished.h"

#include <fmt/format.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <random>
#include <system_error>
#include <thread>
#include <vector>

#include "base/progress.h"
#include "base/say.h"

namespace rum {
constexpr std::string_view kOurs = ".ruminate", kEnd = ".tmp";

std::string unfinished_name(const std::string& path) {
  return fmt::format("{}{}-{:08x}{}", path, kOurs, std::random_device{}(), kEnd);
}
bool is_unfinished(std::string_view name) {
  if (!name.ends_with(kEnd)) return false;
  name.remove_suffix(kEnd.size());
  if (name.ends_with(kOurs)) return true;
  const size_t dash = name.rfind('-');
  return dash != std::string::npos && name.size() - dash == 9 && name.substr(0, dash).ends_with(kOurs) &&
         name.find_first_not_of("0123456789abcdef", dash + 1) == std::string::npos;
}
std::string finished_name(const std::string& path) {
  return is_unfinished(path) ? path.substr(0, path.rfind(kOurs)) : path;
}

namespace {
struct Listed {
  const Unfinished* what;
  std::string sentence;
  std::function<void()> remove;
};
// A signal handler may do next to nothing: it wakes a thread that does the rest.
struct Asked {
  sem_t semaphore{};
  std::atomic<int> signal = 0;
  std::mutex lock;  // held for good once the process ends
  std::vector<Listed> all;
};
Asked& asked() {
  static auto* const one = new Asked;  // the thread may outlive main()
  return *one;
}
void ask(int number) {
  const int before = errno;
  signal(number, number == SIGHUP ? SIG_IGN : SIG_DFL);  // as tools/interrupt.h
  asked().signal = number;
  sem_post(&asked().semaphore);
  errno = before;
}
void end_when_asked() {
  while (sem_wait(&asked().semaphore) == -1) {
  }
  const std::lock_guard alone(asked().lock);
  const std::vector<Listed>& all = asked().all;
  if (all.empty()) {  // nothing is lost: what a signal does that nobody handles
    signal(asked().signal, SIG_DFL);
    kill(getpid(), asked().signal);
    return;
  }
  for (size_t i = all.size(); i-- > 0;) all[i].remove();
  say("{}{}", Progress::terminal() ? "\n" : "", all.front().sentence);
  _exit(130);
}
void listen() {
  static const bool listens = [] {
    sem_init(&asked().semaphore, 0, 0);
    try {
      std::thread(end_when_asked).detach();
    } catch (const std::system_error&) {  // no more threads: signals do what they always do
      return false;
    }
    return true;
  }();
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction now {};
    if (listens && sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) signal(number, ask);
  }
}
}  // namespace
Unfinished::Unfinished(const std::string& sentence, const std::function<void()>& remove) {
  const std::lock_guard alone(asked().lock);
  asked().all.push_back({this, sentence, remove});
  listen();
}
Unfinished::~Unfinished() {
  finish([] {});
}
void Unfinished::finish(const std::function<void()>& last_step) {
  const std::lock_guard alone(asked().lock);
  last_step();
  std::erase_if(asked().all, [&](const Listed& x) { return x.what == this; });
}
}  // namespace rum
