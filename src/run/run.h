// A trained model, loaded from its run folder and ready to use.
#pragma once
#include <memory>
#include <string>

#include "checkpoint/safetensors.h"
#include "model/model.h"
#include "run/config.h"
#include "text/tokenizer.h"

namespace rum {
// The key under which files of weights note the hash of their tokenizer.
inline constexpr const char* kTokenizerHash = "tokenizer_hash";

struct LoadedRun {
  RunConfig config;
  Tokenizer tokenizer;
  ParameterBlock params;
  Model model;         // holds tensors of `params`
  std::string source;  // the file that the weights came from
  // The model with its initial values; load_run() puts the saved ones in their place.
  LoadedRun(RunConfig, Tokenizer, DeviceKind);
  bool translation() const { return config.kind == CorpusKind::pairs; }
};
// The parts of a run as they lie on the disk, which belong together.
struct StoredRun {
  RunConfig config;
  Tokenizer tokenizer;
  TensorFile weights;  // a checkpoint's hold its moments, too
  std::string source;  // the file that they came from
};
StoredRun read_run(const std::string& folder_or_file);  // as load_run()
// From a run folder (the finished model, else the best checkpoint, else the newest) or from one checkpoint or
// model file inside a run folder. FileError says what is missing or does not belong together.
std::unique_ptr<LoadedRun> load_run(const std::string& folder_or_file, DeviceKind = DeviceKind::cpu);
}  // namespace rum
