// The cuda column of sum_parts: a GPU adds its own parts in their order, NCCL then those of all GPUs in an
// order that it chooses by their number and connections. The library is opened at run time, when GPUs first
// meet; the call goes into the one stream, so the host waits for nothing.
#include "cuda/kernel.h"
#include "parallel/ranks.h"

#ifdef SIMT_GPU
#include <dlfcn.h>
#endif

namespace rum::cuda {
namespace {
#ifdef SIMT_GPU
// What nccl.h declares, which CUDA toolkits come without; the same in all versions since 2.0.
struct UniqueId {
  char bytes[128];
};
using Communicator = void*;
constexpr int kSuccess = 0, kFloat = 7, kSum = 0;

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
    int version = 0;
    check(version_(&version), "ncclGetVersion");
    // Also waits for all: from here on they have the library, and nobody waits inside of it in vain.
    ranks.check_same(static_cast<uint64_t>(version), "the version of NCCL");
    UniqueId id{};
    if (ranks.first()) check(unique_id_(&id), "ncclGetUniqueId");
    check(init_(&all_, ranks.size(), ranks.from_first(id), ranks.rank()), "ncclCommInitRank");
  }
  void add_all(const Tensor& block) const {
    float* const at = block.data<float>();
    check(all_reduce_(at, at, static_cast<size_t>(block.size()), kFloat, kSum, all_, simt::stream()),
          "ncclAllReduce");
  }

 private:
  void check(int result, const char* call) const {
    if (result != kSuccess)
      fail(std::string("NCCL: ") + call + ": " + error_string_(result) + " (NCCL_DEBUG=WARN says more)");
  }
  int (*version_)(int*) = nullptr;
  int (*unique_id_)(UniqueId*) = nullptr;
  const char* (*error_string_)(int) = nullptr;
  int (*init_)(Communicator*, int size, UniqueId, int rank) = nullptr;
  int (*all_reduce_)(const void*, void*, size_t, int type, int op, Communicator, cudaStream_t) = nullptr;
  Communicator all_ = nullptr;  // to the end of the process
};
void add_all(Ranks& ranks, const Tensor& block) {
  static const Nccl nccl(ranks);
  nccl.add_all(block);
}
#else
void add_all(Ranks&, const Tensor&) { fail("several processes on emulated GPUs: train on the CPU"); }
#endif

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
const bool provided = kernels::sum_parts.provide(DeviceKind::cuda, sum_parts);
}  // namespace
}  // namespace rum::cuda
