// Ctrl-C, SIGTERM and SIGHUP (a terminal that closes, a connection that breaks) for commands that can save
// their work: the first one asks to stop, a second Ctrl-C or SIGTERM kills. A second SIGHUP does not: of one
// terminal that closes, the kernel and the shell both tell, a moment apart.
#pragma once
#include <atomic>
#include <csignal>

namespace rum {
inline std::atomic<bool> asked_to_stop = false;  // a server's thread reads it, too
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler writes it");
inline void listen_for_interrupts() {
  const auto ask = [](int signal) {
    asked_to_stop = true;
    std::signal(signal, signal == SIGHUP ? SIG_IGN : SIG_DFL);
  };
  std::signal(SIGINT, ask);
  std::signal(SIGTERM, ask);
  if (std::signal(SIGHUP, ask) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);  // nohup
  std::signal(SIGPIPE, SIG_IGN);  // with the terminal its pipes go; a message that nobody reads costs no work
}
inline bool interrupted() { return asked_to_stop; }
}  // namespace rum
