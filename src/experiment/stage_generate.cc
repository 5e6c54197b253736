// The stage in which a generator translates the pool, the judge set or the validation set: each line with its
// provenance, appended in order, so a killed stage continues at the first missing line. A source that leaves
// no room in the context gets no target; counts.json says how many, and how many targets are unfinished since
// the context ends.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "edits/targets.h"
#include "experiment/arms.h"
#include "experiment/stage_model.h"
#include "generate/generated.h"
#include "pipeline/stage.h"
#include "run/environment.h"
#include "run/provenance.h"
#include "run/run.h"

namespace rum::experiment {
namespace {
// The sources that the parameters name: by default the pool, and all of it.
edits::TargetSet sources_of(const StageContext& x) {
  const JsonFields p = x.parameters();
  const edits::TargetSet all = edits::read_pool(x.input("split"), p.has("set") ? p.text("set") : "pool");
  std::vector<int64_t> rows(static_cast<size_t>(p.whole("count", std::ssize(all.ids))));
  std::iota(rows.begin(), rows.end(), p.whole("first", 0));
  return edits::picked(all, rows);
}
// A given model, or one that a stage trained.
std::unique_ptr<LoadedRun> generator_of(const StageContext& x) {
  const JsonFields p = x.parameters();
  const std::string dtype = p.has("dtype") ? p.text("dtype") : "f32";
  if (p.has("weights"))
    return load_run(JsonFields(x.stage.hints, x.stage.label).text("model"), "auto", dtype);
  return load_run(model_file(x, "generator"), "auto", dtype);
}
// Inputs: generator, split. Writes generated.jsonl (generate/generated.h), whose ids count these sources, and
// the targets: with several draws all of them, one after another.
void generate(const StageContext& x) {
  const JsonFields p = x.parameters();
  const auto run = generator_of(x);
  std::optional<Instruction> told;
  if (p.has("template")) told = {p.text("template"), p.has("chat")};
  const Instruction* instruction = told ? &*told : nullptr;
  Decoding d = decoding_of(p.at("decoding"));
  if (told) d = answering(d);
  d.seed = x.seed();
  d.best = p.whole("draws", d.best);
  Provenance from = provenance_of(*run, d);
  if (told) from.decoding += describe(*told);
  from.generator = p.text("name");
  from.generation = p.whole("generation", from.generation);
  const edits::TargetSet pool = sources_of(x);
  const std::vector<std::string> sources = edits::sides(pool.texts, &Pair::source);
  const auto left_out = std::count_if(sources.begin(), sources.end(), [&](const std::string& s) {
    return !translatable(*run, s, instruction);
  });
  if (left_out > 0)
    x.progress.line(fmt::format("{}: {} of {} sources fill the context of {} tokens and are left out",
                                x.stage.label, left_out, sources.size(), run->model.config().context));
  const std::string file = x.folder + "/generated.jsonl";
  generate_file(
      *run, sources, d, from, file,
      [&](int64_t lines, int64_t) {
        x.progress.status(fmt::format("{} of {} translated", lines, sources.size()));
      },
      x.stop, nullptr, instruction);
  const std::vector<Generated> all = read_generated(file);
  const int64_t unfinished = count_filling_context(*run, all, instruction);
  if (unfinished > 0)
    x.progress.line(fmt::format("{}: {} of {} translations end where the context of {} tokens does",
                                x.stage.label, unfinished, all.size(), run->model.config().context));
  Disk::real().replace_text(x.folder + "/counts.json",
                            to_json(Json(Json::Object{{"sources", static_cast<int64_t>(sources.size())},
                                                      {"left_out", left_out},
                                                      {"unfinished", unfinished}})) +
                                "\n");
  edits::TargetSet out;
  for (const Generated& g : all) {
    out.ids.push_back(pool.ids[static_cast<size_t>(g.id)]);
    out.texts.push_back({g.source, g.target});
  }
  edits::write_targets(x.folder, out);
}
const StageKind generate_kind("generate", 1, true, generate);
}  // namespace
}  // namespace rum::experiment
