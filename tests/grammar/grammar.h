// Sentence pairs for tests, without a corpus or a network: a small grammar writes German sentences and their
// English translations.
#pragma once
#include <cstdint>
#include <vector>

#include "data/corpus.h"

namespace rum {
// `count` different pairs (at most 100,000), of 3 to about 20 words: articles, adjectives and verbs agree,
// objects take their case, verbs go second, last, or in two, and every sentence has exactly one translation.
// The same arguments give the same pairs.
std::vector<Pair> grammar_pairs(int count, uint32_t seed);
}  // namespace rum
