// The config of an experiment is either refused, with a place and a reason, or reads the same a second time.
#include "experiment/config.h"
#include "tests/fuzz/fuzz.h"

namespace {
using namespace rum;
using namespace rum::experiment;

void run(std::string_view bytes) {
  accepted([&] {
    const ExperimentConfig read = parse_experiment(bytes, "fuzz.toml");
    promise(read.text == bytes && !read.arms.empty() && read.recipes.contains(read.student));
  });
}
const FuzzTarget target("experiment", run);
}  // namespace
