// `ruminate train`: from a config to a run folder with a finished model.
#include <fmt/format.h>

#include "base/error.h"
#include "base/output.h"
#include "base/say.h"
#include "base/shell.h"
#include "run/idle_keys.h"
#include "run/resume.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/options.h"
#include "train/trainer.h"

namespace rum::train_command {
namespace {
std::string table_of_keys() {
  std::string out =
      "\nKeys, for the file and for --set (+: a resumed run may change it; of data.train, data.valid and "
      "data.plan only where they lie, not what they hold):\n";
  const RunConfig defaults;
  for (const Key& k : keys()) {
    const bool may = why_fixed(k.name).empty() && k.name != "run.folder";  // which --resume names
    out +=
        fmt::format("{} {:<26} {:<22} {} ({})\n", may ? "+" : " ", k.name, k.get(defaults), k.help, k.type);
  }
  return out;
}

void apply_settings(RunConfig& config, const std::vector<std::string>& settings) {
  for (const std::string& s : settings) {
    const size_t equals = s.find('=');
    RUM_CHECK(equals != std::string::npos && equals > 0,
              "--set {}: expected key=value, e.g. --set train.steps=500", s);
    set_argument(config, s.substr(0, equals), s.substr(equals + 1));
  }
}

void print_estimate(const RunConfig& config, const Estimate& e) {
  fmt::print(
      "parameters    {}\nsteps         {} of {} tokens ({:.1f} epochs)\nmemory        {:.0f} MiB\n"
      "speed         {:.0f} tokens/s\ntime          {}{}\n",
      e.parameters, e.steps, config.tokens * config.micro_batches, e.epochs, e.bytes / (1 << 20),
      e.tokens_per_second, duration(e.seconds), e.done > 0 ? fmt::format(" from step {} on", e.done) : "");
}

struct Options {
  std::string file, resume, device = "auto";
  std::vector<std::string> settings;
  bool device_given = false, print_config = false, dry_run = false;
};

int train(const Options& o, Ranks& ranks) {
  const std::string& resume = o.resume;
  RUM_CHECK(o.file.empty() != resume.empty(), "give either a config file or --resume with a run folder");
  RunConfig config = resume.empty() ? read_config(o.file) : resumed_config(resume);
  const std::string folder = config.folder;
  apply_settings(config, o.settings);
  if (o.device_given) set_key(config, "run.device", o.device);
  RUM_CHECK(resume.empty() || config.folder == folder, "--resume {}: the folder cannot be changed", resume);
  if (o.print_config) {
    if (ranks.first()) fmt::print("{}", to_toml(config));
    return 0;
  }
  if (resume.empty() && !o.dry_run && ranks.first()) {  // early, before the corpora are read
    check_output_folder(config.folder);
    refuse_begun_run(config.folder);
  }
  if (resume.empty() && ranks.first())
    for (const std::string& idle : keys_without_effect(config)) say("warning: {}", idle);
  Progress progress;
  if (!ranks.first()) progress.be_silent();
  Trainer trainer(config, progress, !resume.empty(), o.dry_run ? Purpose::estimate : Purpose::train, ranks);
  if (o.dry_run) {
    const Estimate estimate = trainer.estimate();
    if (ranks.first()) print_estimate(config, estimate);
    return 0;
  }
  listen_for_interrupts();
  const Outcome out = trainer.run([](int64_t) { return interrupted(); });
  if (!out.finished) {
    progress.line(
        fmt::format("stopped at step {}, everything is saved; `ruminate train --resume {}` continues",
                    out.step, shell_quoted(config.folder)));
    return 130;
  }
  fmt::print("{}", out.results);
  return 0;
}

int run(int argc, char** argv) {
  Options o;
  Flags flags(
      "train",
      "Trains a model from a config (TOML), or resumes a run. Started several times, by mpirun, srun or "
      "torchrun, the processes share each step (batch.parts).");
  flags.add("config", o.file, "the config file")
      .add("--device", o.device, "short for --set run.device=...")
      .add("--set", o.settings, "key=value, instead of the file's; may be repeated")
      .add("--resume", o.resume, "a run folder to resume from its newest checkpoint")
      .add("--print-config", o.print_config, "print the resolved config as TOML and exit")
      .add("--dry-run", o.dry_run, "print parameters, memory, steps and time, and exit")
      .footer(table_of_keys());
  if (const auto status = flags.parse(argc, argv)) return *status;
  o.device_given = flags.given("--device");
  Ranks ranks(this_launch());
  try {
    return train(o, ranks);
  } catch (const std::exception& e) {
    if (!ranks.end(e)) return 1;
    throw;
  }
}
const Command command{"train", "train a model from a config, or resume a run", run};
}  // namespace
}  // namespace rum::train_command
