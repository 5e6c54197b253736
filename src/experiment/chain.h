// Chains of generations: the students of one generation translate the next part of the pool for the next
// generation. A [[chain]] in a config stands for one arm per generation and the generators between them.
#pragma once
#include <string>
#include <vector>

#include "experiment/config.h"
#include "experiment/section.h"

namespace rum::experiment {
// Adds the arms "NAME, generation 1", ... and, with the first chain, "generation 0": students of human
// targets with which all chains begin. The pool is cut into equal parts, one per generation. FileError: as
// parse_experiment().
void read_chain(Section&, ExperimentConfig&);
// Names of the decodings that give each source one translation.
std::vector<std::string> single_decodings(const ExperimentConfig&);
// FileError at this place if there already is an arm of this name.
void add_arm(ExperimentConfig&, const std::string& place, Arm);
}  // namespace rum::experiment
