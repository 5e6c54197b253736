// A folder that is there whole or not at all.
#pragma once
#include <functional>
#include <string>

namespace rum {
// `write` fills a folder of another name, which gets this one when it is done and goes when it throws.
void whole_folder(const std::string& path, const std::function<void(const std::string& unfinished)>& write);
}  // namespace rum
