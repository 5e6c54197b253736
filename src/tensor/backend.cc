// The CPU as a device, and the register of devices.
#include "tensor/backend.h"

#include <malloc.h>
#include <sys/mman.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "base/round_up.h"

namespace rum {
namespace {
struct CpuBackend final : Backend {
  static constexpr size_t kHuge = size_t{2} << 20;
  // glibc maps a large block by itself, and unmaps it when it is freed. But with each such free it takes
  // larger blocks from its heap instead, where the chunks of a run's first step would stay for good. A limit
  // once set is kept.
  CpuBackend() { ::mallopt(M_MMAP_THRESHOLD, kHuge); }
  // Large blocks ask for huge pages: decoding walks through all weights for every token.
  void* allocate(size_t bytes) override {
    const size_t unit = bytes < kHuge ? 64 : kHuge, size = round_up(bytes, 64);
    void* p = nullptr;
    if (::posix_memalign(&p, unit, size) != 0)
      throw OutOfMemory(fmt::format("out of memory: {} MiB more were asked for", bytes >> 20));
    if (unit == kHuge) ::madvise(p, size, MADV_HUGEPAGE);  // only a hint: if it fails, small pages do
    return p;
  }
  void release(void* p) override { std::free(p); }
  void upload(void* to, const void* from, size_t bytes) override { std::memcpy(to, from, bytes); }
  void download(void* to, const void* from, size_t bytes) override { std::memcpy(to, from, bytes); }
  void copy(void* to, const void* from, size_t bytes) override { std::memcpy(to, from, bytes); }
  void fill(void* to, int byte, size_t bytes) override { std::memset(to, byte, bytes); }
  void wait() override {}
  std::string describe() override { return "CPU"; }
};
Backend& cpu() {
  static CpuBackend* const backend = new CpuBackend;  // never destroyed: statics may hold tensors to the end
  return *backend;
}
constinit Backend::Make makers[2] = {cpu, nullptr};
}  // namespace

bool Backend::provide(DeviceKind d, Make make) {
  makers[static_cast<int>(d)] = make;
  return true;
}
void* Backend::start_download(const void* from, size_t bytes) {
  RUM_CHECK(bytes <= kMostQueued, "a queued download of {} bytes: {} at most", bytes, kMostQueued);
  auto* const held = new std::array<std::byte, kMostQueued>;
  download(held->data(), from, bytes);
  return held;
}
void Backend::finish_download(void* started, void* to, size_t bytes) {
  auto* const held = static_cast<std::array<std::byte, kMostQueued>*>(started);
  std::memcpy(to, held->data(), bytes);
  delete held;
}
Backend& Backend::of(DeviceKind d) {
  const Make make = makers[static_cast<int>(d)];
  RUM_CHECK(
      make != nullptr,
      "this build has no CUDA kernels: run on the CPU (--device cpu), or build with `make CUDA=1` where "
      "a CUDA toolkit of 12.4 or newer is installed");
  return make();
}
std::string Backend::missing(DeviceKind d) try {
  of(d);
  return "";
} catch (const Error& e) {
  return e.what();
}
}  // namespace rum
