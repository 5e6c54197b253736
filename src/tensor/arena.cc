// Best fit over free blocks that are kept by address, to join neighbours, and by size, to find the smallest.
#include "tensor/arena.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "base/error.h"

namespace rum {
namespace {
size_t rounded(size_t bytes) { return std::max<size_t>((bytes + 255) / 256 * 256, 256); }
bool& poison() {
  static bool on = std::getenv("RUM_POISON") != nullptr;
  return on;
}
}  // namespace

Arena::~Arena() {
  for (auto& c : chunks_) backend_.release(c.first);
}
size_t Arena::reserved() const {
  size_t n = 0;
  for (auto& c : chunks_) n += c.second;
  return n;
}
void Arena::add_chunk(size_t bytes) {
  chunks_.emplace_back(static_cast<char*>(backend_.allocate(bytes)), bytes);
  free_by_address_[chunks_.back().first] = bytes;
  free_by_size_.insert({bytes, chunks_.back().first});
}
void* Arena::take(size_t bytes) {
  bytes = rounded(bytes);
  auto fit = free_by_size_.lower_bound({bytes, nullptr});
  if (fit == free_by_size_.end()) {
    add_chunk(std::max(bytes, rounded(peak_ / 16)));
    fit = free_by_size_.lower_bound({bytes, nullptr});
  }
  auto [size, p] = *fit;
  free_by_size_.erase(fit);
  free_by_address_.erase(p);
  if (size > bytes) {
    free_by_address_[p + bytes] = size - bytes;
    free_by_size_.insert({size - bytes, p + bytes});
  }
  peak_ = std::max(peak_, in_use_ += bytes);
  trace_ = (trace_ ^ reinterpret_cast<uint64_t>(p)) * 0x100000001B3u + bytes;
  if (poison()) backend_.fill(p, 0xFF, bytes);
  return p;
}
void Arena::set_poison(bool on) { poison() = on; }
void Arena::give(void* block, size_t bytes) {
  char* p = static_cast<char*>(block);
  size_t n = rounded(bytes);
  in_use_ -= n;
  if (poison()) backend_.fill(p, 0xFF, n);
  auto chunk_starts = [&](char* q) {
    return std::any_of(chunks_.begin(), chunks_.end(), [q](auto& c) { return c.first == q; });
  };
  auto after = free_by_address_.lower_bound(p);
  if (after != free_by_address_.end() && after->first == p + n && !chunk_starts(p + n)) {
    n += after->second;
    free_by_size_.erase({after->second, after->first});
    after = free_by_address_.erase(after);
  }
  if (after != free_by_address_.begin() && !chunk_starts(p)) {
    auto before = std::prev(after);
    if (before->first + before->second == p) {
      p = before->first;
      n += before->second;
      free_by_size_.erase({before->second, before->first});
      free_by_address_.erase(before);
    }
  }
  free_by_address_[p] = n;
  free_by_size_.insert({n, p});
}
void Arena::clear() {
  RUM_CHECK(in_use_ == 0, "{} bytes of the last step are still held", in_use_);
  ++moves_;
  for (auto& c : chunks_) backend_.release(c.first);
  chunks_.clear();
  free_by_address_.clear();
  free_by_size_.clear();
}
void Arena::settle() {
  RUM_CHECK(in_use_ == 0, "{} bytes of the last step are still held: clone() what outlives a step", in_use_);
  trace_ = 0;
  if (chunks_.size() < 2) return;
  // First one chunk of peak bytes. If best fit leaves gaps, another chunk is added during the step, and the
  // next settle() merges them.
  const size_t bytes = chunks_.front().second >= peak_ ? reserved() : peak_;
  for (auto& c : chunks_) backend_.release(c.first);
  chunks_.clear();
  free_by_address_.clear();
  free_by_size_.clear();
  ++moves_;
  add_chunk(bytes);
}
}  // namespace rum
