#include "experiment/training.h"

#include <fmt/format.h>

#include "text/json.h"
#include "text/reader.h"

namespace rum {
TrainingCurve read_training(const std::string& run_folder) {
  const std::string path = run_folder + "/metrics.jsonl";
  TrainingCurve out;
  LineReader reader(path);
  for (std::string_view line; reader.next(line);) {
    const Json row = parse_json(line, fmt::format("{}: line {}", path, reader.line()));
    int64_t step = 0;
    double loss = 0;
    if (const Json* s = row.find("step"); s == nullptr || !s->whole(step)) continue;
    if (const Json* v = row.find("valid_loss"); v && v->number(loss)) out.valid_loss[step] = loss;
    if (const Json* e = row.find("epoch")) e->number(out.epochs);
  }
  return out;
}
}  // namespace rum
