#include "base/free_memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/control_groups.h"
#include "base/error.h"

namespace rum {
uint64_t free_memory() {
  std::ifstream in("/proc/meminfo");
  for (std::string word; in >> word && word != "MemAvailable:";) {
  }
  uint64_t kilobytes = 0;
  const uint64_t allowed = allowed_memory(control_groups());
  return in >> kilobytes ? std::min(kilobytes * 1024, allowed) : allowed;
}
uint64_t resident_memory() {
  std::ifstream in("/proc/self/statm");
  uint64_t size = 0, resident = 0;
  return in >> size >> resident ? resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}
void check_memory(const std::string& what, double bytes) {
  const auto free = static_cast<double>(free_memory());
  if (bytes > free)
    throw OutOfMemory(fmt::format("{}: {:.0f} MiB of memory are needed, {:.0f} MiB are free", what,
                                  bytes / (1 << 20), free / (1 << 20)));
}
}  // namespace rum
