// A stage is one piece of a longer computation: it makes a folder of files from its parameters and the
// folders of the stages before it. Its id is the hash of both, so equal work is done once, and changing a
// setting redoes what depends on it and nothing else.
#pragma once
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "text/json.h"

namespace rum {
// Another stage's folder, and what it is to this one: "targets", "split". Several may go by one name.
struct StageInput {
  std::string name, id;
};
struct Stage {
  std::string id;                  // "train-0123456789abcdef"; made by Graph::add
  std::string kind;                // a StageKind's name
  std::string label;               // for people: "student: real, seed 1"
  Json parameters;                 // an object: all that decides the output besides the inputs
  Json hints;                      // an object: what does not decide it, such as where a corpus lies
  std::vector<StageInput> inputs;  // each added before
  double cost = 1;                 // expected seconds on one thread, for the time left

  // The id of the first input of this name, or "".
  std::string input(const std::string& name) const;
};

// The stages of one computation, each after its inputs.
class Graph {
 public:
  // Returns the id; an equal stage is there once. Error: an unknown kind or input.
  std::string add(std::string kind, std::string label, Json::Object parameters,
                  std::vector<StageInput> inputs, double cost = 1, Json::Object hints = {});
  const Stage& at(const std::string& id) const;  // Error: no such stage
  std::span<const Stage> stages() const { return stages_; }

 private:
  std::vector<Stage> stages_;
  std::map<std::string, size_t> by_id_;
};

// What a stage has to work with.
struct StageContext {
  const Stage& stage;
  std::vector<std::string> folders;  // of stage.inputs, in their order
  std::string folder;  // to write into; after a kill it holds what was there, if the kind resumes
  Progress& progress;
  const std::function<bool()>& stop;  // asked now and then; when true the stage saves and throws Stopped

  JsonFields parameters() const { return {stage.parameters, stage.label}; }
  uint32_t seed() const { return static_cast<uint32_t>(parameters().whole("seed", 1)); }
  const std::string& input(const std::string& name) const;  // folder of the first of this name; Error without
  std::vector<std::string> inputs(const std::string& name) const;  // of all, in order
};
struct Stopped {};  // a stage was asked to stop; its folder holds what it needs to continue

// A kind of stage: constructing one registers it.
struct StageKind {
  const char* name;
  int version;   // grows when the same parameters give another output
  bool resumes;  // continues in a folder that was left unfinished; else it starts afresh
  std::function<void(const StageContext&)> run;
  StageKind(const char* name, int version, bool resumes, std::function<void(const StageContext&)> run);
  static const StageKind& named(const std::string&);  // Error that lists the known ones
};
}  // namespace rum
