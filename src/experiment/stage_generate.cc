// The stage in which a generator translates the pool: each line with its provenance, appended in order, so a
// killed stage continues at the first missing line. A source that leaves no room in the context gets no
// target; counts.json says how many do not.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "edits/targets.h"
#include "experiment/arms.h"
#include "generate/pool.h"
#include "pipeline/stage.h"
#include "run/environment.h"
#include "run/provenance.h"
#include "run/run.h"

namespace rum {
namespace {
// inputs: generator, split. Writes generated.jsonl (generate/pool.h), and targets of it: of the pool unless
// the parameters name another set, and of several draws all, one after another.
void generate(const StageContext& x) {
  const auto run = load_run(x.input("generator") + "/run/last.safetensors", pick_device("auto"));
  const Json& p = x.stage.parameters;
  Decoding d = decoding_of(*p.find("decoding"));
  int64_t seed = 1;
  p.find("seed")->whole(seed);
  d.seed = static_cast<uint32_t>(seed);
  if (const Json* draws = p.find("draws")) draws->whole(d.best);
  Provenance from = provenance_of(*run, d);
  from.generator = *p.find("name")->text();
  const Json* set = p.find("set");
  const Targets pool = read_pool(x.input("split"), set ? *set->text() : "pool");
  const std::vector<std::string> sources = sides(pool.texts, &Pair::source);
  const auto left_out = std::count_if(sources.begin(), sources.end(),
                                      [&](const std::string& s) { return !translatable(*run, s); });
  if (left_out > 0)
    x.progress.line(fmt::format("{}: {} of {} sources fill the context of {} tokens and are left out",
                                x.stage.label, left_out, sources.size(), run->model.config().context));
  Disk::real().replace_text(
      x.folder + "/counts.json",
      to_json(Json(Json::Object{{"sources", static_cast<int64_t>(sources.size())}, {"left_out", left_out}})) +
          "\n");
  const std::string file = x.folder + "/generated.jsonl";
  generate_file(*run, sources, d, from, file, [&](int64_t lines, int64_t) {
    x.progress.status(fmt::format("{} of {} translated", lines, sources.size()));
    if (x.stop()) throw Stopped();
  });
  Targets out;
  for (const Generated& g : read_generated(file)) {
    out.ids.push_back(g.id);
    out.texts.push_back({g.source, g.target});
  }
  write_targets(x.folder, out);
}
const StageKind kind("generate", 1, true, generate);
}  // namespace
}  // namespace rum
