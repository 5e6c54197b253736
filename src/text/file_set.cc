#include "text/file_set.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/unfinished.h"

namespace rum {
bool has_mark(const std::string& folder, const std::string& mark,
              const std::function<bool(const JsonFields&)>& ours, Disk& disk) {
  for (const std::string& name : disk.list(folder))
    if (name.starts_with(mark) && is_unfinished(name)) return true;
  const std::string path = folder + "/" + mark;
  if (!disk.exists(path)) return false;
  try {
    const Json json = parse_json(disk.read(path), path);
    return ours(JsonFields(json, path));
  } catch (const FileError&) {  // somebody else's
    return false;
  }
}
void write_file_set(const std::string& folder, std::span<const std::string> names,
                    std::span<const std::pair<std::string, std::string>> files, Disk& disk) {
  disk.make_folders(folder);
  // Of two at once, each would write some of the files.
  const FileLock alone(std::filesystem::canonical(folder).string());
  for (const std::string& left : disk.list(folder))
    if (is_unfinished(left) && std::any_of(names.begin(), names.end(),
                                           [&](const std::string& name) { return left.starts_with(name); }))
      disk.remove(folder + "/" + left);
  std::vector<Disk::Part> bytes;
  for (const auto& [_, content] : files) bytes.push_back(std::as_bytes(std::span(content)));
  std::vector<Disk::NewFile> all;
  for (size_t i = 0; i < files.size(); ++i)
    all.push_back({folder + "/" + files[i].first, std::span(bytes).subspan(i, 1)});
  disk.replace_together(all);
}
}  // namespace rum
