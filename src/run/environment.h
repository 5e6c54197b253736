// The build and the machine: what a result may depend on besides its config.
#pragma once
#include <string>

#include "tensor/dtype.h"
#include "text/json.h"

namespace rum {
Json environment(DeviceKind);  // program, compiler, device, libraries
std::string build_id();        // commit and flags of this build
// "auto": a GPU where this build and machine have one that works, else the CPU. "cuda": Error that says what
// is missing.
DeviceKind pick_device(const std::string& name);
}  // namespace rum
