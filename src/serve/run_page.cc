#include "serve/run_page.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "generate/log_probs.h"
#include "generate/scoring_batch.h"
#include "page/page.h"
#include "run/history.h"
#include "run/run.h"
#include "serve/text_page.h"
#include "text/html.h"
#include "text/reader.h"

namespace rum::serve {
namespace {
constexpr size_t kPoints = 200, kTexts = 3, kTextTokens = 80, kSteps = 12;

// samples.txt: after each "step N", three lines per text: "  " source, "  = " reference, "  > " translation.
// They are counted: a source may begin like the others.
struct Sample {
  std::string source, reference;
  std::vector<std::pair<std::string, std::string>> written;  // step, translation
};
struct Samples {
  std::vector<Sample> all;
  int64_t damaged =
      0;  // lines, as a crash or a full disk may leave them; passed over up to the next "step N"
};
Samples samples_of(const RunFolder& folder) {
  Samples samples;
  std::vector<Sample>& out = samples.all;
  const std::string path = folder.file("samples.txt");
  if (!Disk::real().exists(path)) return samples;
  LineReader reader(path, size_t{1} << 24);
  std::string step, source, reference;
  int of_text = 0;  // lines
  bool damaged = false;
  const auto next = [&](std::string_view& line) {
    while (true) try {
        return reader.next(line);
      } catch (const LineError&) {
        ++samples.damaged;
        damaged = true;
      }
  };
  for (std::string_view line; next(line);) {
    const auto from = [&](size_t column) { return line.substr(std::min(column, line.size())); };
    if (line.starts_with("step ")) {
      step = line;
      of_text = 0;
      damaged = false;
      continue;
    }
    if (damaged) continue;
    ++of_text;
    if (of_text == 1) source = from(2);
    if (of_text == 2) reference = from(4);
    if (of_text < 3) continue;
    auto at = std::find_if(out.begin(), out.end(), [&](const Sample& s) { return s.source == source; });
    if (at == out.end()) at = out.insert(out.end(), {source, reference, {}});
    at->written.emplace_back(step, from(4));
    of_text = 0;
  }
  return samples;
}
struct Run {
  std::string name;
  RunFolder folder;
  RunConfig config;
  RunHistory history;
  Samples samples;
};
Run read(const std::string& path) {
  const RunFolder folder{path};
  check_run_folder(folder, path);
  return {path, folder, read_config(folder.config()), history_of(folder), samples_of(folder)};
}
using Points = std::vector<page::ChartPoint> RunHistory::*;
// One line per run; empty if no run has a point.
std::string over_each_other(std::span<const Run> runs, const char* title, const char* y, Points points) {
  page::LineChart chart{title, "step", y, {}};
  for (size_t i = 0; i < runs.size(); ++i)
    if (!(runs[i].history.*points).empty())
      chart.lines.push_back({runs[i].name, thinned(runs[i].history.*points, kPoints),
                             page::ChartLine::Stroke::marked, static_cast<int>(i)});
  return page::svg(chart);
}
void put_curves(page::Page& page, std::span<const Run> runs) {
  std::vector<std::string> charts;
  const RunHistory& first = runs.front().history;
  if (runs.size() == 1) {
    charts.push_back(page::svg(
        page::LineChart{"Loss",
                        "step",
                        "nats a token",
                        {{"training", thinned(first.training, kPoints)}, {"validation", first.validation}}}));
  } else {
    charts.push_back(over_each_other(runs, "Training loss", "nats a token", &RunHistory::training));
    charts.push_back(over_each_other(runs, "Validation loss", "nats a token", &RunHistory::validation));
  }
  std::string score = "Score of the validation texts";
  for (const Run& r : runs)
    if (r.history.score_name == "bleu") score = "BLEU of the validation texts";
  charts.push_back(over_each_other(runs, score.c_str(), "higher is better", &RunHistory::score));
  charts.push_back(over_each_other(runs, "Learning rate", "learning rate", &RunHistory::learning_rate));
  charts.push_back(over_each_other(runs, "Norm of the gradient", "before clipping", &RunHistory::norm));
  charts.push_back(over_each_other(runs, "Speed", "tokens a second", &RunHistory::speed));
  std::erase(charts, "");
  page.section("Curves");
  if (charts.empty())
    page.put("<p>No steps logged yet.</p>\n");
  else
    page.figure(charts, "What each run has logged; where there are many points, means of neighbouring ones.",
                "");
}
std::string best_of(const std::vector<page::ChartPoint>& points, bool lowest, int digits) {
  if (points.empty()) return "–";
  const auto by_y = [](const page::ChartPoint& a, const page::ChartPoint& b) { return a.y < b.y; };
  const auto [low, high] = std::minmax_element(points.begin(), points.end(), by_y);
  const page::ChartPoint& p = lowest ? *low : *high;
  return fmt::format("{} <small>step {:.0f}</small>", page::shown(p.y, digits), p.x);
}
void put_summary(page::Page& page, std::span<const Run> runs) {
  page::Table t{
      "The runs.",
      "",
      {{"Run"}, {"model"}, {"step"}, {"training loss"}, {"best validation loss"}, {"best score"}, {"state"}}};
  for (const Run& r : runs) {
    const RunHistory& h = r.history;
    const double step = h.training.empty() ? 0 : h.training.back().x;
    std::string state = Disk::real().exists(r.folder.results()) ? "finished" : "not finished";
    if (h.skipped > 0) state += fmt::format(", {} steps skipped", h.skipped);
    if (const int64_t damaged = h.damaged + r.samples.damaged; damaged > 0)
      state += fmt::format(", {} damaged lines of its records passed over", damaged);
    t.rows.push_back(
        {escape_html(r.name), fmt::format("{} layers, width {}", r.config.model.layers, r.config.model.width),
         fmt::format("{} of {}", page::counted(static_cast<int64_t>(step)), page::counted(r.config.steps)),
         h.training.empty() ? "–" : page::shown(h.training.back().y, 3), best_of(h.validation, true, 3),
         best_of(h.score, false, 1), state});
  }
  page.section("Runs");
  page.table(t);
}

void put_samples(page::Page& page, std::span<const Run> runs) {
  bool any = false;
  for (const Run& r : runs)
    for (const Sample& s : r.samples.all) {
      if (!any) page.section("Samples over time");
      any = true;
      page.put("<div class=\"sample\"><p><b>" + escape_html(s.source) + "</b><br><span class=\"soft\">" +
               escape_html(s.reference) + "</span>");
      if (runs.size() > 1) page.put("<br><small>" + escape_html(r.name) + "</small>");
      page.put("</p><dl>\n");
      const size_t n = s.written.size(), shown_of = std::min(n, kSteps);
      for (size_t k = 0; k < shown_of; ++k) {  // always including the last one
        const auto& [step, text] =
            s.written[n - 1 - (shown_of - 1 - k) * (n - 1) / std::max<size_t>(shown_of - 1, 1)];
        page.put(fmt::format("<dt>{}</dt><dd>{}</dd>\n", escape_html(step), escape_html(text)));
      }
      page.put("</dl></div>\n");
    }
}

std::vector<Example> validation_texts(const LoadedRun& run) {
  std::vector<Example> out;
  const Corpus corpus = read_corpus(run.config.valid, run.config.kind, {.skip_bad = true});
  for (size_t i = 0; i < corpus.texts.size() && out.size() < kTexts; ++i) {
    Example e = to_example(corpus.texts[i], run.tokenizer);
    if (!run.translation() && e.tokens.size() > kTextTokens) {
      e.tokens.resize(kTextTokens);
      e.goes_on = true;
    }
    if (e.tokens.size() <= 2 * kTextTokens && positions_needed(run.model, e) <= run.model.config().context)
      out.push_back(std::move(e));
  }
  return out;
}
std::string seen_by(const LoadedRun& run) {
  const std::vector<Example> examples = validation_texts(run);
  if (examples.empty()) return "<p>No validation text is short enough to be shown.</p>\n";
  const auto stats = text_stats(run.model, examples);
  std::string heat, cut;
  size_t shortest = 0;
  for (size_t i = 0; i < examples.size(); ++i) {
    const std::vector<page::ShownToken> tokens = shown_tokens(run, examples[i], stats[i]);
    heat += page::heat_map(tokens);
    cut += page::cut_map(tokens);
    if (examples[i].tokens.size() < examples[shortest].tokens.size()) shortest = i;
  }
  return fmt::format("<p class=\"soft\">Weights: {}</p>\n<h3>How likely each token is</h3>\n",
                     escape_html(run.source)) +
         heat + page::heat_legend() + "<h3>How the tokenizer splits it</h3>\n" + cut +
         "<h3>Where each layer and head looks in the shortest of them</h3>\n" +
         attention_of(run, examples[shortest]);
}
}  // namespace

bool RunPages::finished(std::span<const std::string> folders) {
  return std::all_of(folders.begin(), folders.end(),
                     [](const std::string& f) { return Disk::real().exists(RunFolder{f}.results()); });
}
std::string RunPages::html(std::span<const std::string> folders, int64_t refresh) {
  std::vector<Run> runs;
  for (const std::string& f : folders) runs.push_back(read(f));
  page::Page page;
  put_summary(page, runs);
  put_curves(page, runs);
  put_samples(page, runs);
  const Run& first = runs.front();
  page.section(fmt::format("Validation texts as {} sees them", escape_html(first.name)));
  Disk& disk = Disk::real();
  std::string weights = disk.exists(first.folder.model()) ? first.folder.model() : "";
  if (weights.empty() && disk.exists(first.folder.checkpoints()))
    for (const std::string& name : disk.list(first.folder.checkpoints())) weights += name + " ";
  if (seen_.empty() || weights_ != weights) try {
      seen_ = seen_by(*load_run(first.name));
    } catch (const Error& e) {  // no weights yet, or a corpus that is no longer there
      seen_ = "<p>" + escape_html(e.what()) + "</p>\n";
    }
  weights_ = weights;
  page.put(seen_);
  std::string head, title = first.name;
  if (runs.size() > 1) title += fmt::format(" and {} more", runs.size() - 1);
  if (refresh > 0 && !finished(folders))
    head = fmt::format("<meta http-equiv=\"refresh\" content=\"{}\">", refresh);
  return page.html(title, "", head);
}
}  // namespace rum::serve
