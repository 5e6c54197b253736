// The NCCL of mock.h: every process has the same numbers.
#include <cuda_runtime_api.h>

#include <cstring>

#include "queue.h"

namespace rum::mock {
Nccl& nccl() {
  static Nccl n;
  return n;
}
namespace {
struct Id {
  char bytes[128];
};
struct Communicator {
  int size, rank;
};
int version(int* v) {
  *v = 22703;
  return enter("ncclGetVersion");
}
int unique_id(Id* id) {
  std::memset(id->bytes, 7, sizeof id->bytes);
  return enter("ncclGetUniqueId");
}
const char* error_string(int) { return "an error of NCCL"; }
int init(Communicator** c, int size, Id id, int rank) {
  if (const int e = enter("ncclCommInitRank")) return e;
  if (id.bytes[0] != 7 || id.bytes[127] != 7 || rank < 0 || rank >= size) return 4;  // invalid argument
  *c = new Communicator{size, rank};
  return 0;
}
int all_reduce(const void* from, void* to, size_t n, int type, int op, Communicator* c, cudaStream_t s) {
  if (const int e = enter("ncclAllReduce")) return e;
  if (type != 7 || op != 0 || from != to || c == nullptr) return 4;
  Stream& stream = stream_of(s);
  if (capturing(stream)) violation("a sum of NCCL is captured: ncclCommAbort would wait for its graph");
  enqueue(stream, {0, [=] {
                     ++nccl().sums;
                     in_flight() = {static_cast<char*>(to), n * sizeof(float)};
                   }});
  enqueue(stream, {0.01,
                   [=, size = static_cast<float>(c->size)] {
                     in_flight() = {};
                     auto* const x = static_cast<float*>(reach(to, n * sizeof(float)));
                     for (size_t i = 0; i < n; ++i) x[i] *= size;
                   },
                   true});
  return 0;
}
int async_error(Communicator*, int* error) {
  *error = nccl().async_error;
  return enter("ncclCommGetAsyncError");
}
int abort(Communicator* c) {
  delete c;
  nccl().stuck = false;
  return enter("ncclCommAbort");
}
}  // namespace
void* nccl_symbol(const char* name) {
  const std::string of = name;
  if (of == "ncclGetVersion") return reinterpret_cast<void*>(&version);
  if (of == "ncclGetUniqueId") return reinterpret_cast<void*>(&unique_id);
  if (of == "ncclGetErrorString") return reinterpret_cast<void*>(&error_string);
  if (of == "ncclCommInitRank") return reinterpret_cast<void*>(&init);
  if (of == "ncclAllReduce") return reinterpret_cast<void*>(&all_reduce);
  if (of == "ncclCommGetAsyncError") return reinterpret_cast<void*>(&async_error);
  if (of == "ncclCommAbort") return reinterpret_cast<void*>(&abort);
  return nullptr;
}
}  // namespace rum::mock
