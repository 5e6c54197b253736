// The CUDA device: memory, copies on one stream, and recording a step for replay as a graph. Under g++ the
// same code runs on the emulator. Nothing before the first use of the device may need a driver.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cuda/simt/hopper.h"
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
              ", but this program was built with CUDA " + version(CUDART_VERSION) + ": update the driver" +
              instead);
  const cudaError_t e = cudaGetDeviceCount(&count);
  if (e != cudaSuccess || count == 0) {
    cudaGetLastError();  // clears the error, or the next launch would report it
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
              std::to_string(p.minor) + ", but the kernels need 8.0 (Ampere) or newer: use another GPU" +
              instead);
}
std::string describe() {
  cudaDeviceProp p;
  int driver = 0;
  check(cudaGetDeviceProperties(&p, 0), "cudaGetDeviceProperties");
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  char place[32];  // as nvidia-smi numbers GPUs: CUDA's order may differ
  std::snprintf(place, sizeof place, "%08x:%02x:%02x.0", static_cast<unsigned>(p.pciDomainID),
                static_cast<unsigned>(p.pciBusID), static_cast<unsigned>(p.pciDeviceID));
  return std::string(p.name) + ", compute capability " + std::to_string(p.major) + "." +
         std::to_string(p.minor) + ", driver for CUDA " + version(driver) + ", toolkit " +
         version(CUDART_VERSION) + ", PCI " + place;
}
bool is_hopper() {
  int major = 0, minor = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0), "cudaDeviceGetAttribute");
  check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0), "cudaDeviceGetAttribute");
  return major == 9 && minor == 0;
}
// The driver library is not linked, so that the program also starts where there is none.
TensorMap tensor_map(const void* base, const std::vector<uint64_t>& size, const std::vector<uint64_t>& step,
                     const std::vector<uint32_t>& box) {
  if (const std::string fault = map_fault(base, size, step, box); !fault.empty())
    rum::fail("a tensor map needs " + fault);
  static const auto encode = [] {
    void* f = nullptr;
    cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
#if CUDART_VERSION >= 12050
    check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &f, 12000, cudaEnableDefault, &found),
          "cudaGetDriverEntryPointByVersion");
#else
    check(cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &f, cudaEnableDefault, &found),
          "cudaGetDriverEntryPoint");
#endif
    if (f == nullptr || found != cudaDriverEntryPointSuccess)
      rum::fail("the driver on this machine has no cuTensorMapEncodeTiled: update it");
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(f);
  }();
  TensorMap map;
  const cuuint64_t sizes[3] = {size[0], size[1], size.size() == 3 ? size[2] : 0},
                   steps[2] = {step[0], step.size() == 2 ? step[1] : 0};
  const cuuint32_t boxes[3] = {box[0], box[1], box.size() == 3 ? box[2] : 0}, every[3] = {1, 1, 1};
  const CUresult e = encode(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, static_cast<cuuint32_t>(size.size()),
                            const_cast<void*>(base), sizes, steps, boxes, every,
                            CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                            CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (e != CUDA_SUCCESS)
    rum::fail("CUDA: cuTensorMapEncodeTiled: error " + std::to_string(static_cast<int>(e)));
  return map;
}
#endif
}  // namespace simt

namespace rum {
namespace {
struct Small {
  static constexpr size_t kMost = 512;  // 16-bit words: every element type is a whole number of them
  uint16_t at[kMost];
};
// A small upload is passed as a kernel argument: it does not wait for the stream, and a recording of it does
// not read host memory that is gone at replay.
// Threads: one per 16-bit word.
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
      fail("an upload of " + std::to_string(bytes) + " bytes while a step is recorded: upload them before");
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
    simt::need_device();  // if it throws, the next call tries again
    static CudaBackend made;
    return made;
  }();
  return backend;
});
}  // namespace
}  // namespace rum
