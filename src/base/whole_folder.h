// A folder that appears whole or not at all.
#pragma once
#include <functional>
#include <string>

namespace rum {
// FileError when it is there already or cannot be made: asked before the work. Creates nothing.
void check_new_folder(const std::string& path);
// `write` fills a temporary folder, which is renamed to this one when done and removed if it throws. The
// caller holds the OutputLock of this folder, so that what others have left of it can be removed.
void whole_folder(const std::string& path, const std::function<void(const std::string& unfinished)>& write);
}  // namespace rum
