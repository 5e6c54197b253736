// Keys of a config that nothing reads beside others.
#pragma once
#include <string>
#include <vector>

#include "run/config.h"

namespace rum {
// Of those that are not as they would be by themselves: a sentence each.
std::vector<std::string> keys_without_effect(const RunConfig&);
}  // namespace rum
