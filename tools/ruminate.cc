// The program: reads its first argument and calls one of tools/commands. Errors end here: one line, exit
// status 1.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tools/command.h"

namespace rum {
namespace {
std::vector<const Command*>& commands() {
  static std::vector<const Command*> all;
  return all;
}
}  // namespace
Command::Command(const char* n, const char* h, int (*r)(int, char**)) : name(n), help(h), run(r) {
  commands().push_back(this);
  std::sort(commands().begin(), commands().end(),
            [](const Command* a, const Command* b) { return std::strcmp(a->name, b->name) < 0; });
}
std::span<const Command* const> Command::all() { return commands(); }
}  // namespace rum

int main(int argc, char** argv) {
  using rum::Command;
  auto list = [](FILE* to) {
    fmt::print(to,
               "ruminate: train small transformers from scratch, generate with them, measure corpora\n\n");
    for (const Command* c : Command::all()) fmt::print(to, "  ruminate {:<10} {}\n", c->name, c->help);
    fmt::print(to, "\n`ruminate COMMAND --help` tells the rest.\n");
  };
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name.empty() || name == "--help" || name == "-h" || name == "help") {
    list(name.empty() ? stderr : stdout);
    return name.empty() ? 2 : 0;
  }
  std::vector<std::string> names;
  for (const Command* c : Command::all()) {
    if (name == c->name) try {
        return c->run(argc - 1, argv + 1);
      } catch (const std::exception& e) {
        std::fflush(stdout);
        fmt::print(stderr, "ruminate {}: {}\n", name, e.what());
        return 1;
      }
    names.emplace_back(c->name);
  }
  fmt::print(stderr, "ruminate: no command \"{}\"{}; `ruminate --help` lists them\n", name,
             rum::did_you_mean(name, names));
  return 2;
}
