// An operation changes targets: an arm of an experiment applies it, and students learn from the result. Each
// is a stage and declares its keys in the config, so a new operation needs one registration and no other
// change.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "metrics/critical.h"
#include "pipeline/stage.h"

namespace rum::edits {
struct OperationKey {
  enum Type {
    number,   // from `low` to `high`
    whole,    // the same, without a fraction
    flag,     // default false
    choice,   // one of `choices`
    targets,  // the name of other targets, an input under the key's name
    scores,   // the name of a scorer: its scores of these targets, an input under the key's name
  };
  std::string name;
  Type type = flag;
  bool required = false;
  double low = 0, high = 1;
  std::vector<std::string> choices{};
  bool several = false;   // targets: a list of names, each an input under the key's name
  bool arranges = false;  // with it, students read the targets in an order, or with weights
  bool log_odds = false;  // scores: of a detector, which are log odds of a human author
  bool scatters = false;  // with it, a sentence may have several targets, or they leave the order of the pool
};
// Inputs of every operation: "targets", "split", and those that its keys name. An operation that may see the
// pool's human targets declares it and gets them as "human"; none that ranks or filters does.
struct Operation {
  // What it keeps of targets that are not left out.
  enum Kept : uint8_t {
    all,
    arrangement,  // their order and weights; texts are changed
    nothing,
  };
  std::string name;
  bool sees_human;
  std::vector<OperationKey> keys;
  Kept kept;
  // Constructing one registers it, and the kind of stage that runs it. `version` is incremented when the same
  // inputs give another output.
  Operation(const char* name, int version, bool sees_human, std::vector<OperationKey> keys,
            std::function<void(const StageContext&)> run, Kept = all);
  Operation(const Operation&) = delete;
  static const Operation& named(const std::string&);  // Error that lists the known ones
  static std::vector<std::string> names();
};

// The language of a stage's targets, whose rules count their errors: its parameter "language", else English.
metrics::Language target_language(const StageContext&);
// Writes an operation's report, match.json: "summary", a sentence, and its numbers.
void write_summary(const StageContext&, std::string summary, Json::Object numbers);
}  // namespace rum::edits
