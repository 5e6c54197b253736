#include "text/unpack.h"

#include <bzlib.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <lzma.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "text/unicode.h"

namespace rum {
namespace {
constexpr size_t kChunk = size_t{1} << 16;
constexpr int kMemoryBits =
    30;  // what a packed file may ask for: xz -9 needs 65 MiB, a file may claim anything

// The file as it lies on the disk, in chunks.
class RawBytes {
 public:
  explicit RawBytes(const std::string& path) : path_(shown(path)) {
    fd_ = path == "-" ? ::dup(0) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0) refuse(path_, "open", errno);
  }
  ~RawBytes() { ::close(fd_); }
  RawBytes(const RawBytes&) = delete;
  const std::string& path() const { return path_; }
  size_t read(void* to, size_t size) {
    ssize_t n;
    while ((n = ::read(fd_, to, size)) < 0)
      if (errno != EINTR) refuse(path_, fmt::format("read byte {}", at_).c_str(), errno);
    at_ += static_cast<uint64_t>(n);
    return static_cast<size_t>(n);
  }

 private:
  std::string path_;
  int fd_;
  uint64_t at_ = 0;
};

// After a step of a decoder: `end` of a member; `refused`: sound, as far as is known, but not for us.
enum class Unpacked : uint8_t { more, end, damaged, refused };
// What is packed and not yet read, and the room for what comes out of it; a decoder moves both on.
struct Flow {
  uint8_t* in;
  size_t left;
  char* out;
  size_t room;
  const char* reason;  // of the damage, or the refusal and what to do
};
class Decoder {
 public:
  explicit Decoder(const char* n) : name(n) {}
  virtual ~Decoder() = default;
  virtual Unpacked step(Flow&) = 0;
  virtual void restart() = 0;  // a file may be several members one after another
  const char* const name;
};

struct Gzip : Decoder {
  z_stream z{};
  Gzip() : Decoder("gzip") {
    if (inflateInit2(&z, 15 + 16) != Z_OK) throw Error("zlib: out of memory");
  }
  ~Gzip() override { inflateEnd(&z); }
  void restart() override { inflateReset(&z); }
  Unpacked step(Flow& f) override {
    z.next_in = f.in;
    z.avail_in = static_cast<uInt>(f.left);
    z.next_out = reinterpret_cast<Bytef*>(f.out);
    z.avail_out = static_cast<uInt>(f.room);
    const int status = inflate(&z, Z_NO_FLUSH);
    f.in = z.next_in;
    f.left = z.avail_in;
    f.room = z.avail_out;
    if (status == Z_MEM_ERROR) throw Error("zlib: out of memory");
    f.reason = z.msg ? z.msg : "not deflate data";
    if (status == Z_STREAM_END) return Unpacked::end;
    return status == Z_OK || status == Z_BUF_ERROR ? Unpacked::more : Unpacked::damaged;
  }
};
struct Bzip2 : Decoder {
  bz_stream z{};
  Bzip2() : Decoder("bzip2") { restart(); }
  ~Bzip2() override { BZ2_bzDecompressEnd(&z); }
  void restart() override {
    if (z.state) BZ2_bzDecompressEnd(&z);
    z = {};
    if (BZ2_bzDecompressInit(&z, 0, 0) != BZ_OK) throw Error("libbz2: out of memory");
  }
  Unpacked step(Flow& f) override {
    z.next_in = reinterpret_cast<char*>(f.in);
    z.avail_in = static_cast<unsigned>(f.left);
    z.next_out = f.out;
    z.avail_out = static_cast<unsigned>(f.room);
    const int status = BZ2_bzDecompress(&z);
    f.in = reinterpret_cast<uint8_t*>(z.next_in);
    f.left = z.avail_in;
    f.room = z.avail_out;
    if (status == BZ_MEM_ERROR) throw Error("libbz2: out of memory");
    f.reason = "the data do not match their format or checksum";
    if (status == BZ_STREAM_END) return Unpacked::end;
    return status == BZ_OK ? Unpacked::more : Unpacked::damaged;
  }
};
struct Zstd : Decoder {
  ZSTD_DStream* z = ZSTD_createDStream();
  Zstd() : Decoder("zstd") {
    if (!z) throw Error("libzstd: out of memory");
    ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, kMemoryBits);
  }
  ~Zstd() override { ZSTD_freeDStream(z); }
  void restart() override { ZSTD_initDStream(z); }
  Unpacked step(Flow& f) override {
    ZSTD_inBuffer in{f.in, f.left, 0};
    ZSTD_outBuffer out{f.out, f.room, 0};
    const size_t status = ZSTD_decompressStream(z, &out, &in);
    f.in += in.pos;
    f.left -= in.pos;
    f.room -= out.pos;
    if (!ZSTD_isError(status)) return status == 0 ? Unpacked::end : Unpacked::more;
    switch (ZSTD_getErrorCode(status)) {
      case ZSTD_error_memory_allocation:
        throw Error("libzstd: out of memory");
      case ZSTD_error_frameParameter_windowTooLarge:
        f.reason = "more than 1 GiB of memory to unpack it; unpack it first with `zstd -d --long=31`";
        return Unpacked::refused;
      case ZSTD_error_dictionary_wrong:
        f.reason = "the dictionary that it was packed with; unpack it first with `zstd -d -D DICTIONARY`";
        return Unpacked::refused;
      default:
        f.reason = ZSTD_getErrorName(status);
        return Unpacked::damaged;
    }
  }
};
struct Xz : Decoder {
  lzma_stream z = LZMA_STREAM_INIT;
  Xz() : Decoder("xz") { restart(); }
  ~Xz() override { lzma_end(&z); }
  void restart() override {
    if (lzma_stream_decoder(&z, uint64_t{1} << kMemoryBits, 0) != LZMA_OK)
      throw Error("liblzma: out of memory");
  }
  Unpacked step(Flow& f) override {
    z.next_in = f.in;
    z.avail_in = f.left;
    z.next_out = reinterpret_cast<uint8_t*>(f.out);
    z.avail_out = f.room;
    const lzma_ret status = lzma_code(&z, LZMA_RUN);
    f.left = z.avail_in;
    f.in = const_cast<uint8_t*>(z.next_in);
    f.room = z.avail_out;
    if (status == LZMA_MEM_ERROR) throw Error("liblzma: out of memory");
    if (status == LZMA_STREAM_END) return Unpacked::end;
    f.reason = "more than 1 GiB of memory to unpack it; unpack it first with `xz -d`";
    if (status == LZMA_MEMLIMIT_ERROR) return Unpacked::refused;
    f.reason = "a newer liblzma than is here; unpack it first with a newer `xz -d`";
    if (status == LZMA_OPTIONS_ERROR) return Unpacked::refused;
    f.reason = "the data do not match their format or checksum";
    return status == LZMA_OK || status == LZMA_BUF_ERROR ? Unpacked::more : Unpacked::damaged;
  }
};
using namespace std::string_view_literals;
// What no decoder here reads, by its first bytes, none of which are text.
constexpr std::pair<std::string_view, const char*> kForeign[] = {{"PK\x03\x04"sv, "zip"},
                                                                 {"7z\xBC\xAF"sv, "7-Zip"},
                                                                 {"Rar!\x1A\x07"sv, "rar"},
                                                                 {"\x04\x22\x4D\x18"sv, "lz4"},
                                                                 {"\x1F\x9D"sv, "compress"}};
