// What a run learns from: its corpora, its tokenizer and its plan, as the config names them.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "base/progress.h"
#include "run/run.h"

namespace rum {
// FileError, its key first: a file of the config cannot be opened. Early: a tokenizer may take minutes before
// the last of them is read.
void check_named_files(const RunConfig&);
Corpus run_corpus(const RunConfig&, const std::string& path);  // by data.kind and data.windows
std::vector<Corpus> training_corpora(const RunConfig&);        // in the order of data.train
Plan shuffled_plan(std::span<const Corpus>, uint32_t seed);    // of all their texts (data/plan.h)
// data.plan, or all texts shuffled by the run's seed (a stream in order as it stands). The loader checks that
// it was made for these corpora.
Plan training_plan(const RunConfig&, std::span<const Corpus>);
// The run of train.from, checked against the config; null without one, and for a resumed run that has weights
// of its own. Error: another tokenizer or shape, by the key that differs.
std::unique_ptr<StoredRun> starting_run(const RunConfig&, bool resume);
// Of a resumed run its own; else `from`, that of train.from; else tokenizer.file; else
// trained on the corpora.
Tokenizer run_tokenizer(const RunConfig&, std::span<const Corpus>, const Tokenizer* from, bool resume,
                        Progress&);
struct CorpusFile {  // what is noted of a corpus
  std::string name;
  int64_t texts;
  uint64_t hash;
};
CorpusFile corpus_file(const Corpus&);
// XXH64 of all of them, in hexadecimal digits; of a single one its own.
std::string corpora_hash(std::span<const CorpusFile>);
}  // namespace rum
