// A hash table from pairs of numbers from 0 on (two tokens; a state and a token) to int32: open addressing,
// linear probing, at most half full; nothing is ever removed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace rum {
class PairTable {
 public:
  static uint64_t key(int32_t left, int32_t right) {  // tokens are not negative, so ~0 is never a key
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  // The value of the pair, -1 when there is none.
  int32_t find(int32_t left, int32_t right) const {
    const uint64_t k = key(left, right);
    for (size_t i = slot(k);; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i].key == k) return slots_[i].value;
      if (slots_[i].key == kEmpty) return -1;
    }
  }
  // The value to read or write, -1 at first. Valid until the next call.
  int32_t& at(int32_t left, int32_t right) {
    if (2 * ++used_ > slots_.size()) grow();
    Slot& s = place(key(left, right));
    used_ -= s.key != kEmpty;
    s.key = key(left, right);
    return s.value;
  }

 private:
  static constexpr uint64_t kEmpty = ~uint64_t{0};
  struct Slot {
    uint64_t key = kEmpty;
    int32_t value = -1;
  };
  size_t slot(uint64_t k) const { return static_cast<size_t>(k * 0x9E3779B97F4A7C15u >> shift_); }
  Slot& place(uint64_t k) {
    size_t i = slot(k);
    while (slots_[i].key != k && slots_[i].key != kEmpty) i = (i + 1) & (slots_.size() - 1);
    return slots_[i];
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    --shift_;
    for (const Slot& s : old)
      if (s.key != kEmpty) place(s.key) = s;
  }
  std::vector<Slot> slots_ = std::vector<Slot>(1024);
  int shift_ = 64 - 10;
  size_t used_ = 0;
};
}  // namespace rum
