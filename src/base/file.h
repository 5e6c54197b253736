// The only code that touches the disk. Tests replace Disk to fail the n-th call.
#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rum {
class Disk {
 public:
  virtual ~Disk() = default;
  // The whole file. FileError with the path and the system's reason.
  virtual std::string read(const std::string& path) = 0;
  // All or nothing, and on the platter when it returns: temporary file beside it (PATH.tmp), write, fsync,
  // rename, fsync of the folder. After a FileError the old file is as it was and the temporary one is gone.
  virtual void replace(const std::string& path, std::initializer_list<std::span<const std::byte>> parts) = 0;
  virtual void append(const std::string& path, std::string_view text) = 0;  // made when missing; one write
  virtual void remove(const std::string& path) = 0;
  virtual std::vector<std::string> list(const std::string& folder) = 0;  // names, sorted
  virtual void make_folders(const std::string& path) = 0;                // with parents; fine when there
  virtual bool exists(const std::string& path) = 0;
  void replace_text(const std::string& path, std::string_view text) {
    replace(path, {std::as_bytes(std::span(text))});
  }
  static Disk& real();
};
uint64_t hash64(std::string_view bytes,
                uint64_t seed = 0);  // XXH64: names of contents, checksums; not secret
}  // namespace rum
