#include "detect/evaluate.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "base/mean.h"

namespace rum::detect {
namespace {
constexpr double kGuard = 1e-9;  // 0.29 x 100 is meant to be 29

std::vector<double> sorted(std::span<const double> v) {
  std::vector<double> out(v.begin(), v.end());
  std::sort(out.begin(), out.end());
  return out;
}
int64_t above(std::span<const double> v, double threshold) {
  return std::count_if(v.begin(), v.end(), [&](double s) { return s > threshold; });
}
double ratio(auto a, auto b) { return static_cast<double>(a) / static_cast<double>(b); }

// For each of `scores`, the share of `others` (sorted) below it; ties count one half.
std::vector<double> placements(std::span<const double> scores, const std::vector<double>& others) {
  std::vector<double> out;
  for (const double s : scores) {
    const auto [low, high] = std::equal_range(others.begin(), others.end(), s);
    out.push_back(ratio((low - others.begin()) + (high - others.begin()), 2 * others.size()));
  }
  return out;
}
double covariance(std::span<const double> a, std::span<const double> b) {
  const double ma = mean(a), mb = mean(b);
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - ma) * (b[i] - mb);
  return sum / ratio(a.size() - 1, 1);
}
// What DeLong's variance needs: the placement of every text among those of the other class.
struct Placed {
  std::vector<double> machine, human;
  explicit Placed(const Scores& s)
      : machine(placements(s.machine, sorted(s.human))),
        human(placements(s.human, sorted(s.machine))) {
    for (double& h : human) h = 1 - h;
  }
};
std::optional<double> covariance(const Placed& a, const Placed& b) {
  if (a.machine.size() < 2 || a.human.size() < 2) return std::nullopt;
  return covariance(a.machine, b.machine) / ratio(a.machine.size(), 1) +
         covariance(a.human, b.human) / ratio(a.human.size(), 1);
}
Auroc auroc(const Placed& p) {
  return {mean(p.machine), covariance(p, p),
          static_cast<int64_t>(std::min(p.machine.size(), p.human.size()))};
}

void check_probabilities(const Scores& p) {
  if (p.human.empty() && p.machine.empty()) throw BadScores("empty", "no probability to judge");
  for (const auto* list : {&p.human, &p.machine})
    for (const double x : *list)
      if (std::isnan(x)) throw BadScores("nan", "a probability is NaN");
  for (const auto* list : {&p.human, &p.machine})
    for (const double x : *list)
      if (x < 0 || x > 1)
        throw BadScores("not_probability", fmt::format("{}: expected a probability, 0 to 1", x));
}
double brier_of(const Scores& p) {
  double sum = 0;
  for (const double x : p.human) sum += x * x;
  for (const double x : p.machine) sum += (1 - x) * (1 - x);
  return sum / ratio(p.human.size() + p.machine.size(), 1);
}
std::vector<double> average_ranks(std::span<const double> v) {
  const std::vector<double> order = sorted(v);
  std::vector<double> out;
  for (const double x : v) {
    const auto [low, high] = std::equal_range(order.begin(), order.end(), x);
    out.push_back(0.5 * ratio((low - order.begin()) + 1 + (high - order.begin()), 1));
  }
  return out;
}
}  // namespace

void check(const Scores& s) {
  if (s.human.empty() || s.machine.empty())
    throw BadScores("one_class", fmt::format("{} texts by people and {} by machines: both are needed",
                                             s.human.size(), s.machine.size()));
  for (const auto* list : {&s.human, &s.machine})
    for (const double x : *list)
      if (std::isnan(x)) throw BadScores("nan", "a score is NaN; a detector must give every text a number");
  const double first = s.human[0];
  const auto same = [&](double x) { return x == first; };
  if (std::all_of(s.human.begin(), s.human.end(), same) &&
      std::all_of(s.machine.begin(), s.machine.end(), same))
    throw BadScores("constant",
                    fmt::format("all scores are {}: this detector cannot tell texts apart", first));
}
Scores by_author(std::span<const Text> texts, std::span<const double> scores) {
  Scores out;
  for (size_t i = 0; i < texts.size(); ++i)
    if (texts[i].author != Author::unknown)
      (texts[i].author == Author::human ? out.human : out.machine).push_back(scores[i]);
  return out;
}

double Auroc::error() const {
  if (!variance) return 1;
  if (*variance > 0) return std::sqrt(*variance);
  return kNormal95 / (ratio(fewer, 1) + kNormal95 * kNormal95);  // (1 - wilson(fewer, fewer)[0]) / kNormal95
}
std::array<double, 2> Auroc::interval() const {
  const double half = kNormal95 * error();
  return {std::max(0.0, value - half), std::min(1.0, value + half)};
}
std::vector<RocPoint> roc(const Scores& s) {
  std::vector<std::pair<double, bool>> all;
  for (const double h : s.human) all.emplace_back(h, false);
  for (const double m : s.machine) all.emplace_back(m, true);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<RocPoint> out{{}};
  RocPoint now;
  for (size_t i = 0; i < all.size(); ++i) {
    ++(all[i].second ? now.machines : now.humans);
    if (i + 1 == all.size() || all[i + 1].first != all[i].first) out.push_back(now);
  }
  return out;
}

