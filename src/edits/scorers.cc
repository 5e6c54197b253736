#include "edits/scorers.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>

#include "base/error.h"
#include "base/threads.h"
#include "generate/translate.h"
#include "metrics/chrf.h"
#include "text/unicode.h"
#include "text/words.h"

namespace rum::edits {
namespace {
double length_of(const std::string& text) {  // in characters; an empty text counts as one
  return static_cast<double>(std::max<size_t>(characters(text), 1));
}
std::vector<double> log_probs_or_worst(const LoadedRun& run, std::span<const Pair> pairs) {
  std::vector<double> out = log_prob_per_token(run.model, run.tokenizer, pairs);
  double worst = INFINITY;
  for (size_t i = 0; i < out.size(); ++i) {
    if (pairs[i].target.empty() || (run.translation() && pairs[i].source.empty())) out[i] = NAN;
    if (!std::isnan(out[i])) worst = std::min(worst, out[i]);
  }
  RUM_CHECK(worst < INFINITY, "{}: none of {} pairs fits the model's context of {}", run.source, pairs.size(),
            run.model.config().context);
  for (double& score : out)
    if (std::isnan(score)) score = worst;
  return out;
}
void check_translates(const LoadedRun& run) {
  RUM_CHECK(run.translation(), "{} is a plain-text model; this score needs one that translates", run.source);
}
double sentence_chrf(const metrics::Metric& metric, const std::string& hypothesis,
                     const std::string& reference) {
  const std::string_view h = hypothesis, r = reference;
  std::vector<double> row(metric.columns().size());
  metric.count({&h, 1}, {&r, 1}, row);
  return metric.score(row);
}
bool has_letter(std::string_view word) {
  const char* const end = word.data() + word.size();
  for (const char* p = word.data(); p < end;) {
    const Character c = decode_utf8(p, end);
    if (char_class(c.code) == CharClass::letter) return true;
    p += c.bytes;
  }
  return false;
}
}  // namespace

std::vector<double> generator_confidence(std::span<const Generated> lines) {
  std::vector<double> out;
  for (const Generated& g : lines)
    out.push_back(g.log_prob / static_cast<double>(std::max<int64_t>(g.tokens, 1)));
  return out;
}

LengthModel fit_length(std::span<const Pair> pairs) {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (const Pair& p : pairs) {
    const double a = std::log(length_of(p.source)), b = std::log(length_of(p.target));
    n += 1;
    x += a;
    y += b;
    xx += a * a;
    xy += a * b;
  }
  const double spread = n * xx - x * x;
  RUM_CHECK(
      n >= 2 && spread > 1e-9 * n * n,
      "expected lengths: {} pairs, whose sources are all of one length; nothing can be learned from them",
      pairs.size());
  LengthModel out;
  out.slope = (n * xy - x * y) / spread;
  out.intercept = (y - out.slope * x) / n;
  return out;
}
std::vector<double> length_agreement(const LengthModel& m, std::span<const Pair> pairs) {
  std::vector<double> out;
  for (const Pair& p : pairs)
    out.push_back(
        -std::abs(std::log(length_of(p.target)) - m.intercept - m.slope * std::log(length_of(p.source))));
  return out;
}

std::vector<double> fluency(const LoadedRun& lm, std::span<const Pair> pairs) {
  RUM_CHECK(!lm.translation(), "{} translates; fluency needs a plain-text model", lm.source);
  std::vector<Pair> targets;
  for (const Pair& p : pairs) targets.push_back({"", p.target});
  return log_probs_or_worst(lm, targets);
}
std::vector<double> forward_score(const LoadedRun& forward, std::span<const Pair> pairs) {
  check_translates(forward);
  return log_probs_or_worst(forward, pairs);
}
std::vector<double> reverse_score(const LoadedRun& reverse, std::span<const Pair> pairs) {
  check_translates(reverse);
  std::vector<Pair> reversed;
  for (const Pair& p : pairs) reversed.push_back({p.target, p.source});
  return log_probs_or_worst(reverse, reversed);
}

std::vector<double> dual_cross_entropy(std::span<const double> forward, std::span<const double> reverse) {
  RUM_CHECK(forward.size() == reverse.size(), "dual cross-entropy: {} and {} lines", forward.size(),
            reverse.size());
  std::vector<double> out;
  for (size_t i = 0; i < forward.size(); ++i)
    out.push_back(std::exp(-(std::abs(forward[i] - reverse[i]) + (forward[i] + reverse[i]) / 2)));
  return out;
}

std::vector<double> agreement(std::span<const Pair> pairs, std::span<const std::string> second) {
  std::vector<std::vector<std::string>> references;
  for (const std::string& s : second) references.push_back({s});
  return consistency(pairs, references);
}
std::vector<double> consistency(std::span<const Pair> pairs,
                                std::span<const std::vector<std::string>> draws) {
  RUM_CHECK(pairs.size() == draws.size(), "consistency: {} pairs, but other translations of {}", pairs.size(),
            draws.size());
  const auto metric = metrics::make_chrf();
  std::vector<double> out(pairs.size());
  parallel(static_cast<int64_t>(pairs.size()), [&](int64_t line) {
    const auto i = static_cast<size_t>(line);
    RUM_CHECK(!draws[i].empty(), "consistency: no other translation of pair {}", i + 1);
    for (const std::string& d : draws[i])
      out[i] += sentence_chrf(*metric, pairs[i].target, d) / static_cast<double>(draws[i].size());
  });
  return out;
}

std::vector<double> not_copied(std::span<const Pair> pairs) {
  std::vector<double> out;
  for (const Pair& p : pairs) {
    std::map<std::string, int> there;
    for (const std::string& w : words(p.source)) ++there[w];
    int64_t all = 0, copied = 0;
    for (const std::string& w : words(p.target)) {
      if (!has_letter(w)) continue;
      ++all;
      const auto found = there.find(w);
      if (found == there.end() || found->second == 0) continue;
      --found->second;
      ++copied;
    }
    out.push_back(-static_cast<double>(copied) / static_cast<double>(std::max<int64_t>(all, 1)));
  }
  return out;
}

std::vector<double> rarity(std::span<const std::string> sources, std::span<const std::string> corpus) {
  std::unordered_map<std::string, double> counts;
  double all = 0;
  for (const std::string& line : corpus)
    for (std::string& w : words(line)) {
      ++counts[std::move(w)];
      ++all;
    }
  RUM_CHECK(all > 0, "rarity: the corpus has no words");
  std::vector<double> out;
  for (const std::string& line : sources) {
    double sum = 0, n = 0;
    for (const std::string& w : words(line)) {
      const auto found = counts.find(w);
      sum -= std::log((found == counts.end() ? .5 : found->second) / all);
      ++n;
    }
    out.push_back(sum / std::max(n, 1.0));
  }
  return out;
}
}  // namespace rum::edits
