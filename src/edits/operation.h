// An operation changes targets: an arm of an experiment applies it, and students learn from the result.
// Each is a stage, and declares what a config may tell it, so a new operation is one registration and no
// change anywhere else.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "pipeline/stage.h"

namespace rum::edits {
struct OperationKey {
  enum Type {
    number,   // from `low` to `high`
    whole,    // the same, without a fraction
    flag,     // false when not given
    choice,   // one of `choices`
    targets,  // names other targets: an input of this key's name
    scores,   // names a scorer: what it says of these targets, an input of this key's name
  };
  std::string name;
  Type type = flag;
  bool required = false;
  double low = 0, high = 1;
  std::vector<std::string> choices{};
  bool several = false;  // of targets: a list of names, each an input of this key's name
};
// Inputs of every operation: "targets", "split", and what its keys name. Those that may know the human
// targets of the pool say so and get them as "human": nothing that ranks or filters does.
struct Operation {
  std::string name;
  bool sees_human;
  std::vector<OperationKey> keys;
  // Constructing one registers it, and the kind of stage that runs it. `version` grows when the same inputs
  // give another output.
  Operation(const char* name, int version, bool sees_human, std::vector<OperationKey> keys,
            std::function<void(const StageContext&)> run);
  Operation(const Operation&) = delete;
  static const Operation& named(const std::string&);  // Error that lists the known ones
  static std::vector<std::string> names();
};

// What an operation reports: match.json with "summary", a sentence, and its numbers.
void write_summary(const StageContext&, std::string summary, Json::Object numbers);
}  // namespace rum::edits
