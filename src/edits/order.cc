#include "edits/order.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace rum::edits {
namespace {
std::vector<int64_t> indices(size_t n) {
  std::vector<int64_t> out(n);
  std::iota(out.begin(), out.end(), int64_t{0});
  return out;
}
template <class T>
const T& at(std::span<const T> list, int64_t i) {
  return list[static_cast<size_t>(i)];
}
}  // namespace

BinnedRanks binned_ranks(std::span<const double> scores, std::span<const int64_t> lengths,
                         std::span<const int64_t> edges) {
  RUM_CHECK(scores.size() == lengths.size(), "order: {} scores for {} lengths", scores.size(),
            lengths.size());
  RUM_CHECK(std::is_sorted(edges.begin(), edges.end(), std::less_equal<>()),
            "order: the edges of bins of length must rise");
  for (size_t i = 0; i < scores.size(); ++i)
    RUM_CHECK(!std::isnan(scores[i]), "order: the score of line {} is NaN; every line needs one", i + 1);

  BinnedRanks out;
  std::vector<int64_t> sizes(edges.size() + 1);
  for (const int64_t length : lengths) {
    out.bins.push_back(std::upper_bound(edges.begin(), edges.end(), length) - edges.begin());
    ++sizes[static_cast<size_t>(out.bins.back())];
  }
  std::vector<int64_t> best_first = indices(scores.size());
  std::stable_sort(best_first.begin(), best_first.end(),
                   [&](int64_t i, int64_t j) { return at(scores, i) > at(scores, j); });
  out.ranks.resize(scores.size());
  out.relative_ranks.resize(scores.size());
  std::vector<int64_t> next(sizes.size());
  for (const int64_t line : best_first) {
    const auto i = static_cast<size_t>(line), bin = static_cast<size_t>(out.bins[i]);
    out.ranks[i] = next[bin]++;
    out.relative_ranks[i] = static_cast<double>(2 * out.ranks[i] + 1) / static_cast<double>(2 * sizes[bin]);
  }
  out.order = indices(scores.size());
  const std::span<const double> relative = out.relative_ranks;
  std::stable_sort(out.order.begin(), out.order.end(),
                   [&](int64_t i, int64_t j) { return at(relative, i) < at(relative, j); });
  return out;
}

std::vector<int64_t> length_edges(std::span<const int64_t> lengths, int bins) {
  RUM_CHECK(bins >= 1, "order: {} bins of length; at least one is needed", bins);
  std::vector<int64_t> sorted(lengths.begin(), lengths.end()), edges;
  std::sort(sorted.begin(), sorted.end());
  for (size_t b = 1; b < static_cast<size_t>(bins) && !sorted.empty(); ++b) {
    const int64_t edge = sorted[b * sorted.size() / static_cast<size_t>(bins)];
    if (edge > sorted.front() && (edges.empty() || edge > edges.back())) edges.push_back(edge);
  }
  return edges;
}

std::span<const int64_t> top(std::span<const int64_t> order, double share) {
  RUM_CHECK(share > 0 && share <= 1, "order: a share of {} of the lines; expected above 0, at most 1", share);
  const auto n = static_cast<size_t>(std::llround(share * static_cast<double>(order.size())));
  return order.first(std::min(order.size(), std::max<size_t>(n, 1)));
}
}  // namespace rum::edits
