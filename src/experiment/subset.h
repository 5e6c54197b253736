// A part of an experiment: the arms of some groups, or those finished so far. Stages are stored under the
// hash of their inputs, so parts of one config share them.
#pragma once
#include <string>
#include <vector>

#include "experiment/arms.h"
#include "experiment/config.h"
#include "pipeline/store.h"

namespace rum::experiment {
// The arms of these groups, the claims about them, and the other arms in these claims and in the gate. Error:
// a group that no arm has.
ExperimentConfig only_groups(ExperimentConfig, const std::vector<std::string>& groups);

struct MadeSoFar {
  ExperimentConfig config;           // arms whose stages are all finished, and the claims between them
  std::vector<std::string> waiting;  // names of the other arms
};
MadeSoFar made_so_far(const ExperimentConfig&, const Store&, FilesRead&);
}  // namespace rum::experiment
