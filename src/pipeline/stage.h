// A stage is one piece of a longer computation: it makes a folder of files from its parameters and the
// folders of the stages before it. Its id is the hash of both, so equal work is done only once, and a changed
// setting redoes only what depends on it.
#pragma once
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/stop.h"
#include "text/json.h"

namespace rum {
// Another stage's folder, and its role for this one: "targets", "split". Several may have the same name.
struct StageInput {
  std::string name, id;
};
struct Stage {
  std::string id;                  // "train-0123456789abcdef"; made by Graph::add
  std::string kind;                // a StageKind's name
  std::string label;               // for display: "student: real, seed 1"
  Json parameters;                 // an object: everything besides the inputs that determines the output
  Json hints;                      // an object: what does not affect it, such as the path of a corpus
  std::vector<StageInput> inputs;  // each added to the graph before
  double cost = 1;                 // expected seconds on one thread, for the time left

  // The id of the first input of this name, or "".
  std::string input(const std::string& name) const;
};

// The stages of one computation, each after its inputs.
class Graph {
 public:
  // Returns the id; equal stages are stored once. Error: an unknown kind or input.
  std::string add(std::string kind, std::string label, Json::Object parameters,
                  std::vector<StageInput> inputs, double cost = 1, Json::Object hints = {});
  const Stage& at(const std::string& id) const;  // Error: no such stage
  std::span<const Stage> stages() const { return stages_; }

 private:
  std::vector<Stage> stages_;
  std::map<std::string, size_t> by_id_;
};

// What a stage works with.
struct StageContext {
  const Stage& stage;
  std::vector<std::string> folders;  // of stage.inputs, in their order
  std::string folder;  // to write into; after a kill it still has its files, if the kind resumes
  Progress& progress;
  const Stop&
      stop;  // polled by the stage; if true it saves what it needs to continue, and throws Interrupted

  JsonFields parameters() const { return {stage.parameters, stage.label}; }
  uint32_t seed() const { return static_cast<uint32_t>(parameters().whole("seed", 1)); }
  // The folder of the first input of this name; Error if there is none.
  const std::string& input(const std::string& name) const;
  std::vector<std::string> inputs(const std::string& name) const;  // of all, in order
};

// A kind of stage: constructing one registers it.
struct StageKind {
  const char* name;
  int version;   // incremented when the same parameters give another output
  bool resumes;  // continues in an unfinished folder; else starts afresh
  std::function<void(const StageContext&)> run;
  StageKind(const char* name, int version, bool resumes, std::function<void(const StageContext&)> run);
  static const StageKind& named(const std::string&);  // Error that lists the known ones
};
}  // namespace rum
