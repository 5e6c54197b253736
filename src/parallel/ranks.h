// The processes that train one model together, by number: rank 0, 1, ... They form a line, and each talks
// to its neighbours alone. A step's batch is cut into parts, whose gradients are added in the order of the
// parts, so the sum has the same bits with any number of processes that divides that of the parts.
#pragma once
#include <span>
#include <string>
#include <type_traits>

#include "parallel/launch.h"
#include "parallel/link.h"
#include "tensor/kernel.h"
#include "tensor/tensor.h"

namespace rum {
struct Round {  // of a step, in which every process has one part
  int64_t number, of;
};

class Ranks {
 public:
  Ranks() = default;  // this process alone
  // Returns once all have met. Error: some did not come, or are of another job.
  explicit Ranks(const Launch&);
  static Ranks& alone();

  int rank() const { return rank_; }
  int size() const { return size_; }
  int local_rank() const { return local_rank_; }  // among those of this machine
  int local_size() const { return local_size_; }
  bool first() const { return rank_ == 0; }  // the one that writes and speaks
  Link& lower() { return lower_; }
  Link& upper() { return upper_; }

  // Rounds go to and fro: where one has ended, with the sum so far, the next begins.
  int64_t part(int64_t round) const { return round * size_ + (round % 2 == 0 ? rank_ : size_ - 1 - rank_); }
  bool computes(int64_t of_part) const { return part(of_part / size_) == of_part; }

  // What rank 0 gives, on all. The others wait for it.
  template <class T>
  requires std::is_trivially_copyable_v<T> T from_first(T mine) {
    if (lower_) lower_.receive(&mine, sizeof mine);
    if (upper_) upper_.send(&mine, sizeof mine);
    return mine;
  }
  // Returns once all have asked. Error, on those that differ, when a process has another value than rank 0.
  void check_same(uint64_t value, const std::string& what);

  // RankFailed if a neighbour has failed or gone: for whoever waits for something else than a neighbour's
  // word.
  void check_neighbours() { lower_.check(), upper_.check(); }
  // Before this process ends with an error: tells the others, which end with the same sentence, and lets rank
  // 0 go first. True: this is the one to print it.
  bool end(const std::exception&) noexcept;

 private:
  void meet(const Launch&);
  int rank_ = 0, size_ = 1, local_rank_ = 0, local_size_ = 1;
  Link lower_, upper_;  // the neighbours
};

namespace kernels {
// block: in each round this process's part; after the last one the sum of all parts. held: where the sum
// waits between rounds. On the CPU the parts are added in their order; a GPU leaves the order of the
// processes to NCCL.
inline constinit Kernel<Ranks&, const Tensor& /*block*/, Tensor& /*held*/, Round> sum_parts{"sum_parts"};
// For GPUs, which sum beside other work (parallel/pieces.h). mark_piece: the piece with this number is there
// once all that was queued before is done; within a recording, at every replay.
inline constinit Kernel<size_t> mark_piece{"mark_piece"};
// The sum of each piece, in their order, from where it was last marked; returns once all are there.
inline constinit Kernel<Ranks&, std::span<const Tensor>> sum_pieces{"sum_pieces"};
}  // namespace kernels
}  // namespace rum
