// XXH64 (Collet 2012), written from its specification: content hashes and checksums. It finds
// accidents, not forgeries.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rum {
// The hash of bytes that arrive in pieces; how they are cut makes no difference.
class Hash64 {
 public:
  explicit Hash64(uint64_t seed = 0);
  void add(std::string_view bytes);
  uint64_t value() const;  // of all bytes so far; more may follow

 private:
  std::array<uint64_t, 4> lane_;
  uint64_t seed_, total_ = 0;
  std::array<char, 32> rest_{};  // total_ % 32 bytes that do not fill a stripe yet
};
uint64_t hash64(std::string_view bytes, uint64_t seed = 0);  // all in one call
std::string hex64(uint64_t);                                 // 16 lower-case digits
}  // namespace rum
