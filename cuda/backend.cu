// The CUDA device: memory, copies on one stream, and recording a step for replay as a graph. Under g++ the
// same lines run on the emulation. What happens before the first use of the device must need no driver.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cuda/simt/simt.h"
#include "tensor/backend.h"

namespace simt {
#ifdef SIMT_GPU
namespace {
std::string version(int v) { return std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10); }
}  // namespace
void need_device() {
  const std::string instead = ", or run on the CPU (--device cpu)";
  int driver = 0, count = 0;
  cudaDriverGetVersion(&driver);  // 0 where there is none
  if (driver == 0) rum::fail("no CUDA driver on this machine: install NVIDIA's" + instead);
  if (driver / 1000 < CUDART_VERSION / 1000)
    rum::fail("the driver on this machine is for CUDA " + version(driver) +
              ", this program was built with CUDA " + version(CUDART_VERSION) + ": update the driver" +
              instead);
  const cudaError_t e = cudaGetDeviceCount(&count);
  if (e != cudaSuccess || count == 0) {
    cudaGetLastError();  // or the next launch would find this error again
    const char* const shown = std::getenv("CUDA_VISIBLE_DEVICES");
    rum::fail(std::string("no GPU that CUDA can use on this machine (") +
              (e == cudaSuccess ? "there is none" : cudaGetErrorString(e)) +
              (shown == nullptr ? "" : std::string(", of those in CUDA_VISIBLE_DEVICES: \"") + shown + '"') +
              "): look at `nvidia-smi`" + instead);
  }
  cudaDeviceProp p;
  check(cudaGetDeviceProperties(&p, 0), "cudaGetDeviceProperties");
  if (p.major < 8)
    rum::fail(std::string("the ") + p.name + " has compute capability " + std::to_string(p.major) + "." +
              std::to_string(p.minor) + ", the kernels need 8.0 (Ampere) or newer: use another GPU" +
              instead);
}
std::string describe() {
  cudaDeviceProp p;
  int driver = 0;
  check(cudaGetDeviceProperties(&p, 0), "cudaGetDeviceProperties");
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  char place[32];  // as nvidia-smi has it: its numbers are not CUDA's
  std::snprintf(place, sizeof place, "%08x:%02x:%02x.0", static_cast<unsigned>(p.pciDomainID),
                static_cast<unsigned>(p.pciBusID), static_cast<unsigned>(p.pciDeviceID));
  return std::string(p.name) + ", compute capability " + std::to_string(p.major) + "." +
         std::to_string(p.minor) + ", driver for CUDA " + version(driver) + ", toolkit " +
         version(CUDART_VERSION) + ", PCI " + place;
}
#endif
}  // namespace simt

namespace rum {
namespace {
struct Small {
  static constexpr size_t kMost = 512;  // 16-bit words: every element type is a whole number of them
  uint16_t at[kMost];
};
// A small upload travels as the kernel's argument: it neither waits for the stream nor, in a recording, reads
// host memory that is gone at replay.
// Threads: one per word.
// Reads: the launch's arguments. Writes: each word once.
// Sums: none.
// Limit: the launch.
// Ladder: none.
__global__ void put(uint16_t* to, Small from, int words) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < words) to[i] = from.at[i];
}

class CudaBackend final : public Backend {
  void* allocate(size_t bytes) override { return simt::dev_malloc(bytes); }
  void release(void* p) override { simt::dev_free(p); }
  void upload(void* to, const void* from, size_t bytes) override {
    if (bytes == 0) return;
    if (bytes <= sizeof(Small) && bytes % 2 == 0) {
      Small small;
      std::memcpy(small.at, from, bytes);
      simt::launch(put, dim3(1), dim3(static_cast<unsigned>(bytes / 2)), 0, static_cast<uint16_t*>(to), small,
                   static_cast<int>(bytes / 2));
      return;
    }
    if (simt::recording())
      fail("an upload of " + std::to_string(bytes) + " bytes while a step is recorded: make it before");
    simt::h2d(to, from, bytes);
  }
  void download(void* to, const void* from, size_t bytes) override {
    if (simt::recording())
      fail("a number is read back while a step is recorded: a recorded step cannot depend on it");
    simt::d2h(to, from, bytes);
  }
#ifdef SIMT_GPU
  void* start_download(const void* from, size_t bytes) override {
    if (simt::recording() || bytes > kMostQueued) fail("a download cannot be queued here");
    return simt::start_d2h(from, bytes);
  }
  void finish_download(void* started, void* to, size_t bytes) override {
    simt::finish_d2h(started, to, bytes);
  }
#endif
  void copy(void* to, const void* from, size_t bytes) override { simt::d2d(to, from, bytes); }
  void fill(void* to, int byte, size_t bytes) override { simt::dev_fill(to, byte, bytes); }
  void wait() override { simt::sync(); }
  std::string describe() override { return simt::describe(); }
  bool begin_recording() override {
    simt::begin_recording();
    return true;
  }
  void* end_recording() override { return simt::end_recording(); }
  void replay(void* r) override { simt::replay(r); }
  void discard(void* r) override { simt::discard(r); }
};

const bool provided = Backend::provide(DeviceKind::cuda, []() -> Backend& {
  static CudaBackend& backend = [&]() -> CudaBackend& {
    simt::need_device();  // throws: then the next call asks again
    static CudaBackend made;
    return made;
  }();
  return backend;
});
}  // namespace
}  // namespace rum
