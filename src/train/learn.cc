#include "train/learn.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "train/step.h"

namespace rum {
Learned learn(Task& task, const RunConfig& c, Progress& progress) {
  ParameterBlock& params = task.params;
  params.materialise(DeviceKind::cpu, DType::f32, c.seed);
  task.take_weights();
  AdamW adamw(params, c.adamw);
  Step step(
      params, adamw, [&](const Batch& b) { return task.loss(b); }, c.seed);
  Learned best{0, INFINITY};
  Tensor kept;
  int64_t stale = 0;
  for (int64_t done = 0; done < c.steps && (c.patience == 0 || stale < c.patience);) {
    std::vector<Batch> batches;
    for (const Packed& p : task.loader().at(done)) batches.push_back(upload(p));
    step.run(batches, static_cast<uint32_t>(done), learning_rate(c.schedule, done, c.steps));
    ++done;
    if (done % c.eval_every != 0 && done != c.steps) continue;
    const Evaluation e = task.evaluate({});
    RUM_CHECK(std::isfinite(step.loss()) && std::isfinite(e.loss),
              "the loss is not finite at step {}: a lower learning rate usually helps", done);
    progress.status(fmt::format("step {} of {}: {}", done, c.steps, e.text));
    ++stale;
    if (e.loss >= best.loss) continue;
    best = {done, e.loss};
    kept = params.master().clone();
    stale = 0;
  }
  params.master().copy_from(kept);
  params.refresh_shadow();
  return best;
}
}  // namespace rum
