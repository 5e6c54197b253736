#include "text/reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <lzma.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "text/unicode.h"

namespace rum {
namespace {
constexpr size_t kChunk = size_t{1} << 16;
constexpr uint64_t kXzMemory = uint64_t{1}
                               << 30;  // xz -9 needs 65 MiB; a file may ask for more than there is

// The file as it lies on the disk, in chunks.
class File {
 public:
  explicit File(const std::string& path) : path_(path) {
    fd_ = path == "-" ? ::dup(0) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0) throw FileError(fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)));
  }
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  const std::string& path() const { return path_; }
  size_t read(void* to, size_t size) {
    ssize_t n;
    while ((n = ::read(fd_, to, size)) < 0)
      if (errno != EINTR)
        throw FileError(fmt::format("{}: byte {}: cannot be read: {}", path_, at_, std::strerror(errno)));
    at_ += static_cast<uint64_t>(n);
    return static_cast<size_t>(n);
  }

 private:
  std::string path_;
  int fd_;
  uint64_t at_ = 0;
};
}  // namespace

// A decoder takes the unread part of the chunk and the room for output, and moves both on.
struct ByteReader::Source {
  explicit Source(const std::string& path) : file(path), chunk(kChunk) {
    while (left < 6 && fill()) {
    }
    const auto starts = [&](std::string_view magic) {
      return left >= magic.size() && std::memcmp(chunk.data(), magic.data(), magic.size()) == 0;
    };
    if (starts("\x1f\x8b")) {
      kind = Kind::gzip;
      if (inflateInit2(&gz, 15 + 16) != Z_OK) throw Error("zlib: out of memory");
    } else if (starts(std::string_view("\xFD"
                                       "7zXZ\0",
                                       6))) {
      kind = Kind::xz;
      if (lzma_stream_decoder(&xz, kXzMemory, LZMA_CONCATENATED) != LZMA_OK)
        throw Error("liblzma: out of memory");
    }
  }
  ~Source() {
    if (kind == Kind::gzip) inflateEnd(&gz);
    if (kind == Kind::xz) lzma_end(&xz);
  }
  // Reads on when the chunk has room; false at the end of the file.
  bool fill() {
    if (left == 0) begin = 0;
    const size_t n = file.read(chunk.data() + begin + left, chunk.size() - begin - left);
    left += n;
    return n > 0;
  }
  uint8_t* unread() { return chunk.data() + begin; }
  void consumed(size_t n) { begin += n, left -= n, compressed += n; }

  size_t read_plain(char* to, size_t size) {
    if (left == 0 && !fill()) return 0;
    const size_t n = std::min(size, left);
    std::memcpy(to, unread(), n);
    consumed(n);
    return n;
  }
  size_t read_gzip(char* to, size_t size) {
    gz.next_out = reinterpret_cast<Bytef*>(to), gz.avail_out = static_cast<uInt>(size);
    while (gz.avail_out == size) {
      if (left == 0 && !fill()) {
        if (between) return 0;
        damaged("gzip", "the file ends in the middle");
      }
      if (between && (inflateReset(&gz) != Z_OK)) throw Error("zlib: inflateReset failed");
      between = false;  // a file may be several members one after another
      gz.next_in = unread(), gz.avail_in = static_cast<uInt>(left);
      const int status = inflate(&gz, Z_NO_FLUSH);
      consumed(left - gz.avail_in);
      if (status == Z_STREAM_END)
        between = true;
      else if (status == Z_MEM_ERROR)
        throw Error("zlib: out of memory");
      else if (status != Z_OK && status != Z_BUF_ERROR)
        damaged("gzip", gz.msg ? gz.msg : "not deflate data");
    }
    return size - gz.avail_out;
  }
  size_t read_xz(char* to, size_t size) {
    xz.next_out = reinterpret_cast<uint8_t*>(to), xz.avail_out = size;
    while (xz.avail_out == size && !between) {
      const bool last = left == 0 && !fill();
      xz.next_in = unread(), xz.avail_in = left;
      const lzma_ret status = lzma_code(&xz, last ? LZMA_FINISH : LZMA_RUN);
      consumed(left - xz.avail_in);
      if (status == LZMA_STREAM_END)
        between = true;
      else if (status == LZMA_MEM_ERROR)
        throw Error("liblzma: out of memory");
      else if (status == LZMA_MEMLIMIT_ERROR)
        damaged("xz", "it asks for more than 1 GiB of memory");
      else if (last && (status == LZMA_OK || status == LZMA_BUF_ERROR))
        damaged("xz", "the file ends in the middle");
      else if (status != LZMA_OK && status != LZMA_BUF_ERROR)
        damaged("xz", "the data do not fit their format or their checksum");
    }
    return size - xz.avail_out;
  }
  [[noreturn]] void damaged(const char* what, const char* reason) const {
    throw FileError(fmt::format("{}: byte {}: damaged {} data: {}; get the file again", file.path(),
                                compressed, what, reason));
  }

