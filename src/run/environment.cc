#include "run/environment.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>
#include <vector>

#include "base/error.h"
#include "base/file.h"
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
namespace {
#ifdef __clang__
constexpr const char* kCompiler = __VERSION__;  // names itself
#else
constexpr const char* kCompiler = "gcc " __VERSION__;
#endif
}  // namespace

std::string build_id() { return fmt::format("{} -march={} {}", RUM_COMMIT, RUM_MARCH, kCompiler); }

namespace {
std::optional<size_t> gpu_number(const std::string& name) {  // of cuda:N
  if (!name.starts_with("cuda:") || name.size() < 6 || name.size() > 8) return {};
  if (name.find_first_not_of("0123456789", 5) != std::string::npos) return {};
  return std::stoul(name.substr(5));
}
// What CUDA_VISIBLE_DEVICES lists, which may be none; nullopt: it is not set, and CUDA shows all.
std::optional<std::vector<std::string>> listed_gpus() {
  const char* const listed = std::getenv("CUDA_VISIBLE_DEVICES");
  if (listed == nullptr) return {};
  std::vector<std::string> all;
  std::istringstream list(listed);
  for (std::string each; std::getline(list, each, ',');) all.push_back(each);
  return all;
}
size_t visible_gpus() {  // without starting CUDA
  if (const auto listed = listed_gpus()) return listed->size();
  return count_gpus(Disk::real().list("/dev"));
}
// CUDA shows a process the GPUs that CUDA_VISIBLE_DEVICES lists. Told before it starts, it shows every thread
// of this process that one alone, and nothing else has to know its number.
void show_only(size_t n, bool started) {
  static std::optional<size_t> shown;
  if (shown == n) return;
  RUM_CHECK(!shown && !started, "cuda:{}: this process works on another GPU already", n);
  std::string one = std::to_string(n);
  if (const auto all = listed_gpus()) {
    RUM_CHECK(n < all->size(), "cuda:{}: CUDA_VISIBLE_DEVICES lists {} of the GPUs, numbered from 0", n,
              all->size());
    one = (*all)[n];
  }
  setenv("CUDA_VISIBLE_DEVICES", one.c_str(), 1);
  shown = n;
}
}  // namespace

size_t count_gpus(std::span<const std::string> devices) {
  return static_cast<size_t>(std::ranges::count_if(devices, [](const std::string& name) {
    return name.size() > 6 && name.starts_with("nvidia") &&
           name.find_first_not_of("0123456789", 6) == std::string::npos;
  }));
}
void check_device_name(const std::string& name) {
  RUM_CHECK(name == "auto" || name == "cpu" || name == "cuda" || gpu_number(name),
            "expected auto, cpu, cuda, or one of several GPUs as cuda:1, found \"{}\"", name);
}
DeviceKind pick_device(const std::string& name, int process) {
  static bool started = false;  // CUDA, in this process
  check_device_name(name);
  if (name == "cpu") return DeviceKind::cpu;
  if (const std::optional<size_t> n = gpu_number(name))
    show_only(*n, started);
  else if (const size_t gpus = process < 0 ? 0 : visible_gpus(); gpus > 1)
    show_only(static_cast<size_t>(process) % gpus, started);
  started = true;
  if (name == "auto" && !Backend::missing(DeviceKind::cuda).empty()) return DeviceKind::cpu;
  Backend::of(DeviceKind::cuda);
  return DeviceKind::cuda;
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
