#include "generate/source_memory.h"

#include <utility>

namespace rum {
SourceMemory::SourceMemory(const EncoderDecoder& model, size_t seats, int64_t longest)
    : model_(model),
      longest_(longest),
      length_(seats) {
  const Tensor& t = model.encoder.tokens;
  const int64_t width = 2 * model.encoder.config.key_width(), texts = 2 * static_cast<int64_t>(seats);
  for (size_t i = 0; i < model.blocks.size(); ++i)
    seen_.read.push_back(
        Tensor::empty({static_cast<int64_t>(seats) * longest, width}, t.dtype(), t.device()));
  for (Layout* l : {&seen_.readers, &seen_.sources})
    l->offsets = Tensor::empty({texts + 1}, DType::i32, t.device());
}

void SourceMemory::read(std::span<const Arrival> arrivals, Arena& arena) {
  std::vector<int32_t> ids, positions, offsets{0};
  for (const Arrival& a : arrivals) {
    for (size_t i = 0; i < a.source.size(); ++i) {
      ids.push_back(a.source[i]);
      positions.push_back(static_cast<int32_t>(i));
    }
    offsets.push_back(static_cast<int32_t>(ids.size()));
    length_[a.seat] = static_cast<int32_t>(a.source.size());
  }
  const DeviceKind device = model_.encoder.tokens.device();
  arena.settle();
  Tape tape(arena, Tape::Mode::forward_only);
  const Layout sources{Tensor::ints(offsets, device),
                       Tensor::ints(std::vector<int32_t>(arrivals.size()), device),
                       Tensor::ints(positions, device), Mask::full};
  const std::vector<Tensor> made = model_.encode(Tensor::ints(ids, device), sources);
  for (size_t block = 0; block < made.size(); ++block)
    for (size_t i = 0; i < arrivals.size(); ++i) {
      const int64_t at = static_cast<int64_t>(arrivals[i].seat) * longest_;
      seen_.read[block]
          .rows(at, at + offsets[i + 1] - offsets[i])
          .copy_from(made[block].rows(offsets[i], offsets[i + 1]));
    }
}

// Rows of a seat that its source does not fill are a text that nobody reads: so offsets say
// where each source ends.
void SourceMemory::seat(std::span<const int32_t> ends) {
  std::vector<int32_t> readers{0}, sources{0};
  for (size_t i = 0; i < ends.size(); ++i) {
    const auto begin = static_cast<int32_t>(static_cast<int64_t>(i) * longest_);
    readers.insert(readers.end(), 2, ends[i]);
    sources.push_back(begin + length_[i]);
    sources.push_back(begin + static_cast<int32_t>(longest_));
  }
  if (readers != readers_) seen_.readers.offsets.copy_from(readers);
  if (sources != sources_) seen_.sources.offsets.copy_from(sources);
  readers_ = std::move(readers);
  sources_ = std::move(sources);
}
}  // namespace rum
