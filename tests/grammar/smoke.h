// The corpus of data/configs/experiments/smoke.toml.
#pragma once
#include <string>

namespace rum {
// Writes train.tsv, valid.tsv, test.tsv and outside.jsonl, which an outside model might
// have made of the pool.
void write_smoke_corpus(const std::string& folder);
}  // namespace rum
