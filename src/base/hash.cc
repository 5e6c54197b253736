// XXH64: four lanes take 8 bytes each of a 32-byte stripe; what is left over is mixed in at the end.
#include "base/hash.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace rum {
namespace {
static_assert(std::endian::native == std::endian::little, "files and hashes are little-endian");
constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87u, kPrime2 = 0xC2B2AE3D27D4EB4Fu,
                   kPrime3 = 0x165667B19E3779F9u, kPrime4 = 0x85EBCA77C2B2AE63u,
                   kPrime5 = 0x27D4EB2F165667C5u;

template <class T>
uint64_t word(const char* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}
uint64_t round(uint64_t lane, uint64_t input) { return std::rotl(lane + input * kPrime2, 31) * kPrime1; }
void stripe(std::array<uint64_t, 4>& lane, const char* p) {
  for (size_t i = 0; i < 4; ++i) lane[i] = round(lane[i], word<uint64_t>(p + 8 * i));
}
}  // namespace

Hash64::Hash64(uint64_t seed)
    : lane_{seed + kPrime1 + kPrime2, seed + kPrime2, seed, seed - kPrime1},
      seed_(seed) {}

void Hash64::add(std::string_view bytes) {
  size_t held = total_ % 32;
  total_ += bytes.size();
  if (held > 0) {
    const size_t taken = std::min(32 - held, bytes.size());
    std::copy_n(bytes.data(), taken, rest_.data() + held);
    bytes.remove_prefix(taken);
    if (held + taken < 32) return;
    stripe(lane_, rest_.data());
  }
  for (; bytes.size() >= 32; bytes.remove_prefix(32)) stripe(lane_, bytes.data());
  std::copy_n(bytes.data(), bytes.size(), rest_.data());
}

uint64_t Hash64::value() const {
  uint64_t h = seed_ + kPrime5;
  if (total_ >= 32) {
    h = std::rotl(lane_[0], 1) + std::rotl(lane_[1], 7) + std::rotl(lane_[2], 12) + std::rotl(lane_[3], 18);
    for (const uint64_t lane : lane_) h = (h ^ round(0, lane)) * kPrime1 + kPrime4;
  }
  h += total_;
  const char *p = rest_.data(), *end = p + total_ % 32;
  for (; end - p >= 8; p += 8) h = std::rotl(h ^ round(0, word<uint64_t>(p)), 27) * kPrime1 + kPrime4;
  for (; end - p >= 4; p += 4) h = std::rotl(h ^ (word<uint32_t>(p) * kPrime1), 23) * kPrime2 + kPrime3;
  for (; p < end; ++p) h = std::rotl(h ^ (word<uint8_t>(p) * kPrime5), 11) * kPrime1;
  h = (h ^ (h >> 33)) * kPrime2;
  h = (h ^ (h >> 29)) * kPrime3;
  return h ^ (h >> 32);
}

uint64_t hash64(std::string_view bytes, uint64_t seed) {
  Hash64 hash(seed);
  hash.add(bytes);
  return hash.value();
}
std::string hex64(uint64_t value) {
  std::string out(16, '0');
  for (size_t i = 16; i-- > 0; value >>= 4) out[i] = "0123456789abcdef"[value & 15];
  return out;
}
}  // namespace rum
