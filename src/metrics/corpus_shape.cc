#include "metrics/corpus_shape.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/mean.h"
#include "metrics/explain.h"

namespace rum::metrics {
namespace {
const Explanation explanations[] = {
    {"lines", "Lines", "lines of the file, which end at line feeds alone; those without a word beside them",
     "This program."},
    {"length", "Lengths of lines",
     "in tokens, lines without a word included: standard deviation of the sample, median, 90th percentile "
     "(interpolated), longest",
     "This program."},
};
}  // namespace

LineFit fit_line(std::span<const double> x, std::span<const double> y) {
  const auto n = static_cast<double>(x.size());
  double mean_x = 0, mean_y = 0, xx = 0, xy = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    mean_x += x[i] / n;
    mean_y += y[i] / n;
  }
  for (size_t i = 0; i < x.size(); ++i) {
    const double dx = x[i] - mean_x, dy = y[i] - mean_y;
    xx += dx * dx;
    xy += dx * dy;
    yy += dy * dy;
  }
  if (!(xx > 0)) return {kUndefined, kUndefined, kUndefined};
  const double slope = xy / xx;
  return {slope, mean_y - slope * mean_x, yy > 0 ? xy * xy / (xx * yy) : kUndefined};
}

LineFit zipf_ols(const Spectrum& s) {
  std::vector<double> rank, frequency;
  for (auto c = s.classes.rbegin(); c != s.classes.rend(); ++c)
    for (int64_t i = 0; i < c->second; ++i) {
      rank.push_back(std::log(static_cast<double>(rank.size() + 1)));
      frequency.push_back(std::log(static_cast<double>(c->first)));
    }
  LineFit fit = fit_line(rank, frequency);
  // If all frequencies are equal there is no variance to explain; tested here, as the computed mean is not
  // exact.
  if (s.classes.size() == 1) fit.r2 = kUndefined;
  return fit;
}

double zipf_mle(const Spectrum& s) {
  if (s.types < 2) return kUndefined;
  if (s.classes.size() == 1) return 0;
  std::vector<double> logs(static_cast<size_t>(s.types));  // of ranks
  for (size_t i = 0; i < logs.size(); ++i) logs[i] = std::log(static_cast<double>(i + 1));
  double observed = 0;  // mean of ln rank
  size_t rank = 0;
  for (auto c = s.classes.rbegin(); c != s.classes.rend(); ++c)
    for (int64_t i = 0; i < c->second; ++i)
      observed += static_cast<double>(c->first) * logs[rank++] / static_cast<double>(s.tokens);
  // The likelihood is highest where the model's mean of ln rank equals the observed one. The derivative of
  // that mean by s is minus the variance: Newton's method, kept inside a bracket.
  double low = 0, high = 64, exponent = 1;
  for (int i = 0; i < 100; ++i) {
    double sum = 0, first = 0, second = 0;
    for (const double l : logs) {
      const double p = std::exp(-exponent * l);
      sum += p;
      first += p * l;
      second += p * l * l;
    }
    const double mean = first / sum, variance = second / sum - mean * mean;
    (mean > observed ? low : high) = exponent;
    double next = exponent + (mean - observed) / variance;
    if (!(next > low && next < high)) next = (low + high) / 2;
    const double moved = std::abs(next - exponent);
    exponent = next;
    if (moved < 1e-13) break;
  }
  return exponent;
}

LineFit heaps(std::span<const int32_t> tokens, size_t size) {
  constexpr size_t kCheckpoints = 50;
  std::vector<double> x, y;
  std::vector<bool> seen(size);
  size_t types = 0, checkpoint = 1;
  const auto stop = [&] { return (checkpoint * tokens.size() + kCheckpoints - 1) / kCheckpoints; };
  for (size_t n = 1; n <= tokens.size(); ++n) {
    const auto token = static_cast<size_t>(tokens[n - 1]);
    types += !seen[token];
    seen[token] = true;
    if (n != stop()) continue;
    x.push_back(std::log(static_cast<double>(n)));
    y.push_back(std::log(static_cast<double>(types)));
    while (stop() == n && checkpoint <= kCheckpoints) ++checkpoint;
  }
  return fit_line(x, y);
}

Lengths lengths(std::span<const int64_t> tokens_of_lines) {
  std::vector<int64_t> sorted(tokens_of_lines.begin(), tokens_of_lines.end());
  std::sort(sorted.begin(), sorted.end());
  Lengths out;
  out.lines = static_cast<int64_t>(sorted.size());
  out.mean = out.deviation = out.median = out.percentile90 = kUndefined;
  if (sorted.empty()) return out;
  const auto n = static_cast<double>(sorted.size());
  out.empty = std::upper_bound(sorted.begin(), sorted.end(), 0) - sorted.begin();
  out.shortest = sorted.front();
  out.longest = sorted.back();
  int64_t sum = 0;
  for (const int64_t x : sorted) sum += x;
  out.mean = static_cast<double>(sum) / n;
  double squares = 0;
  for (const int64_t x : sorted)
    squares += (static_cast<double>(x) - out.mean) * (static_cast<double>(x) - out.mean);
  if (sorted.size() > 1) out.deviation = std::sqrt(squares / (n - 1));
  out.median = quantile(sorted, 0.5);
  out.percentile90 = quantile(sorted, 0.9);
  return out;
}
}  // namespace rum::metrics