Auroc auroc(const Scores& s) {
  check(s);
  return auroc(Placed(s));
}
std::optional<std::array<double, 2>> PairedAuroc::honest_interval() const {
  if (!interval || z) return interval;
  const double difference = a.value - b.value, half = kNormal95 * std::hypot(a.error(), b.error());
  return {{std::max(-1.0, difference - half), std::min(1.0, difference + half)}};
}
PairedAuroc delong(const Scores& a, const Scores& b) {
  RUM_CHECK(a.human.size() == b.human.size() && a.machine.size() == b.machine.size(),
            "the paired test needs two detectors' scores of the same texts");
  if (a.human.empty() || a.machine.empty()) check(a);
  for (const Scores* s : {&a, &b})
    for (const auto* list : {&s->human, &s->machine})
      for (const double x : *list)
        if (std::isnan(x)) check(*s);
  check(a);
  check(b);
  const Placed pa(a), pb(b);
  PairedAuroc out{auroc(pa), auroc(pb), covariance(pa, pb), {}, {}, {}, {}};
  if (!out.covariance) return out;
  const double difference = out.a.value - out.b.value;
  const double variance = std::max(0.0, *out.a.variance + *out.b.variance - 2 * *out.covariance);
  const double half = kNormal95 * std::sqrt(variance);
  out.variance = variance;
  out.interval = {{difference - half, difference + half}};
  if (variance >= 1e-15) {
    out.z = difference / std::sqrt(variance);
    out.p = std::erfc(std::abs(*out.z) / std::sqrt(2.0));
  } else if (std::abs(difference) < 1e-12) {
    out.z = 0;
    out.p = 1;
  }
  return out;
}

std::array<double, 2> wilson(int64_t successes, int64_t of) {
  const double n = ratio(of, 1), p = ratio(successes, of), z2 = kNormal95 * kNormal95;
  const double middle = (p + z2 / (2 * n)) / (1 + z2 / n);
  const double half = kNormal95 / (1 + z2 / n) * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n));
  const double low = successes == 0 ? 0 : middle - half;
  const double high = successes == of ? 1 : middle + half;
  return {low, high};
}
double threshold(std::span<const double> human, double fpr) {
  RUM_CHECK(!human.empty(), "a threshold needs scores of human texts");
  RUM_CHECK(fpr >= 0 && fpr <= 1, "a false-positive rate of {}: expected 0 to 1", fpr);
  const auto k = static_cast<size_t>(std::floor(fpr * ratio(human.size(), 1) + kGuard));
  const std::vector<double> order = sorted(human);
  return order[order.size() - 1 - std::min(k, order.size() - 1)];
}
double tpr(const Scores& s, double threshold) { return ratio(above(s.machine, threshold), s.machine.size()); }
std::optional<AtFpr> at_fpr(const Scores& s, double fpr) {
  if (ratio(s.human.size(), 1) * fpr < 10 - kGuard) return std::nullopt;
  AtFpr out{fpr, threshold(s.human, fpr)};
  const auto humans = static_cast<int64_t>(s.human.size()), machines = static_cast<int64_t>(s.machine.size());
  out.humans_flagged = above(s.human, out.threshold);
  out.machines_flagged = above(s.machine, out.threshold);
  out.fpr = ratio(out.humans_flagged, humans);
  out.tpr = ratio(out.machines_flagged, machines);
  out.fpr_interval = wilson(out.humans_flagged, humans);
  out.tpr_interval = wilson(out.machines_flagged, machines);
  return out;
}

Curve curve(const Scores& s) {
  check(s);
  Curve out;
  const double humans = ratio(s.human.size(), 1), machines = ratio(s.machine.size(), 1);
  const std::vector<RocPoint> points = roc(s);
  bool crossed = false;
  for (size_t i = 0; i < points.size(); ++i) {
    const double fpr = ratio(points[i].humans, 1) / humans, tpr = ratio(points[i].machines, 1) / machines;
    out.youden = std::max(out.youden, tpr - fpr);
    out.best_accuracy =
        std::max(out.best_accuracy,
                 (ratio(points[i].machines, 1) + humans - ratio(points[i].humans, 1)) / (humans + machines));
    if (i == 0) continue;
    const double fpr0 = ratio(points[i - 1].humans, 1) / humans,
                 tpr0 = ratio(points[i - 1].machines, 1) / machines;
    out.average_precision += (tpr - tpr0) * ratio(points[i].machines, points[i].machines + points[i].humans);
    // fpr + tpr crosses 1 on this segment.
    if (!crossed && fpr + tpr >= 1) {
      crossed = true;
      out.eer = fpr0 + (fpr - fpr0) * (1 - fpr0 - tpr0) / (fpr + tpr - fpr0 - tpr0);
    }
  }
  return out;
}

