#include "edits/order.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "metrics/bleu.h"
#include "text/unicode.h"

namespace rum::edits {
namespace {
std::vector<int64_t> indices(size_t n) {
  std::vector<int64_t> out(n);
  std::iota(out.begin(), out.end(), int64_t{0});
  return out;
}
double at(std::span<const double> list, int64_t i) { return list[static_cast<size_t>(i)]; }
}  // namespace

std::vector<int64_t> source_lengths(std::span<const Pair> pairs) {
  std::vector<std::string> sources;
  for (const Pair& p : pairs) sources.push_back(p.source);
  const bool in_characters = metrics::without_blanks(sources);
  std::vector<int64_t> out;
  for (const std::string& s : sources)
    out.push_back(in_characters ? static_cast<int64_t>(characters(s))
                                : std::count(s.begin(), s.end(), ' ') + 1);
  return out;
}

std::vector<int64_t> best_first(std::span<const double> scores, std::span<const int64_t> lengths,
                                std::span<const int64_t> edges) {
  RUM_CHECK(scores.size() == lengths.size(), "order: {} scores for {} lengths", scores.size(),
            lengths.size());
  RUM_CHECK(std::is_sorted(edges.begin(), edges.end(), std::less_equal<>()),
            "order: the edges of bins of length must rise");
  for (size_t i = 0; i < scores.size(); ++i)
    RUM_CHECK(!std::isnan(scores[i]), "order: the score of line {} is NaN; every line needs one", i + 1);

  std::vector<size_t> bins;
  std::vector<int64_t> sizes(edges.size() + 1), next(edges.size() + 1);
  for (const int64_t length : lengths) {
    bins.push_back(static_cast<size_t>(std::upper_bound(edges.begin(), edges.end(), length) - edges.begin()));
    ++sizes[bins.back()];
  }
  std::vector<int64_t> by_score = indices(scores.size());
  std::stable_sort(by_score.begin(), by_score.end(),
                   [&](int64_t i, int64_t j) { return at(scores, i) > at(scores, j); });
  std::vector<double> ranks(scores.size());  // relative
  for (const int64_t line : by_score) {
    const auto i = static_cast<size_t>(line);
    ranks[i] = static_cast<double>(2 * next[bins[i]]++ + 1) / static_cast<double>(2 * sizes[bins[i]]);
  }
  std::vector<int64_t> out = indices(scores.size());
  std::stable_sort(out.begin(), out.end(), [&](int64_t i, int64_t j) { return at(ranks, i) < at(ranks, j); });
  return out;
}

std::vector<int64_t> length_edges(std::span<const int64_t> lengths, int64_t bins) {
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
