// The CUDA runtime of mock.h: memory, one queue, events, capture, launches.
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <utility>

#include "queue.h"

namespace rum::mock {
namespace {
struct Range {
  size_t bytes;
  char* kept;  // device: where the mock reaches it; pinned memory: null
};
struct Injected {
  int left, error;
};
struct State {
  std::map<const char*, Range> ranges;
  std::map<std::string, Injected> injected;
  std::vector<std::string> violations, trace;
  std::map<std::string, Kernel> kernels;
  std::map<const void*, std::string> names;  // of kernels, by their host function
  std::map<const void*, int> shared;         // dynamic shared memory that a kernel may have
  std::deque<Work> queue;
  uint64_t queued = 0, done = 0;
  double clock = 0, busy = 0;  // ms; since it was idle
  Graph* capture = nullptr;
  bool invalid = false;  // the capture
  cudaError_t last = cudaSuccess;
  size_t used = 0;
};
// The kernel of cuda/backend.cu that uploads a few bytes: (to, the bytes by value, how many 16-bit words).
std::function<void()> put(void** arguments) {
  char* const to = *static_cast<char**>(arguments[0]);
  const auto* const at = static_cast<const char*>(arguments[1]);
  const std::vector<char> bytes(at, at + 2 * static_cast<std::ptrdiff_t>(*static_cast<int*>(arguments[2])));
  return [=] { std::memcpy(reach(to, bytes.size()), bytes.data(), bytes.size()); };
}
State& state() {
  static State* const s = [] {
    auto* const made = new State;  // outlives every static
    made->kernels["3put"] = put;
    return made;
  }();
  return *s;
}
std::pair<const char* const, Range>* range_of(const void* p, size_t n) {
  auto& all = state().ranges;
  const char* const at = static_cast<const char*>(p);
  auto it = all.upper_bound(at);
  if (it == all.begin()) return nullptr;
  --it;
  return at + n <= it->first + it->second.bytes ? &*it : nullptr;
}
}  // namespace

Gpu& gpu() {
  static Gpu g;
  return g;
}
void fail_at(const std::string& f, int n, int error) { state().injected[f] = {n, error}; }
int calls(const std::string& f) {
  return static_cast<int>(std::count(state().trace.begin(), state().trace.end(), f));
}
int launches(const std::string& kernel) {
  return static_cast<int>(
      std::count_if(state().trace.begin(), state().trace.end(), [&](const std::string& line) {
        return line.starts_with("launch ") && line.find(kernel) != std::string::npos;
      }));
}
void forget_calls() { state().trace.clear(); }
const std::vector<std::string>& trace() { return state().trace; }
std::vector<std::string> violations() { return std::exchange(state().violations, {}); }
void violation(const std::string& what) { state().violations.push_back(what); }
void on_launch(const std::string& kernel, Kernel k) { state().kernels[kernel] = std::move(k); }
void idle() { state().busy = 0; }

int enter(const std::string& function, const std::string& more) {
  State& s = state();
  s.trace.push_back(more.empty() ? function : function + " " + more);
  const auto at = s.injected.find(function);
  if (at == s.injected.end() || --at->second.left > 0) return 0;
  const int error = at->second.error;
  s.injected.erase(at);
  return error;
}
void* reach(const void* device, size_t bytes) {
  const auto* r = range_of(device, bytes);
  if (r == nullptr || r->second.kept == nullptr) {
    violation(fmt::format("{} bytes at {} are not device memory", bytes, device));
    static std::vector<char> spare;
    spare.resize(std::max(spare.size(), bytes));
    return spare.data();
  }
  return r->second.kept + (static_cast<const char*>(device) - r->first);
}
void enqueue(Work w) {
  State& s = state();
  if (s.capture != nullptr) return s.capture->work.push_back(std::move(w));
  s.queue.push_back(std::move(w));
  ++s.queued;
}
namespace {
bool stuck() { return nccl().stuck && !state().queue.empty() && state().queue.front().sum; }
void run_until(uint64_t n) {
  State& s = state();
  while (s.done < n) {
    if (stuck()) return violation("the host waits for ever for a sum of NCCL");
    const Work w = std::move(s.queue.front());
    s.queue.pop_front();
    const double ms = s.busy < gpu().cold_ms ? 3 * w.ms : w.ms;
    s.clock += ms, s.busy += ms, ++s.done;
    if (w.run) w.run();
  }
}
bool pinned(const void* p, size_t n) {
  const auto* r = range_of(p, n);
  return r != nullptr && r->second.kept == nullptr;
}
struct Event {
  uint64_t at = 0;
  double time = -1;
  bool captured = false, timing = true;
};
cudaError_t got(cudaError_t e) {
  if (e != cudaSuccess) state().last = e;
  return e;
}
// Waiting is not allowed on a stream that is being captured, and invalidates the capture.
bool spoils() {
  if (state().capture != nullptr) state().invalid = true;
  return state().capture != nullptr;
}
}  // namespace
}  // namespace rum::mock

