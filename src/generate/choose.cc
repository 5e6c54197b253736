#include "generate/choose.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/threads.h"
#include "metrics/bleu.h"
#include "metrics/chrf.h"

namespace rum {
std::unique_ptr<metrics::Metric> make_utility(const std::string& name) {
  static const std::vector<std::string> known{"chrf1", "chrf2", "bleu"};
  metrics::check_known("utility", name, known);
  if (name == "bleu") return metrics::make_bleu({.effective_order = true});
  return metrics::make_chrf({.beta = name == "chrf1" ? 1 : 2});
}

std::vector<double> utilities(const metrics::Metric& metric, std::span<const std::string> hypotheses) {
  const size_t n = hypotheses.size(), columns = metric.columns().size();
  const std::vector<std::string_view> all(hypotheses.begin(), hypotheses.end());
  std::vector<double> out(n * n), rows(n * columns);
  for (size_t j = 0; j < n; ++j) {
    metric.count(all, std::span(all).subspan(j, 1), rows);
    for (size_t i = 0; i < n; ++i)
      out[i * n + j] = metric.score(std::span(rows).subspan(i * columns, columns));
  }
  return out;
}

std::vector<double> mean_utilities(std::span<const double> utilities, Self self) {
  const auto n = static_cast<size_t>(std::llround(std::sqrt(static_cast<double>(utilities.size()))));
  const size_t others = self == Self::counted ? n : n - 1;
  RUM_CHECK(n * n == utilities.size() && n > 0 && others > 0,
            "utilities of {} hypotheses: too few to compare", n);
  std::vector<double> means;
  for (size_t i = 0; i < n; ++i) {
    double sum = 0;
    for (size_t j = 0; j < n; ++j) sum += utilities[i * n + j];
    if (self == Self::left_out) sum -= utilities[i * n + i];
    means.push_back(sum / static_cast<double>(others));
  }
  return means;
}

int64_t best(std::span<const double> scores) {
  RUM_CHECK(!scores.empty(), "nothing to choose from");
  for (const double s : scores) RUM_CHECK(!std::isnan(s), "choosing: a hypothesis with the score NaN");
  const double most = *std::max_element(scores.begin(), scores.end());
  const auto near = [&](double s) { return s >= most - 1e-9; };
  return std::find_if(scores.begin(), scores.end(), near) - scores.begin();
}

int64_t choose_mbr(const metrics::Metric& metric, std::span<const std::string> hypotheses) {
  return best(mean_utilities(utilities(metric, hypotheses)));
}

std::vector<int64_t> choose_mbr(const metrics::Metric& metric, std::span<const Candidates> sources) {
  std::vector<int64_t> out(sources.size());
  parallel(static_cast<int64_t>(sources.size()), [&](int64_t i) {
    std::vector<std::string> texts;
    for (const Candidate& c : sources[static_cast<size_t>(i)].all) texts.push_back(c.text);
    out[static_cast<size_t>(i)] = choose_mbr(metric, texts);
  });
  return out;
}

double channel_score(const ChannelTerms& t, const ChannelWeights& w) {
  return t.forward + w.reverse * t.reverse + w.lm * t.lm;
}

ChannelWeights fit_channel(std::span<const std::vector<ChannelTerms>> terms,
                           std::span<const std::vector<double>> quality) {
  RUM_CHECK(!terms.empty() && terms.size() == quality.size(),
            "weights of the noisy channel: {} sources with the qualities of {}", terms.size(),
            quality.size());
  for (size_t i = 0; i < terms.size(); ++i)
    RUM_CHECK(terms[i].size() == quality[i].size(),
              "weights of the noisy channel: source {} has {} candidates, "
              "{} of them judged",
              i + 1, terms[i].size(), quality[i].size());
  const double grid[] = {0, .1, .2, .3, .5, .7, 1, 1.5, 2};
  ChannelWeights found;
  double highest = -INFINITY;
  for (const double reverse : grid)
    for (const double lm : grid) {
      double sum = 0;
      for (size_t i = 0; i < terms.size(); ++i) {
        std::vector<double> scores;
        for (const ChannelTerms& t : terms[i]) scores.push_back(channel_score(t, {reverse, lm}));
        sum += quality[i][static_cast<size_t>(best(scores))];
      }
      RUM_CHECK(!std::isnan(sum), "weights of the noisy channel: a candidate of quality NaN");
      if (sum <= highest) continue;
      highest = sum;
      found = {reverse, lm};
    }
  return found;
}
}  // namespace rum
