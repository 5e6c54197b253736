// How a run has gone so far, as points over its steps: what metrics.jsonl says, ready to be drawn.
#pragma once
#include <string>
#include <vector>

#include "page/chart.h"
#include "run/folder.h"

namespace rum {
struct RunHistory {
  // Nats per token; a point for each logged step, and for each evaluation.
  std::vector<page::ChartPoint> training, validation;
  std::vector<page::ChartPoint> score;                       // of evaluations
  std::string score_name;                                    // "bleu"; empty: none
  std::vector<page::ChartPoint> learning_rate, norm, speed;  // speed: tokens a second
  int64_t skipped = 0;                                       // steps whose gradient was not finite
  int64_t damaged = 0;                                       // lines that were skipped
};
RunHistory history_of(const RunFolder&);
// At most `most` points: means of neighbours.
std::vector<page::ChartPoint> thinned(const std::vector<page::ChartPoint>&, size_t most);
// Training and validation loss as an SVG file of its own, in colours that suit light and dark pages. Error
// when no step was logged yet.
std::string loss_picture(const RunFolder&);
}  // namespace rum
