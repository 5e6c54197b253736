// Answers for statistics from logits: row i of the logits predicts token i + 1.
#include <cmath>

#include "cases.h"
#include "metrics/token_stats.h"

namespace rum::golden {
namespace {
// The published detectors take ranks and their logarithms in single precision; so here, in the order of their
// framework: eight lanes and a rest, which is summed first.
double single_mean(const std::vector<float>& v) {
  float sum = 0, lanes[8] = {};
  const size_t whole = v.size() / 8 * 8;
  for (size_t i = whole; i < v.size(); ++i) sum += v[i];
  for (size_t i = 0; i < whole; ++i) lanes[i % 8] += v[i];
  if (whole > 0)
    for (const float lane : lanes) sum += lane;
  return double{sum / static_cast<float>(v.size())};
}
Json statistics(const Json& tokens, const Json& logits) {
  TokenSums sums;
  std::vector<float> ranks, log_ranks;
  const Json::Array &ids = *tokens.array(), &rows = *logits.array();
  for (size_t i = 0; i + 1 < ids.size(); ++i) {
    std::vector<double> row;
    for (const Json& x : *rows.at(i).array()) row.push_back(number(x));
    const TokenStats t = token_stats(row, static_cast<int64_t>(number(ids[i + 1])));
    sums += t, ranks.push_back(static_cast<float>(t.rank)), log_ranks.push_back(std::log(ranks.back()));
  }
  const double n = static_cast<double>(sums.tokens), log_rank = single_mean(log_ranks);
  return Json(Json::Object{{"mean_log_likelihood", sums.log_p / n},
                           {"neg_mean_rank", -single_mean(ranks)},
                           {"neg_mean_log_rank", -log_rank},
                           {"mean_entropy_nats", sums.entropy / n},
                           {"lrr", -sums.log_p / n / log_rank}});
}
const Area scores("LM-based detector scores from logits", [](const Request& request, const Emit& emit) {
  for (const Json& c : *at(request.file, "cases").array()) {
    const Json& ids = at(c, "token_ids");
    emit(text(at(c, "id")), Json(Json::Object{{"observer", statistics(ids, at(c, "observer_logits"))},
                                              {"performer", statistics(ids, at(c, "performer_logits"))}}));
  }
});
}  // namespace
}  // namespace rum::golden
