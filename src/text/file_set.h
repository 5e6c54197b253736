// A folder's files that belong together and are written all or not at all. The last of them is JSON and the
// set's mark: whatever has it was written here.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "text/json.h"

namespace rum {
// Whether an earlier process wrote the set into this folder, or was about to; `ours` says so of the JSON that lies
// there under the mark's name, and may throw FileError for somebody else's.
bool has_mark(const std::string& folder, const std::string& mark,
              const std::function<bool(const JsonFields&)>& ours, Disk& = Disk::real());
// files: names and contents, the mark last. What killed processes left unfinished of the files in `names`, all that
// the set may have, is removed. FileError as Disk::replace_together, and while another process writes there.
void write_file_set(const std::string& folder, std::span<const std::string> names,
                    std::span<const std::pair<std::string, std::string>> files, Disk& = Disk::real());
}  // namespace rum
