// Counting n-grams without allocating: words become numbers, and an n-gram is a node of a trie, reached from
// the node of its first n - 1 words. Equal nodes mean equal n-grams: no hash stands in for a word. Both
// tables are cleared in constant time, so one of each serves a thread for all sentences.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace rum::metrics {
constexpr uint32_t kNone = UINT32_MAX;

// Maps keys to numbers from 0 on. Open addressing; a slot belongs to the current text only if it carries that
// text's stamp.
template <class Key>
class Numbers {
 public:
  void clear(size_t most) {  // most: the largest number of keys to come
    const size_t size = std::bit_ceil(2 * most + 2);
    if (slots_.size() < size) slots_.assign(size, {});
    if (++stamp_ == 0) {
      std::fill(slots_.begin(), slots_.end(), Slot{});
      stamp_ = 1;
    }
    mask_ = size - 1;
    used_ = 0;
  }
  uint32_t find(const Key& key, uint64_t hash) const {  // kNone if it was never added
    const Slot& s = slots_[place(key, hash)];
    return s.stamp == stamp_ ? s.number : kNone;
  }
  uint32_t add(const Key& key, uint64_t hash) {
    Slot& s = slots_[place(key, hash)];
    if (s.stamp != stamp_) s = {key, used_++, stamp_};
    return s.number;
  }

 private:
  struct Slot {
    Key key{};
    uint32_t number = 0, stamp = 0;
  };
  size_t place(const Key& key, uint64_t hash) const {
    size_t i = (hash ^ hash >> 32) & mask_;
    while (slots_[i].stamp == stamp_ && !(slots_[i].key == key)) i = (i + 1) & mask_;
    return i;
  }
  std::vector<Slot> slots_;
  size_t mask_ = 0;
  uint32_t stamp_ = 0, used_ = 0;
};

// Maps words to numbers. Texts must outlive the words added from them.
class WordNumbers {
 public:
  void clear(size_t most) { words_.clear(most); }
  uint32_t add(std::string_view w) { return words_.add(w, hash(w)); }
  uint32_t find(std::string_view w) const { return words_.find(w, hash(w)); }

 private:
  static uint64_t hash(std::string_view w) {
    uint64_t h = w.size() * 0x9E3779B97F4A7C15u;
    for (; w.size() >= 8; w.remove_prefix(8)) h = mix(h, w.data(), 8);
    return mix(h, w.data(), w.size());
  }
  static uint64_t mix(uint64_t h, const char* bytes, size_t n) {
    uint64_t x = 0;
    std::memcpy(&x, bytes, n);
    h = (h ^ x) * 0xD6E8FEB86659FD93u;
    return h ^ h >> 29;
  }
  Numbers<std::string_view> words_;
};

// The n-grams of reference texts, up to an order, and how many of them another text matches.
class NgramTrie {
 public:
  void clear(size_t symbols, size_t order) {
    order_ = order;
    children_.clear(symbols * order);
    most_.assign(1, 0);
  }
  // With several references, the count of an n-gram is the highest in any one of them.
  void add(std::span<const uint32_t> text) {
    here_.assign(most_.size(), 0);
    for (size_t i = 0; i < text.size(); ++i)
      for (size_t n = 0, node = 0; n < order_ && i + n < text.size(); ++n) {
        node = children_.add(key(node, text[i + n]), hash(node, text[i + n])) + 1;
        if (node >= most_.size()) {
          most_.push_back(0);
          here_.push_back(0);
        }
        if (++here_[node] > most_[node]) most_[node] = here_[node];
      }
  }
  // matches[n]: how many (n+1)-grams of the text the references have, each counted at most as often as there.
  // Symbols that they lack may be kNone.
  void match(std::span<const uint32_t> text, std::span<int64_t> matches) {
    here_.assign(most_.size(), 0);
    std::fill(matches.begin(), matches.end(), 0);
    for (size_t i = 0; i < text.size(); ++i)
      for (size_t n = 0, node = 0; n < order_ && i + n < text.size(); ++n) {
        const uint32_t child = children_.find(key(node, text[i + n]), hash(node, text[i + n]));
        if (child == kNone) break;  // so there is no longer one either
        node = child + 1;
        matches[n] += ++here_[node] <= most_[node];
      }
  }

 private:
  static uint64_t key(size_t node, uint32_t symbol) { return uint64_t{node} << 32 | symbol; }
  static uint64_t hash(size_t node, uint32_t symbol) { return key(node, symbol) * 0x9E3779B97F4A7C15u; }
  size_t order_ = 0;
  Numbers<uint64_t> children_;  // of (node, symbol); node 0 is the empty n-gram
  std::vector<int32_t> most_, here_;
};
}  // namespace rum::metrics
