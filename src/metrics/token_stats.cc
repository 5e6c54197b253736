#include "metrics/token_stats.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "metrics/explain.h"

namespace rum::metrics {
namespace {
template <class T>
TokenStats stats_of(std::span<const T> logits, std::span<const T> reference, int64_t target) {
  RUM_CHECK(target >= 0 && target < static_cast<int64_t>(logits.size()),
            "token_stats: token {} of a row of {} logits", target, logits.size());
  RUM_CHECK(reference.size() == logits.size(), "token_stats: a row of {} logits, of the reference {}",
            logits.size(), reference.size());
  const bool apart = reference.data() != logits.data();
  const T own = logits[static_cast<size_t>(target)], top = *std::max_element(logits.begin(), logits.end());
  const auto highest = static_cast<double>(*std::max_element(reference.begin(), reference.end()));
  // With x = logit - top: sums of exp(x), and of w, w x, w x^2 where w is the reference's exp(x).
  double sum = 0, weight = 0, first = 0, second = 0;
  TokenStats s;
  for (size_t v = 0; v < logits.size(); ++v) {
    const double x = static_cast<double>(logits[v]) - static_cast<double>(top), e = std::exp(x);
    const double w = apart ? std::exp(static_cast<double>(reference[v]) - highest) : e;
    sum += e;
    weight += w;
    first += w * x;
    second += w * x * x;
    s.rank += logits[v] > own;
  }
  RUM_CHECK(std::isfinite(first), "token_stats: logits are not finite");
  const double mean = first / weight;
  s.log_p = static_cast<double>(own) - static_cast<double>(top) - std::log(sum);
  s.entropy = std::log(sum) - mean;  // log p = x - log(sum)
  s.variance = std::max(0.0, second / weight - mean * mean);
  return s;
}
}  // namespace
TokenStats token_stats(std::span<const float> logits, int64_t target) {
  return stats_of(logits, logits, target);
}
TokenStats token_stats(std::span<const double> logits, int64_t target) {
  return stats_of(logits, logits, target);
}
TokenStats token_stats(std::span<const float> logits, std::span<const float> reference, int64_t target) {
  return stats_of(logits, reference, target);
}
TokenStats token_stats(std::span<const double> logits, std::span<const double> reference, int64_t target) {
  return stats_of(logits, reference, target);
}

TokenSums& TokenSums::operator+=(const TokenStats& t) {
  ++tokens;
  log_p += t.log_p;
  rank += static_cast<double>(t.rank);
  entropy += t.entropy;
  log_rank += std::log(static_cast<double>(t.rank));
  return *this;
}
TokenSums& TokenSums::operator+=(const TokenSums& o) {
  tokens += o.tokens;
  bytes += o.bytes;
  log_p += o.log_p;
  rank += o.rank;
  log_rank += o.log_rank;
  entropy += o.entropy;
  return *this;
}

namespace {
std::optional<double> per(double sum, double count) {
  return count > 0 ? std::optional(sum / count) : std::nullopt;
}
const TokenMeasure kMeasures[] = {
    {"perplexity",
     [](const TokenSums& s) {
       const auto mean = per(s.log_p, static_cast<double>(s.tokens));
       return mean ? std::optional(std::exp(-*mean)) : std::nullopt;
     }},
    {"bits_per_byte",
     [](const TokenSums& s) { return per(-s.log_p / std::numbers::ln2, static_cast<double>(s.bytes)); }},
    {"log_likelihood", [](const TokenSums& s) { return per(s.log_p, static_cast<double>(s.tokens)); }},
    {"rank", [](const TokenSums& s) { return per(s.rank, static_cast<double>(s.tokens)); }},
    {"log_rank", [](const TokenSums& s) { return per(s.log_rank, static_cast<double>(s.tokens)); }},
    {"lrr", [](const TokenSums& s) { return per(std::abs(s.log_p), s.log_rank); }},
    {"token_entropy", [](const TokenSums& s) { return per(s.entropy, static_cast<double>(s.tokens)); }},
};

const Explanation perplexity(
    "perplexity", "Perplexity under a model",
    "exp of the mean of -log p over the predicted tokens: those of the target and its end token given "
    "the source (translation model), or all tokens of a text but its first, and the end token (model of "
    "text). Only models with the same tokenizer can be compared by it; bits_per_byte compares any two.",
    "Jelinek et al. 1977",
    "many tools leave out the end token, or score the first token after a start token");
const Explanation bits_per_byte(
    "bits_per_byte", "Bits per byte",
    "Sum of -log2 p over the predicted tokens, end token included, per byte of UTF-8 that the predicted "
    "tokens stand for (the end token for none). Comparable between tokenizers.",
    "cross-entropy in bits (Shannon 1951), per byte of UTF-8",
    "lm-eval scores the first token after a start token, and no end token");
const Explanation log_likelihood("log_likelihood", "Mean log-likelihood",
                                 "Mean natural log p of the predicted tokens. Machine text has a larger one.",
                                 "Solaiman et al. 2019; Gehrmann et al. 2019 (GLTR)");
const Explanation rank(
    "rank", "Mean rank",
    "Mean over the predicted tokens of 1 + the number of tokens with a larger logit. Machine text has a "
    "smaller one.",
    "Gehrmann et al. 2019 (GLTR)",
    "among equal logits tools that sort give a rank by the order of sorting; here all of them get the "
    "best one");
const Explanation log_rank("log_rank", "Mean log-rank",
                           "Mean natural log of the rank (see rank). Machine text has a smaller one.",
                           "Mitchell et al. 2023 (DetectGPT)");
const Explanation lrr(
    "lrr", "LRR, log-likelihood log-rank ratio",
    "|sum of log p| / sum of log rank over the predicted tokens; undefined when every token has rank 1. "
    "Machine text has a larger one.",
    "Su et al. 2023 (DetectLLM)", "tools answer infinity where it is undefined");
const Explanation token_entropy(
    "token_entropy", "Mean entropy of the model's predictions",
    "Mean over the predicted tokens of -sum p log p, in nats, of the distribution that the model gives "
    "at this place. Machine text usually has a smaller one.",
    "Gehrmann et al. 2019 (GLTR)");
}  // namespace

std::span<const TokenMeasure> token_measures() { return kMeasures; }
}  // namespace rum::metrics
