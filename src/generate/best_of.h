// Best of several: a run samples some translations of each source, adds the greedy one, and one is kept.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "generate/choose.h"
#include "generate/instruction.h"
#include "run/run.h"

namespace rum {
struct BestOf {
  int64_t samples = 16;  // beside the greedy one
  std::string how;       // in words, for provenance
  // For each source the index of the candidate to keep.
  std::function<std::vector<int64_t>(std::span<const Candidates>)> choose;
};

// All that the output depends on, but the seed, in words.
std::string describe(const BestOf&, const Decoding&);

// Minimum Bayes risk under a utility of make_utility() (choose.h). Error: it knows no such utility.
BestOf best_by_mbr(int64_t samples, const std::string& utility);
// The noisy channel. `reverse` translates the other way; `lm` is a model of the target language, or null when
// its weight is 0. Both must outlive the result. Error: a run of the wrong kind.
BestOf best_by_channel(int64_t samples, const LoadedRun& reverse, const LoadedRun* lm, const ChannelWeights&);
// [i][k]: of candidate k of source i. A candidate that is empty, or too long for one of the models, has
// -infinity as its `forward`, and so is kept only when all are like it.
std::vector<std::vector<ChannelTerms>> channel_terms(const LoadedRun& reverse, const LoadedRun* lm,
                                                     std::span<const Candidates>);

// What is written for each source: with `best_of` the one that it keeps, else the hypotheses of the
// decoding, best first. decoding.first is the number of the first source; a draw has the decoding's
// temperature, top_k, top_p, min_p and seed. A model of plain text is asked by the instruction, and its
// first line is the translation. `done` as of generate(), with `best_of` twice: for the samples and for the
// greedy ones.
std::vector<std::vector<Candidate>> translations(const LoadedRun&, std::span<const std::string> sources,
                                                 const Decoding&, const BestOf* best_of = nullptr,
                                                 const Instruction* = nullptr,
                                                 const std::function<void(int64_t)>& done = {});
}  // namespace rum
