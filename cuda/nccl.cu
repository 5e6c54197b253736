// sum_parts on CUDA: each GPU adds its own parts in order, then NCCL adds those of all GPUs, in an order that
// depends on their number and connections. The library is opened at run time, when several GPUs first train
// together. The host waits for the sum: a process that dies leaves the others' GPUs waiting for its part for
// ever, and what they have instead of a sum must not reach the weights. Sums run on a stream of their own, beside
// all other work. A recording only marks where they may begin; they themselves stay outside, since ncclCommAbort
// waits until every graph with a call of NCCL in it is destroyed.
#include "cuda/kernel.h"
#include "cuda/nccl.h"

#ifdef SIMT_GPU
#include <dlfcn.h>

#include <chrono>
#include <thread>
#include <vector>
#endif

namespace rum::cuda {
namespace {
#ifdef SIMT_GPU
// Declarations from nccl.h, which CUDA toolkits do not include; unchanged since version 2.4.
struct UniqueId {
  char bytes[128];
};
using Communicator = void*;
constexpr int kSuccess = 0, kInvalidUsage = 5, kFloat = 7, kSum = 0;

cudaEvent_t new_event() {
  cudaEvent_t made = nullptr;
  simt::check(cudaEventCreateWithFlags(&made, cudaEventDisableTiming), "cudaEventCreate");
  return made;
}
cudaEvent_t mark_of(size_t piece) {
  static std::vector<cudaEvent_t> marks;
  while (marks.size() <= piece) marks.push_back(new_event());
  return marks[piece];
}

class Nccl {
 public:
  explicit Nccl(Ranks& ranks) {
    const char* const name = "libnccl.so.2";
    void* const lib = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (lib == nullptr)
      fail(std::string("training on several GPUs needs ") + name + ", which was not found (" + dlerror() +
           "): install NVIDIA's NCCL or set LD_LIBRARY_PATH");
    const auto get = [&](const char* symbol, auto& f) {
      f = reinterpret_cast<std::decay_t<decltype(f)>>(dlsym(lib, symbol));
      if (f == nullptr) fail(std::string(name) + " has no " + symbol);
    };
    get("ncclGetVersion", version_);
    get("ncclGetUniqueId", unique_id_);
    get("ncclGetErrorString", error_string_);
    get("ncclCommInitRank", init_);
    get("ncclAllReduce", all_reduce_);
    get("ncclCommGetAsyncError", async_error_);
    get("ncclCommAbort", abort_);
    simt::check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
    int version = 0;
    check(version_(&version), "ncclGetVersion");
    // Also waits for all ranks: past this point each has the library, so none hangs inside it waiting for one
    // without.
    ranks.check_same(static_cast<uint64_t>(version), "the version of NCCL");
    UniqueId id{};
    if (ranks.first()) check(unique_id_(&id), "ncclGetUniqueId");
    check(init_(&all_, ranks.size(), ranks.from_first(id), ranks.rank()), "ncclCommInitRank");
  }
  void sum_pieces(Ranks& ranks, std::span<const Tensor> pieces) try {
    for (size_t i = 0; i < pieces.size(); ++i) {
      float* const at = pieces[i].data<float>();
      simt::check(cudaStreamWaitEvent(stream_, mark_of(i), 0), "cudaStreamWaitEvent");
      check(all_reduce_(at, at, static_cast<size_t>(pieces[i].size()), kFloat, kSum, all_, stream_),
            "ncclAllReduce");
    }
    simt::check(cudaEventRecord(added_, stream_), "cudaEventRecord");
    wait(ranks);
  } catch (...) {
    abort_(std::exchange(all_, nullptr));  // ends what the GPU waits in, or freeing memory would wait as well
    throw;
  }

 private:
  std::string sentence(int result, const char* call) const {
    const char* const hint = result == kInvalidUsage ? "do two processes have the same GPU? " : "";
    return std::string("NCCL: ") + call + ": " + error_string_(result) + " (" + hint +
           "NCCL_DEBUG=WARN says more)";
  }
  void check(int result, const char* call) const {
    if (result != kSuccess) fail(sentence(result, call));
  }
  void wait(Ranks& ranks) {
    using namespace std::chrono_literals;
    constexpr auto each = 100ms;
    for (auto next = std::chrono::steady_clock::now() + each; !done(); std::this_thread::sleep_for(50us)) {
      if (std::chrono::steady_clock::now() < next) continue;
      next += each;
      ranks.check_neighbours();
      int result = kSuccess;
      check(async_error_(all_, &result), "ncclCommGetAsyncError");
      if (result == kSuccess) continue;
      std::this_thread::sleep_for(1s);  // the neighbours may know more than NCCL does
      ranks.check_neighbours();
      throw RankFailed(sentence(result, "ncclAllReduce"), -1);
    }
  }
  bool done() const {
    const cudaError_t e = cudaEventQuery(added_);
    if (e == cudaErrorNotReady)
      cudaGetLastError();  // clears it, or the next launch would report it
    else
      simt::check(e, "cudaEventQuery");
    return e == cudaSuccess;
  }
  int (*version_)(int*) = nullptr;
  int (*unique_id_)(UniqueId*) = nullptr;
  const char* (*error_string_)(int) = nullptr;
  int (*init_)(Communicator*, int size, UniqueId, int rank) = nullptr;
  int (*all_reduce_)(const void*, void*, size_t, int type, int op, Communicator, cudaStream_t) = nullptr;
  int (*async_error_)(Communicator, int*) = nullptr;
  int (*abort_)(Communicator) = nullptr;
  Communicator all_ = nullptr;  // until the process ends, or a sum has failed
  cudaStream_t stream_ = nullptr;
  const cudaEvent_t added_ = new_event();  // the newest sums are there
};

void mark_piece(size_t number) {
  const unsigned how = simt::recording() ? cudaEventRecordExternal : cudaEventRecordDefault;
  simt::check(cudaEventRecordWithFlags(mark_of(number), simt::stream(), how), "cudaEventRecord");
}
void sum_pieces(Ranks& ranks, std::span<const Tensor> pieces) {
  static Nccl nccl(ranks);
  nccl.sum_pieces(ranks, pieces);
}
#else
void mark_piece(size_t) {}
void sum_pieces(Ranks&, std::span<const Tensor>) {
  fail("several processes on emulated GPUs: train on the CPU");
}
#endif
}  // namespace

void add_all(Ranks& ranks, const Tensor& block) {
  mark_piece(0);
  sum_pieces(ranks, {&block, 1});
}

namespace {
void sum_parts(Ranks& ranks, const Tensor& block, Tensor& held, Round round) {
  if (block.dtype() != DType::f32) fail_no_type(block.dtype());
  const bool last = round.number + 1 == round.of;
  if (round.number > 0) {
    GradSlot to{block.shape(), block.dtype(), block.device(), block, true, true};
    kernels::accumulate(DeviceKind::cuda, held, Grad(&to));
  }
  if (!held && !last) held = Tensor::like(block);
  if (!last)
    held.copy_from(block);
  else if (ranks.size() > 1)
    add_all(ranks, block);
}
const bool provided = kernels::sum_parts.provide(DeviceKind::cuda, sum_parts) &&
                      kernels::mark_piece.provide(DeviceKind::cuda, mark_piece) &&
                      kernels::sum_pieces.provide(DeviceKind::cuda, sum_pieces);
}  // namespace
}  // namespace rum::cuda
