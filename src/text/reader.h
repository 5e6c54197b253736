// Lines of text files, plain, .gz or .xz (told by their first bytes, not by name). A line ends at byte 0x0A
// and nowhere else; one 0x0D before it is dropped. Strict: NUL, invalid UTF-8 and endless lines are
// FileErrors.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace rum {
constexpr size_t kLineLimit = size_t{1} << 20;  // bytes

// Bytes of a file, uncompressed, as a stream: memory does not grow with the file.
class ByteReader {
 public:
  explicit ByteReader(const std::string& path);  // "-" is standard input; FileError when it cannot be opened
  ~ByteReader();
  // Fills up to `size` bytes; 0 only at the end. FileError when the disk or the compressed data are damaged.
  size_t read(char* to, size_t size);

 private:
  struct Source;
  std::unique_ptr<Source> source_;
};

class LineReader {
 public:
  explicit LineReader(const std::string& path, size_t line_limit = kLineLimit);
  // The next line without its end; it lives until the next call. False after the last one.
  bool next(std::string_view& line);
  int64_t line() const { return line_; }      // number of the line just read, from 1
  int64_t offset() const { return offset_; }  // of its first byte in the uncompressed text
  const std::string& path() const { return path_; }

 private:
  void check(std::string_view line) const;
  std::string path_;
  ByteReader bytes_;
  size_t limit_, begin_ = 0;  // buffer_[begin_..] is not consumed yet
  std::string buffer_;
  int64_t line_ = 0, offset_ = 0, next_offset_ = 0;
  bool ended_ = false;
};

// Text as one line that LineReader reads: line ends, tabs and NUL become spaces, bytes that are not UTF-8
// U+FFFD.
std::string one_line(std::string_view text);

// The whole file uncompressed, any bytes (for hashing). FileError when there are more than `limit`.
std::string read_uncompressed(const std::string& path, size_t limit = size_t{1} << 34);
}  // namespace rum