  File file;
  std::vector<uint8_t> chunk;
  size_t begin = 0, left = 0;  // chunk[begin..begin+left) is not consumed yet
  uint64_t compressed = 0;     // bytes consumed
  enum class Kind { plain, gzip, xz } kind = Kind::plain;
  z_stream gz{};
  lzma_stream xz = LZMA_STREAM_INIT;
  bool between = false;  // at the end of a gzip member, or of everything
};

ByteReader::ByteReader(const std::string& path) : source_(std::make_unique<Source>(path)) {}
ByteReader::~ByteReader() = default;
size_t ByteReader::read(char* to, size_t size) {
  if (size == 0) return 0;
  size = std::min(size, size_t{1} << 30);  // zlib counts in 32 bits
  switch (source_->kind) {
    case Source::Kind::gzip:
      return source_->read_gzip(to, size);
    case Source::Kind::xz:
      return source_->read_xz(to, size);
    case Source::Kind::plain:
      break;
  }
  return source_->read_plain(to, size);
}

LineReader::LineReader(const std::string& path, size_t line_limit)
    : path_(path),
      bytes_(path),
      limit_(line_limit) {}

void LineReader::check(std::string_view line) const {
  const size_t nul = line.find('\0');
  const size_t bad = std::min(find_invalid_utf8(line), nul);
  if (bad == std::string_view::npos) return;
  const std::string where = fmt::format("{}: line {}, byte {} (byte {} of the line)", path_, line_,
                                        offset_ + static_cast<int64_t>(bad), bad);
  if (bad == nul) throw FileError(where + ": a NUL byte, expected text; is this a binary file?");
  throw FileError(fmt::format("{}: 0x{:02X} is not UTF-8 here; convert the file, for instance with iconv",
                              where, static_cast<uint8_t>(line[bad])));
}

bool LineReader::next(std::string_view& line) {
  size_t searched = begin_, end;
  while ((end = buffer_.find('\n', searched)) == std::string::npos && !ended_ &&
         buffer_.size() - begin_ <= limit_ + 1) {  // one more for a carriage return
    buffer_.erase(0, begin_), begin_ = 0, searched = buffer_.size();
    buffer_.resize(searched + kChunk);
    const size_t n = bytes_.read(buffer_.data() + searched, kChunk);
    buffer_.resize(searched + n);
    ended_ = n == 0;
  }
  if (end == std::string::npos && begin_ == buffer_.size()) return false;
  const size_t stop = std::min(end, buffer_.size());
  ++line_, offset_ = next_offset_;
  line = std::string_view(buffer_).substr(begin_, stop - begin_);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (line.size() > limit_)
    throw FileError(
        fmt::format("{}: line {}, byte {}: longer than {} bytes; one sentence or document a line is "
                    "expected",
                    path_, line_, offset_, limit_));
  check(line);
  next_offset_ += static_cast<int64_t>(stop - begin_ + (end != std::string::npos));
  begin_ = stop + (end != std::string::npos);
  return true;
}

std::string read_uncompressed(const std::string& path, size_t limit) {
  ByteReader bytes(path);
  std::string out;
  std::vector<char> part(kChunk);
  while (const size_t n = bytes.read(part.data(), part.size())) {
    out.append(part.data(), n);
    if (out.size() > limit) throw FileError(fmt::format("{}: more than {} bytes", path, limit));
  }
  return out;
}

}  // namespace rum
