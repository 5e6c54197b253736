// `ruminate quantize`: a trained run with its weights in int8, a quarter of the size, to translate
// and generate with.
#include <fmt/format.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/output.h"
#include "base/whole_folder.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/weights.h"
#include "run/folder.h"
#include "run/run.h"
#include "tools/command.h"
#include "tools/options.h"

namespace rum::quantize_command {
namespace {
namespace fs = std::filesystem;

void write_run(const LoadedRun& run, RunConfig config, const RunFolder& folder) {
  Disk::real().replace_text(folder.config(), to_toml(config));
  run.tokenizer.save(folder.tokenizer());
  if (const std::string data = run_folder(run).data(); Disk::real().exists(data))
    Disk::real().replace_text(folder.data(), Disk::real().read(data));
  write_safetensors({{{"config", to_toml(config)},
                      {"source", "int8 of " + run.source},
                      {kTokenizerHash, hex64(run.tokenizer.hash())}},
                     quantized_weights(run.params)},
                    folder.model());
}

int quantize_run(int argc, char** argv) {
  std::string from, to;
  Flags flags(
      "quantize",
      "Writes a run with its weights in int8: a quarter of the size, and translate, generate, "
      "perplexity and serve multiply in int8 without being asked. It is for inference on a CPU; training "
      "continues from the run itself.");
  flags.add("run", from, "a run folder, a checkpoint or a model file in one", true)
      .add("new-run", to, "the folder to make", true);
  if (const auto status = flags.parse(argc, argv)) return *status;
  to = without_end_slashes(to);
  check_new_folder(to);
  const OutputLock alone(to);
  const auto run = load_run(from);
  RUM_CHECK(run->dtype != DType::i8, "{} is in int8 already", run->source);
  RunConfig config = run->config;
  config.folder = to;
  config.lora = {};  // its adapters are part of the weights by now
  whole_folder(to, [&](const std::string& unfinished) { write_run(*run, config, RunFolder{unfinished}); });
  const auto bytes = [](const std::string& file) { return static_cast<double>(fs::file_size(file)); };
  const double after = bytes(RunFolder{to}.model());
  fmt::print("{}: {:.1f} MB; in f32 it is {:.1f} MB\n", to, after / 1e6,
             4e-6 * static_cast<double>(run->params.numbers()));
  return 0;
}
const Command command{"quantize", "store a run's weights in int8, a quarter of the size", quantize_run};
}  // namespace
}  // namespace rum::quantize_command
