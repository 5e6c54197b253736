// `ruminate detect VERB`: each verb registers itself, so that a new one is a new file, detect_VERB.cc (fit,
// calibrate and score: detect.cc).
#pragma once
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "detect/texts.h"
#include "detect/white_box.h"
#include "tools/command.h"
#include "tools/options.h"

namespace rum::detect {
struct DetectVerb {
  explicit DetectVerb(const Verb&);
};

// The texts that a verb works on, and the flags that name them.
struct DetectInput {
  std::vector<std::string> humans, machines, in;
  std::string sources;
  void declare(Flags&);
  std::vector<std::string> files() const;  // that read() reads
  // All of them in the order of the flags. Says on standard error how many lines were empty, and how many are
  // both human and machine.
  // keep_bad: lines that are empty or cannot be read are texts without a target (Text::bad).
  Texts read(bool keep_bad = false) const;
};
// The kind of detector and its options, as `--kind linear --option C=1`.
struct DetectRecipe {
  std::string kind = "linear";
  std::vector<std::string> options;
  int64_t folds = 5, seed = 1;
  void declare(Flags&, const char* seeded = "the split into folds");  // seeded: by --seed
  static std::string kinds();                                         // a line each, for the end of --help
  Json::Object parsed() const;
  std::vector<std::string> files() const;  // detectors and runs that its options may name
};
// Says on standard error how many of the texts the detector, or one that it combines, was fitted on.
void warn_of_seen(const Detector&, const std::string& path, const Texts&);
// Error, which ends with `advice`, when they are more than the few that people write again and again; else as
// warn_of_seen().
void refuse_seen(const Detector&, const std::string& path, const Texts&, const std::string& advice);
// The same for each detector that the recipe combines. No fold is held out from it.
void refuse_seen_by_members(const DetectRecipe&, const Texts&);
// Error: a score that is not finite, naming the text.
std::vector<double> finite_scores(const Detector&, std::span<const Text>);
MarkedScores marked_scores(const Detector&, std::span<const Text>);
// The same where some texts cannot have a score: it is NaN, and the first of them are named on standard
// error, each with why and what becomes of it `otherwise`.
struct Judged : MarkedScores {
  int64_t unfit = 0;  // such texts
};
Judged judge(const Detector&, std::span<const Text>, const char* otherwise);
// FileError when standard output cannot be written; standard error need not be.
void print(const std::string&, std::FILE* = stdout);
}  // namespace rum::detect
