#include "detect/white_box.h"

#include <algorithm>
#include <map>

#include "base/error.h"

namespace rum::detect {
namespace {
constexpr size_t kProbed = 20;  // texts of one generator and decoding whose ranks are checked

// The end token does not count: text cut off at a length limit lacks it.
bool every_rank_is_one(const Detector& d, const Text& t) {
  int64_t ones = 0;
  for (const Contribution& c : d.explain(t).parts) {
    if (c.begin == c.end || c.rank == 0) continue;
    if (c.rank > 1) return false;
    ++ones;
  }
  return ones > 0;
}
bool mostly_rank_one(const Detector& d, std::span<const Text> texts, const std::vector<size_t>& group) {
  const size_t probed = std::min(kProbed, group.size());
  size_t ones = 0;
  for (size_t k = 0; k < probed; ++k) ones += every_rank_is_one(d, texts[group[k * group.size() / probed]]);
  return 2 * ones > probed;
}
}  // namespace

std::vector<bool> white_box(const Detector& d, std::span<const Text> texts) {
  std::vector<bool> out(texts.size());
  const std::vector<std::string> models = d.models();
  if (models.empty()) return out;
  std::map<std::pair<std::string, std::string>, std::vector<size_t>> groups;
  for (size_t i = 0; i < texts.size(); ++i) {
    const Text& t = texts[i];
    if (t.author == Author::human) continue;
    out[i] = std::find(models.begin(), models.end(), t.checkpoint) != models.end();
    if (!out[i]) groups[{t.generator, t.decoding}].push_back(i);
  }
  for (const auto& [name, group] : groups)
    if (mostly_rank_one(d, texts, group))
      for (const size_t i : group) out[i] = true;
  return out;
}
std::optional<std::string> why_white_box(const std::vector<bool>& own) {
  const auto count = std::count(own.begin(), own.end(), true);
  if (count == 0) return std::nullopt;
  return fmt::format(
      "{} of {} texts were written by a model that it asks itself (white-box): it finds its own words "
      "likely, whatever they are worth",
      count, own.size());
}
}  // namespace rum::detect
