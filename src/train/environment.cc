// What this build and machine are, for the run folder.
#include <fmt/format.h>
#include <unistd.h>

#include "base/file.h"
#include "base/threads.h"
#include "ops/gemm.h"
#include "train/run.h"

#ifndef RUM_COMMIT
#define RUM_COMMIT "unknown"
#endif
#ifndef RUM_MARCH
#define RUM_MARCH "unknown"
#endif

namespace rum {
std::string build_id() { return fmt::format("{} -march={} gcc {}", RUM_COMMIT, RUM_MARCH, __VERSION__); }

Json environment() {
  std::string processor = "unknown";
  if (Disk::real().exists("/proc/cpuinfo")) {
    const std::string info = Disk::real().read("/proc/cpuinfo");
    if (const size_t at = info.find("model name"); at != std::string::npos) {
      const size_t begin = info.find(": ", at) + 2;
      processor = info.substr(begin, info.find('\n', begin) - begin);
    }
  }
  return Json(Json::Object{{"build", build_id()},
                           {"processor", processor},
                           {"threads", threads()},
                           {"memory_mib", static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) / 1024 *
                                              static_cast<int64_t>(sysconf(_SC_PAGESIZE)) / 1024},
                           {"matrix_products", onednn_tile ? "oneDNN" : "ours"}});
}
}  // namespace rum
