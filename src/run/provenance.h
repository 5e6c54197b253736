// Where a generated text comes from: which model wrote it, with which weights, and how.
#pragma once
#include <cstdint>
#include <string>

#include "run/decoding.h"
#include "run/run.h"

namespace rum {
struct Provenance {
  std::string generator;   // the name of a run, or of a model from outside
  std::string checkpoint;  // hash of its weights
  std::string decoding;    // describe() and type_note()
  int64_t seed = 1;        // of the draws
  int64_t generation = 1;  // 1: the generator learned from human text, 2: from text of generation 1, ...
  bool operator==(const Provenance&) const = default;
};
// The type of a run's products, for people, after a blank; empty: f32.
std::string type_note(const LoadedRun&);
std::string run_name(const LoadedRun&);  // the last part of its folder
// Of what a run writes; the generator is named by run_name().
Provenance provenance_of(const LoadedRun&, const Decoding&, int64_t generation = 1);
}  // namespace rum
