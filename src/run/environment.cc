#include "run/environment.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/threads.h"
#include "ops/gemm.h"
#include "tensor/backend.h"

#ifndef RUM_COMMIT
#define RUM_COMMIT "unknown"
#endif
#ifndef RUM_MARCH
#define RUM_MARCH "unknown"
#endif

namespace rum {
std::string build_id() { return fmt::format("{} -march={} gcc {}", RUM_COMMIT, RUM_MARCH, __VERSION__); }

DeviceKind pick_device(const std::string& name) {
  if (name == "cuda") Backend::of(DeviceKind::cuda);
  const bool gpu = name == "cuda" || (name == "auto" && Backend::missing(DeviceKind::cuda).empty());
  return gpu ? DeviceKind::cuda : DeviceKind::cpu;
}

Json environment(DeviceKind device) {
  std::string processor = "unknown", line;
  for (std::ifstream info("/proc/cpuinfo"); std::getline(info, line);)
    if (line.rfind("model name", 0) == 0) {
      processor = line.substr(std::min(line.find(':') + 2, line.size()));
      break;
    }
  return Json(Json::Object{{"build", build_id()},
                           {"device", Backend::of(device).describe()},
                           {"processor", processor},
                           {"threads", threads()},
                           {"memory_mib", static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) / 1024 *
                                              static_cast<int64_t>(sysconf(_SC_PAGESIZE)) / 1024},
                           {"onednn", onednn_tile != nullptr}});
}
}  // namespace rum
