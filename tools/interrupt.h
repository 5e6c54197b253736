// Ctrl-C, SIGTERM and SIGHUP (a terminal that closes, a connection that breaks) for commands that can save
// their work: the first one asks to stop, the second one kills.
#pragma once
#include <csignal>

namespace rum {
inline volatile std::sig_atomic_t asked_to_stop = 0;
inline void listen_for_interrupts() {
  const auto ask = [](int signal) {
    asked_to_stop = 1;
    std::signal(signal, SIG_DFL);
  };
  std::signal(SIGINT, ask);
  std::signal(SIGTERM, ask);
  if (std::signal(SIGHUP, ask) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);  // nohup
  std::signal(SIGPIPE, SIG_IGN);  // with the terminal its pipes go; a message that nobody reads costs no work
}
inline bool interrupted() { return asked_to_stop != 0; }
}  // namespace rum