// A tar archive, POSIX's or GNU's, by the mark in its first header, whose end is no text.
constexpr size_t kTarMark = 257, kTarHead = kTarMark + 8;
void refuse_tar(std::string_view start, const std::string& path) {
  const std::string_view mark = start.size() < kTarHead ? "" : start.substr(kTarMark, 8);
  if (mark.starts_with("ustar\0"sv) || mark == "ustar  \0"sv)
    throw FileError(path + ": a tar archive, in which there may be several files: unpack it first (tar -xf)");
}
// A frame that zstd passes over, with which pzstd and seekable archives begin: 0x184D2A50 to 5F, the low byte
// first.
bool may_be_skippable(std::string_view start) {
  return !start.empty() && (start[0] & 0xF0) == 0x50 && "\x2A\x4D\x18"sv.starts_with(start.substr(1, 3));
}
// Could these be the first bytes of a packed file? Someone who types should not have to wait for more.
bool may_be_packed(std::string_view start) {
  for (const auto& [magic, name] : kForeign)
    if (magic.starts_with(start.substr(0, magic.size()))) return true;
  for (const auto& [mark, name] : kOtherMarks)
    if (mark.starts_with(start.substr(0, mark.size()))) return true;
  for (const std::string_view magic : {"\x1f\x8b"sv, "\xFD\x37zXZ\0"sv, "\x28\xB5\x2F\xFD"sv, "BZh"sv})
    if (magic.starts_with(start.substr(0, magic.size()))) return true;
  return may_be_skippable(start);
}
std::unique_ptr<Decoder> decoder_of(std::string_view start) {
  if (start.starts_with("\x1f\x8b")) return std::make_unique<Gzip>();
  if (start.starts_with("\xFD\x37zXZ\0"sv)) return std::make_unique<Xz>();
  if (start.starts_with("\x28\xB5\x2F\xFD") || (start.size() >= 4 && may_be_skippable(start)))
    return std::make_unique<Zstd>();
  if (start.starts_with("BZh") && start.size() >= 10 &&
      (start.substr(4, 6) == "1AY&SY" || start.substr(4, 6) == "\x17\x72\x45\x38\x50\x90"))
    return std::make_unique<Bzip2>();
  return nullptr;
}
}  // namespace

