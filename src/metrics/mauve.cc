#include "metrics/mauve.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "metrics/explain.h"

namespace rum::metrics {
namespace {
const Explanation mauve_{
    "mauve_words", "MAUVE over words",
    "area under the curve (exp(-c KL(q, r)), exp(-c KL(p, r))), r = w p + (1 - w) q, c = 5, 25 weights w and "
    "both extremes. p, q: shares in reference and text of the 499 words most frequent in both together "
    "(equally frequent ones rank by code points), a bin each, and of all others in one; 1: the same, near 0: "
    "nothing in common",
    "Pillutla et al. 2021, as their package computes it from histograms.",
    "Theirs clusters embeddings of whole texts, a bin each: other bins, so values are not comparable."};
const Explanation integral_{
    "frontier_integral", "Frontier integral over words",
    "twice the mean over w in [0, 1] of w KL(p, r) + (1 - w) KL(q, r), r as in mauve_words: sum of (p + q) / "
    "2 - p q (ln p - ln q) / (p - q) over the bins of mauve_words; 0: "
    "the same, 1: nothing in common",
    "Liu et al. 2021."};
double kl_divergence(std::span<const double> p, std::span<const double> r) {  // nats; r > 0 where p > 0
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i)
    if (p[i] > 0) sum += p[i] * std::log(p[i] / r[i]);
  return std::max(sum, 0.0);
}
using Point = std::pair<double, double>;
double area(std::vector<Point> curve) {  // falls from left to right
  std::sort(curve.begin(), curve.end(), [](const Point& a, const Point& b) {
    return a.first != b.first ? a.first < b.first : a.second > b.second;
  });
  double sum = 0;
  for (size_t i = 1; i < curve.size(); ++i)
    sum += (curve[i].first - curve[i - 1].first) * (curve[i].second + curve[i - 1].second) / 2;
  return sum;
}
}  // namespace

double mauve(std::span<const double> p, std::span<const double> q, const MauveConfig& config) {
  RUM_CHECK(p.size() == q.size(), "mauve: {} bins against {}", p.size(), q.size());
  RUM_CHECK(config.points >= 1 && config.scaling > 0,
            "mauve: {} points, scaling {}; expected at least 1 and "
            "more than 0",
            config.points, config.scaling);
  std::vector<Point> curve{{1, 0}, {0, 1}}, mirrored{{1, 0}, {0, 1}};
  std::vector<double> mixture(p.size());
  for (int64_t k = 0; k < config.points; ++k) {
    const double step =
        config.points == 1 ? 0 : static_cast<double>(k) / static_cast<double>(config.points - 1);
    const double weight = 1e-6 + step * (1 - 2e-6);
    for (size_t i = 0; i < p.size(); ++i) mixture[i] = weight * p[i] + (1 - weight) * q[i];
    const double x = std::exp(-config.scaling * kl_divergence(q, mixture)),
                 y = std::exp(-config.scaling * kl_divergence(p, mixture));
    curve.emplace_back(x, y);
    mirrored.emplace_back(y, x);
  }
  return (area(curve) + area(mirrored)) / 2;
}

double frontier_integral(std::span<const double> p, std::span<const double> q) {
  RUM_CHECK(p.size() == q.size(), "frontier_integral: {} bins against {}", p.size(), q.size());
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const double a = p[i], b = q[i];
    if (a == 0 || b == 0)
      sum += (a + b) / 2;
    else if (std::abs(a - b) > 1e-8)
      sum += (a + b) / 2 - a * b * (std::log(a) - std::log(b)) / (a - b);
  }
  return sum;
}

std::vector<double> distribution(std::span<const int64_t> counts, double add) {
  double total = 0;
  for (const int64_t c : counts) {
    RUM_CHECK(c >= 0, "distribution: a count of {}", c);
    total += static_cast<double>(c) + add;
  }
  RUM_CHECK(total > 0, "distribution: all {} counts are 0; expected something counted", counts.size());
  std::vector<double> out;
  for (const int64_t c : counts) out.push_back((static_cast<double>(c) + add) / total);
  return out;
}

std::pair<std::vector<int64_t>, std::vector<int64_t>> word_histograms(std::span<const int32_t> p,
                                                                      std::span<const int32_t> q,
                                                                      const Vocabulary& words, size_t bins) {
  std::vector<int32_t> ranked(words.size());
  std::iota(ranked.begin(), ranked.end(), 0);
  const auto count = [&](int32_t w) {
    return int64_t{p[static_cast<size_t>(w)]} + q[static_cast<size_t>(w)];
  };
  std::sort(ranked.begin(), ranked.end(), [&](int32_t a, int32_t b) {
    const int64_t x = count(a), y = count(b);
    return x != y ? x > y : words.word(a) < words.word(b);  // UTF-8 bytes sort in the order of code points
  });
  std::pair<std::vector<int64_t>, std::vector<int64_t>> out;
  out.first.resize(bins);
  out.second.resize(bins);
  for (size_t rank = 0; rank < ranked.size(); ++rank) {
    const size_t bin = std::min(rank, bins - 1);
    const auto w = static_cast<size_t>(ranked[rank]);
    out.first[bin] += p[w];
    out.second[bin] += q[w];
  }
  return out;
}
}  // namespace rum::metrics
