// Chains of generations: the students of one translate the next part of the pool for those after them. A
// [[chain]] of a config stands for an arm a generation, and the generators between them.
#pragma once
#include <string>

#include "experiment/config.h"
#include "experiment/section.h"

namespace rum::experiment {
// Adds the arms "NAME, generation 1", ... and, of the first chain, "generation 0", students of
// human targets with whom all chains begin. The pool is cut into equal parts, one a generation.
// FileError: as parse_experiment().
void read_chain(Section&, ExperimentConfig&);
// FileError at this place when there is an arm of this name.
void add_arm(ExperimentConfig&, const std::string& place, Arm);
}  // namespace rum::experiment
