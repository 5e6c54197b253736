#include "run/history.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "run/metrics_file.h"

namespace rum {
namespace {
void add(std::vector<page::ChartPoint>& to, const MetricsLine& line, const char* key) {
  double y = 0;
  if (const Json* v = line.json.find(key); v && v->number(y))
    to.push_back({static_cast<double>(line.step), y, y, y});
}
}  // namespace

RunHistory history_of(const RunFolder& folder) {
  RunHistory h;
  h.damaged = each_metrics_line(folder, [&](const MetricsLine& line) {
    if (line.json.find("skipped")) {
      ++h.skipped;
      return;
    }
    add(h.training, line, "loss");
    add(h.validation, line, "valid_loss");
    add(h.learning_rate, line, "learning_rate");
    add(h.norm, line, "norm");
    add(h.speed, line, "tokens_per_second");
    constexpr std::string_view prefix = "valid_";
    for (const auto& [key, value] : *line.json.object())
      if (key.starts_with(prefix) && key != "valid_loss") {
        h.score_name = key.substr(prefix.size());
        add(h.score, line, key.c_str());
      }
  });
  return h;
}

std::vector<page::ChartPoint> thinned(const std::vector<page::ChartPoint>& points, size_t most) {
  std::vector<page::ChartPoint> out;
  const size_t groups = std::min(most, points.size());
  for (size_t g = 0; g < groups; ++g) {
    const size_t begin = g * points.size() / groups, end = (g + 1) * points.size() / groups;
    double x = 0, y = 0;
    for (size_t i = begin; i < end; ++i) {
      x += points[i].x;
      y += points[i].y;
    }
    const double n = static_cast<double>(end - begin);
    out.push_back({x / n, y / n, y / n, y / n});
  }
  return out;
}

std::string loss_picture(const RunFolder& folder) {
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
  const RunHistory h = history_of(folder);
  RUM_CHECK(!h.training.empty(), "{}: no step was logged yet, so there is no loss to draw", folder.path);
  std::string picture =
      page::svg(page::LineChart{"Loss of " + folder.path,
                                "step",
                                "nats per token",
                                {{"training", thinned(h.training, 80)}, {"validation", h.validation}}});
  picture.replace(0, std::string_view("<svg ").size(), head);
  picture.insert(picture.find(">\n") + 2, style);
  return picture;
}
}  // namespace rum
