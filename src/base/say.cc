#include "base/say.h"

#include <signal.h>

#include <cerrno>
#include <optional>

namespace rum {
namespace {
// While it lives, a write to a pipe without a reader fails and no signal ends the program.
class NoPipeSignal {
 public:
  NoPipeSignal() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    waiting_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoPipeSignal() {
    const timespec at_once{};
    while (!waiting_ && sigtimedwait(&pipe_, nullptr, &at_once) == -1 && errno == EINTR) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoPipeSignal(const NoPipeSignal&) = delete;
  NoPipeSignal& operator=(const NoPipeSignal&) = delete;

 private:
  sigset_t pipe_{}, before_{};
  bool waiting_ = false;  // one that is not ours
};
}  // namespace

void put(std::FILE* to, std::string_view text) {
  std::optional<NoPipeSignal> quiet;
  if (to == stderr) quiet.emplace();
  std::fwrite(text.data(), 1, text.size(), to);
  if (to == stderr) std::fflush(to);
}
}  // namespace rum
