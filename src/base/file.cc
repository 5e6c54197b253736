// Disk over system calls: short writes and interruptions are retried, everything else becomes a sentence.
#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/unfinished.h"

namespace rum {
namespace fs = std::filesystem;
namespace {
// A signal may interrupt a call: that is not a failure.
template <class Call>
auto again(Call&& call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}
// A pipe or a device, rather than a regular file, a folder or nothing.
bool is_special(const std::string& path) {
  std::error_code ignored;
  const auto type = fs::status(path, ignored).type();
  using enum fs::file_type;
  return type == fifo || type == character || type == block || type == socket;
}
}  // namespace

FileWriter::FileWriter(SystemCalls& calls, int file, std::string name, uint64_t bytes)
    : calls_(calls),
      name_(std::move(name)),
      bytes_(bytes),
      file_(file) {
  if (file_ == -1) refuse(name_, "open for writing", errno, bytes);
}
FileWriter::~FileWriter() {
  if (file_ != -1) calls_.close(file_);
}
void FileWriter::write(std::span<const std::byte> part) {
  const uint64_t bytes = std::max<uint64_t>(bytes_, part.size());
  while (!part.empty()) {
    const ssize_t n = again([&] { return calls_.write(file_, part.data(), part.size()); });
    if (n <= 0) refuse(name_, "write", n == 0 ? EIO : errno, bytes);
    part = part.subspan(static_cast<size_t>(n));
  }
}
void FileWriter::sync() {
  if (again([&] { return calls_.fsync(file_); }) == -1) refuse(name_, "write through (fsync)", errno, bytes_);
}
void FileWriter::close() {  // not repeated: after EINTR it is closed
  const int result = calls_.close(std::exchange(file_, -1));
  if (result == -1 && errno != EINTR) refuse(name_, "close", errno, bytes_);
}

int SystemCalls::open(const char* path, int flags, unsigned mode) { return ::open(path, flags, mode); }
ssize_t SystemCalls::read(int file, void* to, size_t bytes, int64_t offset) {
  return ::pread(file, to, bytes, offset);
}
ssize_t SystemCalls::write(int file, const void* from, size_t bytes) { return ::write(file, from, bytes); }
int64_t SystemCalls::size(int file) {
  struct stat s;
  if (::fstat(file, &s) == -1) return -1;
  if (S_ISDIR(s.st_mode)) {
    errno = EISDIR;
    return -1;
  }
  return s.st_size;
}
int SystemCalls::fsync(int file) { return ::fsync(file); }
int SystemCalls::close(int file) { return ::close(file); }
int SystemCalls::rename(const char* from, const char* to) { return std::rename(from, to); }
int SystemCalls::unlink(const char* path) { return ::unlink(path); }
SystemCalls& SystemCalls::real() {
  static SystemCalls calls;
  return calls;
}

void take_permissions(int file, const std::string& replaced) {
  struct stat s;
  if (::stat(replaced.c_str(), &s) == -1 || !S_ISREG(s.st_mode)) return;
  const bool same_group = ::fchown(file, static_cast<uid_t>(-1), s.st_gid) == 0;
  ::fchmod(file, s.st_mode & (same_group ? 0777 : 0707));
}

File::File(const std::string& path, SystemCalls& calls) : path_(path), calls_(calls) {
  // A pipe or a device has size 0: nothing would be read from it, or opening it would never end.
  if (is_special(path))
    throw FileError(path + " is not a regular file: save its contents to a file, and name that");
  file_ = again([&] { return calls.open(path.c_str(), O_RDONLY | O_CLOEXEC, 0); });
  if (file_ == -1) refuse(path, "open", errno);
  const int64_t size = calls.size(file_);
  if (size == -1) {
    const int error = errno;
    calls.close(file_);
    refuse(path, "read", error);
  }
  size_ = static_cast<uint64_t>(size);
}
File::~File() { calls_.close(file_); }
void File::read(uint64_t offset, std::span<std::byte> to) {
  while (!to.empty()) {
    const ssize_t n =
        again([&] { return calls_.read(file_, to.data(), to.size(), static_cast<int64_t>(offset)); });
    if (n == -1) refuse(path_, "read", errno);
    if (n == 0) throw FileError(fmt::format("{}: byte {}: the file ended while being read", path_, offset));
    offset += static_cast<uint64_t>(n);
    to = to.subspan(static_cast<size_t>(n));
  }
}

FileLock::FileLock(const std::string& path, Taken taken) : path_(path) {
  while (true) {
    // Network file systems lock only what is open for writing, and no folder is.
    constexpr int kFlags = O_NOFOLLOW | O_CLOEXEC;
    file_ = again([&] { return ::open(path.c_str(), O_RDWR | kFlags); });
    if (file_ == -1 && (errno == EISDIR || errno == EACCES || errno == EROFS))
      file_ = again([&] { return ::open(path.c_str(), O_RDONLY | kFlags); });
    if (file_ == -1 && errno == ENOENT) {
      file_ = again([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666); });
      if (file_ == -1 && errno == EEXIST) continue;
      made_ = file_ != -1;
    }
    if (file_ == -1) refuse(path, "open", errno);
    const int result =
        again([&] { return ::flock(file_, taken == Taken::wait ? LOCK_EX : LOCK_EX | LOCK_NB); });
    // Any other failure means a file system without locks.
    const int error = result == -1 ? errno : 0;
    if (error == EWOULDBLOCK || (error != 0 && taken != Taken::is_error)) {
      ::close(std::exchange(file_, -1));
      if (error != EWOULDBLOCK) refuse(path, "lock", error);
      if (taken == Taken::tell) return;
      throw FileError(
          fmt::format("{}: another process is using it; wait until it is done, or choose another name",
                      finished_name(path)));
    }
    // Did its holder rename or remove it meanwhile? Then the path is another file by now.
    struct stat held, named;
    if (::fstat(file_, &held) == 0 && ::stat(path.c_str(), &named) == 0 && held.st_ino == named.st_ino &&
        held.st_dev == named.st_dev) {
      made_ = made_ || (held.st_size == 0 && is_unfinished(path));  // by a process that was killed
      return;
    }
    ::close(file_);
    made_ = false;
  }
}
FileLock::~FileLock() {
  if (file_ < 0) return;
  struct stat held, named;
  if (made_ && ::fstat(file_, &held) == 0 && held.st_size == 0 && ::stat(path_.c_str(), &named) == 0 &&
      held.st_ino == named.st_ino)
    ::unlink(path_.c_str());
  ::close(file_);
}

