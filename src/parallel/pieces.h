// Over several GPUs the gradients are summed in pieces of the flat block, each from the moment when the
// backward pass has written the last of it, while that of earlier layers goes on. Which write is a piece's last
// is known from the micro-batch before: all make the same calls. Where one did not, its pieces wait for the
// whole pass: late, never wrong.
#pragma once
#include <vector>

#include "model/params.h"
#include "parallel/ranks.h"

namespace rum {
class Pieces {
 public:
  // 16 MB of gradients, at least: with fewer a sum is mostly delay.
  static constexpr int64_t kNumbers = 4 << 20;
  // None for a process alone; nor on CPUs, where the cores that sum are those that compute; nor with several
  // rounds, where what the pass leaves is not yet what is summed.
  Pieces(const ParameterBlock&, const Ranks&, int64_t parts);
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;
  explicit operator bool() const { return !pieces_.empty(); }
  // For the tape of the next micro-batch; null: there are no pieces.
  const Tape::Written* watch();
  // Did the last micro-batch that was watched write as often as the one before? If so, all was marked in time.
  bool foreseen() const;
  // The sum over all ranks, which returns once it is there. The micro-batches are queued, or were replayed.
  void sum(Ranks&);

 private:
  struct Piece {
    Tensor grads;
    int writes = 0, before = 0;  // in the last micro-batch that was watched, and in the one before
    bool foreseen() const { return writes == before; }
  };
  Piece* holds(const Tensor& grad);  // null: another tensor's gradient
  DeviceKind device_;
  const ParameterBlock& params_;
  // In an order that all ranks have, whatever each of them computes first: NCCL pairs their calls by it.
  std::vector<Piece> pieces_;
  Tape::Written note_;
};
}  // namespace rum
