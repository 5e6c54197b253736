// The one header that a kernel includes. nvcc: thin aliases over CUDA (defines SIMT_GPU). g++: the emulation
// in cpu.h, where each CUDA thread is a fibre (defines SIMT_CPU). Both give memory, one stream with recording
// and replay, launch(), bf16, vector loads and the tensor-core instructions under the same names.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

#ifdef __CUDACC__
#define SIMT_GPU 1
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#define SIMT_SHARED(T, name, ...) __shared__ __align__(16) T name __VA_ARGS__
#define SIMT_UNROLL _Pragma("unroll")
#define SIMT_ROLLED _Pragma("unroll 1")

namespace simt {
using bf16 = __nv_bfloat16;
using bf162 = __nv_bfloat162;

void need_device();      // backend.cu: throws one clear sentence if no GPU can be used
std::string describe();  // backend.cu
inline void check(cudaError_t e, const char* call) {
  if (e == cudaSuccess) return;
  cudaGetLastError();  // clears the error, or the next launch would report it
  if (e == cudaErrorNoKernelImageForDevice || e == cudaErrorUnsupportedPtxVersion)
    rum::fail("this program contains no kernels for " + describe() + ": rebuild it on this machine");
  if (e == cudaErrorMemoryAllocation)
    throw rum::OutOfMemory(std::string("the GPU is out of memory in ") + call);
  rum::fail(std::string("CUDA: ") + call + ": " + cudaGetErrorString(e));
}
inline cudaStream_t stream() {  // the one queue: work runs in the order in which it was queued
  static cudaStream_t s = [] {
    cudaStream_t made = nullptr;
    check(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking), "cudaStreamCreate");
    return made;
  }();
  return s;
}
inline bool recording() {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(stream(), &status), "cudaStreamIsCapturing");
  return status == cudaStreamCaptureStatusActive;
}
inline void* dev_malloc(size_t n) {
  if (recording()) rum::fail("memory was requested while a step is being recorded");
  void* p = nullptr;
  const cudaError_t e = cudaMalloc(&p, n == 0 ? 1 : n);
  if (e == cudaErrorMemoryAllocation) {
    size_t left = 0, all = 0;
    cudaGetLastError(), cudaMemGetInfo(&left, &all);
    throw rum::OutOfMemory("the GPU is out of memory: " + std::to_string(n >> 20) + " MiB were requested, " +
                           std::to_string(left >> 20) + " of " + std::to_string(all >> 20) + " MiB are free");
  }
  check(e, "cudaMalloc");
  return p;
}
inline void dev_free(void* p) {  // called by destructors, so it must not throw
  if (cudaFree(p) != cudaSuccess) cudaGetLastError();
}
inline void sync() { check(cudaStreamSynchronize(stream()), "cudaStreamSynchronize"); }
// Uploads pass through pinned memory in two halves: the host fills one while the GPU reads the other, and
// waits only when both are full. With pageable memory the driver might wait for everything queued.
struct Staging {
  static constexpr size_t kHalf = size_t{4} << 20;
  char* pinned = nullptr;
  cudaEvent_t read[2] = {};  // one for each half: the GPU has read it
  size_t used = 0;           // bytes of the half in use
  int half = 0;
  Staging() {
    check(cudaMallocHost(&pinned, 2 * kHalf), "cudaMallocHost");
    for (cudaEvent_t& e : read)
      check(cudaEventCreateWithFlags(&e, cudaEventDisableTiming), "cudaEventCreate");
  }
  char* take(size_t n) {
    if (used + n > kHalf) {
      check(cudaEventRecord(read[half], stream()), "cudaEventRecord");
      half = 1 - half;
      used = 0;
      check(cudaEventSynchronize(read[half]), "cudaEventSynchronize");
    }
    char* const at = pinned + static_cast<size_t>(half) * kHalf + used;
    used += (n + 255) / 256 * 256;
    return at;
  }
};
inline void h2d(void* to, const void* from, size_t n) {  // `from` may be reused at once
  static Staging staging;
  for (size_t done = 0; done < n; done += Staging::kHalf) {
    const size_t part = n - done < Staging::kHalf ? n - done : Staging::kHalf;
    char* const at = staging.take(part);
    std::memcpy(at, static_cast<const char*>(from) + done, part);
    check(cudaMemcpyAsync(static_cast<char*>(to) + done, at, part, cudaMemcpyHostToDevice, stream()),
          "cudaMemcpyAsync to the GPU");
  }
}
// A small download in the order of the queue; collecting it waits for it alone.
struct Later {
  static constexpr size_t kMost = 16 << 10;
  void* pinned = nullptr;
  cudaEvent_t there = nullptr;
};
inline std::vector<Later*>& spare_laters() {
  static std::vector<Later*> all;
  return all;
}
inline void* start_d2h(const void* from, size_t n) {
  std::vector<Later*>& spare = spare_laters();
  if (spare.empty()) {
    auto* const made = new Later;
    check(cudaMallocHost(&made->pinned, Later::kMost), "cudaMallocHost");
    check(cudaEventCreateWithFlags(&made->there, cudaEventDisableTiming), "cudaEventCreate");
    spare.push_back(made);
  }
  Later* const later = spare.back();
  spare.pop_back();
  check(cudaMemcpyAsync(later->pinned, from, n, cudaMemcpyDeviceToHost, stream()),
        "cudaMemcpyAsync from the GPU");
  check(cudaEventRecord(later->there, stream()), "cudaEventRecord");
  return later;
}
inline void finish_d2h(void* started, void* to, size_t n) {
  auto* const later = static_cast<Later*>(started);
  check(cudaEventSynchronize(later->there), "cudaEventSynchronize");
  std::memcpy(to, later->pinned, n);
  spare_laters().push_back(later);
}
inline void d2h(void* to, const void* from, size_t n) {
  if (n <= Later::kMost) return finish_d2h(start_d2h(from, n), to, n);
  check(cudaMemcpyAsync(to, from, n, cudaMemcpyDeviceToHost, stream()), "cudaMemcpyAsync from the GPU");
  sync();
}
inline void d2d(void* to, const void* from, size_t n) {
  check(cudaMemcpyAsync(to, from, n, cudaMemcpyDeviceToDevice, stream()), "cudaMemcpyAsync on the GPU");
}
inline void dev_fill(void* to, int byte, size_t n) {
  check(cudaMemsetAsync(to, byte, n, stream()), "cudaMemsetAsync");
}
inline void begin_recording() {  // relaxed: cuBLASLt may initialise itself during recording
  check(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
}
inline void* end_recording() {
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(stream(), &graph), "cudaStreamEndCapture");
  cudaGraphExec_t exec = nullptr;
  const cudaError_t e = cudaGraphInstantiate(&exec, graph, 0);
  cudaGraphDestroy(graph);
  check(e, "cudaGraphInstantiate");
  return exec;
}
inline void replay(void* r) {
  check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(r), stream()), "cudaGraphLaunch");
}
inline void discard(void* r) {  // called by destructors; the replay may still be running
  cudaStreamSynchronize(stream()), cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(r));
}

