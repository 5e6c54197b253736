// `ruminate train`: from a config to a run folder with a finished model. Start reading here.
#include <fmt/format.h>

#include <cstdio>

#include "base/error.h"
#include "base/shell.h"
#include "run/resume.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/options.h"
#include "train/trainer.h"

namespace rum {
namespace {
std::string table_of_keys() {
  std::string out = "\nKeys, for the file and for --set (+: a resumed run may change it):\n";
  const RunConfig defaults;
  for (const Key& k : keys()) {
    const char* mark = why_fixed(k.name).empty() ? "+" : " ";
    out += fmt::format("{} {:<26} {:<22} {} ({})\n", mark, k.name, k.get(defaults), k.help, k.type);
  }
  return out;
}

void apply_settings(RunConfig& config, const std::vector<std::string>& settings) {
  for (const std::string& s : settings) {
    const size_t equals = s.find('=');
    RUM_CHECK(equals != std::string::npos, "--set {}: expected key=value, e.g. --set train.steps=500", s);
    set_key(config, s.substr(0, equals), s.substr(equals + 1));
  }
}

void print_estimate(const RunConfig& config, const Estimate& e) {
  fmt::print(
      "parameters    {}\nsteps         {} of {} tokens ({:.1f} epochs)\nmemory        {:.0f} MiB\n"
      "speed         {:.0f} tokens/s\ntime          {}\n",
      e.parameters, e.steps, config.tokens * config.micro_batches, e.epochs, e.bytes / (1 << 20),
      e.tokens_per_second, duration(e.seconds));
}

int run(int argc, char** argv) {
  std::string file, resume, device = "auto";
  std::vector<std::string> settings;
  bool print_config = false, dry_run = false;
  Flags flags("train", "Trains a model from a config (TOML), or resumes a run.");
  flags.add("config", file, "the config file")
      .add("--device", device, "short for --set run.device=...")
      .add("--set", settings, "key=value, over the file; may stand several times")
      .add("--resume", resume, "a run folder to resume from its newest checkpoint")
      .add("--print-config", print_config, "print the resolved config as TOML and stop")
      .add("--dry-run", dry_run, "print parameters, memory, steps and time, and stop")
      .footer(table_of_keys());
  if (const auto status = flags.parse(argc, argv)) return *status;
  RUM_CHECK(file.empty() != resume.empty(), "give either a config file or --resume with a run folder");
  RunConfig config = resume.empty() ? read_config(file) : resumed_config(resume);
  const std::string folder = config.folder;
  apply_settings(config, settings);
  if (flags.given("--device")) set_key(config, "run.device", device);
  RUM_CHECK(resume.empty() || config.folder == folder, "--resume {}: the folder cannot be changed", resume);
  if (print_config) {
    fmt::print("{}", to_toml(config));
    return 0;
  }
  if (resume.empty() && !dry_run) refuse_begun_run(config.folder);  // before the long part
  Progress progress;
  Trainer trainer(config, progress, !resume.empty(), dry_run ? Purpose::estimate : Purpose::train);
  if (dry_run) {
    print_estimate(config, trainer.estimate());
    return 0;
  }
  listen_for_interrupts();
  const Outcome out = trainer.run([](int64_t) { return interrupted(); });
  if (!out.finished) {
    progress.line(fmt::format("stopped at step {}, all of it saved; `ruminate train --resume {}` goes on",
                              out.step, shell_quoted(config.folder)));
    return 130;
  }
  fmt::print("{}", out.results);
  return 0;
}
const Command command{"train", "train a model from a config, or resume a run", run};
}  // namespace
}  // namespace rum
