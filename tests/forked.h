// Processes that tests start.
#pragma once
#include <sys/types.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace rum {
// What fork() or forkpty() returned, if it succeeded: a signal sent to process -1 would end every process of
// the user.
inline pid_t forked(pid_t child) {
  if (child < 0)
    throw std::runtime_error(std::string("no process or no pseudo-terminal: ") + std::strerror(errno));
  return child;
}
}  // namespace rum
