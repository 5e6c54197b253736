// The sum over several GPUs, below sum_parts: it can be tried with one.
#pragma once
#include "parallel/ranks.h"

namespace rum::cuda {
// block (f32): this process's numbers, afterwards the sum of all processes', which have a GPU each. Error:
// NCCL is missing or fails. RankFailed: another process has ended.
void add_all(Ranks&, const Tensor& block);
}  // namespace rum::cuda
