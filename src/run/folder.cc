#include "run/folder.h"

#include "base/error.h"
#include "base/file.h"

namespace rum {
void check_run_folder(const RunFolder& folder, const std::string& given, const char* advice) {
  if (!Disk::real().exists(folder.config()))
    throw FileError(fmt::format("{}: not a run folder, there is no config.toml in it; {}", given, advice));
}
}  // namespace rum