bool is_device(const std::string& path) {
  const bool in_memory = path.starts_with("/dev/shm/");
  const bool system = path.starts_with("/dev/") || path.starts_with("/proc/");
  return is_special(path) || (system && !in_memory);
}
std::string folder_of(const std::string& path) {
  const std::string folder = fs::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}
std::string without_end_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}
void refuse(const std::string& path, const char* doing, int error, uint64_t bytes) {
  if (error == ENOSPC || error == EDQUOT)
    throw FileError(fmt::format("{}: no space left: free {} MB or choose another folder", path,
                                std::max<uint64_t>((bytes + 999'999) / 1'000'000, 1)));
  if (std::error_code circle; error == ELOOP) {
    static_cast<void>(fs::status(path, circle));
    throw FileError(fmt::format("{}: cannot {}: {}", path, doing,
                                circle == std::errc::too_many_symbolic_link_levels
                                    ? "its symbolic links lead to each other in a circle"
                                    : "it is a symbolic link, and those are not followed here"));
  }
  throw FileError(fmt::format("{}: cannot {}: {}", path, doing, std::generic_category().message(error)));
}
std::string Disk::read(const std::string& path) {
  File file(path, calls_);
  std::string out(file.size(), '\0');
  file.read(0, std::as_writable_bytes(std::span(out)));
  return out;
}
void Disk::write_new(const NewFile& f, uint64_t bytes, std::string& temporary) {
  // Existing files are not written to, links not followed.
  constexpr int kNew = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  std::string name;
  int file = -1;
  do {
    name = unfinished_name(f.path);
    file = again([&] { return calls_.open(name.c_str(), kNew, 0666); });
  } while (file == -1 && errno == EEXIST);
  FileWriter out(calls_, file, f.path, bytes);
  temporary = name;  // there is such a file now
  take_permissions(file, f.path);
  for (const Part& part : f.parts) out.write(part);
  out.sync();
  out.close();
}
void Disk::replace_together(std::span<const NewFile> files) {
  uint64_t bytes = 0;
  for (const NewFile& f : files) {
    if (is_device(f.path))
      throw FileError(f.path + " is not a regular file and would be replaced by one: name another");
    for (const Part& part : f.parts) bytes += part.size();
  }
  std::vector<std::string> temporary(files.size());
  try {
    for (size_t i = 0; i < files.size(); ++i) write_new(files[i], bytes, temporary[i]);
    const std::string& last = files.back().path;
    if (files.size() > 1 && exists(last)) {
      remove(last);
      sync_folder(folder_of(last));
    }
    for (size_t i = 0; i < files.size(); ++i) {
      if (calls_.rename(temporary[i].c_str(), files[i].path.c_str()) == -1)
        refuse(files[i].path, "give the finished file its name", errno, bytes);
      temporary[i].clear();
    }
  } catch (...) {
    for (const std::string& t : temporary)
      if (!t.empty()) calls_.unlink(t.c_str());
    throw;
  }
  sync_folder(folder_of(files.back().path));
}
void Disk::replace(const std::string& path, std::span<const Part> parts) {
  const NewFile file{path, parts};
  replace_together({&file, 1});
}
void Disk::append(const std::string& path, std::string_view text) {
  constexpr int kLonger = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC;
  const int file = again([&] { return calls_.open(path.c_str(), kLonger, 0666); });
  FileWriter out(calls_, file, path, text.size());
  out.write(std::as_bytes(std::span(text)));
  out.close();
}
void Disk::remove(const std::string& path) {
  if (calls_.unlink(path.c_str()) == -1 && errno != ENOENT) refuse(path, "remove", errno);
}
std::vector<std::string> Disk::list(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    names.push_back(at->path().filename().string());
  if (error) refuse(folder, "list the folder", error.value());
  std::sort(names.begin(), names.end());
  return names;
}
void Disk::make_folders(const std::string& path) {
  std::vector<fs::path> missing;
  std::error_code unknown;
  for (fs::path p = path; !p.empty() && !fs::is_directory(p, unknown); p = p.parent_path()) {
    if (p.has_filename()) missing.push_back(p);  // "a/b/" ends in an empty name
  }
  for (; !missing.empty(); missing.pop_back()) {
    std::error_code error;
    fs::create_directory(missing.back(), error);
    if (error) refuse(missing.back().string(), "make the folder", error.value());
    sync_folder(folder_of(missing.back().string()));
  }
}
bool Disk::exists(const std::string& path) {
  std::error_code error;
  const bool there = fs::exists(path, error);
  // No file has a name that is too long, so none is there.
  if (error && error != std::errc::filename_too_long)
    refuse(path, "find out whether it is there", error.value());
  return there;
}
void Disk::sync_folder(const std::string& folder) {
  const int file = again([&] { return calls_.open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0); });
  if (file == -1) refuse(folder, "open the folder", errno);
  const int result = again([&] { return calls_.fsync(file); });
  const int error = errno;
  calls_.close(file);
  if (result == -1 && error != EINVAL)  // some network folders do not support it
    refuse(folder, "write through the folder (fsync)", error);
}
Disk& Disk::real() {
  static Disk disk(SystemCalls::real());
  return disk;
}
}  // namespace rum
