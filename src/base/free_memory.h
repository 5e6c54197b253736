// Free memory, for readers of files whose claimed sizes cannot be trusted.
#pragma once
#include <cstdint>
#include <string>

namespace rum {
// Bytes that this process can still get without swapping: what the system reports as available, or what is left of
// its control group's limit. 2^62 where the system does not say.
uint64_t free_memory();
// Bytes of this process that are in memory: those that were touched.
uint64_t resident_memory();
// OutOfMemory when `bytes` for `what` ("the weights of x") are more than that.
void check_memory(const std::string& what, double bytes);
}  // namespace rum
