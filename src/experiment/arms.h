// From a config to the graph of its stages: all that must be trained, generated, changed, judged and
// measured, once for every seed. A remedy or a detector is one more kind of stage that an arm applies to its
// targets.
//
//   split --> tokenizer --> train (generator) --> generate --> op, op, ... --> train (student) --> judge
//     |                                               |             |
//     +--> human targets -----------------------------+-------------+--> measure
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "experiment/config.h"
#include "pipeline/store.h"

namespace rum::experiment {
// One student: an arm at one seed and volume. All ids are of stages in the graph.
struct StudentRun {
  const Arm* arm = nullptr;
  int64_t seed = 0;
  double volume = 1;
  std::string targets_stage, student;            // targets_stage: "" if it learned from none
  std::map<std::string, std::string> evaluated;  // by kind of weights: last, best
};
struct ExperimentGraph {
  Graph graph;
  std::string split;
  std::vector<StudentRun> students;
  // Measures of targets against the human ones, by the targets' name ("self/greedy", or the arm's name if it
  // changes them) and seed. Human targets have seed 0.
  std::map<std::pair<std::string, int64_t>, std::string> measured;
  std::map<std::pair<std::string, int64_t>, std::string> generated;  // by targets' name and seed
  // Score stages that rank a generator's whole output, by scorer, targets' name and seed.
  std::map<std::tuple<std::string, std::string, int64_t>, std::string> scored;
  // The same for detectors that order nothing, but measure the links of a chain.
  std::map<std::tuple<std::string, std::string, int64_t>, std::string> tried;
};
// Students to train: one that belongs to two arms counts once, a generator that is judged as it is does not.
int64_t trained_students(const ExperimentGraph&);
struct FileFacts {
  std::string hash;  // of the uncompressed text
  int64_t lines = 0;
};
using FilesRead = std::map<std::string, FileFacts>;  // by path: files already read
// Reads the corpora for their hashes and sizes, except those already in `read`. FileError: a file that is
// missing or too small, naming the key that asks for more. Error: a recipe that its training would refuse.
// With `made`, a missing file is taken to be the one that its finished stages were made from.
ExperimentGraph experiment_graph(const ExperimentConfig&, const Store* made = nullptr,
                                 FilesRead* read = nullptr);

// The non-default settings of a training recipe, by key: the parameters of a train stage.
Json::Object recipe_json(const RunConfig&);
// The recipe as it trains a model of the "target language", which reads plain text; of anything else, as it
// is.
RunConfig for_what_is_learned(RunConfig recipe, std::string_view what);
Json::Object decoding_json(const Decoding&);
Decoding decoding_of(const Json&);
}  // namespace rum::experiment
