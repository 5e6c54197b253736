#include "base/unfinished.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <random>
#include <system_error>

#include "base/error.h"

namespace rum {
constexpr std::string_view kOurs = ".ruminate", kEnd = ".tmp";

std::string unfinished_name(const std::string& path) {
  return fmt::format("{}{}-{:08x}{}", path, kOurs, std::random_device{}(), kEnd);
}
bool is_unfinished(std::string_view name) {
  if (!name.ends_with(kEnd)) return false;
  name.remove_suffix(kEnd.size());
  if (name.ends_with(kOurs)) return true;
  const size_t dash = name.rfind('-');
  return dash != std::string::npos && name.size() - dash == 9 && name.substr(0, dash).ends_with(kOurs) &&
         name.find_first_not_of("0123456789abcdef", dash + 1) == std::string::npos;
}
std::string finished_name(const std::string& path) {
  return is_unfinished(path) ? path.substr(0, path.rfind(kOurs)) : path;
}
std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}
void refuse(const std::string& path, const char* doing, int error, uint64_t bytes) {
  if (error == ENOSPC || error == EDQUOT)
    throw FileError(fmt::format("{}: no space left: free {} MB or choose another folder", path,
                                std::max<uint64_t>((bytes + 999'999) / 1'000'000, 1)));
  if (error == ELOOP)
    throw FileError(
        fmt::format("{}: cannot {}: it is a symbolic link, and those are not followed here", path, doing));
  throw FileError(fmt::format("{}: cannot {}: {}", path, doing, std::generic_category().message(error)));
}
}  // namespace rum
