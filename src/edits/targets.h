// Targets for the pool, passed from one stage of an arm to the next: a folder with targets.tsv
// (source<TAB>target) and ids.txt (the index of each pair in the pool), and optionally weights.txt and an
// empty file `ordered`. Pool sentences without a target (an empty translation, a smaller share) are left out.
#pragma once
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/corpus.h"

namespace rum::edits {
struct TargetSet {
  std::vector<int64_t> ids;  // a pair may occur several times: students then see it as often
  std::vector<Pair> texts;
  std::vector<float> weights;  // of each pair's loss; empty: all 1
  bool ordered = false;        // students read them in this order in every epoch; else shuffled
};
TargetSet read_targets(const std::string& folder);                // FileError when its files do not agree
void write_targets(const std::string& folder, const TargetSet&);  // pairs with an empty side are left out
// The rows of the first whose sentence the second has, too, in the order of the pool (without weights), and
// beside each the second's first row of that sentence.
std::pair<TargetSet, TargetSet> aligned(const TargetSet&, const TargetSet&);
// These rows, in this order, with their weights.
TargetSet picked(const TargetSet&, std::span<const int64_t> rows);
std::vector<std::string> sides(const std::vector<Pair>&, std::string Pair::*side);  // all sources, or targets
// Sources that occur twice in the human targets have two human translations. Line by line: the source, the
// first and the second translation, and one in `targets`, each of these in turn.
struct TranslatedTwice {
  std::vector<std::string> sources, references, second, targets;
};
TranslatedTwice translated_twice(const TargetSet& targets, const TargetSet& human);
// The pool itself, or the judge set, from a split stage's folder: ids are 0, 1, ...
TargetSet read_pool(const std::string& split_folder, const std::string& set = "pool");
}  // namespace rum::edits
