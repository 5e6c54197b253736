// `ruminate inspect`: what is in a run, in a checkpoint, on the tape of one step; the catalogue of ops.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/output.h"
#include "checkpoint/safetensors.h"
#include "experiment/chart.h"
#include "run/metrics.h"
#include "run/run.h"
#include "text/json.h"
#include "tools/command.h"
#include "tools/options.h"
#include "train/data.h"
#include "train/step.h"

namespace rum {
namespace {
std::string sparkline(const std::vector<ChartPoint>& points, size_t width) {
  static const char* bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  if (points.empty()) return "";
  const auto by_y = [](const ChartPoint& a, const ChartPoint& b) { return a.y < b.y; };
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

// What metrics.jsonl says of a run: a point per logged step, and one per evaluation.
struct History {
  std::vector<ChartPoint> training, validation;  // step and loss
  std::string evaluations;                       // lines for people
};
History history_of(const RunFolder& folder) {
  History h;
  const int64_t damaged = each_metrics_line(folder, [&](const MetricsLine& line) {
    const auto step = static_cast<double>(line.step);
    double loss = 0, bleu = 0;
    if (const Json* l = line.json.find("loss"); l && l->number(loss))
      h.training.push_back({step, loss, loss, loss});
    if (const Json* l = line.json.find("valid_loss"); l && l->number(loss)) {
      h.validation.push_back({step, loss, loss, loss});
      h.evaluations += fmt::format("  step {:>8}  validation loss {:.4f}", line.step, loss);
      if (const Json* b = line.json.find("valid_bleu"); b && b->number(bleu))
        h.evaluations += fmt::format("  BLEU {:.1f}", bleu);
      h.evaluations += '\n';
    }
  });
  if (damaged > 0) fmt::print(stderr, "{}: lines passed over as damaged: {}\n", folder.metrics(), damaged);
  return h;
}

// At most `most` points: means of neighbours.
std::vector<ChartPoint> thinned(const std::vector<ChartPoint>& points, size_t most) {
  std::vector<ChartPoint> out;
  const size_t groups = std::min(most, points.size());
  for (size_t g = 0; g < groups; ++g) {
    const size_t begin = g * points.size() / groups, end = (g + 1) * points.size() / groups;
    double x = 0, y = 0;
    for (size_t i = begin; i < end; ++i) x += points[i].x, y += points[i].y;
    const double n = static_cast<double>(end - begin);
    out.push_back({x / n, y / n, y / n, y / n});
  }
  return out;
}

// The chart as a file of its own, in colours that suit light and dark pages.
void draw_loss(const std::string& path, const std::string& to) {
  constexpr std::string_view head =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" style=\"font: 12px sans-serif\" ";
  constexpr std::string_view style = R"(<style>
svg { color: #1f2328 } text { fill: currentColor } .title { font-weight: bold }
.grid { stroke: currentColor; stroke-opacity: .15 } .line { fill: none; stroke-width: 2 }
.s0 { stroke: #0969da } .s1 { stroke: #bc4c00 } circle.s0 { display: none } circle.s1 { fill: #bc4c00 }
@media (prefers-color-scheme: dark) {
  svg { color: #e6edf3 } .s0 { stroke: #58a6ff } .s1 { stroke: #f0883e } circle.s1 { fill: #f0883e }
}
</style>
)";
  const History h = history_of({path});
  RUM_CHECK(!h.training.empty(), "{}: no step was logged yet, so there is no loss to draw", path);
  std::string picture = svg(LineChart{"Loss of " + path,
                                      "step",
                                      "nats per token",
                                      {{"training", thinned(h.training, 80)}, {"validation", h.validation}}});
  picture.replace(0, std::string_view("<svg ").size(), head);
  picture.insert(picture.find(">\n") + 2, style);
  OutputFile file(to);
  file.write(picture);
  file.finish();
}

void show_run(const std::string& path) {
  const RunFolder folder{path};
  const auto run = load_run(path);
  const GptConfig& m = run->model.config();
  fmt::print("{}: {}, weights from {}\n", path, run->translation() ? "translation" : "text", run->source);
  fmt::print("model         {}{} layers, width {}, {} heads, inner {}, vocabulary {}, {} parameters\n",
             run->model.encoder_decoder() ? "encoder-decoder, twice " : "", m.layers, m.width, m.heads,
             m.inner, m.vocab, run->params.numbers());
  const History h = history_of(folder);
  if (!h.training.empty())
    fmt::print("training loss {:.3f} {} {:.3f} at step {:.0f} of {}\n{}", h.training.front().y,
               sparkline(h.training, 60), h.training.back().y, h.training.back().x, run->config.steps,
               h.evaluations);
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
  std::string what, drawing;
  bool step = false, ops = false;
  Flags flags("inspect", "Shows a run folder, a checkpoint or model file, the tape of one step, or the ops.");
  flags.add("what", what, "a run folder, or a .ckpt or .safetensors file")
      .add("--step", step, "run one step of the run folder and print its tape")
      .add("--svg", drawing, "draw the run's training and validation loss into this file")
      .add("--ops", ops, "print the catalogue of ops");
  if (const auto status = flags.parse(argc, argv)) return *status;
  RUM_CHECK(ops != !what.empty(), "give a run folder or a file, or --ops");
  if (ops) {
    show_ops();
  } else if (!drawing.empty()) {
    draw_loss(what, drawing);
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
