#include "base/whole_folder.h"

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/output.h"
#include "base/unfinished.h"

namespace rum {
namespace fs = std::filesystem;
void check_new_folder(const std::string& path) {
  if (Disk::real().exists(path)) throw FileError(path + ": already exists; name a new folder");
  check_output_folder(path);
}
namespace {
// What a process has left behind that was killed while it wrote this folder.
void remove_leftovers(const std::string& path) {
  const std::string folder = folder_of(path), name = fs::path(path).filename().string();
  if (!Disk::real().exists(folder)) return;
  for (const std::string& left : Disk::real().list(folder))
    if (std::error_code ignored; is_unfinished(left) && finished_name(left) == name &&
                                 fs::is_directory(fs::symlink_status(folder + "/" + left, ignored)))
      fs::remove_all(folder + "/" + left, ignored);
}
}  // namespace
void whole_folder(const std::string& path, const std::function<void(const std::string&)>& write) {
  remove_leftovers(path);
  const std::string unfinished = unfinished_name(path);
  std::error_code failed;
  Unfinished until_then(stopped_sentence(path), [&] {
    std::error_code more;
    do fs::remove_all(unfinished, more);
    while (more == std::errc::directory_not_empty);  // it is still being written into
  });
  try {
    Disk::real().make_folders(unfinished);
    write(unfinished);
    until_then.finish([&] { fs::rename(unfinished, path, failed); });
    if (failed == std::errc::directory_not_empty || failed == std::errc::file_exists)
      throw FileError(path + ": another process has made it meanwhile; name a new folder");
    if (failed) refuse(path, "be made", failed.value());
  } catch (const FileError& e) {  // of a file by its later name: the folder of now is gone when that is read
    fs::remove_all(unfinished, failed);
    std::string text = e.what();
    if (const size_t at = text.find(unfinished); at != std::string::npos)
      text.replace(at, unfinished.size(), path);
    throw FileError(text);
  } catch (...) {
    fs::remove_all(unfinished, failed);
    throw;
  }
}
}  // namespace rum
