// `ruminate experiment`: runs an experiment from its config, stage by stage, and reports on it.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/output.h"
#include "base/shell.h"
#include "base/terminal.h"
#include "base/threads.h"
#include "edits/targets.h"
#include "experiment/arms.h"
#include "experiment/given.h"
#include "experiment/report.h"
#include "experiment/result_files.h"
#include "experiment/subset.h"
#include "generate/hosted.h"
#include "metrics/critical.h"
#include "pipeline/runner.h"
#include "run/environment.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/options.h"

namespace rum::experiment_command {
using namespace experiment;
namespace {
std::string today() {
  const std::time_t t = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d", std::gmtime(&t));
  return text;
}
struct Options {
  std::string what, config, stage, folder, data, arm, output, system;
  std::vector<std::string> generated, groups;
  int64_t jobs = 0, threads = 0, seed = 1;
  bool slurm = false, plain = false, sources = false, no_text = false;
};

// A config that is not there may be meant as one of those that come with the program.
void check_there(const std::string& config) {
  if (Disk::real().exists(config)) return;
  const std::filesystem::path shipped = "data/configs/experiments", asked = config;
  const std::string meant = (shipped / asked.stem()).string() + ".toml";
  std::string known;
  if (Disk::real().exists(meant)) {
    known = fmt::format("; did you mean \"{}\"?", meant);
  } else if (std::filesystem::is_directory(shipped)) {
    std::vector<std::string> names;
    for (const std::string& name : Disk::real().list(shipped.string()))
      if (name.ends_with(".toml")) names.push_back(std::filesystem::path(name).stem().string());
    known =
        fmt::format(", such as those in {}{}", shipped.string(), known_names(asked.stem().string(), names));
  }
  throw FileError(
      fmt::format("{}: cannot open: No such file or directory; expected a TOML file{}", config, known));
}
ExperimentConfig config_of(const Options& a) {
  std::vector<std::string> names = a.generated;
  names.insert(names.end(), {a.folder, a.data});
  for (const std::string& name : names)
    RUM_CHECK(!has_controls(name), "{}: expected a name without control characters", to_json(Json(name)));
  check_there(a.config);
  ExperimentConfig c = read_experiment(a.config);
  if (!a.folder.empty()) {
    c.folder = a.folder;
    c.report.clear();
  }
  if (c.report.empty()) c.report = c.folder;
  if (a.jobs > 0) c.jobs = a.jobs;
  if (!a.data.empty()) {
    c.data.train = a.data + "/train.tsv";
    c.data.valid = a.data + "/valid.tsv";
    c.data.test = a.data + "/test.tsv";
  }
  for (const std::string& g : a.generated) {
    const size_t equals = g.find('=');
    RUM_CHECK(equals != std::string::npos && equals > 0, "--generated {}: expected NAME=FILE", g);
    const std::string name = g.substr(0, equals);
    const auto at = std::find_if(c.generators.begin(), c.generators.end(),
                                 [&](const Generator& x) { return x.name == name; });
    RUM_CHECK(at != c.generators.end() && !at->file.empty(),
              "--generated {}: {} has no [generator.{}] with a file; arms refer to it by that name", g,
              a.config, name);
    at->file = g.substr(equals + 1);
  }
  if (!a.groups.empty()) return only_groups(std::move(c), a.groups);
  return c;
}
Store store_in(const std::string& folder) { return Store(folder, {build_id(), "`ruminate experiment run`"}); }
// The command that makes one stage when its id is added.
std::vector<std::string> stage_command(const Options& a, const std::string& program,
                                       const std::string& folder) {
  const std::string threads = std::to_string(std::max<int64_t>(a.threads, 1));
  std::vector<std::string> out{program,     "experiment", "stage",    a.config,
                               "--threads", threads,      "--folder", folder};
  if (!a.data.empty()) out.insert(out.end(), {"--data", a.data});
  for (const std::string& g : a.generated) out.insert(out.end(), {"--generated", g});
  for (const std::string& g : a.groups) out.insert(out.end(), {"--group", g});
  out.push_back("--stage");
  return out;
}
// This program as a shell finds it from here: by a relative path where it lies below this folder, as configs do.
std::string this_program() {
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe");
  const std::filesystem::path near = program.lexically_proximate(std::filesystem::current_path());
  if (near.string().starts_with("..")) return program.string();
  return near.has_parent_path() ? near.string() : "./" + near.string();
}
std::string shell(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& w : words) {
    if (!out.empty()) out += ' ';
    out += shell_quoted(w);
  }
  return out;
}

// FileError when the config that is noted beside the report, or the log, would be written to a file of
// somebody else.
void check_noted(const ExperimentConfig& c) {
  Disk& disk = Disk::real();
  const std::string config = c.report + "/config.toml", log = c.folder + "/log.txt";
  const std::string there = disk.exists(config) ? disk.read(config) : "";
  const bool ours = there == c.text || there.find("[experiment]") != std::string::npos;
  for (const std::string& path : {config, log})
    if (disk.exists(path) && !ours && !(path == log && disk.exists(c.folder + "/stages")))
      throw FileError(path +
                      ": it is not of an experiment, and this one would write to it; move it away or choose "
                      "another experiment.folder");
}

int run(const Options& a) {
  const ExperimentConfig c = config_of(a);
  check_noted(c);
  const ExperimentGraph g = experiment_graph(c);
  Store store = store_in(c.folder);
  check_given(g, store);
  for (const std::string& folder : {c.folder, c.report}) Disk::real().make_folders(folder);
  Disk::real().replace_text(c.report + "/config.toml", c.text);  // first, so that the log is known as its own
  Progress progress(c.folder + "/log.txt");
  listen_for_interrupts();
  RunnerConfig r{stage_command(a, "/proc/self/exe", c.folder), c.jobs,
                 "`ruminate experiment status` shows how far it is"};
  progress.line(fmt::format("{}: {} stages, {} students, {} at a time", c.title, g.graph.stages().size(),
                            trained_students(g), r.jobs));
  for (const std::string& sentence : undecidable(c)) progress.line(sentence);
  const RunnerResult result = run_stages(g.graph, store, r, progress, [] { return interrupted(); });
  if (result.stopped) {
    progress.line(fmt::format("stopped: {} of {} stages are made; the same command continues",
                              result.made + result.there, g.graph.stages().size()));
    return 130;
  }
  progress.line(fmt::format("all {} stages are made, {} of them now", g.graph.stages().size(), result.made));
  return 0;
}

int status(const Options& a) {
  const ExperimentConfig c = config_of(a);
  const Store store = store_in(c.folder);
  const ExperimentGraph g = experiment_graph(c, &store);
  check_given(g, store);
  struct Kind {
    int64_t all = 0, made = 0, begun = 0;
  };
  std::vector<std::pair<std::string, Kind>> kinds;
  Kind sum;
  for (const Stage& s : g.graph.stages()) {
    auto at = std::find_if(kinds.begin(), kinds.end(), [&](const auto& k) { return k.first == s.kind; });
    if (at == kinds.end()) at = kinds.insert(kinds.end(), {s.kind, {}});
    for (Kind* k : {&at->second, &sum}) {
      ++k->all;
      k->made += store.finished(s.id);
      k->begun += store.begun(s.id);
    }
  }
  fmt::print("{:<12} {:>6} {:>6} {:>6}\n", "stages", "made", "begun", "all");
  for (const auto& [name, k] : kinds) fmt::print("{:<12} {:>6} {:>6} {:>6}\n", name, k.made, k.begun, k.all);
  fmt::print("{:<12} {:>6} {:>6} {:>6}\n", "all", sum.made, sum.begun, sum.all);
  fmt::print("about {} left with {} at a time\n",
             duration(seconds_left(g.graph, store) / static_cast<double>(c.jobs)), c.jobs);
  return 0;
}

// Waves: stages whose inputs all lie in earlier waves.
std::vector<std::vector<const Stage*>> waves_of(const Graph& graph, const Store& store) {
  std::vector<std::vector<const Stage*>> out;
  std::map<std::string, size_t> wave;
  for (const Stage& s : graph.stages()) {
    if (store.finished(s.id)) continue;
    size_t w = 0;
    for (const auto& [_, i] : s.inputs)
      if (const auto at = wave.find(i); at != wave.end()) w = std::max(w, at->second + 1);
    wave[s.id] = w;
    if (out.size() <= w) out.resize(w + 1);
    out[w].push_back(&s);
  }
  return out;
}
int jobs(const Options& a) {
  const ExperimentConfig c = config_of(a);
  const ExperimentGraph g = experiment_graph(c);
  const Store store = store_in(c.folder);
  check_given(g, store);
  const std::string command = shell(stage_command(a, this_program(), c.folder));
  const auto waves = waves_of(g.graph, store);
  if (a.slurm) {
    fmt::print(
        "#!/bin/bash\n# One array per wave; a wave begins when the one before has succeeded. Run it with "
        "bash "
        "where sbatch is;\n# SBATCH_* variables set partition, time and memory.\nset -e\nafter=()\n");
    fmt::print("mkdir -p -- {}\n", shell_quoted(c.folder + "/logs"));
    for (size_t w = 0; w < waves.size(); ++w) {
      const std::string ids = shell_quoted(fmt::format("{}/logs/wave-{}.txt", c.folder, w + 1));
      std::string lines;
      for (const Stage* s : waves[w]) lines += s->id + "\n";
      fmt::print("cat >{} <<'END'\n{}END\n", ids, lines);
      // The command of one job is a word of this script: so it is quoted as a whole again.
      const std::string job = fmt::format("{} \"$(sed -n \"${{SLURM_ARRAY_TASK_ID}}p\" {})\"", command, ids);
      fmt::print(
          "job=$(sbatch --parsable \"${{after[@]}}\" --array=1-{} --output={} \\\n  --wrap {})\n"
          "after=(--dependency=afterok:\"$job\")\n",
          waves[w].size(), shell_quoted(c.folder + "/logs/slurm-%A_%a.txt"), shell_quoted(job));
    }
    return 0;
  }
  for (size_t w = 0; w < waves.size(); ++w)
    for (const Stage* s : waves[w]) {
      if (!a.plain) {
        std::string inputs;
        for (const StageInput& i : s->inputs) inputs += " " + i.id;
        fmt::print("# wave {}: {}\n#   after{}\n", w + 1, s->label, inputs.empty() ? " nothing" : inputs);
      }
      fmt::print("{} {}\n", command, s->id);
    }
  return 0;
}

int stage(const Options& a) {
  RUM_CHECK(!a.stage.empty(), "which stage? `ruminate experiment jobs {}` lists them with their commands",
            shell_quoted(a.config));
  const ExperimentConfig c = config_of(a);
  const ExperimentGraph g = experiment_graph(c);
  RUM_CHECK(std::any_of(g.graph.stages().begin(), g.graph.stages().end(),
                        [&](const Stage& s) { return s.id == a.stage; }),
            "no stage \"{}\" in this experiment; `ruminate experiment jobs {}` lists them", a.stage,
            shell_quoted(a.config));
  if (a.threads > 0) set_threads(static_cast<int>(a.threads));
  Store store = store_in(c.folder);
  Progress progress;
  listen_for_interrupts();
  try {
    store.make(g.graph, a.stage, progress, [] { return interrupted(); });
  } catch (const Interrupted&) {
    return 130;
  }
  return 0;
}

// report.html and the files of its numbers, beside the stages or where --output says; of the arms that are
// made, since a long experiment is looked at before its end.
int report(const Options& a) {
  const ExperimentConfig whole = config_of(a);
  const std::string folder = a.output.empty() ? whole.report : a.output;
  check_report_output(folder);
  const Store store = store_in(whole.folder);
  FilesRead read;
  const auto [c, waiting] = made_so_far(whole, store, read);
  const ExperimentGraph g = experiment_graph(c, &store, &read);
  ExperimentResults results = gather(c, g, store);
  results.made = today();
  const Json here = environment(DeviceKind::cpu);
  const auto fact = [&](const char* key) {
    const Json* j = here.find(key);
    return j && j->text() ? *j->text() : std::string("unknown");
  };
  const ReportFacts facts{fact("processor"), build_id(), !a.no_text, waiting};
  const std::string written = write_report(folder, report_html(results, facts), results);
  for (const ClaimResult& x : results.claims) {
    std::string verdicts;
    for (const ClaimResult::Row& row : x.rows)
      verdicts += fmt::format(
          "{}{}: {}{}", verdicts.empty() ? "" : ", ", row.by, name(row.verdict),
          std::isfinite(row.difference.value) ? fmt::format(" ({:+.2f})", row.difference.value) : "");
    fmt::print("{} ({}): {}\n", x.claim->text, x.claim->id, verdicts);
  }
  if (results.gate)
    fmt::print("gate: {} (BLEU {:.2f} of {:.2f}{})\n", results.gate->met ? "met" : "NOT met",
               results.gate->bleu, c.gate.bleu,
               c.gate.claim.empty() ? ""
                                    : fmt::format(", half-width {:.2f} of {:.2f}", results.gate->half_width,
                                                  c.gate.half_width));
  if (!waiting.empty())
    fmt::print("{} of {} arms are made; left out: {}\n", c.arms.size(), whole.arms.size(),
               fmt::join(waiting, "; "));
  fmt::print("{}\n", written);
  return 0;
}

// The pool's sources, for models that are run elsewhere: before their files are there, so without any arm.
int export_sources(ExperimentConfig c, const std::string& output) {
  c.arms.clear(), c.claims.clear();
  Store store = store_in(c.folder);
  const ExperimentGraph g = experiment_graph(c, &store);
  Progress progress;
  store.make(g.graph, g.split, progress, [] { return false; });
  store.check(g.graph.at(g.split));
  std::string lines;
  for (const Pair& p : edits::read_pool(store.folder(g.split)).texts) lines += p.source + '\n';
  write_output(output, lines);
  return 0;
}
int export_targets(const Options& a) {
  const ExperimentConfig c = config_of(a);
  const std::string output = a.output.empty() ? "-" : a.output;
  std::vector<std::string> read{a.config, c.data.train, c.data.valid, c.data.test};
  for (const Generator& generator : c.generators) read.push_back(generator.file);
  check_output(output, read);
  if (a.sources) return export_sources(c, output);
  const Store store = store_in(c.folder);
  const ExperimentGraph g = experiment_graph(c, &store);
  std::vector<std::string> arms;
  for (const StudentRun& run : g.students)
    if (arms.empty() || arms.back() != run.arm->name) arms.push_back(run.arm->name);
  RUM_CHECK(!a.arm.empty(), "export needs --sources or --arm NAME{}", known_names(a.arm, arms));
  for (const StudentRun& run : g.students) {
    if (run.arm->name != a.arm || run.seed != a.seed) continue;
    RUM_CHECK(!run.targets_stage.empty(), "arm \"{}\" learns from no targets", a.arm);
    RUM_CHECK(store.finished(run.targets_stage),
              "the targets of arm \"{}\" are not made yet; `ruminate experiment run {}` makes them", a.arm,
              shell_quoted(a.config));
    store.check(g.graph.at(run.targets_stage));
    const std::string system =
        fmt::format("Translate from {} to {}.", metrics::language_named(c.data.source).in_english,
                    metrics::language_named(c.data.target).in_english);
    write_output(output, fine_tuning_lines(edits::read_targets(store.folder(run.targets_stage)).texts,
                                           a.system.empty() ? system : a.system));
    return 0;
  }
  if (std::find(arms.begin(), arms.end(), a.arm) != arms.end())
    fail(
        fmt::format("--seed {}: arm \"{}\" has no such seed; experiment.seeds = {}", a.seed, a.arm, c.seeds));
  fail(fmt::format("--arm: no arm \"{}\"{}", a.arm, known_names(a.arm, arms)));
}

int experiment(int argc, char** argv) {
  Options a;
  Flags flags("experiment", "Runs an experiment: trains generators and students, measures, judges, reports.");
  flags
      .choice("command", a.what,
              "run: make what is missing; status: what is made; jobs: the commands of what is missing, for a "
              "cluster; stage: make one that jobs lists; report: tables and verdicts of the arms that are "
              "made; export: an arm's targets as chats, or the pool's sources",
              {"run", "status", "jobs", "report", "export", "stage"}, true)
      .add("config", a.config, "the experiment's TOML file, as in data/configs/experiments", true)
      .add("--folder", a.folder, "where everything goes, instead of the file's experiment.folder")
      .add("--data", a.data, "a folder with train.tsv, valid.tsv and test.tsv, instead of the file's [data]")
      .add("--generated", a.generated, "NAME=FILE: what the outside model [generator.NAME] made of the pool")
      .add("--group", a.groups, "only arms of these groups, and those that their claims compare them with")
      .add("--jobs", a.jobs, "stages run in parallel, instead of the file's experiment.jobs", 0, 1024)
      .add("--threads", a.threads, "threads of one stage; 0: 1, or all processors for `stage`", 0, 1024)
      .add("--stage", a.stage, "id of the stage to make")
      .add("--slurm", a.slurm, "jobs: as a script of job arrays for Slurm")
      .add("--plain", a.plain, "jobs: one command per line, in an order that works")
      .add("--arm", a.arm,
           "export: the arm whose targets to write as chats for fine-tuning, one JSON object per line")
      .add("--sources", a.sources,
           "export: instead of --arm, the pool's sources, one per line, for a model that is run elsewhere")
      .add("--seed", a.seed, "export: which seed of the arm", 1, 1000)
      .add("--system", a.system,
           "export: the system message of each chat, if not \"Translate from German to English.\", of "
           "data.languages")
      .add("--output,-o", a.output,
           "report: a folder instead of the experiment's; export: a file, else standard output")
      .add("--no-text", a.no_text, "report: ids and numbers only, no text of a corpus");
  if (const auto status = flags.parse(argc, argv)) return *status;
  for (const auto& [flag, command] : {std::pair{"--stage", "stage"},
                                      {"--slurm", "jobs"},
                                      {"--plain", "jobs"},
                                      {"--arm", "export"},
                                      {"--sources", "export"},
                                      {"--seed", "export"},
                                      {"--system", "export"},
                                      {"--no-text", "report"}})
    RUM_CHECK(!flags.given(flag) || a.what == command, "{} is for `ruminate experiment {}`", flag, command);
  flags.need(a.what == "run" || a.what == "status", "`ruminate experiment run` or `status`", {"--jobs"});
  flags.need(a.what == "run" || a.what == "jobs" || a.what == "stage",
             "`ruminate experiment run`, `jobs` or `stage`", {"--threads"});
  flags.need(!a.sources, "`export` without --sources, which are those of all arms",
             {"--arm", "--seed", "--system"});
  flags.need(!a.slurm, "commands alone: --slurm writes a script", {"--plain"});
  RUM_CHECK(!flags.given("--output") || a.what == "report" || a.what == "export",
            "--output is for `ruminate experiment report` and `export`");
  const std::map<std::string, int (*)(const Options&)> commands{
      {"run", run},       {"status", status},         {"jobs", jobs},
      {"report", report}, {"export", export_targets}, {"stage", stage}};
  return commands.at(a.what)(a);
}
const Command command{"experiment", "reproduce the paper's experiments: run, status, jobs, report",
                      experiment};
}  // namespace
}  // namespace rum::experiment_command
