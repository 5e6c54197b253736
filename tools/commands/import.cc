// `ruminate import` and `ruminate export`: Hugging Face models, in and out.
#include "huggingface/import.h"

#include <fmt/format.h>

#include "base/file.h"
#include "base/say.h"
#include "huggingface/export.h"
#include "tools/command.h"
#include "tools/options.h"

namespace rum::import_command {
namespace {
int import_model(int argc, char** argv) {
  std::string folder, run;
  int64_t context = 0;
  Flags flags(
      "import",
      "Makes a run folder from a Hugging Face model: GPT-2, Llama (2, 3, 3.1, 3.2), Mistral, Qwen2 and 2.5. "
      "generate, perplexity and train (train.from) accept it like any other.");
  flags
      .add("folder", folder,
           "with config.json, tokenizer.json, and model.safetensors or its shards and their index", true)
      .add("run", run, "the run folder to make", true)
      .add("--context", context, "longest text in tokens; 0: the model's own context", 0, 1 << 20);
  if (const auto status = flags.parse(argc, argv)) return *status;
  run = without_end_slashes(run);
  const Imported made = import_folder(folder, run, context);
  const GptConfig& m = made.config.model;
  say("{}: {} parameters, {} layers of width {}, a vocabulary of {} ({} tokens), texts of up to {}", run,
      made.parameters, m.layers, m.width, m.vocab, made.tokens, m.context);
  for (const std::string& note : made.notes) say("{}", note);
  return 0;
}

int export_model(int argc, char** argv) {
  std::string run, folder;
  bool adapter = false;
  Flags flags("export",
              "Writes a plain-text model as Hugging Face's transformers load it: config.json, "
              "generation_config.json, tokenizer.json, tokenizer_config.json, model.safetensors, and "
              "chat_template.jinja of a model that was taught to converse.");
  flags.add("run", run, "a run folder, a checkpoint or a model file in one", true)
      .add("folder", folder, "the folder to make", true)
      .add("--adapter", adapter,
           "write only the adapters of a run that has them (lora.rank), as PEFT loads them: "
           "adapter_config.json and adapter_model.safetensors; otherwise they are merged into the weights");
  if (const auto status = flags.parse(argc, argv)) return *status;
  folder = without_end_slashes(folder);
  const Exported made = adapter ? export_adapters(run, folder) : export_folder(run, folder);
  say("{}: {} {} model, {} tensors of {}", folder, adapter ? "adapters of a" : "a", made.family, made.tensors,
      made.dtype);
  if (!adapter && !made.talks)
    say("{}: no chat template is written: no form of conversation is known for this model", folder);
  return 0;
}

const Command import_command{"import", "make a run from a Hugging Face model", import_model};
const Command export_command{"export", "write a run as Hugging Face's transformers load it", export_model};
}  // namespace
}  // namespace rum::import_command
