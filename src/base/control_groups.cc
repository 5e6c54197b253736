#include "base/control_groups.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <fstream>

namespace rum {
std::vector<std::string> control_groups(const std::string& own, const std::string& root) {
  std::vector<std::string> out{root};
  std::ifstream in(own);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("0::/", 0) != 0) continue;  // of version 1, which has one line for each kind of limit
    for (size_t end = line.size() > 4 ? 4 : line.size(); end < line.size();) {
      end = std::min(line.find('/', end + 1), line.size());
      out.push_back(root + line.substr(3, end - 3));
    }
  }
  return out;
}
int allowed_processors(std::span<const std::string> groups) {
  int least = INT_MAX;
  for (const std::string& group : groups) {
    std::ifstream in(group + "/cpu.max");  // microseconds of each period; "max" is no number
    double quota = 0, period = 0;
    if (in >> quota >> period && quota > 0 && period > 0)
      least = std::min(least, static_cast<int>(std::ceil(quota / period)));
  }
  return least;
}
uint64_t allowed_memory(std::span<const std::string> groups) {
  uint64_t least = uint64_t{1} << 62;
  for (const std::string& group : groups) {
    uint64_t limit = 0, used = 0, files = 0;
    if (!(std::ifstream(group + "/memory.max") >> limit)) continue;
    std::ifstream(group + "/memory.current") >> used;
    std::ifstream stat(group + "/memory.stat");
    for (std::string word; stat >> word && word != "inactive_file";) {
    }
    stat >> files;
    least = std::min(least, limit - std::min(limit, used - std::min(used, files)));
  }
  return least;
}
}  // namespace rum
