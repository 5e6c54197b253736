#include "run/folder.h"

#include <filesystem>

#include "base/error.h"
#include "base/file.h"

namespace rum {
void check_run_folder(const RunFolder& folder, const std::string& given, const char* advice) {
  if (Disk::real().exists(folder.config())) return;
  if (!Disk::real().exists(given))
    throw FileError(fmt::format("{}: not a run folder, there is nothing of that name; {}", given, advice));
  std::error_code unknown;
  if (!std::filesystem::is_directory(given, unknown))
    throw FileError(given + ": not a run folder but a file; name the folder of its run");
  throw FileError(fmt::format("{}: not a run folder, there is no config.toml in it; {}", given, advice));
}
}  // namespace rum
