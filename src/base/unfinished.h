// A file being written has a temporary name beside its final one, so that leftovers of a killed process
// can be recognised.
#pragma once
#include <string>
#include <string_view>

namespace rum {
// PATH.ruminate-XXXXXXXX.tmp, another one each time.
std::string unfinished_name(const std::string& path);
// Whether a file is named so, or as OutputFile names what it writes, PATH.ruminate.tmp.
bool is_unfinished(std::string_view name);
// PATH of these two, any other name as it is.
std::string finished_name(const std::string& path);
}  // namespace rum