// launch(kernel, grid, block, bytes of dynamic shared memory, arguments...): arguments are converted to the
// kernel's types.
template <class... P, class... A>
void launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, A&&... a) {
  if (shared > 32 * 1024)  // the 48 KiB available by default also hold the kernel's fixed arrays
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                               cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)),
          "cudaFuncSetAttribute");
  kernel<<<grid, block, shared, stream()>>>(static_cast<P>(std::forward<A>(a))...);
  check(cudaGetLastError(), "launch");
}

template <class T>
__device__ __forceinline__ T* dyn_shared() {  // one untyped symbol, so that every kernel can use it
  extern __shared__ __align__(128) unsigned char simt_dyn_shared_[];
  return reinterpret_cast<T*>(simt_dyn_shared_);
}
__device__ __forceinline__ float to_f(bf16 v) { return __bfloat162float(v); }
__device__ __forceinline__ bf16 to_bf(float v) { return __float2bfloat16_rn(v); }
__device__ __forceinline__ uint32_t pack_bf(float lo, float hi) {
  bf162 v = __floats2bfloat162_rn(lo, hi);
  uint32_t u;
  memcpy(&u, &v, 4);
  return u;
}
// One access of sizeof(V) bytes; both compilers trap when it is not aligned.
template <class V, class T>
__device__ __forceinline__ V ldv(const T* p) {
  return *reinterpret_cast<const V*>(p);
}
template <class V, class T>
__device__ __forceinline__ void stv(T* p, const V& v) {
  *reinterpret_cast<V*>(p) = v;
}
}  // namespace simt
#else
#include "cuda/simt/cpu.h"
#endif
#include "cuda/simt/mma.h"
