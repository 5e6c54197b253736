#include "run/run.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/hash.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/weights.h"
#include "run/environment.h"
#include "run/folder.h"

namespace rum {
namespace {
bool is_weights(const std::string& path) { return path.ends_with(".ckpt") || path.ends_with(".safetensors"); }

// The run folder that a file of weights lies in: RUN/model.safetensors or RUN/checkpoints/step-00000100.ckpt.
RunFolder folder_around(const std::string& file) {
  const size_t slash = file.rfind('/');
  const RunFolder folder{slash == std::string::npos ? "." : file.substr(0, slash)};
  return Disk::real().exists(folder.config()) ? folder : RunFolder{folder.path + "/.."};
}
// The finished model, else the best checkpoint, else the newest.
std::string weights_file(const RunFolder& folder) {
  Disk& disk = Disk::real();
  if (disk.exists(folder.model())) return folder.model();
  const auto newest = newest_valid(folder.checkpoints());
  if (!newest)
    throw FileError(fmt::format(
        "{}: neither a model nor a checkpoint in it; `ruminate train` makes them (without --resume)",
        folder.path));
  const int64_t best = noted(newest->checkpoint, "best_step");  // 0: none was evaluated yet
  const std::string path = checkpoint_path(folder.checkpoints(), best);
  return best > 0 && disk.exists(path) ? path : newest->path;
}
TensorFile read_weights(const std::string& path) {
  if (path.ends_with(".safetensors")) return read_safetensors(path);
  Checkpoint c = load(path);
  return {std::move(c.meta), std::move(c.tensors)};
}
// A config may claim any size: no memory is taken before the file of weights bears it out.
void check_shapes(const RunConfig& config, const Tokenizer& tokenizer, const TensorFile& file,
                  const std::string& source) {
  ParameterBlock declared;
  const Model model(config.model_kind, Params(declared), model_config(config, tokenizer.size()));
  check_weights(declared, DType::f32, file.tensors, "", source);
}
}  // namespace

LoadedRun::LoadedRun(RunConfig c, Tokenizer t, DeviceKind device, DType type, std::optional<uint32_t> seed)
    : config(std::move(c)),
      tokenizer(std::move(t)),
      model(config.model_kind, Params(params), model_config(config, tokenizer.size())),
      dtype(type) {
  params.materialise(device, dtype == DType::bf16 ? dtype : DType::f32, seed);
}

RunFiles run_files(const std::string& given) {
  const RunFolder folder = is_weights(given) ? folder_around(given) : RunFolder{given};
  if (!Disk::real().exists(folder.config()))
    throw FileError(fmt::format(
        "{}: not a run folder, there is no config.toml in it; `ruminate train` makes one", given));
  return {folder.config(), folder.tokenizer(), is_weights(given) ? given : weights_file(folder)};
}
StoredRun read_run(const std::string& given) {
  const RunFiles files = run_files(given);
  RunConfig config = read_config(files.config);
  Tokenizer tokenizer = Tokenizer::load(files.tokenizer);
  tokenizer.frame(config.begin, config.end);
  const std::string& source = files.weights;
  TensorFile file = read_weights(source);
  const auto trained_with = file.meta.find(kTokenizerHash);
  if (trained_with != file.meta.end() && trained_with->second != hex64(tokenizer.hash()))
    throw FileError(fmt::format(
        "{}: not the tokenizer that {} was trained with (hash {}, then {}): put the old file back",
        files.tokenizer, source, hex64(tokenizer.hash()), trained_with->second));
  const bool quantized = dequantize(file.tensors, source);
  check_shapes(config, tokenizer, file, source);
  return {std::move(config), std::move(tokenizer), std::move(file), source, quantized};
}

static std::unique_ptr<LoadedRun> load_as(const std::string& given, const std::string& device_name,
                                          std::optional<DType> dtype) {
  StoredRun stored = read_run(given);
  if (stored.quantized && !dtype) dtype = DType::i8;
  const DeviceKind device =
      dtype == DType::i8 && device_name == "auto" ? DeviceKind::cpu : pick_device(device_name);
  RUM_CHECK(dtype != DType::i8 || device == DeviceKind::cpu, "{}: int8 runs on the CPU: give --device cpu",
            given);
  auto run = std::make_unique<LoadedRun>(std::move(stored.config), std::move(stored.tokenizer), device,
                                         dtype.value_or(DType::f32));
  run->source = stored.source;
  set_weights(run->params, run->params.master(), stored.weights.tensors, "", run->source);
  run->params.refresh_shadow();
  if (run->dtype == DType::i8) run->params.quantize();
  return run;
}
std::unique_ptr<LoadedRun> load_run(const std::string& given, DeviceKind device, std::optional<DType> dtype) {
  return load_as(given, device == DeviceKind::cpu ? "cpu" : "cuda", dtype);
}
std::unique_ptr<LoadedRun> load_run(const std::string& given, const std::string& device,
                                    const std::string& dtype) {
  std::optional<DType> type;
  if (dtype == "f32") type = DType::f32;
  if (dtype == "bf16") type = DType::bf16;
  if (dtype == "int8") type = DType::i8;
  return load_as(given, device, type);
}
std::unique_ptr<LoadedRun> load_to_train(const std::string& given) {
  auto run = load_run(given);
  if (run->dtype == DType::i8)
    throw FileError(fmt::format(
        "{}: its weights are stored in int8, too coarse for the small steps of training; train from the run "
        "that it was quantized from",
        run->source));
  return run;
}
}  // namespace rum
