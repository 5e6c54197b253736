// A sub-command of the program: one file in tools/commands, registered by a static of this type.
#pragma once
#include <span>

namespace rum {
struct Command {
  const char* name;
  const char* help;  // one line
  int (*run)(int argc, char** argv);
  Command(const char* name, const char* help, int (*run)(int, char**));
  static std::span<const Command* const> all();  // by name
};
}  // namespace rum
