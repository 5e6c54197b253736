#include "metrics/sentence_diversity.h"

#include <zlib.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace rum::metrics {
double expectation_adjusted_distinct(const Spectrum& s, double vocabulary) {
  if (s.tokens == 0) return kUndefined;
  // ln P(a type is unseen).
  const double unseen = static_cast<double>(s.tokens) * std::log1p(-1 / vocabulary);
  return static_cast<double>(s.types) / (-vocabulary * std::expm1(unseen));
}

double Compression::ratio() const {
  if (bytes == 0) return kUndefined;
  return static_cast<double>(bytes) / static_cast<double>(deflated + 18);
}
Compression compress(std::span<const std::string> lines) {
  Compression out;
  z_stream z{};
  RUM_CHECK(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK, "zlib: out of memory");
  Bytef room[1 << 14];
  const auto feed = [&](const char* bytes, size_t size, int flush) {
    constexpr size_t kMost = size_t{1} << 30;  // zlib counts in 32 bits
    do {
      const size_t now = std::min(size, kMost);
      z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes));
      z.avail_in = static_cast<uInt>(now);
      do {
        z.next_out = room;
        z.avail_out = sizeof room;
        deflate(&z, flush);
        out.deflated += static_cast<int64_t>(sizeof room - z.avail_out);
      } while (z.avail_out == 0);
      bytes += now;
      size -= now;
    } while (size > 0);
  };
  for (const std::string& line : lines) {
    feed(line.data(), line.size(), Z_NO_FLUSH);
    feed("\n", 1, Z_NO_FLUSH);
    out.bytes += static_cast<int64_t>(line.size()) + 1;
  }
  feed("", 0, Z_FINISH);
  deflateEnd(&z);
  return out;
}
}  // namespace rum::metrics
