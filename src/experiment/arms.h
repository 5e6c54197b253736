// From a config to the graph of its stages: what must be trained, generated, changed, judged and measured,
// once for every seed. A remedy or a detector is one more kind of stage that an arm applies to its targets.
//
//   split --> tokenizer --> train (generator) --> generate --> op, op, ... --> train (student) --> judge
//     |                                               |             |
//     +--> human targets -----------------------------+-------------+--> measure
#pragma once
#include <map>
#include <string>
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
  std::string targets_stage, student;            // targets_stage: "" where it learned from none
  std::map<std::string, std::string> evaluated;  // by kind of weights: last, best
};
struct ExperimentGraph {
  Graph graph;
  std::string split;
  std::vector<StudentRun> students;
  // Measures of targets against the human ones, by what they are called ("self/greedy", or an arm's name when
  // it changes them) and seed. Human targets have seed 0.
  std::map<std::pair<std::string, int64_t>, std::string> measured;
  std::map<std::pair<std::string, int64_t>, std::string> generated;  // by targets' name and seed
  // Score stages that rank all that a generator wrote, by scorer, targets' name and seed.
  std::map<std::tuple<std::string, std::string, int64_t>, std::string> scored;
  // The same of detectors by which nothing is ordered: links of a chain are measured by them.
  std::map<std::tuple<std::string, std::string, int64_t>, std::string> tried;
};
struct FileFacts {
  std::string hash;  // of the text, unpacked
  int64_t lines = 0;
};
using FilesRead = std::map<std::string, FileFacts>;  // by path: what has been read once
// Reads the corpora for their hashes and sizes, but for those that are in `read` already. FileError: a file
// that is not there or too small, naming the key that asks for more.
// With `made`, a file that is gone counts as the one that its finished stages were made from.
ExperimentGraph experiment_graph(const ExperimentConfig&, const Store* made = nullptr,
                                 FilesRead* read = nullptr);

// The settings of a training recipe that are not defaults, by key: the parameters of a train stage.
Json::Object recipe_json(const RunConfig&);
Json::Object decoding_json(const Decoding&);
Decoding decoding_of(const Json&);
}  // namespace rum::experiment