Decisions decisions(const Scores& p) {
  check_probabilities(p);
  const auto says_machine = [](double x) { return x >= 0.5; };
  const auto tp = std::count_if(p.machine.begin(), p.machine.end(), says_machine);
  const auto fp = std::count_if(p.human.begin(), p.human.end(), says_machine);
  const auto fn = static_cast<int64_t>(p.machine.size()) - tp, tn = static_cast<int64_t>(p.human.size()) - fp;
  const double n = ratio(tp + fp + fn + tn, 1);
  Decisions out;
  out.accuracy = ratio(tp + tn, 1) / n;
  if (tp > 0) out.f1 = ratio(2 * tp, 2 * tp + fp + fn);
  const double scale =
      std::sqrt(ratio(tp + fp, 1) * ratio(tp + fn, 1)) * std::sqrt(ratio(tn + fp, 1) * ratio(tn + fn, 1));
  if (scale > 0) out.mcc = (ratio(tp, 1) * ratio(tn, 1) - ratio(fp, 1) * ratio(fn, 1)) / scale;
  out.brier = brier_of(p);
  constexpr double kLeast = 1e-15;  // else one error with probability 1 would make the loss infinite
  for (const double x : p.machine) out.log_loss -= std::log(std::max(x, kLeast)) / n;
  for (const double x : p.human) out.log_loss -= std::log(std::max(1 - x, kLeast)) / n;
  return out;
}
Reliability reliability(const Scores& p, int bins) {
  check_probabilities(p);
  Reliability out;
  out.bins.resize(static_cast<size_t>(bins));
  std::vector<double> sum(out.bins.size());
  std::vector<int64_t> machines(out.bins.size());
  const auto put = [&](double x, bool machine) {
    size_t b = 0;
    while (b + 1 < out.bins.size() && x > ratio(b + 1, bins)) ++b;
    ++out.bins[b].n;
    sum[b] += x;
    machines[b] += machine;
  };
  for (const double x : p.human) put(x, false);
  for (const double x : p.machine) put(x, true);
  const double n = ratio(p.human.size() + p.machine.size(), 1);
  for (size_t b = 0; b < out.bins.size(); ++b) {
    Reliability::Bin& bin = out.bins[b];
    if (bin.n == 0) continue;
    bin.mean = sum[b] / ratio(bin.n, 1);
    bin.frequency = ratio(machines[b], bin.n);
    out.ece += ratio(bin.n, 1) / n * std::abs(*bin.mean - *bin.frequency);
  }
  out.brier = brier_of(p);
  return out;
}

double spearman(std::span<const double> x, std::span<const double> y) {
  RUM_CHECK(x.size() == y.size(), "a rank correlation of {} and {} numbers", x.size(), y.size());
  if (x.size() < 2) throw BadScores("too_few", "a rank correlation needs two pairs");
  for (const auto& list : {x, y})
    for (const double v : list)
      if (std::isnan(v)) throw BadScores("nan", "a rank correlation of NaN");
  const std::vector<double> a = average_ranks(x), b = average_ranks(y);
  const double va = covariance(a, a), vb = covariance(b, b);
  if (va == 0 || vb == 0) throw BadScores("constant", "a rank correlation with numbers that are all equal");
  return covariance(a, b) / std::sqrt(va) / std::sqrt(vb);
}

std::optional<double> paired_accuracy(std::span<const Text> texts, std::span<const double> scores) {
  std::map<std::string_view, Scores> sources;
  for (size_t i = 0; i < texts.size(); ++i)
    if (!texts[i].source.empty() && texts[i].author != Author::unknown) {
      Scores& s = sources[texts[i].source];
      (texts[i].author == Author::human ? s.human : s.machine).push_back(scores[i]);
    }
  double right = 0, pairs = 0;
  for (const auto& [source, s] : sources)
    for (const double m : s.machine)
      for (const double h : s.human) {
        pairs += 1;
        if (m > h) right += 1;
        if (m == h) right += 0.5;
      }
  if (pairs == 0) return std::nullopt;
  return right / pairs;
}
Scores documents(std::span<const Text> texts, std::span<const double> scores, int64_t k) {
  RUM_CHECK(k > 0, "documents of {} texts", k);
  struct Open {
    double sum = 0;
    int64_t texts = 0;
  };
  std::map<std::tuple<Author, std::string_view, std::string_view>, Open> open;
  Scores out;
  for (size_t i = 0; i < texts.size(); ++i) {
    const Text& t = texts[i];
    if (t.author == Author::unknown) continue;
    Open& o = open[{t.author, t.generator, t.decoding}];
    o.sum += scores[i];
    if (++o.texts < k) continue;
    (t.author == Author::human ? out.human : out.machine).push_back(o.sum / ratio(k, 1));
    o = {};
  }
  return out;
}
}  // namespace rum::detect
