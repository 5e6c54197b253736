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
// A command of several has verbs: `ruminate COMMAND VERB`.
struct Verb {
  const char* name;
  const char* help;  // one line
  int (*run)(int argc, char** argv);
};
// Runs the verb that argv[1] names. Without one, and for --help, it lists them; a misspelt name is told what it
// may have meant. Exit status 2 where nothing was run that was asked for.
int run_verb(const char* command, std::span<const Verb>, int argc, char** argv);
}  // namespace rum
