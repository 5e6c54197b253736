// Targets for the pool: what one stage of an arm hands to the next. A folder with targets.tsv
// (source<TAB>target) and ids.txt (the place of each pair in the pool); where they matter, also
// weights.txt and an empty file `ordered`. Pool sentences without a target (an empty translation, a
// smaller share) are left out.
#pragma once
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/corpus.h"

namespace rum::edits {
struct TargetSet {
  std::vector<int64_t> ids;  // a pair may stand several times: students see it so often
  std::vector<Pair> texts;
  std::vector<float> weights;  // of each pair's loss; empty: all 1
  bool ordered = false;        // students read them in this order in every epoch; else shuffled
};
TargetSet read_targets(const std::string& folder);                // FileError when its files do not agree
void write_targets(const std::string& folder, const TargetSet&);  // pairs with an empty side are left out
// The sentences that both have, line by line, in the order of the pool, each once.
std::pair<TargetSet, TargetSet> aligned(const TargetSet&, const TargetSet&);
// Some of the rows, in this order, with their weights.
TargetSet picked(const TargetSet&, std::span<const int64_t> rows);
std::vector<std::string> sides(const std::vector<Pair>&, std::string Pair::*side);  // all sources, or targets
// Sources that stand twice in the human targets were translated by two people. Line by line: the source, the
// first person's translation, the second's, and what `targets` has for it.
struct TranslatedTwice {
  std::vector<std::string> sources, references, second, targets;
};
TranslatedTwice translated_twice(const TargetSet& targets, const TargetSet& human);
// The pool itself, or the judge set, from a split stage's folder: ids are 0, 1, ...
TargetSet read_pool(const std::string& split_folder, const std::string& set = "pool");
}  // namespace rum::edits
