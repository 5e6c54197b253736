#include "run/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "checkpoint/checkpoint.h"
#include "run/environment.h"
#include "run/folder.h"
#include "run/resume.h"

namespace rum {
namespace {
// The run folder that a file of weights lies in, RUN/model.safetensors or RUN/checkpoints/step-00000100.ckpt,
// itself or where its link leads.
RunFolder folder_around(const std::string& file) {
  std::error_code unknown;
  for (const std::string& path : {file, std::filesystem::canonical(file, unknown).string()})
    for (const char* up : {"", "/.."})
      if (const RunFolder folder{folder_of(path) + up}; Disk::real().exists(folder.config())) return folder;
  return RunFolder{folder_of(file)};
}
// The finished model, else the best checkpoint, else the newest.
std::string weights_file(const RunFolder& folder) {
  Disk& disk = Disk::real();
  if (disk.exists(folder.model())) return folder.model();
  const auto newest = newest_valid(folder.checkpoints());
  if (!newest)
    throw FileError(fmt::format(
        "{}: it holds neither a model nor a checkpoint; `ruminate train` makes them (without --resume)",
        folder.path));
  const int64_t best = noted(newest->checkpoint, "best_step");  // 0: none was evaluated yet
  const std::string path = checkpoint_path(folder.checkpoints(), best);
  return best > 0 && disk.exists(path) ? path : newest->path;
}
// A config may claim any size: no memory is taken before the file of weights bears it out.
void check_shapes(const RunConfig& config, const Tokenizer& tokenizer, const StoredWeights& weights) {
  ParameterBlock declared;
  const Model model(config.model_kind, Params(declared), model_config(config, tokenizer.size()));
  check_weights(declared, DType::f32, weights.tensors(), "", weights.path());
}
// What was trained beside the weights of another run, added to them.
StoredWeights with_adapters(const RunConfig& config, const std::string& run, const StoredWeights& adapters) {
  const std::string from = found_path(config.from, config, run);
  if (!Disk::real().exists(from))
    throw FileError(fmt::format("{}: its adapters were trained beside {}, which is not there: put it back",
                                adapters.path(), from));
  // Not so deep as somebody's folders may lead, perhaps in a circle: training begins beside no such run.
  if (read_config(run_files(from).config).lora.rank > 0)
    throw FileError(
        fmt::format("{}: its adapters are said to belong to {}, which has adapters itself: the "
                    "config is not as `ruminate train` wrote it",
                    adapters.path(), from));
  StoredRun base = read_run(from);
  ParameterBlock declared;
  const Model model(base.config.model_kind, Params(declared),
                    model_config(base.config, base.tokenizer.size()));
  const auto noted = adapters.meta().find(kBaseHash);
  const std::string then = noted == adapters.meta().end() ? "none" : noted->second,
                    now = hex64(weights_hash(declared, base.weights));
  if (then != now)
    throw FileError(
        fmt::format("{}: its adapters were trained beside other weights than those of {} (hash {}, then "
                    "{}): put the old ones back",
                    adapters.path(), from, now, then));
  base.weights.add(adapters, config.lora.scale());
  return std::move(base.weights);
}
}  // namespace

LoadedRun::LoadedRun(RunConfig c, Tokenizer t, DeviceKind device, DType type, std::optional<uint32_t> seed)
    : config(std::move(c)),
      tokenizer(std::move(t)),
      model(config.model_kind, Params(params), model_config(config, tokenizer.size())),
      dtype(type) {
  params.materialise_to_read(device, dtype, seed);
}

bool is_weights(const std::string& path) { return path.ends_with(".ckpt") || path.ends_with(".safetensors"); }
RunFiles run_files(const std::string& given) {
  const RunFolder folder = is_weights(given) ? folder_around(given) : RunFolder{given};
  check_run_folder(folder, given);
  return {folder.config(), folder.tokenizer(), is_weights(given) ? given : weights_file(folder)};
}
std::vector<std::string> files_to_keep(const std::string& given) {
  std::vector<std::string> out = (is_weights(given) ? folder_around(given) : RunFolder{given}).written();
  out.push_back(given);
  return out;
}
RunFolder run_folder(const LoadedRun& run) { return folder_around(run.source); }
std::optional<int64_t> longest_source(const LoadedRun& run) {
  const std::string path = run_folder(run).data();
  if (!run.config.from.empty() || !Disk::real().exists(path)) return {};
  const Json corpora = parse_json(Disk::real().read(path), path);
  if (corpora.array() == nullptr) throw FileError(path + ": expected a list of corpora");
  std::optional<int64_t> out;
  for (const Json& corpus : *corpora.array()) {
    const JsonFields c(corpus, path);
    if (!c.has(kSourceWords)) continue;
    const int64_t words = c.whole(kSourceWords);
    if (words < 0) c.refuse(kSourceWords, "a number of words, at least 0");
    out = std::max(out.value_or(0), words);
  }
  return out;
}
void frame(Tokenizer& tokenizer, const RunConfig& c) {
  for (const auto& [key, name] : {std::pair{"tokenizer.begin", c.begin}, {"tokenizer.end", c.end}}) try {
      if (!name.empty()) tokenizer.special(name);
    } catch (const Error& e) {
      fail(fmt::format("{}: {}", key, e.what()));
    }
  tokenizer.frame(c.begin, c.end);
}
StoredRun read_run(const std::string& given) {
  const RunFiles files = run_files(given);
  RunConfig config = read_config(files.config);
  Tokenizer tokenizer = Tokenizer::load(files.tokenizer);
  frame(tokenizer, config);
  const std::string& source = files.weights;
  StoredWeights weights(source);
  const auto trained_with = weights.meta().find(kTokenizerHash);
  if (trained_with != weights.meta().end() && trained_with->second != hex64(tokenizer.hash()))
    throw FileError(fmt::format(
        "{}: not the tokenizer that {} was trained with (hash {}, then {}): put the old file back",
        files.tokenizer, source, hex64(tokenizer.hash()), trained_with->second));
  if (const auto then = weights.meta().find("config"); then != weights.meta().end())
    check_same_model(files.config, config, then->second, source);
  std::optional<StoredWeights> adapters;
  if (config.lora.rank > 0) {
    adapters = std::move(weights);
    weights = with_adapters(config, files.config.substr(0, files.config.rfind('/')), *adapters);
  }
  check_shapes(config, tokenizer, weights);
  return {std::move(config), std::move(tokenizer), std::move(weights), std::move(adapters)};
}
StoredRun read_to_train(const std::string& given) {
  StoredRun stored = read_run(given);
  if (stored.weights.quantized())
    throw FileError(fmt::format(
        "{}: its weights are stored in int8, too coarse for the small steps of training; train from the run "
        "that it was quantized from",
        stored.weights.path()));
  return stored;
}

static std::unique_ptr<LoadedRun> loaded(StoredRun stored, const std::string& given,
                                         const std::string& device_name, std::optional<DType> dtype) {
  if (stored.weights.quantized() && !dtype) dtype = DType::i8;
  const DeviceKind device =
      dtype == DType::i8 && device_name == "auto" ? DeviceKind::cpu : pick_device(device_name);
  RUM_CHECK(dtype != DType::i8 || device == DeviceKind::cpu, "{}: int8 runs on the CPU: give --device cpu",
            given);
  auto run = std::make_unique<LoadedRun>(std::move(stored.config), std::move(stored.tokenizer), device,
                                         dtype.value_or(DType::f32));
  run->source = stored.weights.path();
  load_weights(run->params, stored.weights, run->dtype);
  return run;
}
std::unique_ptr<LoadedRun> load_run(const std::string& given, DeviceKind device, std::optional<DType> dtype) {
  return loaded(read_run(given), given, device == DeviceKind::cpu ? "cpu" : "cuda", dtype);
}
std::unique_ptr<LoadedRun> load_run(const std::string& given, const std::string& device,
                                    const std::string& dtype) {
  std::optional<DType> type;
  if (dtype == "f32") type = DType::f32;
  if (dtype == "bf16") type = DType::bf16;
  if (dtype == "int8") type = DType::i8;
  return loaded(read_run(given), given, device, type);
}
std::unique_ptr<LoadedRun> load_to_train(const std::string& given) {
  return loaded(read_to_train(given), given, "cpu", DType::f32);
}
}  // namespace rum
