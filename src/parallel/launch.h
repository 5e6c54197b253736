// How this process was started: alone, or as one of several that train together, by torchrun, mpirun or srun.
// They say so in environment variables; nothing of theirs is linked.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace rum {
struct Launch {
  int rank = 0, size = 1;
  std::string address = "127.0.0.1";  // of the machine of rank 0
  uint16_t port = 0;                  // where it waits for the others
  uint64_t job = 0;                   // processes of other jobs are not let in
};
using Variables = std::function<const char*(const char* name)>;  // as std::getenv
// Error: a variable that is missing or makes no sense.
Launch launch_of(const Variables&);
Launch this_launch();  // of this process's environment
}  // namespace rum
