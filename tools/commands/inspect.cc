// `ruminate inspect`: what is in a run, in a checkpoint, on the tape of one step; the catalogue of ops.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "base/error.h"
#include "base/output.h"
#include "base/say.h"
#include "checkpoint/safetensors.h"
#include "run/history.h"
#include "run/resume.h"
#include "run/run.h"
#include "serve/run_page.h"
#include "text/json.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/options.h"
#include "train/data.h"
#include "train/step.h"

namespace rum::inspect_command {
namespace {
std::string sparkline(const std::vector<page::ChartPoint>& points, size_t width) {
  static const char* bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  if (points.empty()) return "";
  const auto by_y = [](const page::ChartPoint& a, const page::ChartPoint& b) { return a.y < b.y; };
  const auto [low, high] = std::minmax_element(points.begin(), points.end(), by_y);
  std::string out;
  for (size_t i = 0; i < std::min(width, points.size()); ++i) {
    const double v = points[i * points.size() / std::min(width, points.size())].y;
    out += bars[high->y > low->y ? static_cast<int>(7.999 * (v - low->y) / (high->y - low->y)) : 0];
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
      sum += v;
      squares += v * v;
    }
    const double n = static_cast<double>(std::max<int64_t>(t.size(), 1)), mean = sum / n;
    fmt::print("{:<40} {:<16} mean {:+.3e}  sd {:.3e}{}\n", name, str(t.shape()), mean,
               std::sqrt(std::max(squares / n - mean * mean, 0.0)),
               bad > 0 ? fmt::format("  {} NOT FINITE", bad) : "");
    total += t.size();
  }
  fmt::print("{} tensors, {} numbers\n", file.tensors.size(), total);
}

// A line for each evaluation.
std::string evaluations(const RunHistory& h) {
  std::string out;
  size_t k = 0;
  for (const page::ChartPoint& p : h.validation) {
    out += fmt::format("  step {:>8.0f}  validation loss {:.4f}", p.x, p.y);
    while (k < h.score.size() && h.score[k].x < p.x) ++k;
    if (k < h.score.size() && h.score[k].x == p.x)
      out += fmt::format("  {} {:.1f}", h.score_name == "bleu" ? "BLEU" : h.score_name, h.score[k].y);
    out += '\n';
  }
  return out;
}

// The page, once, or again and again while the runs continue.
void write_page(std::span<const std::string> runs, const std::string& path, bool watch) {
  constexpr int kSeconds = 10;
  serve::RunPages pages;
  listen_for_interrupts();
  while (true) {
    const bool last = !watch || interrupted() || serve::RunPages::finished(runs);
    write_output(path, pages.html(runs, last ? 0 : kSeconds));
    if (last) return;
    for (int k = 0; k < 10 * kSeconds && !interrupted(); ++k)
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

void show_run(const std::string& path) {
  const RunFolder folder{path};
  const auto run = load_run(path);
  const GptConfig& m = run->model.config();
  fmt::print("{}: {}, weights from {}\n", path, run->translation() ? "translation" : "text", run->source);
  fmt::print("model         {}{} layers, width {}, {} heads, inner {}, vocabulary {}, {} parameters\n",
             run->model.encoder_decoder() ? "encoder-decoder, twice " : "", m.layers, m.width, m.heads,
             m.inner, m.vocab, run->params.numbers());
  const RunHistory h = history_of(folder);
  if (h.damaged > 0) say("{}: damaged lines skipped: {}", folder.metrics(), h.damaged);
  if (!h.training.empty())
    fmt::print("training loss {:.3f} {} {:.3f} at step {:.0f} of {}\n{}", h.training.front().y,
               sparkline(h.training, 60), h.training.back().y, h.training.back().x, run->config.steps,
               evaluations(h));
  if (!Disk::real().exists(folder.results())) return;
  const std::string results = Disk::real().read(folder.results());
  try {
    const Json all = parse_json(results, folder.results());
    if (const Json* report = all.find("report"); report && report->text())
      fmt::print("\n{}", *report->text());
  } catch (const FileError& e) {  // as a crash or a full disk may leave it
    say("{}; the results are passed over", e.what());
  }
}

// One step of the run's model on its own data, recorded entry by entry.
void show_step(const std::string& path) {
  const StoredRun run = read_run(path);
  const RunConfig c = resumed_config(path);  // finds its texts from any folder
  RUM_CHECK(!c.train.empty(),
            "data.train is not set in {}/config.toml: a step is made of a run's own texts, and one that was "
            "imported has none",
            path);
  const std::vector<Corpus> corpora = training_corpora(c);
  const Loader loader(training_plan(c, corpora), corpora, run.tokenizer, {batch_shape(c), 1, c.model.context},
                      1);
  ParameterBlock params;
  const Model model(c.model_kind, Params(params), model_config(c, run.tokenizer.size()));
  params.materialise(DeviceKind::cpu, DType::f32, {});
  load_weights(params, run.weights, DType::f32);
  AdamW adamw(params, c.adamw);
  Step step(
      params, adamw, [&](const Batch& b) { return model.loss(b).loss; }, c.seed);
  const Batch batch = upload(loader.at(0).front());
  std::vector<TapeLine> lines;
  for (int i = 0; i < 4; ++i) {  // the first ones settle the memory
    lines.clear();
    Tape::log = &lines;
    StepInputs in = adamw.inputs(0, 0, batch.total_weight, c.seed);
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
    sum.kept += l.kept;
    sum.forward += l.forward;
    sum.backward += l.backward;
  }
  fmt::print("{:>4} {:<20} {:<20} {:>10.1f} {:>10.3f} {:>10.3f}  loss {:.4f}\n", "", "all", "",
             static_cast<double>(sum.kept) / 1024, sum.forward * 1e3, sum.backward * 1e3, step.loss());
}

int run(int argc, char** argv) {
  std::vector<std::string> what;
  std::string drawing, page;
  bool step = false, ops = false, watch = false;
  Flags flags(
      "inspect",
      "Shows a run folder, a checkpoint or model file, the tape of one step, or the ops; or runs as a page.");
  flags.add("what", what, "a run folder, or a .ckpt or .safetensors file; with --html also several runs")
      .add("--html", page,
           "write one page of curves, samples, tokens and attention into this file; it needs nothing beside "
           "it")
      .add("--watch", watch, "with --html: rewrite it every ten seconds until the runs are finished")
      .add("--step", step, "run one step of the run folder and print its tape")
      .add("--svg", drawing, "draw the run's training and validation loss to this file")
      .add("--ops", ops, "print the catalogue of ops");
  if (const auto status = flags.parse(argc, argv)) return *status;
  RUM_CHECK(ops != !what.empty(), "give a run folder or a file, or --ops");
  RUM_CHECK(ops + step + !page.empty() + !drawing.empty() <= 1,
            "--ops, --step, --html and --svg exclude each other: each is an output of its own");
  for (const std::string& path : what)
    RUM_CHECK(!is_weights(path) || (!step && page.empty() && drawing.empty()),
              "{}: --step, --html and --svg are for run folders; a file's tensors are listed without a flag",
              path);
  RUM_CHECK(what.size() <= 1 || !page.empty(), "several runs at once need --html FILE");
  RUM_CHECK(!watch || (!page.empty() && page != "-"), "--watch needs --html with a file");
  std::vector<std::string> read;
  for (const std::string& path : what)
    for (std::string& file : files_to_keep(path)) read.push_back(std::move(file));
  for (const std::string& output : {page, drawing})
    if (!output.empty()) check_output(output, read);
  if (ops) {
    show_ops();
  } else if (!page.empty()) {
    write_page(what, page, watch);
  } else if (!drawing.empty()) {
    write_output(drawing, loss_picture({what[0]}));
  } else if (is_weights(what[0])) {
    show_tensors(what[0]);
  } else {
    step ? show_step(what[0]) : show_run(what[0]);
  }
  return 0;
}
const Command command{"inspect", "show a run, a checkpoint, the tape of a step, the ops", run};
}  // namespace
}  // namespace rum::inspect_command
