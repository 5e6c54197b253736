// The encoder's part in generation: each source is read once, when its text gets a seat, and what the
// decoder's blocks need from it stays in the seat's own rows until the next text takes them.
#pragma once
#include <span>
#include <vector>

#include "model/encoder_decoder.h"
#include "text/tokenizer.h"

namespace rum {
class SourceMemory {
 public:
  struct Arrival {
    size_t seat;
    std::span<const Token> source;
  };
  // longest: of all sources, in tokens.
  SourceMemory(const EncoderDecoder&, size_t seats, int64_t longest);
  // One forward pass of the encoder over all that arrive. The arena must hold nothing else.
  void read(std::span<const Arrival>, Arena&);
  // ends[i]: rows ends[i - 1] (or 0) .. ends[i] of the next decode() belong to seat i.
  void seat(std::span<const int32_t> ends);
  const Memory& seen() const { return seen_; }  // by the rows as seated; always at the same addresses

 private:
  const EncoderDecoder& model_;
  int64_t longest_;
  std::vector<int32_t> length_;  // of the source of each seat
  // The offsets as they lie on the device: mostly those of the token before.
  std::vector<int32_t> readers_, sources_;
  Memory seen_;  // read: of each block (seats * longest, 2 keys)
};
}  // namespace rum
