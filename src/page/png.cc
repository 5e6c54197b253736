#include "page/png.h"

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "base/error.h"

namespace rum::page {
namespace {
void big_endian(std::string& out, uint32_t v) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(v >> shift & 255u);
}
void chunk(std::string& out, std::string_view type, const std::string& data) {
  big_endian(out, static_cast<uint32_t>(data.size()));
  const std::string body = std::string(type) + data;
  out += body;
  big_endian(out, static_cast<uint32_t>(
                      crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()))));
}
std::string deflated(const std::string& raw) {
  uLongf size = compressBound(raw.size());
  std::string out(size, '\0');
  const int done = compress2(reinterpret_cast<Bytef*>(out.data()), &size,
                             reinterpret_cast<const Bytef*>(raw.data()), raw.size(), Z_BEST_COMPRESSION);
  RUM_CHECK(done == Z_OK, "zlib: no memory for a picture");
  out.resize(size);
  return out;
}
}  // namespace

std::string base64(std::span<const uint8_t> bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    uint32_t three = 0;
    for (size_t k = 0; k < 3; ++k) three = three << 8 | (k < n ? bytes[i + k] : 0u);
    for (size_t k = 0; k < 4; ++k) out += k <= n ? kDigits[three >> (18 - 6 * k) & 63u] : '=';
  }
  return out;
}

std::string png_uri(int64_t rows, int64_t columns, std::span<const float> weights) {
  constexpr uint8_t kBlue[] = {0x4f, 0x7f, 0xe6};  // legible on white and on black
  std::string head, palette, alpha, raw;
  big_endian(head, static_cast<uint32_t>(columns));
  big_endian(head, static_cast<uint32_t>(rows));
  head += std::string("\x08\x03\x00\x00\x00", 5);  // 8 bits, palette colours
  for (int i = 0; i < 256; ++i) {
    for (const uint8_t c : kBlue) palette += static_cast<char>(c);
    alpha += static_cast<char>(i);
  }
  for (int64_t r = 0; r < rows; ++r) {
    raw += '\0';  // no filter
    for (int64_t c = 0; c < columns; ++c) {
      const float w = std::clamp(weights[static_cast<size_t>(r * columns + c)], 0.f, 1.f);
      raw += static_cast<char>(std::lround(w * 255));
    }
  }
  std::string png = "\x89PNG\r\n\x1a\n";
  chunk(png, "IHDR", head);
  chunk(png, "PLTE", palette);
  chunk(png, "tRNS", alpha);
  chunk(png, "IDAT", deflated(raw));
  chunk(png, "IEND", "");
  return "data:image/png;base64," + base64({reinterpret_cast<const uint8_t*>(png.data()), png.size()});
}
}  // namespace rum::page
