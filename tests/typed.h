// The program as somebody at a terminal sees it.
#pragma once
#include <pty.h>
#include <stdlib.h>

#include <array>
#include <string>
#include <vector>

#include "tests/program.h"

namespace rum {
// All that a command writes to a terminal of its own, standard output and error together.
inline std::string typed(const Program& p, std::vector<std::string> words, bool colours = true) {
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
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
  for (ssize_t n; (n = read(terminal, part.data(), part.size())) > 0;)
    all.append(part.data(), static_cast<size_t>(n));
  close(terminal);
  p.end(child);
  return all;
}
}  // namespace rum
