// What a container or systemd allows this process: limits of the kernel's control groups (version 2).
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace rum {
// The folders of this process's group and of those around it, up to `root`: the limits of all of them hold.
// `own` names the group as /proc/self/cgroup does.
std::vector<std::string> control_groups(const std::string& own = "/proc/self/cgroup",
                                        const std::string& root = "/sys/fs/cgroup");
// Processors' worth of time that they all allow, rounded up; INT_MAX without a limit.
int allowed_processors(std::span<const std::string> groups);
// Bytes that they all still allow: what was used of files is given back when asked for. 2^62 without a limit.
uint64_t allowed_memory(std::span<const std::string> groups);
}  // namespace rum
