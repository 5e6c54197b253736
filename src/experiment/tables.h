// The numbers of a report as files: results.csv, one row a measurement; sentences.csv, every arm's scores of
// every test sentence; claims.json. Ids and numbers only, never a line of a corpus.
#pragma once
#include <string>

#include "experiment/results.h"

namespace rum {
std::string results_csv(const ExperimentResults&);    // arm, group, ..., seed, measure, value
std::string sentences_csv(const ExperimentResults&);  // arm, seed, sentence, BLEU, chrF, nll, tokens
Json claims_json(const ExperimentResults&);
}  // namespace rum
