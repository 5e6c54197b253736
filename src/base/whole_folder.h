// A folder that appears whole or not at all.
#pragma once
#include <functional>
#include <string>

namespace rum {
// `write` fills a temporary folder, which is renamed to this one when done and removed if it throws.
void whole_folder(const std::string& path, const std::function<void(const std::string& unfinished)>& write);
}  // namespace rum