using namespace rum::mock;
#define ENTER \
  if (const int injected_ = enter(__func__)) return got(static_cast<cudaError_t>(injected_))

extern "C" {
const char* cudaGetErrorString(cudaError_t e) {
  static std::string text;
  text = fmt::format("error {}", static_cast<int>(e));
  return text.c_str();
}
cudaError_t cudaGetLastError() { return std::exchange(state().last, cudaSuccess); }
cudaError_t cudaDriverGetVersion(int* v) {
  ENTER;
  *v = gpu().driver;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* n) {
  ENTER;
  *n = gpu().count;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  ENTER;
  if (device >= gpu().count) return got(cudaErrorInvalidDevice);
  *p = {};
  std::strcpy(p->name, "mock");
  p->major = gpu().major, p->pciBusID = 0x3b;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* v, cudaDeviceAttr what, int) {
  ENTER;
  *v = what == cudaDevAttrComputeCapabilityMajor ? gpu().major : 0;
  return cudaSuccess;
}
// The only driver function that is looked up: it checks its arguments against the driver's rules.
static CUresult encode_tiled(CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank, void* base,
                             const cuuint64_t* size, const cuuint64_t* step, const cuuint32_t* box,
                             const cuuint32_t* every, CUtensorMapInterleave, CUtensorMapSwizzle swizzle,
                             CUtensorMapL2promotion, CUtensorMapFloatOOBfill) {
  bool fine = reinterpret_cast<uintptr_t>(map) % 64 == 0 && reinterpret_cast<uintptr_t>(base) % 16 == 0 &&
              type == CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 && swizzle == CU_TENSOR_MAP_SWIZZLE_128B &&
              rank >= 1 && rank <= 5 && box[0] * 2 <= 128;
  for (cuuint32_t d = 0; fine && d < rank; ++d)
    fine = size[d] > 0 && box[d] > 0 && box[d] <= 256 && every[d] == 1 && (d == 0 || step[d - 1] % 16 == 0);
  if (fine && !range_of(base, size[0] * 2 + (rank > 1 ? (size[1] - 1) * step[0] : 0)))
    violation("a tensor map reaches beyond device memory");
  *map = {};
  return fine ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
static cudaError_t entry_point(const char* name, void** f, cudaDriverEntryPointQueryResult* found) {
  const bool known = std::strcmp(name, "cuTensorMapEncodeTiled") == 0;
  *f = known ? reinterpret_cast<void*>(encode_tiled) : nullptr;
  *found = known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}
#if CUDART_VERSION >= 12050
cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** f, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* found) {
  ENTER;
  return entry_point(name, f, found);
}
#else
cudaError_t cudaGetDriverEntryPoint(const char* name, void** f, unsigned long long,
                                    cudaDriverEntryPointQueryResult* found) {
  ENTER;
  return entry_point(name, f, found);
}
#endif
cudaError_t cudaMemGetInfo(size_t* left, size_t* all) {
  ENTER;
  *all = gpu().memory, *left = gpu().memory - state().used;
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** p, size_t n) {
  ENTER;
  if (state().used + n > gpu().memory) return got(cudaErrorMemoryAllocation);
  const int file = memfd_create("device", 0);
  if (ftruncate(file, static_cast<off_t>(n)) != 0) return got(cudaErrorMemoryAllocation);
  auto* const kept = static_cast<char*>(mmap(nullptr, n, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
  *p = mmap(nullptr, n, PROT_NONE, MAP_SHARED, file, 0);
  close(file);
  std::memset(kept, 0xA5, std::min<size_t>(n, 1 << 20));
  state().ranges[static_cast<char*>(*p)] = {n, kept};
  state().used += n;
  return cudaSuccess;
}
cudaError_t cudaFree(void* p) {  // waits, as CUDA's does
  ENTER;
  run_until(state().queued);
  const auto at = state().ranges.find(static_cast<char*>(p));
  if (p == nullptr) return cudaSuccess;
  if (at == state().ranges.end() || at->second.kept == nullptr) return got(cudaErrorInvalidValue);
  state().used -= at->second.bytes;
  munmap(at->second.kept, at->second.bytes), munmap(p, at->second.bytes);
  state().ranges.erase(at);
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** p, size_t n) {
  ENTER;
  *p = std::malloc(n);
  std::memset(*p, 0x5A, n);
  state().ranges[static_cast<char*>(*p)] = {n, nullptr};
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** p, size_t n, unsigned) { return cudaMallocHost(p, n); }
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t n, cudaMemcpyKind kind, cudaStream_t) {
  ENTER;
  if (kind == cudaMemcpyHostToDevice) {
    if (!pinned(from, n))
      violation("an upload from memory that is not pinned: it may wait for all that is queued");
    // Read when its turn comes; after that the pinned memory may be reused, and is poisoned.
    enqueue({0, [=] {
               std::memcpy(reach(to, n), from, n);
               std::memset(const_cast<void*>(from), 0x5A, n);
             }});
  } else if (kind == cudaMemcpyDeviceToHost) {
    std::memset(to, 0x5A, n);
    enqueue({0, [=] { std::memcpy(to, reach(from, n), n); }});
  } else {
    enqueue({0, [=] { std::memmove(reach(to, n), reach(from, n), n); }});
  }
  if (state().capture != nullptr && kind != cudaMemcpyDeviceToDevice)
    violation("a way to the host is captured");
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* to, int byte, size_t n, cudaStream_t) {
  ENTER;
  enqueue({0, [=] { std::memset(reach(to, n), byte, n); }});
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned) {
  ENTER;
  *s = reinterpret_cast<cudaStream_t>(1);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  ENTER;
  if (spoils()) return got(cudaErrorStreamCaptureUnsupported);
  run_until(state().queued);
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned flags) {
  ENTER;
  auto* const made = new Event;
  made->timing = (flags & cudaEventDisableTiming) == 0;
  *e = reinterpret_cast<cudaEvent_t>(made);
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* e) { return cudaEventCreateWithFlags(e, 0); }
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t) {
  ENTER;
  auto* const event = reinterpret_cast<Event*>(e);
  event->captured = state().capture != nullptr;
  event->time = -1;
  enqueue({0, [=] { event->time = state().clock; }});
  event->at = state().queued;
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t e) {
  ENTER;
  auto* const event = reinterpret_cast<Event*>(e);
  if (event->captured) return spoils(), got(cudaErrorCapturedEvent);
  run_until(event->at);
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t e) {
  ENTER;
  auto* const event = reinterpret_cast<Event*>(e);
  if (event->captured) return spoils(), got(cudaErrorCapturedEvent);
  while (state().done < event->at && !stuck()) run_until(state().done + 1);
  return state().done < event->at ? got(cudaErrorNotReady) : cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t begin, cudaEvent_t end) {
  ENTER;
  auto *const a = reinterpret_cast<Event*>(begin), *const b = reinterpret_cast<Event*>(end);
  if (!a->timing || !b->timing) return got(cudaErrorInvalidResourceHandle);
  if (a->time < 0 || b->time < 0) return got(cudaErrorNotReady);
  *ms = static_cast<float>(b->time - a->time);
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t e) {
  ENTER;
  if (e == nullptr) return got(cudaErrorInvalidResourceHandle);
  run_until(state().queued);  // CUDA keeps it until it has completed
  delete reinterpret_cast<Event*>(e);
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
  ENTER;
  const State& s = state();
  *status = s.capture == nullptr ? cudaStreamCaptureStatusNone
            : s.invalid          ? cudaStreamCaptureStatusInvalidated
                                 : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  ENTER;
  if (state().capture != nullptr) return got(cudaErrorIllegalState);
  state().capture = new Graph, state().invalid = false;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  Graph* const made = std::exchange(state().capture, nullptr);
  const bool invalid = state().invalid;
  *graph = nullptr;
  const int injected = enter(__func__);
  if (made == nullptr || invalid || injected != 0) {
    delete made;
    return got(injected != 0     ? static_cast<cudaError_t>(injected)
               : made == nullptr ? cudaErrorIllegalState
                                 : cudaErrorStreamCaptureInvalidated);
  }
  *graph = reinterpret_cast<cudaGraph_t>(made);
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  ENTER;
  *exec = reinterpret_cast<cudaGraphExec_t>(new Graph(*reinterpret_cast<Graph*>(graph)));
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  ENTER;
  delete reinterpret_cast<Graph*>(graph);
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t) {
  ENTER;
  auto* const graph = reinterpret_cast<Graph*>(exec);
  ++graph->waiting;
  for (const Work& w : graph->work) enqueue(w);
  enqueue({0, [=] { --graph->waiting; }});
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  ENTER;
  auto* const graph = reinterpret_cast<Graph*>(exec);
  if (exec == nullptr) return got(cudaErrorInvalidValue);
  if (graph->waiting > 0) violation("a graph is destroyed before it has run");
  delete graph;
  return cudaSuccess;
}

// ---- launches, as nvcc's code makes them ----
cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute what, int value) {
  ENTER;
  if (what != cudaFuncAttributeMaxDynamicSharedMemorySize || value > 227 * 1024)
    return got(cudaErrorInvalidValue);
  state().shared[kernel] = value;
  return cudaSuccess;
}
static struct {
  dim3 grid, block;
  size_t shared;
  cudaStream_t stream;
} configuration;
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, cudaStream_t s) {
  configuration = {grid, block, shared, s};
  return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* s) {
  *grid = configuration.grid, *block = configuration.block, *shared = configuration.shared;
  *static_cast<cudaStream_t*>(s) = configuration.stream;
  return cudaSuccess;
}
cudaError_t cudaLaunchKernel(const void* kernel, dim3 grid, dim3 block, void** arguments, size_t shared,
                             cudaStream_t) {
  const std::string& name = state().names[kernel];
  if (const int e = enter("launch", name)) return got(static_cast<cudaError_t>(e));
  const auto allowed = state().shared.find(kernel);
  const size_t most = allowed == state().shared.end() ? 48 * 1024 : static_cast<size_t>(allowed->second);
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535 ||
      block.x * block.y * block.z == 0 || block.x * block.y * block.z > 1024 || shared > most) {
    violation(fmt::format("{}: grid {} x {}, block {} x {}, shared {}", name, grid.x, grid.y, block.x,
                          block.y, shared));
    return got(cudaErrorInvalidValue);
  }
  std::function<void()> run;
  for (const auto& [part, make] : state().kernels)
    if (name.find(part) != std::string::npos) run = make(arguments);
  enqueue({gpu().kernel_ms, run});
  return cudaSuccess;
}
cudaError_t __cudaGetKernel(cudaKernel_t* k, const void* kernel) {  // from CUDA 13 on
  *k = reinterpret_cast<cudaKernel_t>(const_cast<void*>(kernel));
  return cudaSuccess;
}
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments, size_t shared,
                               cudaStream_t s) {
  return cudaLaunchKernel(kernel, grid, block, arguments, shared, s);
}
void** __cudaRegisterFatBinary(void*) { return nullptr; }
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
void __cudaRegisterFunction(void**, const char* kernel, char*, const char* name, int, void*, void*, void*,
                            void*, int*) {
  state().names[kernel] = name;
}
}
