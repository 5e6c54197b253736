// The program as a user at a terminal sees it.
#pragma once
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "tests/forked.h"
#include "tests/program.h"

namespace rum {
// Everything that a command writes to a terminal of its own, standard output and error together, while
// `lines` are typed, each when there has been no output for a while; the last one again if it came too early.
inline std::string typed(const Program& p, std::vector<std::string> words, bool colours = true,
                         const std::vector<std::string>& lines = {}) {
  int terminal = -1;
  const pid_t child = forked(forkpty(&terminal, nullptr, nullptr, nullptr));
  if (child == 0) {
    setenv("TERM", "xterm-256color", 1);
    if (colours)
      unsetenv("NO_COLOR");
    else
      setenv("NO_COLOR", "1", 1);
    become(std::move(words));
  }
  std::string all;
  std::array<char, 4096> part{};
  size_t typed_lines = 0;
  while (true) {
    pollfd ready{terminal, POLLIN, 0};
    if (!lines.empty() && poll(&ready, 1, 400) == 0) {
      const std::string& keys = lines[std::min(typed_lines++, lines.size() - 1)];
      EXPECT_EQ(write(terminal, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
      if (typed_lines > 50) kill(child, SIGKILL);
      continue;
    }
    const ssize_t n = read(terminal, part.data(), part.size());
    if (n <= 0) break;
    all.append(part.data(), static_cast<size_t>(n));
  }
  close(terminal);
  p.end(child);
  return all;
}
}  // namespace rum
