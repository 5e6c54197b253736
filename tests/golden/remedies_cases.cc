// Answers for the remedies: choosing, weighting and ordering generated text, and the share of the gap closed.
#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/mean.h"
#include "cases.h"
#include "detect/curves.h"
#include "edits/order.h"
#include "edits/scorers.h"
#include "edits/weigh.h"
#include "experiment/gap.h"
#include "generate/choose.h"
#include "metrics/chrf.h"

namespace rum::golden::remedies_cases {
using namespace metrics;
using namespace experiment;
namespace {
std::vector<int64_t> integers(const Json& j) {
  std::vector<int64_t> out;
  for (const double x : numbers(j)) out.push_back(static_cast<int64_t>(x));
  return out;
}
Json::Array list(const std::vector<int64_t>& x) { return Json::Array(x.begin(), x.end()); }
using golden::list;

Json mbr(const Json& c) {
  const auto hypotheses = strings(at(c, "hypotheses"));
  const size_t n = hypotheses.size();
  const std::vector<double> all = utilities(*make_chrf(), hypotheses);
  Json::Array rows;
  for (size_t i = 0; i < n; ++i) rows.push_back(list(std::span(all).subspan(i * n, n)));
  const std::vector<double> with = mean_utilities(all);
  Json::Object out{{"utilities", rows}, {"mean_with_self", list(with)}, {"best_with_self", best(with)}};
  if (n == 1) {
    out.emplace_back("mean_without_self", Json());
    out.emplace_back("best_without_self", 0);
    return out;
  }
  const std::vector<double> without = mean_utilities(all, Self::left_out);
  out.emplace_back("mean_without_self", list(without));
  out.emplace_back("best_without_self", best(without));
  return out;
}
Json adq(const Json& c) {
  return Json::Object{{"adq", list(edits::dual_cross_entropy(numbers(at(c, "h_a")), numbers(at(c, "h_b"))))}};
}
Json adq_from_sums(const Json& c) {
  const auto per_token = [&](const char* log_probs, const char* tokens) {
    std::vector<double> out = numbers(at(c, log_probs));
    const std::vector<double> n = numbers(at(c, tokens));
    for (size_t i = 0; i < out.size(); ++i) out[i] /= -n[i];
    return out;
  };
  const auto h_a = per_token("log_prob_a", "tokens_a"), h_b = per_token("log_prob_b", "tokens_b");
  return Json::Object{
      {"h_a", list(h_a)}, {"h_b", list(h_b)}, {"adq", list(edits::dual_cross_entropy(h_a, h_b))}};
}
Json resampling(const Json& c) {
  const double temperature = number(at(c, "temperature"));
  std::vector<double> log_odds, scaled;
  for (const double p : numbers(at(c, "probabilities"))) {
    RUM_CHECK(std::isnan(p) || (p >= 0 && p <= 1), "{}: expected a probability", p);
    log_odds.push_back(std::log(p) - std::log1p(-p));
    scaled.push_back(detect::logistic(log_odds.back() / temperature));
  }
  const std::vector<double> weights =
      edits::resampling_weights(log_odds, temperature, number(at(c, "exponent")));
  return Json::Object{{"scaled_probabilities", list(scaled)},
                      {"weights", list(weights)},
                      {"effective_sample_size", edits::effective_sample_size(weights)}};
}
Json density_ratio(const Json& c) {
  const edits::DensityRatioWeights w =
      edits::density_ratio_weights(numbers(at(c, "log_ratios")), number(at(c, "log_clip")));
  return Json::Object{{"cap", w.cap},
                      {"capped", w.capped},
                      {"weights", list(w.weights)},
                      {"effective_sample_size", w.effective_sample_size}};
}
Json ranks(const Json& c) {
  const std::vector<int64_t> lengths = integers(at(c, "lengths")), edges = integers(at(c, "edges")),
                             order = edits::best_first(numbers(at(c, "scores")), lengths, edges);
  // In the order of all, the lines of a bin stand by their rank in it.
  std::vector<int64_t> bins, ranks(order.size()), sizes(edges.size() + 1);
  for (const int64_t n : lengths)
    bins.push_back(std::count_if(edges.begin(), edges.end(), [&](int64_t edge) { return edge <= n; }));
  for (const int64_t i : order)
    ranks[static_cast<size_t>(i)] = sizes[static_cast<size_t>(bins[static_cast<size_t>(i)])]++;
  std::vector<double> relative;
  for (size_t i = 0; i < ranks.size(); ++i)
    relative.push_back(static_cast<double>(2 * ranks[i] + 1) /
                       static_cast<double>(2 * sizes[static_cast<size_t>(bins[i])]));
  return Json::Object{{"bins", list(bins)},
                      {"ranks", list(ranks)},
                      {"relative_ranks", list(relative)},
                      {"order", list(order)}};
}
// The draws are given: a mean over the drawn seeds and sentences for each replicate. They stand there several
// times, for an interval wants a hundred.
constexpr int kTimes = 100;
Bootstrap drawn(const Json& c, const char* arm) {
  std::vector<std::vector<double>> sums;
  for (const Json& seed : *at(c, arm).array()) sums.push_back(numbers(seed));
  const std::vector<double> counts = numbers(at(c, "counts"));
  const auto mean = [&](const auto& seeds, const auto& sentences) {
    double all = 0, count = 0;
    for (const auto i : sentences) count += counts[static_cast<size_t>(i)];
    for (const auto s : seeds)
      for (const auto i : sentences) all += sums[static_cast<size_t>(s)][static_cast<size_t>(i)];
    return all / (static_cast<double>(seeds.size()) * count);
  };
  std::vector<size_t> every_seed, every_sentence;
  for (size_t s = 0; s < sums.size(); ++s) every_seed.push_back(s);
  for (size_t i = 0; i < counts.size(); ++i) every_sentence.push_back(i);
  Bootstrap out;
  out.score = mean(every_seed, every_sentence);
  for (const size_t s : every_seed) out.by_seed.push_back(mean(std::vector{s}, every_sentence));
  const Json::Array &seeds = *at(c, "seed_indices").array(), &sentences = *at(c, "sentence_indices").array();
  for (int time = 0; time < kTimes; ++time)
    for (size_t b = 0; b < seeds.size(); ++b)
      out.replicates.push_back(mean(integers(seeds[b]), integers(sentences[b])));
  return out;
}
Json or_null(const std::optional<double>& x) {
  Json out;
  if (x) out.value = *x;
  return out;
}
Json gap(const Json& c) {
  const Bootstrap human = drawn(c, "human"), generated = drawn(c, "generated"), remedy = drawn(c, "remedy");
  const GapClosed g = gap_closed(human, generated, remedy);
  // The collection has the share's percentiles too, where the program has Fieller's interval.
  Json::Array replicates;
  std::vector<double> defined;
  for (size_t b = 0; b < human.replicates.size() / kTimes; ++b) {
    const double gap = human.replicates[b] - generated.replicates[b];
    std::optional<double> share;
    if (std::abs(gap) > 1e-12) {
      share = (remedy.replicates[b] - generated.replicates[b]) / gap;
      defined.push_back(*share);
    }
    replicates.push_back(or_null(share));
  }
  std::sort(defined.begin(), defined.end());
  Json interval;
  if (g.share && !defined.empty()) interval = Json::Array{quantile(defined, .025), quantile(defined, .975)};
  return Json::Object{{"mean_human", human.score},
                      {"mean_generated", generated.score},
                      {"mean_remedy", remedy.score},
                      {"share", or_null(g.share)},
                      {"undefined_replicates", static_cast<int64_t>(replicates.size() - defined.size())},
                      {"replicates", std::move(replicates)},
                      {"interval", interval},
                      {"gap_sign_flips", g.gap_sign_flips / kTimes}};
}
// The collection names its errors; ours are sentences.
Json refusal(const std::string& message) {
  for (const auto& [part, code] : {std::pair{"is NaN", "nan"},
                                   {"expected a probability", "not_probability"},
                                   {"all weights are zero", "zero_weights"}})
    if (message.find(part) != std::string::npos) return Json::Object{{"error", code}};
  return Json::Object{{"error", message}};
}

const Area remedies("remedies", [](const Request& request, const Emit& emit) {
  const std::map<std::string, Json (*)(const Json&)> kinds{{"mbr", mbr},
                                                           {"adq", adq},
                                                           {"adq_from_sums", adq_from_sums},
                                                           {"resampling_weights", resampling},
                                                           {"density_ratio", density_ratio},
                                                           {"binned_ranks", ranks},
                                                           {"gap_closed", gap}};
  for (const Json& c : *at(request.file, "cases").array()) {
    const auto kind = kinds.find(text(at(c, "kind")));
    RUM_CHECK(kind != kinds.end(), "remedies: no case of kind \"{}\" is known", text(at(c, "kind")));
    try {
      emit(text(at(c, "id")), kind->second(c));
    } catch (const Error& e) {
      emit(text(at(c, "id")), refusal(e.what()));
    }
  }
});
}  // namespace
}  // namespace rum::golden::remedies_cases
