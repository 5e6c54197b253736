#include "run/metrics_file.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"

namespace rum {
namespace {
bool read(std::string_view text, MetricsLine& line) {
  line = {0, {}, text};
  try {
    line.json = parse_json(text, "");
  } catch (const FileError&) {
    return false;
  }
  const Json* step = line.json.find("step");
  return step != nullptr && step->whole(line.step);
}
}  // namespace

int64_t each_metrics_line(const RunFolder& folder, const std::function<void(const MetricsLine&)>& f) {
  Disk& disk = Disk::real();
  const std::string all = disk.exists(folder.metrics()) ? disk.read(folder.metrics()) : "";
  int64_t damaged = 0;
  for (size_t at = 0; at < all.size();) {
    const size_t end = std::min(all.find('\n', at), all.size());
    MetricsLine line;
    if (end < all.size() && read(std::string_view(all).substr(at, end - at), line))
      f(line);
    else
      ++damaged;
    at = end + 1;
  }
  return damaged;
}
}  // namespace rum
