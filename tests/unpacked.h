// A whole file, decompressed, for tests of the reader.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "text/unpack.h"

namespace rum {
// Stops after about `limit` bytes. FileError as ByteReader throws it.
inline std::string unpacked(const std::string& path, size_t limit = SIZE_MAX) {
  ByteReader bytes(path);
  std::string out;
  std::vector<char> part(1 << 16);
  while (const size_t n = out.size() < limit ? bytes.read(part.data(), part.size()) : 0)
    out.append(part.data(), n);
  return out;
}
}  // namespace rum
