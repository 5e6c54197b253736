// `ruminate inspect`: what is in a run, in a checkpoint, on the tape of one step; the catalogue of ops.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "run/folder.h"
#include "run/run.h"
#include "text/json.h"
#include "tools/command.h"
#include "tools/options.h"
#include "train/data.h"
#include "train/step.h"

namespace rum {
namespace {
std::string sparkline(const std::vector<double>& values, size_t width) {
  static const char* bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  if (values.empty()) return "";
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  std::string out;
  for (size_t i = 0; i < std::min(width, values.size()); ++i) {
    const double v = values[i * values.size() / std::min(width, values.size())];
    out += bars[*high > *low ? static_cast<int>(7.999 * (v - *low) / (*high - *low)) : 0];
  }
  return out;
}

void show_ops() {
  fmt::print("{:<20} {:<8} {}\n", "op", "samples", "formula");
  for (const Op* op : Op::all()) fmt::print("{:<20} {:<8} {}\n", op->name, op->samples().size(), op->formula);
}

void show_tensors(const std::string& path) {
  const TensorFile file = read_safetensors(path);
  for (const auto& [key, value] : file.meta)
    fmt::print("{:<16} {}\n", key, value.size() < 80 ? value : fmt::format("({} bytes)", value.size()));
  int64_t total = 0;
  for (const auto& [name, t] : file.tensors) {
    double sum = 0, squares = 0;
    int64_t bad = 0;
    for (int64_t i = 0; i < t.size(); ++i) {
      const double v = t.at(i);
      if (!std::isfinite(v)) {
        ++bad;
        continue;
      }
      sum += v, squares += v * v;
    }
    const double n = static_cast<double>(std::max<int64_t>(t.size(), 1)), mean = sum / n;
    fmt::print("{:<40} {:<16} mean {:+.3e}  sd {:.3e}{}\n", name, str(t.shape()), mean,
               std::sqrt(std::max(squares / n - mean * mean, 0.0)),
               bad > 0 ? fmt::format("  {} NOT FINITE", bad) : "");
    total += t.size();
  }
  fmt::print("{} tensors, {} numbers\n", file.tensors.size(), total);
}

void show_run(const std::string& path) {
  const RunFolder folder{path};
  const auto run = load_run(path);
  const GptConfig& m = run->model.config();
  fmt::print("{}: {}, weights from {}\n", path, run->translation() ? "translation" : "text", run->source);
  fmt::print("model         {}{} layers, width {}, {} heads, inner {}, vocabulary {}, {} parameters\n",
             run->model.encoder_decoder() ? "encoder-decoder, twice " : "", m.layers, m.width, m.heads,
             m.inner, m.vocab, run->params.numbers());
  std::vector<double> losses;
  int64_t last = 0;
  std::string evaluations;
  const std::string text = Disk::real().exists(folder.metrics()) ? Disk::real().read(folder.metrics()) : "";
  for (size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    const Json line = parse_json(std::string_view(text).substr(at, end - at), folder.metrics());
    double v = 0, b = 0;
    if (const Json* s = line.find("step")) s->whole(last);
    if (const Json* l = line.find("loss"); l && l->number(v)) losses.push_back(v);
    if (const Json* l = line.find("valid_loss"); l && l->number(v)) {
      evaluations += fmt::format("  step {:>8}  validation loss {:.4f}", last, v);
      if (const Json* j = line.find("valid_bleu"); j && j->number(b))
        evaluations += fmt::format("  BLEU {:.1f}", b);
      evaluations += '\n';
    }
  }
  if (!losses.empty())
    fmt::print("training loss {:.3f} {} {:.3f} at step {} of {}\n{}", losses.front(), sparkline(losses, 60),
               losses.back(), last, run->config.steps, evaluations);
  if (Disk::real().exists(folder.results())) {
    const Json results = parse_json(Disk::real().read(folder.results()), folder.results());
    if (const Json* report = results.find("report"); report && report->text())
      fmt::print("\n{}", *report->text());
  }
}

// One step of the run's model on its own data, recorded entry by entry.
void show_step(const std::string& path) {
  const auto run = load_run(path);
  const std::vector<Corpus> corpora = training_corpora(run->config);
  const Loader loader(training_plan(run->config, corpora), corpora, run->tokenizer,
                      {batch_shape(run->config), 1, run->config.model.context}, 1);
  AdamW adamw(run->params, run->config.adamw);
  Step step(
      run->params, adamw, [&](const Batch& b) { return run->model.loss(b).loss; }, run->config.seed);
  const Batch batch = upload(loader.at(0).front());
  std::vector<TapeLine> lines;
  for (int i = 0; i < 4; ++i) {  // the first ones settle the memory
    lines.clear();
    Tape::log = &lines;
    StepInputs in = adamw.inputs(0, 0, batch.total_weight, run->config.seed);
    step.gradients({&batch, 1}, in);
    Tape::log = nullptr;
  }
  fmt::print("{:>4} {:<20} {:<20} {:>10} {:>10} {:>10}  {}\n", "", "op", "output", "kept KiB", "forward ms",
             "backward", "formula");
  TapeLine sum;
  for (size_t i = 0; i < lines.size(); ++i) {
    const TapeLine& l = lines[i];
    fmt::print("{:>4} {:<20} {:<20} {:>10.1f} {:>10.3f} {:>10.3f}  {}\n", i, l.op->name, str(l.output),
               static_cast<double>(l.kept) / 1024, l.forward * 1e3, l.backward * 1e3, l.op->formula);
    sum.kept += l.kept, sum.forward += l.forward, sum.backward += l.backward;
  }
  fmt::print("{:>4} {:<20} {:<20} {:>10.1f} {:>10.3f} {:>10.3f}  loss {:.4f}\n", "", "all", "",
             static_cast<double>(sum.kept) / 1024, sum.forward * 1e3, sum.backward * 1e3, step.loss());
}

int run(int argc, char** argv) {
  std::string what;
  bool step = false, ops = false;
  Flags flags("inspect", "Shows a run folder, a checkpoint or model file, the tape of one step, or the ops.");
  flags.add("what", what, "a run folder, or a .ckpt or .safetensors file")
      .add("--step", step, "run one step of the run folder and print its tape")
      .add("--ops", ops, "print the catalogue of ops");
  if (const auto status = flags.parse(argc, argv)) return *status;
  RUM_CHECK(ops != !what.empty(), "give a run folder or a file, or --ops");
  if (ops) {
    show_ops();
  } else if (what.ends_with(".ckpt") || what.ends_with(".safetensors")) {
    show_tensors(what);
  } else {
    step ? show_step(what) : show_run(what);
  }
  return 0;
}
const Command command{"inspect", "show a run, a checkpoint, the tape of a step, the ops", run};
}  // namespace
}  // namespace rum
