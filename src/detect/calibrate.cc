#include "detect/calibrate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "text/unicode.h"

namespace rum::detect {
namespace {
// Minimises the cross-entropy in z = -(a s + b), with scores of mean 0 and deviation 1: Newton's method,
// where a step is halved until it descends. Strictly convex, since no target is 0 or 1.
struct PlattFit {
  std::vector<double> s, target;
  double mean = 0, deviation = 1;
  explicit PlattFit(const Scores& scores) {
    const double n1 = static_cast<double>(scores.machine.size()),
                 n0 = static_cast<double>(scores.human.size());
    s = scores.human;
    s.insert(s.end(), scores.machine.begin(), scores.machine.end());
    target.assign(scores.human.size(), 1 / (n0 + 2));
    target.resize(s.size(), (n1 + 1) / (n1 + 2));
    mean = std::accumulate(s.begin(), s.end(), 0.0) / (n0 + n1);
    double squares = 0;
    for (double& x : s) {
      x -= mean;
      squares += x * x;
    }
    deviation = std::sqrt(squares / (n0 + n1));
    for (double& x : s) x /= deviation;
  }
  double objective(double slope, double constant) const {
    double sum = 0;
    for (size_t i = 0; i < s.size(); ++i) {
      const double z = slope * s[i] + constant;
      sum += softplus(z) - target[i] * z;
    }
    return sum;
  }
  Platt solve() const {
    double slope = 0, constant = 0, now = objective(0, 0);
    for (int step = 0; step < 200; ++step) {
      double g0 = 0, g1 = 0, h00 = 0, h01 = 0, h11 = 0;
      for (size_t i = 0; i < s.size(); ++i) {
        const double p = logistic(slope * s[i] + constant), r = p - target[i], w = p * (1 - p);
        g0 += r * s[i];
        g1 += r;
        h00 += w * s[i] * s[i];
        h01 += w * s[i];
        h11 += w;
      }
      const double determinant = h00 * h11 - h01 * h01;
      const double d0 = -(h11 * g0 - h01 * g1) / determinant, d1 = -(h00 * g1 - h01 * g0) / determinant;
      double size = 1, next = objective(slope + d0, constant + d1);
      while (next > now && size > 1e-10) {
        size /= 2;
        next = objective(slope + size * d0, constant + size * d1);
      }
      if (!(next <= now)) break;
      slope += size * d0;
      constant += size * d1;
      now = next;
      if (std::abs(size * d0) + std::abs(size * d1) < 1e-13 * (1 + std::abs(slope) + std::abs(constant)))
        break;
    }
    return {-slope / deviation, slope * mean / deviation - constant, now};
  }
};
void check_finite(const Scores& scores) {
  check(scores);
  for (const auto* list : {&scores.human, &scores.machine})
    for (const double x : *list)
      RUM_CHECK(std::isfinite(x), "a score is infinite: no probability can be fitted to it");
}
}  // namespace

Platt fit_platt(const Scores& scores) {
  check_finite(scores);
  return PlattFit(scores).solve();
}
Platt fit_rising_platt(const Scores& scores) {
  const Platt best = fit_platt(scores);
  if (best.a <= 0) return best;
  const PlattFit fit(scores);
  const double rate =
      std::accumulate(fit.target.begin(), fit.target.end(), 0.0) / static_cast<double>(fit.target.size());
  const double constant = std::log(rate / (1 - rate));
  return {0, -constant, fit.objective(0, constant)};
}

double Isotonic::operator()(double score) const {
  const auto right = std::lower_bound(scores.begin(), scores.end(), score);
  if (right == scores.begin()) return values.front();
  if (right == scores.end()) return values.back();
  const auto i = static_cast<size_t>(right - scores.begin());
  const double share = (score - scores[i - 1]) / (scores[i] - scores[i - 1]);
  return values[i - 1] + share * (values[i] - values[i - 1]);
}
double Isotonic::log_odds(double score) const {
  const double p = (*this)(score);
  return std::log(p) - std::log1p(-p);
}
Isotonic fit_isotonic(const Scores& scores) {
  check_finite(scores);
  std::vector<std::pair<double, double>> all;
  for (const double s : scores.human) all.emplace_back(s, 0);
  for (const double s : scores.machine) all.emplace_back(s, 1);
  std::sort(all.begin(), all.end());
  // Pools adjacent scores whose values would otherwise decrease, with the number of distinct scores in each.
  struct Pool {
    double sum, texts;
    size_t distinct;
    bool falls_to(const Pool& next) const { return sum * next.texts >= next.sum * texts; }
  };
  Isotonic out;
  std::vector<Pool> pools;
  for (size_t i = 0; i < all.size();) {
    Pool pool{0, 0, 1};
    const double score = all[i].first;
    for (; i < all.size() && all[i].first == score; ++i) {
      pool.sum += all[i].second;
      pool.texts += 1;
    }
    out.scores.push_back(score);
    while (!pools.empty() && pools.back().falls_to(pool)) {
      pool.sum += pools.back().sum;
      pool.texts += pools.back().texts;
      pool.distinct += pools.back().distinct;
      pools.pop_back();
    }
    pools.push_back(pool);
  }
  for (const Pool& p : pools) out.values.insert(out.values.end(), p.distinct, p.sum / p.texts);
  return out;
}

std::optional<double> probability(const Calibration& c, double score) {
  if (const auto* platt = std::get_if<Platt>(&c.curve)) return (*platt)(score);
  if (const auto* isotonic = std::get_if<Isotonic>(&c.curve)) return (*isotonic)(score);
  return std::nullopt;
}
std::optional<double> log_odds(const Calibration& c, double score) {
  if (const auto* platt = std::get_if<Platt>(&c.curve)) return platt->log_odds(score);
  if (const auto* isotonic = std::get_if<Isotonic>(&c.curve)) return isotonic->log_odds(score);
  return std::nullopt;
}
std::vector<Calibration::Threshold> thresholds(std::span<const double> human, std::span<const double> fprs) {
  std::vector<Calibration::Threshold> out;
  const auto n = static_cast<int64_t>(human.size());
  for (const double fpr : fprs) {
    RUM_CHECK(fpr > 0 && fpr < 1, "a false-positive rate of {}: expected more than 0 and less than 1", fpr);
    const double needed = std::ceil(10 / fpr - 1e-9);
    RUM_CHECK(static_cast<double>(n) >= needed,
              "a false-positive rate of {} needs {} human texts, so that ten are flagged; there are {}: give "
              "more or ask for a larger rate",
              fpr, needed, n);
    out.push_back({fpr, threshold(human, fpr), n});
  }
  return out;
}
int64_t usual_minimum(std::span<const Text> texts) {
  std::vector<int64_t> lengths;
  for (const Text& t : texts) lengths.push_back(static_cast<int64_t>(characters(t.target)));
  if (lengths.empty()) return 0;
  const auto at = lengths.begin() + static_cast<int64_t>(lengths.size() / 20);
  std::nth_element(lengths.begin(), at, lengths.end());
  return *at;
}
bool abstains(const Calibration& c, const Text& t) {
  return static_cast<int64_t>(characters(t.target)) < c.minimum_characters;
}
Verdict verdict(const Calibration& c, const Text& t, double score) {
  Verdict out;
  out.abstains = abstains(c, t);
  if (out.abstains) return out;
  out.probability = probability(c, score);
  for (const auto& at : c.thresholds) out.flagged.push_back(score > at.score);
  return out;
}

Json::Object to_json_object(const Calibration& c) {
  Json::Object out{{"minimum_characters", c.minimum_characters}};
  if (const auto* platt = std::get_if<Platt>(&c.curve))
    out.emplace_back("platt", Json::Object{{"a", platt->a}, {"b", platt->b}});
  if (const auto* isotonic = std::get_if<Isotonic>(&c.curve))
    out.emplace_back("isotonic",
                     Json::Object{{"scores", Json::Array(isotonic->scores.begin(), isotonic->scores.end())},
                                  {"values", Json::Array(isotonic->values.begin(), isotonic->values.end())}});
  Json::Array thresholds;
  for (const auto& t : c.thresholds)
    thresholds.emplace_back(Json::Object{{"fpr", t.fpr}, {"score", t.score}, {"humans", t.humans}});
  out.emplace_back("thresholds", std::move(thresholds));
  return out;
}
Calibration calibration_of(const JsonFields& j) {
  Calibration c;
  c.minimum_characters = j.whole("minimum_characters");
  if (c.minimum_characters < 0) j.refuse("minimum_characters", "at least 0");
  if (j.has("platt")) c.curve = Platt{j.object("platt").number("a"), j.object("platt").number("b"), 0};
  if (j.has("isotonic")) {
    Isotonic curve{j.object("isotonic").numbers("scores"), j.object("isotonic").numbers("values")};
    if (curve.scores.empty() || curve.scores.size() != curve.values.size() ||
        !std::is_sorted(curve.scores.begin(), curve.scores.end()))
      throw FileError(j.name() + ": the detector's isotonic curve is damaged");
    c.curve = std::move(curve);
  }
  for (const JsonFields& t : j.objects("thresholds")) {
    c.thresholds.push_back({t.number("fpr"), t.number("score"), t.whole("humans")});
    if (const double fpr = t.number("fpr"); !(fpr > 0 && fpr < 1)) t.refuse("fpr", "between 0 and 1");
  }
  return c;
}
}  // namespace rum::detect
