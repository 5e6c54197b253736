// A stand-in for the CUDA runtime, cuBLASLt and NCCL, linked in their place: so the host's side of cuda/, as
// nvcc compiles it, runs without a GPU. Nothing that is queued happens before somebody waits for it; device
// memory is out of the host's reach; what is copied to the host is poison until then. Kernels do nothing, but
// for the one that uploads a few bytes, unless a test says what.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace rum::mock {
// The n-th call of that function from now on (1: the next) returns this error.
void fail_at(const std::string& function, int n, int error);
int calls(const std::string& function);   // since forget_calls()
int launches(const std::string& kernel);  // of kernels with that in their name, likewise
void forget_calls();
// Everything called since then, in order: "cudaEventRecord", "cublasLtMatmul 2" (the algorithm), ...
const std::vector<std::string>& trace();
// What the host did against CUDA's rules; emptied by the call.
std::vector<std::string> violations();

// What a kernel with that in its name does: called at the launch, with the addresses of its arguments, which
// are only there then; returns what happens when its turn comes.
using Kernel = std::function<std::function<void()>(void** arguments)>;
void on_launch(const std::string& kernel, Kernel);
// Where the mock keeps these bytes of the device.
void* reach(const void* device, size_t bytes);

struct Gpu {
  int driver = 13000, count = 1, major = 9;
  size_t memory = size_t{8} << 30;
  double kernel_ms = 0.01;  // each kernel
  double cold_ms = 10;      // so long it runs at a third of its speed after it was idle
};
Gpu& gpu();
void idle();  // the GPU is cold from here on

struct Algorithm {
  double ms = 0.01;
  int status = 0;  // of a call that uses it
};
struct Library {
  std::vector<Algorithm> algorithms = {{}};  // that are proposed, best guess first
  int status = 0;                            // of the search for one
  double besides_ms = 0;                     // more, for GELU, its slope or a bias's gradient
  bool there = true;                         // can be opened
};
Library& library();

// NCCL, in which all processes have what this one has: a sum over N of them is N times its numbers.
struct Nccl {
  bool there = true;  // can be opened
};
Nccl& nccl();
}  // namespace rum::mock
