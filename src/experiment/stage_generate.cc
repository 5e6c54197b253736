// The stage in which a generator translates the pool.
#include <fmt/format.h>

#include "base/error.h"
#include "experiment/arms.h"
#include "experiment/stage.h"
#include "experiment/targets.h"
#include "train/evaluate.h"
#include "train/run.h"

namespace rum {
namespace {
// inputs: generator, split.
void generate(const StageContext& x) {
  const auto run = load_run(x.inputs[0] + "/run/last.safetensors");
  Targets out = read_pool(x.inputs[1]);
  Decoding d = decoding_of(*x.stage.parameters.find("decoding"));
  int64_t seed = 1;
  x.stage.parameters.find("seed")->whole(seed);
  d.seed = static_cast<uint32_t>(seed);
  std::vector<std::string> sources;
  for (const Text& t : out.texts) sources.push_back(t.source);
  const std::vector<std::string> written =
      translate(*run->model, run->tokenizer, sources, d, [&](int64_t done) {
        x.progress.status(fmt::format("{} of {} translated", done, sources.size()));
        if (x.stop()) throw Stopped();
      });
  for (size_t i = 0; i < written.size(); ++i) out.texts[i].target = written[i];
  write_targets(x.folder, out);
}
const StageKind kind("generate", 1, false, generate);
}  // namespace
}  // namespace rum
