// A trained model, loaded from its run folder and ready to use.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/stored_weights.h"
#include "model/model.h"
#include "run/config.h"
#include "run/folder.h"
#include "text/tokenizer.h"

namespace rum {
// The keys under which files of weights note the hash of their tokenizer and, adapters, of the weights that
// they were trained beside.
inline constexpr const char *kTokenizerHash = "tokenizer_hash", *kBaseHash = "base_hash";
// Under which data.json notes the most words of a source that was trained on, with each corpus of pairs.
inline constexpr const char* kSourceWords = "source_words";

struct LoadedRun {
  RunConfig config;
  Tokenizer tokenizer;
  ParameterBlock params;
  Model model;         // holds tensors of `params`
  DType dtype;         // of its products: f32, bf16 or i8
  std::string source;  // the file that the weights came from
  // The model with initial values drawn from `seed`; load_run() gives none and puts the saved ones in.
  LoadedRun(RunConfig, Tokenizer, DeviceKind, DType = DType::f32, std::optional<uint32_t> seed = {});
  bool translation() const { return config.kind == CorpusKind::pairs; }
};
bool is_weights(const std::string& path);  // by its ending: a checkpoint, or a file of a model
// The files that a model is read from. As load_run(): FileError when it is not a run folder, or has no weights.
struct RunFiles {
  std::string config, tokenizer, weights;
};
RunFiles run_files(const std::string& folder_or_file);
// All that a command may read of a run, or of what is named as one: no output may overwrite it.
std::vector<std::string> files_to_keep(const std::string& folder_or_file);
RunFolder run_folder(const LoadedRun&);  // in which its weights lie
// Most words (count_words()) of a source that the model was trained on. Nothing where that is not known: of a
// run of an older version, or one that began with the weights of another (train.from). FileError: its
// data.json is not as `ruminate train` writes it.
std::optional<int64_t> longest_source(const LoadedRun&);
// The tokens around a text become those that the config names. Error: the key of one that the tokenizer
// lacks.
void frame(Tokenizer&, const RunConfig&);
// The parts of a run as they lie on the disk, which belong together.
struct StoredRun {
  RunConfig config;
  Tokenizer tokenizer;
  StoredWeights weights;  // with its adapters ([lora]), if it has any, added to those of train.from
  std::optional<StoredWeights> adapters{};  // these alone
};
StoredRun read_run(const std::string& folder_or_file);  // as load_run()
// To train from its weights. Error: they are stored in int8.
StoredRun read_to_train(const std::string& folder_or_file);
// From a run folder (the finished model, else the best checkpoint, else the newest) or from one checkpoint or
// model file inside a run folder. Without a type it is i8 where `ruminate quantize` wrote the file, else f32.
// FileError says what is missing or does not belong together; Error: i8 on another device than the CPU.
std::unique_ptr<LoadedRun> load_run(const std::string& folder_or_file, DeviceKind = DeviceKind::cpu,
                                    std::optional<DType> = {});
// The same by the names that people give: device as for pick_device(), where auto is the CPU for int8; dtype
// auto, f32, bf16 or int8.
std::unique_ptr<LoadedRun> load_run(const std::string& folder_or_file, const std::string& device,
                                    const std::string& dtype);
// read_to_train(), in f32 on the CPU.
std::unique_ptr<LoadedRun> load_to_train(const std::string& folder_or_file);
}  // namespace rum
