// One file per checkpoint in the safetensors layout, with a checksum of its body. Written whole or not at
// all.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "tensor/tensor.h"

namespace rum {
struct Checkpoint {
  int64_t step = 0;                         // optimizer steps done
  std::map<std::string, std::string> meta;  // config, seed, hashes of plan and corpora, build id, metrics
  std::vector<std::pair<std::string, Tensor>> tensors;  // by name, never by position; f32 masters and moments
};
void save(const Checkpoint&, const std::string& path, Disk& = Disk::real());
Checkpoint load(const std::string& path, Disk& = Disk::real());  // FileError on the first byte that is wrong

// A folder of checkpoints step-00001200.ckpt; no `latest` file: the newest that validates is the latest.
std::string checkpoint_path(const std::string& folder, int64_t step);
struct Found {
  std::string path;
  Checkpoint checkpoint;
};
// Falls back past a damaged file and says so through `warn`. Removes stale .tmp files.
std::optional<Found> newest_valid(const std::string& folder,
                                  const std::function<void(const std::string&)>& warn = {},
                                  Disk& = Disk::real());
// Removes all but the newest `last` and the steps in `keep`.
void retain(const std::string& folder, int64_t last, const std::vector<int64_t>& keep, Disk& = Disk::real());
}  // namespace rum
