// The build and the machine: what a result may depend on besides its config.
#pragma once
#include <span>
#include <string>

#include "tensor/dtype.h"
#include "text/json.h"

namespace rum {
Json environment(DeviceKind);  // program, compiler, device, libraries
std::string build_id();        // commit and flags of this build
// "auto": a GPU where this build and machine have one that works, else the CPU. "cuda", or one of several
// GPUs by its number in CUDA, from 0: "cuda:1". Error that says what is missing, or what names there are.
// `process`: of several on this machine the n-th takes the n-th GPU, unless `name` says which.
DeviceKind pick_device(const std::string& name, int process = -1);
// GPUs among the names in /dev. A container may have been given some, which keep their numbers: nvidia2,
// nvidia3.
size_t count_gpus(std::span<const std::string> devices);
void check_device_name(const std::string& name);  // the latter alone
}  // namespace rum