struct ByteReader::Source {
  Source(const std::string& path, int64_t r) : file(path), chunk(kChunk), ratio(static_cast<uint64_t>(r)) {
    const auto start = [&] { return std::string_view(reinterpret_cast<char*>(chunk.data()), left); };
    while (left < 10 && may_be_packed(start()) && fill()) {
    }
    decoder = decoder_of(start());
    for (const auto& [magic, name] : kForeign)
      if (start().starts_with(magic))
        throw FileError(fmt::format("{}: packed with {}: unpack it first", file.path(), name));
    if (const auto why = other_encoding(start())) throw FileError(fmt::format("{}: {}", file.path(), *why));
    refuse_tar(start(), file.path());
  }
  // Reads on when the chunk has room; false at the end of the file.
  bool fill() {
    if (left == 0) begin = 0;
    const size_t n = file.read(chunk.data() + begin + left, chunk.size() - begin - left);
    left += n;
    return n > 0;
  }
  uint8_t* unread() { return chunk.data() + begin; }
  void consumed(size_t n) {
    begin += n;
    left -= n;
    packed += n;
  }

  size_t read_plain(char* to, size_t size) {
    if (left == 0 && !fill()) return 0;
    const size_t n = std::min(size, left);
    std::memcpy(to, unread(), n);
    consumed(n);
    return n;
  }
  // What comes out first is looked at before anyone has them.
  size_t read_packed(char* to, size_t size) {
    if (!looked) {
      looked = true;
      std::array<char, kTarHead> first;
      while (const size_t n = unpack(first.data(), first.size() - head.size())) head.append(first.data(), n);
      if (const auto why = other_encoding(head, fmt::format("{} -dc | ", decoder->name)))
        throw FileError(fmt::format("{}: {}", file.path(), *why));
      refuse_tar(head, file.path());
    }
    if (head.empty()) return unpack(to, size);
    const size_t n = std::min(size, head.size());
    std::memcpy(to, head.data(), n);
    head.erase(0, n);
    return n;
  }
  // 0 at the end, or when `size` is.
  size_t unpack(char* to, size_t size) {
    size_t room = size;
    if (size == 0) return 0;
    while (room == size) {
      const bool last = left == 0 && !fill();
      if (last && between) return 0;
      if (between && pass_over_zeros()) continue;
      if (between) decoder->restart();
      between = false;
      Flow f{unread(), left, to, room, ""};
      const Unpacked step = decoder->step(f);
      consumed(left - f.left);
      room = f.room;
      if (step == Unpacked::damaged) damaged(f.reason);
      if (step == Unpacked::refused)
        throw FileError(fmt::format("{}: {} data that need {}", file.path(), decoder->name, f.reason));
      between = step == Unpacked::end;
      if (last && !between && room == size) damaged("the file ends in the middle");
    }
    unpacked += size - room;
    if (unpacked > kUnpackFree && unpacked / std::max<uint64_t>(packed, 1) >= ratio)
      throw FileError(
          fmt::format("{}: {} bytes of {} data unpack to {} and more, over {} times as much, which no text "
                      "does; if it is what you want, unpack it first",
                      file.path(), packed, decoder->name, unpacked, ratio));
    return size - room;
  }
  // Behind a member: blocks of tapes and some downloads are filled up with zeros. True when there were any.
  bool pass_over_zeros() {
    size_t n = 0;
    while (n < left && unread()[n] == 0) ++n;
    consumed(n);
    return n > 0;
  }
  [[noreturn]] void damaged(const char* reason) const {
    throw FileError(fmt::format("{}: byte {}: damaged {} data: {}; get the file again", file.path(), packed,
                                decoder->name, reason));
  }

  RawBytes file;
  std::vector<uint8_t> chunk;
  size_t begin = 0, left = 0;  // chunk[begin..begin+left) is not consumed yet
  uint64_t packed = 0, unpacked = 0, ratio;
  std::unique_ptr<Decoder> decoder;  // none: plain
  bool between = false;              // at the end of a member
  bool looked = false;               // at what comes out first
  std::string head;                  // what came out then and is not read yet
};

ByteReader::ByteReader(const std::string& path, int64_t ratio)
    : source_(std::make_unique<Source>(path, ratio)) {}
ByteReader::~ByteReader() = default;
size_t ByteReader::read(char* to, size_t size) {
  if (size == 0) return 0;
  size = std::min(size, size_t{1} << 30);  // zlib counts in 32 bits
  return source_->decoder ? source_->read_packed(to, size) : source_->read_plain(to, size);
}

std::string read_unpacked(const std::string& path, int64_t ratio) {
  ByteReader file(path, ratio);
  std::string bytes, part(size_t{1} << 16, '\0');
  while (const size_t n = file.read(part.data(), part.size())) bytes.append(part, 0, n);
  return bytes;
}
std::string shown(const std::string& path) { return path == "-" ? "standard input" : path; }
}  // namespace rum
