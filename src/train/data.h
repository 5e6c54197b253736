// What a run learns from: its corpora, its tokenizer and its plan, as the config names them.
#pragma once
#include <span>
#include <vector>

#include "base/progress.h"
#include "run/config.h"

namespace rum {
std::vector<Corpus> training_corpora(const RunConfig&);  // in the order of data.train
// data.plan, or all texts shuffled by the run's seed. The loader checks that it was made for these corpora.
Plan training_plan(const RunConfig&, std::span<const Corpus>);
// Of a resumed run its own; else tokenizer.file; else trained on the corpora.
Tokenizer run_tokenizer(const RunConfig&, std::span<const Corpus>, bool resume, Progress&);
// XXH64 of all of them, in hexadecimal digits; of a single one its own.
std::string corpora_hash(std::span<const Corpus>);
}  // namespace rum
