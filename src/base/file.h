// The code that writes what must last. Disk goes through the few system calls of SystemCalls, so tests can
// make each of them fail in turn, cut writes short, or simulate a power cut.
#pragma once
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rum {
// As in the manual's section 2: -1 and errno when they fail. Tests override.
class SystemCalls {
 public:
  virtual ~SystemCalls() = default;
  virtual int open(const char* path, int flags, unsigned mode);
  virtual ssize_t read(int file, void* to, size_t bytes, int64_t offset);  // pread
  virtual ssize_t write(int file, const void* from, size_t bytes);
  virtual int64_t size(int file);  // fstat; a folder is EISDIR
  virtual int fsync(int file);
  virtual int close(int file);
  virtual int rename(const char* from, const char* to);
  virtual int unlink(const char* path);
  static SystemCalls& real();
};

// A regular file open for reading; FileError with the path and the system's reason.
class File {
 public:
  File(const std::string& path, SystemCalls& = SystemCalls::real());
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  uint64_t size() const { return size_; }               // when it was opened
  void read(uint64_t offset, std::span<std::byte> to);  // all of it, or FileError

 private:
  std::string path_;
  SystemCalls& calls_;
  int file_;
  uint64_t size_;
};

// Gives a new file the permissions, and where allowed the group, of the one that it is to replace, if there
// is one: what was private stays so.
void take_permissions(int file, const std::string& replaced);

// A file open for writing, which is written to as it stands. Short writes and interruptions are retried;
// FileError with its name and the system's reason.
class FileWriter {
 public:
  // `file`: as open() returned it, -1 included; `name` and `bytes`, all that will be written if that is known:
  // for messages.
  FileWriter(SystemCalls&, int file, std::string name, uint64_t bytes = 0);
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  void write(std::span<const std::byte>);
  void sync();
  void close();  // at most once, and the last call

 private:
  SystemCalls& calls_;
  std::string name_;
  uint64_t bytes_;
  int file_;
};

// One process at a time: an exclusive lock (flock) on a file or a folder, which goes when its process does,
// however it dies, and holds whatever name the path is given by. A file that is missing is made, and removed
// if it is still empty.
class FileLock {
 public:
  // Where another process has it: FileError; wait for its end; or let held() say so.
  enum class Taken : uint8_t { is_error, wait, tell };
  // On a file system that has no locks the first continues without one, and the others are a FileError.
  explicit FileLock(const std::string& path, Taken = Taken::is_error);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  bool held() const { return file_ >= 0; }

 private:
  std::string path_;
  int file_;
  bool made_ = false;
};

// A pipe, a device, or one of the names under which the system shows what is open already. These are written
// to as they are; Disk::replace, which would give their name to a file, refuses them.
bool is_device(const std::string& path);
// The folder in which a file lies.
std::string folder_of(const std::string& path);
// The path without slashes at its end; of "/" one.
std::string without_end_slashes(std::string path);
// FileError of a system call that failed: what it was doing to the file, errno, the bytes that
// had to be written.
[[noreturn]] void refuse(const std::string& path, const char* doing, int error, uint64_t bytes = 0);

class Disk {
 public:
  using Part = std::span<const std::byte>;
  explicit Disk(SystemCalls& calls) : calls_(calls) {}
  SystemCalls& calls() { return calls_; }
  // The whole file. FileError with the path and the system's reason, as all of these.
  std::string read(const std::string& path);
  // All or nothing, and durable on disk when it returns: temporary file beside it (unfinished.h), write,
  // fsync, rename, fsync of the folder. After a FileError the temporary file is gone and the old one as it
  // was; only when the very last call fails, the fsync of the folder, does the new one stand already, whole.
  void replace(const std::string& path, std::span<const Part> parts);
  void replace(const std::string& path, std::initializer_list<Part> parts) {
    replace(path, std::span(parts.begin(), parts.size()));
  }
  void replace_text(const std::string& path, std::string_view text) {
    replace(path, {std::as_bytes(std::span(text))});
  }
  struct NewFile {
    std::string path;
    std::span<const Part> parts;
  };
  // Files of one folder that belong together: none is replaced before all are written, so a full disk leaves
  // the old ones. The last says that the others are complete: it is missing while they take their names.
  void replace_together(std::span<const NewFile>);
  void append(const std::string& path, std::string_view text);  // created if missing; one write; not synced
  void remove(const std::string& path);                         // fine when it is not there
  std::vector<std::string> list(const std::string& folder);     // names, sorted
  void make_folders(const std::string& path);                   // with parents; fine when there
  // Links are followed. FileError where it cannot be told, as in a folder that may not be entered.
  bool exists(const std::string& path);
  void sync_folder(const std::string& folder);  // what was made, renamed or removed in it is durable
  static Disk& real();

 private:
  void write_new(const NewFile&, uint64_t bytes, std::string& temporary);
  SystemCalls& calls_;
};
}  // namespace rum
