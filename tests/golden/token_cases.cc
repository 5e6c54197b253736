// Answers for statistics from logits: row i of the logits predicts token i + 1.
#include <cmath>

#include "cases.h"
#include "metrics/token_stats.h"

namespace rum::golden::token_cases {
using namespace metrics;
namespace {
// The published detectors compute ranks and their logarithms in single precision; the same is done here, in
// the order of their framework: eight lanes and a remainder, which is summed first.
double single_mean(const std::vector<float>& v) {
  float sum = 0, lanes[8] = {};
  const size_t whole = v.size() / 8 * 8;
  for (size_t i = whole; i < v.size(); ++i) sum += v[i];
  for (size_t i = 0; i < whole; ++i) lanes[i % 8] += v[i];
  if (whole > 0)
    for (const float lane : lanes) sum += lane;
  return double{sum / static_cast<float>(v.size())};
}
std::vector<double> row_of(const Json& logits, size_t i) {
  std::vector<double> row;
  for (const Json& x : *logits.array()->at(i).array()) row.push_back(number(x));
  return row;
}
// Fast-DetectGPT (Bao et al. 2024): how far the sum of log p lies from what its distribution expects.
double curvature(const std::vector<TokenStats>& stats) {
  double distance = 0, variance = 0;
  for (const TokenStats& t : stats) distance += t.log_p + t.entropy, variance += t.variance;
  return distance / std::sqrt(variance);
}
Json statistics(const Json::Array& ids, const Json& logits) {
  TokenSums sums;
  std::vector<TokenStats> all;
  std::vector<float> ranks, log_ranks;
  for (size_t i = 0; i + 1 < ids.size(); ++i) {
    const TokenStats t = token_stats(row_of(logits, i), static_cast<int64_t>(number(ids[i + 1])));
    all.push_back(t), sums += t;
    ranks.push_back(static_cast<float>(t.rank)), log_ranks.push_back(std::log(ranks.back()));
  }
  const double n = static_cast<double>(sums.tokens), log_rank = single_mean(log_ranks);
  return Json(Json::Object{{"mean_log_likelihood", sums.log_p / n},
                           {"neg_mean_rank", -single_mean(ranks)},
                           {"neg_mean_log_rank", -log_rank},
                           {"mean_entropy_nats", sums.entropy / n},
                           {"lrr", -sums.log_p / n / log_rank},
                           {"fast_detect_gpt_white_box", curvature(all)}});
}
const Area scores("LM-based detector scores from logits", [](const Request& request, const Emit& emit) {
  for (const Json& c : *at(request.file, "cases").array()) {
    const Json::Array& ids = *at(c, "token_ids").array();
    const Json &observer = at(c, "observer_logits"), &performer = at(c, "performer_logits");
    std::vector<TokenStats> both;  // the performer's, with the observer's moments; the last predicts nothing
    double log_p = 0, cross = 0, last = 0;
    for (size_t i = 0; i < ids.size(); ++i) {
      const bool predicts = i + 1 < ids.size();
      const auto token = static_cast<int64_t>(predicts ? number(ids[i + 1]) : 0);
      const TokenStats t = token_stats(row_of(performer, i), row_of(observer, i), token);
      if (predicts)
        both.push_back(t), log_p += t.log_p, cross += t.entropy;
      else
        last = t.entropy;
    }
    const double n = static_cast<double>(both.size()), all = (cross + last) / (n + 1);
    emit(text(at(c, "id")),
         Json(Json::Object{{"observer", statistics(ids, observer)},
                           {"performer", statistics(ids, performer)},
                           {"fast_detect_gpt_ref_observer_score_performer", curvature(both)},
                           {"binoculars", Json::Object{{"log_ppl_performer", -log_p / n},
                                                       {"cross_entropy_all_positions", all},
                                                       {"score", -log_p / n / all},
                                                       {"cross_entropy_predicting_positions", cross / n},
                                                       {"score_aligned", -log_p / cross}}}}));
  }
});
}  // namespace
}  // namespace rum::golden::token_cases
