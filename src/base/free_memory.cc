#include "base/free_memory.h"

#include <algorithm>
#include <fstream>

#include "base/error.h"

namespace rum {
namespace {
// The number in a file of the system's after this word; `otherwise` where there is none ("max").
uint64_t number(const char* path, const std::string& after, uint64_t otherwise) {
  std::ifstream in(path);
  for (std::string word; !after.empty() && in >> word && word != after;) {
  }
  uint64_t v = 0;
  return in >> v ? v : otherwise;
}
}  // namespace

uint64_t free_memory() {
  constexpr uint64_t kUnknown = uint64_t{1} << 62;
  const uint64_t kilobytes = number("/proc/meminfo", "MemAvailable:", kUnknown / 1024);
  const uint64_t limit = number("/sys/fs/cgroup/memory.max", "", kUnknown);
  const uint64_t used = number("/sys/fs/cgroup/memory.current", "", 0);
  const uint64_t files =
      number("/sys/fs/cgroup/memory.stat", "inactive_file", 0);  // given back when asked for
  return std::min(kilobytes * 1024, limit - std::min(limit, used - std::min(used, files)));
}
void check_memory(const std::string& what, double bytes) {
  const auto free = static_cast<double>(free_memory());
  if (bytes > free)
    throw OutOfMemory(fmt::format("{}: {:.0f} MiB of memory are needed, {:.0f} MiB are free", what,
                                  bytes / (1 << 20), free / (1 << 20)));
}
}  // namespace rum
