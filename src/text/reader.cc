#include "text/reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "text/unicode.h"

namespace rum {
namespace {
constexpr size_t kChunk = size_t{1} << 16;
}  // namespace

LineReader::LineReader(const std::string& path, size_t line_limit, Form form)
    : path_(shown(path)),
      bytes_(path),
      limit_(line_limit),
      form_(form) {}

void LineReader::check(std::string_view line) const {
  const size_t nul = line.find('\0');
  const size_t bad = std::min(find_invalid_utf8(line), nul);
  if (bad == std::string_view::npos) return;
  const std::string where = fmt::format("{}: line {}, byte {} (byte {} of the line)", path_, line_,
                                        offset_ + static_cast<int64_t>(bad), bad);
  if (bad == nul) throw LineError(where + ": a NUL byte, expected text; is this a binary file?");
  throw LineError(fmt::format("{}: 0x{:02X} is not UTF-8 here; convert the file, for instance with iconv",
                              where, static_cast<uint8_t>(line[bad])));
}

bool LineReader::next(std::string_view& line) {
  size_t searched = begin_, end;
  while ((end = buffer_.find('\n', searched)) == std::string::npos && !ended_ &&
         buffer_.size() - begin_ <= limit_ + 1) {  // one more for a carriage return
    buffer_.erase(0, begin_);
    begin_ = 0;
    searched = buffer_.size();
    buffer_.resize(searched + kChunk);
    const size_t n = bytes_.read(buffer_.data() + searched, kChunk);
    buffer_.resize(searched + n);
    ended_ = n == 0;
  }
  if (line_ == 0 && std::string_view(buffer_).starts_with(kByteOrderMark)) {
    had_mark_ = true;
    begin_ = kByteOrderMark.size();
    next_offset_ = static_cast<int64_t>(begin_);
  }
  if (end == std::string::npos && begin_ == buffer_.size()) return false;
  const size_t stop = std::min(end, buffer_.size());
  ++line_;
  offset_ = next_offset_;
  line = std::string_view(buffer_).substr(begin_, stop - begin_);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (line.size() > limit_)
    throw FileError(
        fmt::format("{}: line {}, byte {}: longer than {} bytes; expected one sentence or document per line",
                    path_, line_, offset_, limit_));
  next_offset_ += static_cast<int64_t>(stop - begin_ + (end != std::string::npos));
  begin_ = stop + (end != std::string::npos);
  check(line);
  if (is_nfc(line)) return true;
  ++recomposed_;
  if (form_ == Form::nfc) line = composed_ = nfc(line);
  return true;
}
}  // namespace rum
