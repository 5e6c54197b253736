#include "text/reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum {
namespace {
constexpr size_t kChunk = size_t{1} << 16;
}  // namespace

std::optional<LineFault> fault_in(std::string_view line, size_t limit) {
  if (line.size() > limit)
    return LineFault{
        limit, fmt::format("the line is longer than {} bytes; is this a text file with line ends?", limit)};
  const size_t nul = line.find('\0'), bad = std::min(find_invalid_utf8(line), nul);
  if (bad == std::string_view::npos) return {};
  if (bad == nul) return LineFault{bad, "a NUL byte, expected text; is this a binary file?"};
  return LineFault{bad, fmt::format("0x{:02X} is not UTF-8; convert the file, for instance with iconv",
                                    static_cast<uint8_t>(line[bad]))};
}

LineReader::LineReader(const std::string& path, size_t line_limit, Form form, BlankEnd end)
    : path_(shown(path)),
      bytes_(path),
      limit_(line_limit),
      form_(form),
      end_(end) {}

void LineReader::check(std::string_view line) const {
  if (const auto fault = fault_in(line, limit_))
    throw LineError(fmt::format("{}: line {}, byte {} (byte {} of the line): {}", path_, line_,
                                offset_ + static_cast<int64_t>(fault->byte) + 1, fault->byte + 1,
                                fault->what));
}

bool LineReader::fill() {
  buffer_.erase(0, begin_);
  begin_ = 0;
  const size_t had = buffer_.size();
  buffer_.resize(had + kChunk);
  const size_t n = bytes_.read(buffer_.data() + had, kChunk);
  buffer_.resize(had + n);
  ended_ = n == 0;
  return n > 0;
}
// Behind a blank line. More blanks than a line may have bytes count as text: so much is not held.
bool LineReader::only_blanks_follow() {
  if (next_offset_ < text_at_) return false;
  const auto rest = [&] { return std::string_view(buffer_).substr(begin_); };
  while (!ended_ && rest().size() <= limit_ && blank_line(rest())) fill();
  if (ended_ && blank_line(rest())) return true;
  const size_t blanks = std::min(rest().find_first_not_of(" \t\r\n"), rest().size());
  text_at_ = next_offset_ + static_cast<int64_t>(blanks);
  return false;
}

void LineReader::pass_over() {
  size_t end;
  while ((end = buffer_.find('\n', begin_)) == std::string::npos && !ended_) {
    next_offset_ += static_cast<int64_t>(buffer_.size() - begin_);
    begin_ = buffer_.size();
    fill();
  }
  const size_t next = end == std::string::npos ? buffer_.size() : end + 1;
  next_offset_ += static_cast<int64_t>(next - begin_);
  begin_ = next;
  too_long_ = false;
}

bool LineReader::next(std::string_view& line) {
  if (too_long_) pass_over();
  size_t searched = begin_, end;
  while ((end = buffer_.find('\n', searched)) == std::string::npos && !ended_ &&
         buffer_.size() - begin_ <= limit_ + 1) {  // one more for a carriage return
    const size_t unread = buffer_.size() - begin_;
    fill();
    searched = unread;
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
  too_long_ = line.size() > limit_;
  if (!too_long_) {
    next_offset_ += static_cast<int64_t>(stop - begin_ + (end != std::string::npos));
    begin_ = stop + (end != std::string::npos);
  }
  check(line);
  if (end_ == BlankEnd::passed_over && blank_line(line)) {
    composed_ = line;  // reading on moves it
    line = composed_;
    if (only_blanks_follow()) {
      --line_;
      return false;
    }
  }
  if (is_nfc(line)) return true;
  ++recomposed_;
  if (form_ == Form::nfc) line = composed_ = nfc(line);
  return true;
}
}  // namespace rum
