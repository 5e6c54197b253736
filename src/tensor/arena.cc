#include "tensor/arena.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "base/error.h"
#include "base/free_memory.h"
#include "base/round_up.h"

namespace rum {
namespace {
size_t rounded(size_t bytes) { return std::max<size_t>(round_up(bytes, 256), 256); }
bool& poison() {
  static bool on = std::getenv("RUM_POISON") != nullptr;
  return on;
}
}  // namespace

Arena::~Arena() { release_chunks(); }
void Arena::release_chunks() {
  for (const Block& c : chunks_) backend_.release(c.begin);
  chunks_.clear();
  free_.clear();
}
size_t Arena::reserved() const {
  size_t n = 0;
  for (const Block& c : chunks_) n += c.bytes;
  return n;
}
void Arena::add_chunk(size_t bytes) {
  // Linux gives more than there is, and ends the process when it is used. What was reserved but never touched
  // still counts as free, so it is asked for once more.
  if (device_ == DeviceKind::cpu && bytes >= size_t{16} << 20)
    check_memory("a step", static_cast<double>(bytes + reserved() - std::min(reserved(), resident_memory())));
  const Block chunk{static_cast<char*>(backend_.allocate(bytes)), bytes};
  chunks_.push_back(chunk);
  free_.insert(std::ranges::upper_bound(free_, chunk.begin, {}, &Block::begin), chunk);
}
void* Arena::take(size_t bytes) {
  bytes = rounded(bytes);
  auto best_fit = [&] {
    auto best = free_.end();
    for (auto b = free_.begin(); b != free_.end(); ++b)
      if (b->bytes >= bytes && (best == free_.end() || b->bytes < best->bytes)) best = b;
    return best;
  };
  auto fit = best_fit();
  if (fit == free_.end()) {
    add_chunk(std::max(bytes, rounded(peak_ / 16)));
    fit = best_fit();
  }
  char* p = fit->begin;
  *fit = {p + bytes, fit->bytes - bytes};
  if (fit->bytes == 0) free_.erase(fit);
  peak_ = std::max(peak_, in_use_ += bytes);
  trace_ = (trace_ ^ reinterpret_cast<uint64_t>(p)) * 0x100000001B3u + bytes;
  if (poison()) backend_.fill(p, 0xFF, bytes);
  return p;
}
void Arena::set_poison(bool on) { poison() = on; }
void Arena::give(void* block, size_t bytes) {
  const Block given{static_cast<char*>(block), rounded(bytes)};
  in_use_ -= given.bytes;
  if (poison()) backend_.fill(given.begin, 0xFF, given.bytes);
  auto meet = [&](const Block& a, const Block& b) {
    const auto starts_chunk = [&](const Block& c) { return c.begin == b.begin; };
    return a.begin + a.bytes == b.begin && std::ranges::none_of(chunks_, starts_chunk);
  };
  auto at = free_.insert(std::ranges::upper_bound(free_, given.begin, {}, &Block::begin), given);
  if (auto after = std::next(at); after != free_.end() && meet(*at, *after)) {
    at->bytes += after->bytes;
    free_.erase(after);
  }
  if (at == free_.begin()) return;
  if (auto before = std::prev(at); meet(*before, *at)) {
    before->bytes += at->bytes;
    free_.erase(at);
  }
}
void Arena::clear() {
  RUM_CHECK(in_use_ == 0, "{} bytes of the last step are still held", in_use_);
  ++moves_;
  release_chunks();
}
void Arena::settle() {
  RUM_CHECK(in_use_ == 0, "{} bytes of the last step are still held: clone() what outlives a step", in_use_);
  trace_ = 0;
  if (chunks_.size() < 2) return;
  // First one chunk of peak bytes, and a little for the gaps that best fit leaves. If that is not enough,
  // take() adds another chunk during the step, and the next settle() merges them.
  const size_t bytes = chunks_.front().bytes >= peak_ ? reserved() : rounded(peak_ + peak_ / 64);
  release_chunks();
  ++moves_;
  add_chunk(bytes);
}
}  // namespace rum
