// What is printed for a shell: commands that people copy, scripts that `ruminate` writes.
#pragma once
#include <string>
#include <string_view>

namespace rum {
// One word of a POSIX shell, whatever it holds: as it is where it is plain, else in single quotes.
std::string shell_quoted(std::string_view word);
}  // namespace rum
