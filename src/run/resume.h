// Going on with a run: its config, and what of it may be another one by now. A key may change where the steps
// to come are free to differ from the steps so far; it may not where that would make something else of what
// was learned. `ruminate train --help` marks those that may.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "run/config.h"

namespace rum {
// The config of a run folder. Corpora that are not found from here are looked for from where the run was
// started. FileError when the folder holds no run.
RunConfig resumed_config(const std::string& folder);
// A path of the config of a run folder, where it is found: from here, or from where the run was started.
std::string found_path(const std::string& path, const RunConfig&, const std::string& folder);

// Why a resumed run must keep its value of this key; "" where it may change. Files of texts may lie elsewhere
// but must hold the same texts: the trainer compares their hashes.
std::string why_fixed(const std::string& key);
// FileError: the file of a run's config lacks keys that the config of its newest checkpoint, `then` in
// TOML, has. A run writes all keys; what is missing was cut off, and would be its default.
void check_whole(const std::string& path, const std::string& then, const std::string& checkpoint);
// FileError: the file of a run's config is cut off, or another model than that of its weights: `then` is the
// config in their header.
void check_same_model(const std::string& path, const RunConfig& now, const std::string& then,
                      const std::string& weights);
// Error: the key in which `now` is not the run that `then` was, both values, and the reason.
void check_resumed(const RunConfig& then, const RunConfig& now);
// The keys that a resumed run changes, a line each for people: both values, and the last step with the old
// one.
std::vector<std::string> changes(const RunConfig& then, const RunConfig& now, int64_t step);
// Do evaluations of both mean the same, so that the best of one is comparable with those of the other?
bool evaluated_alike(const RunConfig&, const RunConfig&);
}  // namespace rum
