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
  std::deque<Stream> streams;
  double clock = 0, busy = 0;  // ms; since it was idle
  uint64_t sum_until = 0;
  Graph* capture = nullptr;  // of the first stream
  bool invalid = false;      // the capture
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
  const auto* const at = static_cast<const char*>(device);
  const std::span<char> sum = in_flight();
  if (at < sum.data() + sum.size() && sum.data() < at + bytes)
    violation(fmt::format("{} bytes at {} are used while NCCL sums them", bytes, device));
  return r->second.kept + (at - r->first);
}
std::span<char>& in_flight() {
  static std::span<char> s;
  return s;
}
Stream& stream_of(cudaStream_t s) {
  const auto number = reinterpret_cast<uintptr_t>(s);
  auto& all = state().streams;
  if (number > 0 && number <= all.size()) return all[number - 1];
  violation("the default stream is used: it waits for all others");
  if (all.empty()) all.emplace_back();
  return all[0];
}
bool capturing(const Stream& s) { return state().capture != nullptr && &s == &state().streams[0]; }
namespace {
bool run_until(Stream&, uint64_t);
bool held_up(const Work& w) { return w.behind != nullptr && w.behind->done < w.until; }
// Does the next work of this stream, or what that waits for; false: a sum is stuck.
bool run_next(Stream& stream) {
  State& s = state();
  const Work w = stream.queue.front();
  if (held_up(w)) return run_until(*w.behind, w.until);
  if (w.sum && nccl().stuck) return false;
  stream.queue.pop_front();
  const double ms = s.busy < gpu().cold_ms ? 3 * w.ms : w.ms;
  s.clock += ms, s.busy += ms, ++stream.done;
  if (w.run) w.run();
  return true;
}
void hurry() {  // a sum takes as long as ten works of the first stream
  State& s = state();
  auto& all = s.streams;
  for (size_t i = 1; gpu().hasty && i < all.size(); ++i)
    while (!all[i].queue.empty() && !held_up(all[i].queue.front()) &&
           (in_flight().empty() || all[0].done >= s.sum_until) && run_next(all[i]))
      s.sum_until = all[0].done + 10;
}
bool run_until(Stream& stream, uint64_t n) {
  while (stream.done < n) {
    if (!run_next(stream)) return false;
    if (&stream == &state().streams[0]) hurry();
  }
  return true;
}
void wait_for(Stream& stream, uint64_t n) {
  if (!run_until(stream, n)) violation("the host waits for ever for a sum of NCCL");
}
void wait_for_all() {
  for (Stream& s : state().streams) wait_for(s, s.queued);
}
}  // namespace
void enqueue(Stream& stream, Work w) {
  if (capturing(stream)) return state().capture->work.push_back(std::move(w));
  if (w.records != nullptr) w.records->stream = &stream, w.records->at = stream.queued + 1;
  stream.queue.push_back(std::move(w));
  ++stream.queued;
  hurry();
}
namespace {
bool pinned(const void* p, size_t n) {
  const auto* r = range_of(p, n);
  return r != nullptr && r->second.kept == nullptr;
}
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
  wait_for_all();
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
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t n, cudaMemcpyKind kind, cudaStream_t s) {
  ENTER;
  Stream& stream = stream_of(s);
  if (kind == cudaMemcpyHostToDevice) {
    if (!pinned(from, n))
      violation("an upload from memory that is not pinned: it may wait for all that is queued");
    // Read when its turn comes; after that the pinned memory may be reused, and is poisoned.
    enqueue(stream, {0, [=] {
                       std::memcpy(reach(to, n), from, n);
                       std::memset(const_cast<void*>(from), 0x5A, n);
                     }});
  } else if (kind == cudaMemcpyDeviceToHost) {
    std::memset(to, 0x5A, n);
    enqueue(stream, {0, [=] { std::memcpy(to, reach(from, n), n); }});
  } else {
    enqueue(stream, {0, [=] { std::memmove(reach(to, n), reach(from, n), n); }});
  }
  if (state().capture != nullptr && kind != cudaMemcpyDeviceToDevice)
    violation("a way to the host is captured");
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* to, int byte, size_t n, cudaStream_t s) {
  ENTER;
  enqueue(stream_of(s), {0, [=] { std::memset(reach(to, n), byte, n); }});
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned) {
  ENTER;
  state().streams.emplace_back();
  *s = reinterpret_cast<cudaStream_t>(state().streams.size());
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t s) {
  ENTER;
  Stream& stream = stream_of(s);
  if (capturing(stream)) return spoils(), got(cudaErrorStreamCaptureUnsupported);
  wait_for(stream, stream.queued);
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
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
  ENTER;
  Stream& stream = stream_of(s);
  auto* const event = reinterpret_cast<Event*>(e);
  event->captured = capturing(stream);
  event->time = -1;
  enqueue(stream, {0, [=] { event->time = state().clock; }, false, event->captured ? nullptr : event});
  return cudaSuccess;
}
// External: while captured, the event is what it was; each launch of the graph records it.
cudaError_t cudaEventRecordWithFlags(cudaEvent_t e, cudaStream_t s, unsigned flags) {
  if ((flags & cudaEventRecordExternal) == 0) return cudaEventRecord(e, s);
  ENTER;
  Stream& stream = stream_of(s);
  if (!capturing(stream)) return got(cudaErrorIllegalState);
  enqueue(stream, {0, {}, false, reinterpret_cast<Event*>(e)});
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned) {
  ENTER;
  Stream& stream = stream_of(s);
  const auto* const event = reinterpret_cast<Event*>(e);
  if (event->captured) {
    violation("a stream waits for an event that only a capture has recorded, and so joins it");
    return got(cudaErrorStreamCaptureIsolation);
  }
  enqueue(stream, {0, {}, false, nullptr, event->stream, event->at});
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t e) {
  ENTER;
  auto* const event = reinterpret_cast<Event*>(e);
  if (event->captured) return spoils(), got(cudaErrorCapturedEvent);
  if (event->stream != nullptr) wait_for(*event->stream, event->at);
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t e) {
  ENTER;
  auto* const event = reinterpret_cast<Event*>(e);
  if (event->captured) return spoils(), got(cudaErrorCapturedEvent);
  Stream& first = state().streams[0];
  if (gpu().hasty) run_until(first, first.queued);  // sums go on meanwhile
  return event->stream == nullptr || run_until(*event->stream, event->at) ? cudaSuccess
                                                                          : got(cudaErrorNotReady);
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
  wait_for_all();  // CUDA keeps it until it has completed
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
cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode) {
  ENTER;
  if (&stream_of(s) != &state().streams[0]) violation("another stream than the first is captured");
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
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s) {
  ENTER;
  Stream& stream = stream_of(s);
  auto* const graph = reinterpret_cast<Graph*>(exec);
  ++graph->waiting;
  for (const Work& w : graph->work) enqueue(stream, w);
  enqueue(stream, {0, [=] { --graph->waiting; }});
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
                             cudaStream_t s) {
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
  enqueue(stream_of(s), {gpu().kernel_ms, run});
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
