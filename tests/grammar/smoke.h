// The corpus of data/configs/experiments/smoke.toml.
#pragma once
#include <string>

namespace rum {
// Writes train.tsv, valid.tsv, test.tsv and outside.jsonl, as an external model might have translated the
// pool.
void write_smoke_corpus(const std::string& folder);
}  // namespace rum
