// The stage in which a generator translates the pool: each line with where it came from, appended in order,
// so a stage that was killed goes on at the first missing line.
#include <fmt/format.h>

#include "base/error.h"
#include "edits/targets.h"
#include "experiment/arms.h"
#include "generate/pool.h"
#include "pipeline/stage.h"
#include "run/environment.h"
#include "run/provenance.h"
#include "run/run.h"

namespace rum {
namespace {
// inputs: generator, split. Writes generated.jsonl (generation.h), and targets of it.
void generate(const StageContext& x) {
  const auto run = load_run(x.inputs[0] + "/run/last.safetensors", pick_device("auto"));
  const Json& p = x.stage.parameters;
  Decoding d = decoding_of(*p.find("decoding"));
  int64_t seed = 1;
  p.find("seed")->whole(seed);
  d.seed = static_cast<uint32_t>(seed);
  Provenance from = provenance_of(*run, d);
  from.generator = *p.find("name")->text();
  Targets out = read_pool(x.inputs[1]);
  std::vector<std::string> sources;
  for (const Pair& t : out.texts) sources.push_back(t.source);
  const std::string file = x.folder + "/generated.jsonl";
  generate_file(*run, sources, d, from, file, [&](int64_t lines, int64_t) {
    x.progress.status(fmt::format("{} of {} translated", lines, sources.size()));
    if (x.stop()) throw Stopped();
  });
  const std::vector<Generated> written = read_generated(file);
  for (size_t i = 0; i < written.size(); ++i) out.texts[i].target = written[i].target;
  write_targets(x.folder, out);
}
const StageKind kind("generate", 1, true, generate);
}  // namespace
}  // namespace rum
