// Models and translations that a config names, made before the experiment.
#pragma once
#include "experiment/arms.h"

namespace rum::experiment {
// Would the stages that read them refuse them? Error, before the first one works: files of a model that do
// not belong together, a prompt that it cannot take, translations that are not one for each sentence of the
// pool (whether their sources are the pool's is seen once that is there). Those of finished stages are not
// read.
void check_given(const ExperimentGraph&, const Store&);
}  // namespace rum::experiment
