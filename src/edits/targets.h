// Targets for the pool: what one stage of an arm hands to the next. A folder with targets.tsv
// (source<TAB>target) and ids.txt (the place of each pair in the pool); where they matter, also weights.txt
// and an empty file `ordered`. Pool sentences without a target (an empty translation, a smaller share) are
// left out.
#pragma once
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/corpus.h"

namespace rum::edits {
struct Targets {
  std::vector<int64_t> ids;  // a pair may stand several times: students see it so often
  std::vector<Pair> texts;
  std::vector<float> weights;  // of each pair's loss; empty: all 1
  bool ordered = false;        // students read them in this order in every epoch; else shuffled
};
Targets read_targets(const std::string& folder);                // FileError when its files do not agree
void write_targets(const std::string& folder, const Targets&);  // pairs with an empty side are left out
// The sentences that both have, line by line, in the order of the pool, each once.
std::pair<Targets, Targets> aligned(const Targets&, const Targets&);
// Some of the rows, in this order, with their weights.
Targets picked(const Targets&, std::span<const int64_t> rows);
std::vector<std::string> sides(const std::vector<Pair>&, std::string Pair::*side);  // all sources, or targets
// Sources that stand twice in the human targets were translated by two people. Line by line: the source, the
// first person's translation, the second's, and what `targets` has for it.
struct TranslatedTwice {
  std::vector<std::string> sources, references, second, targets;
};
TranslatedTwice translated_twice(const Targets& targets, const Targets& human);
// The pool itself, or the judge set, from a split stage's folder: ids are 0, 1, ...
Targets read_pool(const std::string& split_folder, const std::string& set = "pool");
}  // namespace rum::edits
