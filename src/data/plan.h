// What is trained on and in which order: a list of example ids with source, score and weight. Ordering,
// filtering, mixing and weighting turn one plan into another; the loader replays a plan exactly.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"

namespace rum {
struct PlanRow {        // one text, once
  int32_t example = 0;  // index into its corpus
  int32_t source = 0;   // which corpus
  float score = 0;      // of whatever ordered the plan
  float weight = 1;     // of its loss, at least 0; 0: it is not trained on
};
struct Plan {
  std::vector<PlanRow> rows;      // one epoch, in order
  std::vector<uint64_t> corpora;  // hashes of the corpora that it indexes
  bool reshuffle = false;  // epoch e > 0 is a new permutation of the rows, by (seed, e); else the same order
  uint32_t seed = 1;
};
// All examples of all corpora once, in an order drawn from `seed`, and reshuffled for every further epoch.
Plan shuffled_plan(std::span<const int64_t> corpus_sizes, std::span<const uint64_t> hashes, uint32_t seed);
std::vector<int64_t> epoch_order(const Plan&, int64_t epoch);                // indices of rows; pure
std::string plan_text(const Plan&);                                          // a line per row, and a hash
void save_plan(const Plan&, const std::string& path, Disk& = Disk::real());  // its plan_text()
Plan load_plan(const std::string& path, Disk& = Disk::real());               // FileError: path, line, reason
uint64_t plan_hash(const Plan&);                                             // of all of it
}  // namespace rum
