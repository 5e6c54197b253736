// A stand-in for the CUDA runtime, cuBLASLt and NCCL, linked in their place, so that the host side of cuda/,
// as nvcc compiles it, runs without a GPU. Queued work happens only when something waits for it, or sums as soon
// as they may (Gpu::hasty); the host cannot access device memory; copies to the host are poison until then.
// Kernels do nothing, except the one that uploads a few bytes, unless a test says what they do.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace rum::mock {
// The n-th call of that function from now on (1: the next) returns this error.
void fail_at(const std::string& function, int n, int error);
int calls(const std::string& function);   // since forget_calls()
int launches(const std::string& kernel);  // of kernels with this in their name, likewise
void forget_calls();
// Everything called since then, in order: "cudaEventRecord", "cublasLtMatmul 2" (the algorithm), ...
const std::vector<std::string>& trace();
// The host's violations of CUDA's rules; cleared by the call.
std::vector<std::string> violations();

// Defines what kernels with this in their name do: called at the launch with the addresses of the arguments,
// which are valid only then; returns what to do when the kernel runs.
using Kernel = std::function<std::function<void()>(void** arguments)>;
void on_launch(const std::string& kernel, Kernel);
// Where the mock stores these bytes of the device.
void* reach(const void* device, size_t bytes);

struct Gpu {
  int driver = 13000, count = 1, major = 9;
  size_t memory = size_t{8} << 30;
  double kernel_ms = 0.01;  // each kernel
  double cold_ms = 10;      // after being idle it runs at a third of its speed for this long
  bool hasty = false;       // sums begin as soon as they may, and go on while other work is done
};
Gpu& gpu();
void idle();  // the GPU is cold from here on

struct Algorithm {
  double ms = 0.01;
  int status = 0;  // of a call that uses this algorithm
};
struct Library {
  std::vector<Algorithm> algorithms = {{}};  // the proposed algorithms, best guess first
  int status = 0;                            // the search for an algorithm
  double besides_ms = 0;                     // extra time for GELU, its slope or a bias's gradient
  bool there = true;                         // can be opened
};
Library& library();

// NCCL, where all processes have the same numbers as this one: a sum over N of them is N times its numbers.
struct Nccl {
  bool there = true;    // can be opened
  bool stuck = false;   // sums do not end, nor anything behind them, until the communicator is aborted
  int sums = 0;         // that have begun
  int async_error = 0;  // of the communicator
};
Nccl& nccl();
}  // namespace rum::mock
