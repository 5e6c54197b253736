#include "base/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "base/terminal.h"

namespace rum {
namespace fs = std::filesystem;
namespace {
[[noreturn]] void refuse(const std::string& path, const char* doing) {
  throw FileError(fmt::format("{}: cannot {}: {}", path, doing, std::strerror(errno)));
}
// A pipe, a device, or one of the names under which the system shows what is open already.
bool as_it_is(const std::string& path) {
  struct stat s;
  if (path == "-" || path.starts_with("/dev/") || path.starts_with("/proc/")) return true;
  return ::stat(path.c_str(), &s) == 0 && !S_ISREG(s.st_mode) && !S_ISDIR(s.st_mode);
}
std::string folder_of(const std::string& path) {
  const std::string folder = fs::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}
}  // namespace

void check_output(const std::string& path) {
  if (as_it_is(path)) return;
  std::error_code unknown;
  if (path.empty() || path.ends_with('/') || fs::is_directory(path, unknown))
    throw FileError(fmt::format("\"{}\" is a folder; name a file", path));
  if (!fs::is_directory(folder_of(path), unknown))
    throw FileError(fmt::format("{}: there is no folder {}; make it first", path, folder_of(path)));
  if (::access(folder_of(path).c_str(), W_OK) != 0) refuse(folder_of(path), "write in the folder");
  if (fs::exists(path, unknown) && ::access(path.c_str(), W_OK) != 0) refuse(path, "write to it");
}

OutputFile::OutputFile(const std::string& path, SystemCalls& calls)
    : path_(path == "-" ? "standard output" : path),
      calls_(calls) {
  check_output(path);
  if (as_it_is(path)) {
    file_ =
        path == "-" ? ::dup(STDOUT_FILENO) : calls_.open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC, 0);
    if (file_ == -1) refuse(path_, "open for writing");
    terminal_ = isatty(file_) == 1;
    return;
  }
  std::error_code none;
  if (fs::is_symlink(path, none)) path_ = fs::weakly_canonical(path, none).string();  // the link stays
  temporary_ = path_ + ".tmp";
  lock_.emplace(temporary_);
  file_ = calls_.open(temporary_.c_str(), O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0);
  if (file_ == -1) refuse(temporary_, "open for writing");
}
OutputFile::~OutputFile() {
  if (file_ != -1) calls_.close(file_);
  if (!temporary_.empty()) calls_.unlink(temporary_.c_str());
}
void OutputFile::write(std::string_view given) {
  const std::string shown = terminal_ ? visible(given) : "";
  std::string_view text = terminal_ ? shown : given;
  while (!text.empty()) {
    const ssize_t n = calls_.write(file_, text.data(), text.size());
    if (n == -1 && errno == EINTR) continue;
    if (n == -1 && errno == ENOSPC) throw FileError(path_ + ": no space left");
    if (n == -1) refuse(path_, "write");
    text.remove_prefix(static_cast<size_t>(n));
  }
}
void OutputFile::finish() {
  if (!temporary_.empty() && calls_.fsync(file_) == -1) refuse(path_, "write through (fsync)");
  if (calls_.close(std::exchange(file_, -1)) == -1 && errno != EINTR) refuse(path_, "close");
  if (temporary_.empty()) return;
  if (calls_.rename(temporary_.c_str(), path_.c_str()) == -1)
    refuse(path_, "rename the finished PATH.tmp to");
  temporary_.clear();
}
}  // namespace rum
