// The bytes of a file as a stream, decompressed if it is .gz, .xz, .zst or .bz2 (by its first bytes, not by
// its name). Memory does not grow with the file, and a small file cannot silently become a huge one.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace rum {
// Text compresses to a tenth, seldom to a hundredth. A file beyond this ratio and beyond
// kUnpackFree bytes is refused.
constexpr int64_t kUnpackRatio = 250;
constexpr uint64_t kUnpackFree = uint64_t{1} << 26;

// Of a file that may be any of these, in help.
inline constexpr const char* kPackedHelp = "plain or compressed (.gz .xz .zst .bz2)";

class ByteReader {
 public:
  // "-" is standard input; FileError when it cannot be opened.
  explicit ByteReader(const std::string& path, int64_t ratio = kUnpackRatio);
  ~ByteReader();
  // Fills up to `size` bytes; 0 only at the end. FileError when the disk or the packed data are damaged, or
  // they unpack to more than `ratio` times their size.
  size_t read(char* to, size_t size);

 private:
  struct Source;
  std::unique_ptr<Source> source_;
};

// All bytes of such a file. FileError as above.
std::string read_unpacked(const std::string& path, int64_t ratio = kUnpackRatio);

// "standard input" for "-", in messages.
std::string shown(const std::string& path);
}  // namespace rum
