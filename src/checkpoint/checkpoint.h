// One file per checkpoint, in the safetensors layout, written whole or not at all.
//
// Its __metadata__ holds our own keys: "ruminate" (the kind of file), "step", and two checksums.
// "body_hash" is XXH64 of all bytes after the header. "header_hash" is XXH64 of all bytes before them
// (length, JSON, padding) with its own 16 digits read as zeros, so it covers "body_hash" too: no bit of the
// file is outside a checksum.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/safetensors.h"

namespace rum {
struct Checkpoint {
  int64_t step = 0;  // optimizer steps done
  // Config, build, counters and best figures of the trainer, hashes of texts, tokenizer and plan.
  std::map<std::string, std::string> meta;
  NamedTensors tensors;  // by name, never by position; f32 masters and moments
};
// Durable on disk when it returns. Error: a key of meta that is ours, or what write_safetensors refuses.
void save(const Checkpoint&, const std::string& path, Disk& = Disk::real());
Checkpoint load(const std::string& path, Disk& = Disk::real());  // FileError on the first byte that is wrong
Checkpoint parse_checkpoint(std::string_view bytes, const std::string& name);  // from memory: for fuzzing

// A whole number that the trainer noted in `meta`; FileError when it is not there.
int64_t noted(const Checkpoint&, const std::string& key);
double noted_number(const Checkpoint&, const std::string& key);  // the same of any finite number

// A folder of checkpoints step-00001200.ckpt; no `latest` file: the newest that validates is the latest.
std::string checkpoint_path(const std::string& folder, int64_t step);
std::vector<int64_t> saved_steps(const std::string& folder, Disk& = Disk::real());  // rising; not validated
struct Found {
  std::string path;
  Checkpoint checkpoint;
};
// Falls back past a damaged file and says so through `warn`. Changes nothing, so it may run beside a trainer.
// A folder that does not exist holds none. FileError: there are checkpoints but none can be read; it says
// what is wrong with each.
std::optional<Found> newest_valid(const std::string& folder,
                                  const std::function<void(const std::string&)>& warn = {},
                                  Disk& = Disk::real());
// For the one process that saves here, at its start: removes what a killed one left unfinished.
void remove_stale(const std::string& folder, Disk& = Disk::real());
// Removes all but the newest and the steps in `keep`.
void retain(const std::string& folder, const std::vector<int64_t>& keep, Disk& = Disk::real());
}  // namespace rum
