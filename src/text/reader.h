// Lines of text files, plain or compressed (text/unpack.h). A line ends at byte 0x0A and nowhere else; one
// 0x0D before it and a byte-order mark at the start are dropped. Strict: NUL, invalid UTF-8 and endless
// lines are LineErrors.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "text/unpack.h"

namespace rum {
constexpr size_t kLineLimit = size_t{1} << 20;  // bytes

// How the lines are handed out: as they stand, or in Unicode's form NFC, in which equal
// texts are equal bytes.
enum class Form : uint8_t { as_is, nfc };
// Blank lines at the end of a file: lines like any other, or passed over, where every line must hold something
// and an editor or a script has left one too many.
enum class BlankEnd : uint8_t { kept, passed_over };

// What makes a line no text: more bytes than the limit, a NUL, bytes that are not UTF-8.
struct LineFault {
  size_t byte = 0;  // of the line, from 0 on; messages count from 1
  std::string what;
};
std::optional<LineFault> fault_in(std::string_view line, size_t limit);

struct LineError : FileError {  // one line is unfit; the next call gives the one after it
  using FileError::FileError;
};

class LineReader {
 public:
  explicit LineReader(const std::string& path, size_t line_limit = kLineLimit, Form = Form::as_is,
                      BlankEnd = BlankEnd::kept);
  // The next line without its end; it lives until the next call. False after the last one. LineError: NUL,
  // bytes that are not UTF-8, or more of them than the limit.
  bool next(std::string_view& line);
  // Would next() answer at once, without waiting for whoever writes a pipe?
  bool ready() const { return ended_ || buffer_.find('\n', begin_) != std::string::npos; }
  int64_t line() const { return line_; }              // number of the line just read, from 1
  int64_t offset() const { return offset_; }          // of its first byte in the uncompressed text
  bool had_mark() const { return had_mark_; }         // a byte-order mark, which was dropped
  int64_t recomposed() const { return recomposed_; }  // lines so far that were not NFC
  const std::string& path() const { return path_; }   // "standard input" for "-"

 private:
  void check(std::string_view line) const;
  bool fill();       // reads on; false at the end
  void pass_over();  // what is left of a line that was too long
  bool only_blanks_follow();
  std::string path_;
  ByteReader bytes_;
  size_t limit_, begin_ = 0;  // buffer_[begin_..] is not consumed yet
  std::string buffer_;
  Form form_;
  BlankEnd end_;
  std::string composed_;  // the line in another form than in the buffer
  int64_t line_ = 0, offset_ = 0, next_offset_ = 0, recomposed_ = 0;
  int64_t text_at_ = 0;  // up to here it is known that not only blanks follow
  bool ended_ = false, had_mark_ = false, too_long_ = false;
};
}  // namespace rum
