// The files of a run as if it had stopped at an earlier step, for tests that resume it from there.
#pragma once
#include <filesystem>
#include <string>

#include "checkpoint/checkpoint.h"
#include "run/config.h"
#include "run/folder.h"

namespace rum {
// Makes `folder` anew, with the files of `whole` and only its checkpoint of `step`.
inline RunConfig stopped_run(const RunConfig& whole, int64_t step, const std::string& folder) {
  namespace fs = std::filesystem;
  const RunFolder from{whole.folder}, to{folder};
  fs::remove_all(folder);
  fs::create_directories(to.checkpoints());
  for (const char* name : {"config.toml", "tokenizer.json", "metrics.jsonl"})
    fs::copy(from.file(name), to.file(name));
  fs::copy(checkpoint_path(from.checkpoints(), step), to.checkpoints());
  RunConfig out = whole;
  out.folder = folder;
  return out;
}
}  // namespace rum
