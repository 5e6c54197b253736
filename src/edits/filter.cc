#include "edits/filter.h"

#include <algorithm>

#include "base/error.h"
#include "edits/order.h"
#include "edits/scorers.h"
#include "text/words.h"

namespace rum::edits {
std::vector<int64_t> without_copies(std::span<const Pair> pairs, double share) {
  RUM_CHECK(share >= 0 && share <= 1, "copy filter: a share of {}; expected 0 to 1", share);
  const std::vector<double> scores = not_copied(pairs);
  std::vector<int64_t> out;
  for (size_t i = 0; i < pairs.size(); ++i)
    if (-scores[i] <= share && !words_in(pairs[i].target).empty()) out.push_back(static_cast<int64_t>(i));
  RUM_CHECK(!out.empty(), "copy filter: every one of {} targets copies its source", pairs.size());
  return out;
}
std::vector<int64_t> kept(std::span<const int64_t> order, double share) {
  const std::span<const int64_t> first = top(order, share);
  std::vector<int64_t> out(first.begin(), first.end());
  std::sort(out.begin(), out.end());
  return out;
}
}  // namespace rum::edits
