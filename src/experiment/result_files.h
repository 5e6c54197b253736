// The numbers of a report as files: results.csv, one row a measurement; sentences.csv, every arm's scores of
// every test sentence; curves.csv, every student's validation losses; validity.csv and detectors.csv of what
// ranked the pool, where something did; claims.json. Ids and numbers only, never a line of a corpus.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "experiment/results.h"

namespace rum::experiment {
// Name and content of each.
std::vector<std::pair<std::string, std::string>> result_files(const ExperimentResults&);
// How many sentences a claim about targets compares: of errors those that two people translated.
int64_t compared_sentences(const ExperimentResults&, const Claim&);
}  // namespace rum::experiment
