// A run's folder: config.toml, tokenizer.json, environment.json, data.json, metrics.jsonl, log.txt,
// TensorBoard events, samples.txt, checkpoints/, gemm.txt on a GPU, and, when the run is finished,
// model.safetensors and results.json.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "checkpoint/checkpoint.h"
#include "model/model.h"
#include "text/json.h"
#include "train/config.h"

namespace rum {
struct RunFolder {
  std::string path;
  std::string file(const char* name) const { return path + "/" + name; }
  std::string config() const { return file("config.toml"); }
  std::string tokenizer() const { return file("tokenizer.json"); }
  std::string metrics() const { return file("metrics.jsonl"); }
  std::string checkpoints() const { return file("checkpoints"); }
  std::string model() const { return file("model.safetensors"); }  // the finished model: weights alone
  std::string results() const { return file("results.json"); }
};

// A model ready to use: from a run folder (the finished model, else the best checkpoint, else the newest) or
// from one checkpoint or model file inside a run folder. FileError says what is missing.
struct LoadedRun {
  RunConfig config;
  Tokenizer tokenizer;
  ParameterBlock params;
  std::optional<Model> model;  // always there
  std::string source;          // the file that the weights came from
  bool translation() const { return config.kind == CorpusKind::pairs; }
};
std::unique_ptr<LoadedRun> load_run(const std::string& folder_or_file, DeviceKind = DeviceKind::cpu);

// "auto": a GPU where this build and machine have one that works, else the CPU. "cuda": Error that says what
// is missing.
DeviceKind pick_device(const std::string& name);

Json environment(DeviceKind);  // program, compiler, device, libraries: what a result may depend on
std::string build_id();        // commit and flags of this build

uint64_t weights_hash(const ParameterBlock&);  // of names, shapes and numbers: the same in any file

// A whole number that the trainer noted in a checkpoint; FileError when it is not there.
int64_t noted(const Checkpoint&, const std::string& key);

// Weights by name: out of a block (copies), and into one. Error names what is missing, extra or of another
// shape.
using Named = std::vector<std::pair<std::string, Tensor>>;
Named named_weights(const ParameterBlock&, const Tensor& flat, const std::string& prefix = "");
void set_weights(const ParameterBlock&, const Tensor& flat, const Named&, const std::string& prefix,
                 const std::string& file);
}  // namespace rum
