#include "detect/likelihood.h"

#include <cmath>
#include <functional>
#include <optional>

#include "base/error.h"
#include "base/names.h"
#include "detect/options.h"
#include "generate/log_probs.h"

namespace rum::detect {
namespace {
using Stats = std::span<const metrics::TokenStats>;
using Parts = std::vector<double>;

Parts each(Stats stats, double divisor, const std::function<double(const metrics::TokenStats&)>& value) {
  Parts out;
  for (const metrics::TokenStats& t : stats) out.push_back(value(t) / divisor);
  return out;
}
double count(Stats stats) { return static_cast<double>(stats.size()); }
double log_rank(const metrics::TokenStats& t) { return std::log(static_cast<double>(t.rank)); }
double total(Stats stats, const std::function<double(const metrics::TokenStats&)>& value) {
  double sum = 0;
  for (const metrics::TokenStats& t : stats) sum += value(t);
  return sum;
}

Parts likelihood_parts(Stats s) {
  return each(s, count(s), [](const metrics::TokenStats& t) { return t.log_p; });
}
Parts rank_parts(Stats s) {
  return each(s, -count(s), [](const metrics::TokenStats& t) { return static_cast<double>(t.rank); });
}
Parts log_rank_parts(Stats s) { return each(s, -count(s), log_rank); }
// L / R, L = sum of -log p and R = sum of log rank, as L / (L + R): the same order, and finite when R = 0.
Parts lrr_parts(Stats s) {
  const double whole = total(s, [](const metrics::TokenStats& t) { return log_rank(t) - t.log_p; });
  if (whole <= 0) return Parts(s.size(), 1 / count(s));  // every token has probability 1
  return each(s, -whole, [](const metrics::TokenStats& t) { return t.log_p; });
}
Parts entropy_parts(Stats s) {
  return each(s, -count(s), [](const metrics::TokenStats& t) { return t.entropy; });
}
template <int64_t top>
Parts top_parts(Stats s) {
  return each(s, count(s), [](const metrics::TokenStats& t) { return t.rank <= top ? 1.0 : 0.0; });
}
Parts curvature_parts(Stats s) {
  const double variance = total(s, [](const metrics::TokenStats& t) { return t.variance; });
  if (variance <= 0) return Parts(s.size(), 0);  // there was no other choice of token
  return each(s, std::sqrt(variance), [](const metrics::TokenStats& t) { return t.log_p + t.entropy; });
}
// log perplexity over cross-entropy, negated since machine-like text has a lower value.
Parts binoculars_parts(Stats s) {
  const double cross = total(s, [](const metrics::TokenStats& t) { return t.entropy; });
  if (cross <= 0) return Parts(s.size(), 0);
  return each(s, cross, [](const metrics::TokenStats& t) { return t.log_p; });
}
// The published code omits the last prediction, here of the end token, from the perplexity but not from the
// cross-entropy. A single prediction is kept.
Parts published_parts(Stats s) {
  if (s.size() < 2) return binoculars_parts(s);
  Parts out = binoculars_parts(s);
  for (double& part : out) part *= count(s) / (count(s) - 1);
  out.back() = 0;
  return out;
}

const Statistic kStatistics[] = {
    {"log_likelihood", "mean log p of the tokens (Solaiman et al. 2019)", likelihood_parts},
    {"rank", "minus the mean rank of the tokens (Gehrmann et al. 2019)", rank_parts},
    {"log_rank", "minus the mean log rank (Mitchell et al. 2023)", log_rank_parts},
    {"lrr", "LRR of DetectLLM (Su et al. 2023) as L / (L + R): the same order, always finite", lrr_parts},
    {"entropy", "minus the mean entropy of the model's predictions (Gehrmann et al. 2019)", entropy_parts},
    {"top_10", "share of tokens among the 10 likeliest (GLTR, Gehrmann et al. 2019)", top_parts<10>},
    {"top_100", "share of tokens among the 100 likeliest (GLTR)", top_parts<100>},
    {"top_1000", "share of tokens among the 1000 likeliest (GLTR)", top_parts<1000>},
    {"curvature", "Fast-DetectGPT's analytic curvature (Bao et al. 2024), model and reference the same",
     curvature_parts},
    {"curvature_reference", "the same with the moments of a second model, the reference", curvature_parts,
     true},
    {"binoculars", "minus log perplexity over cross-entropy with the reference (Hans et al. 2024)",
     binoculars_parts, true},
    {"binoculars_published", "the same as its published code computes it, see the source", published_parts,
     true},
};
const Statistic& statistic_named(const std::string& name) {
  return find_named(kStatistics, name, "statistic of likelihood");
}
}  // namespace

std::span<const Statistic> statistics() { return kStatistics; }
double sum_of(const Statistic& statistic, std::span<const metrics::TokenStats> stats) {
  double sum = 0;
  for (const double part : statistic.parts(stats)) sum += part;
  return sum;
}
std::vector<std::vector<metrics::TokenStats>> token_stats_of(const OwnModel& model, const OwnModel* reference,
                                                             std::span<const Text> texts) {
  const std::vector<Example> examples = model.examples(texts);
  return reference ? text_stats(model.model(), reference->model(), examples)
                   : text_stats(model.model(), examples);
}
std::vector<Contribution> token_parts(const OwnModel& model, const Text& text, Stats stats,
                                      std::span<const double> adds) {
  const Example example = std::move(model.examples({&text, 1}).front());
  std::vector<Contribution> out;
  // The first token of a document is not predicted.
  const size_t first = example.tokens.size() - stats.size();
  GrowingDecode target(model.tokenizer());
  size_t at = 0;
  for (size_t i = static_cast<size_t>(example.prefix); i < example.tokens.size(); ++i) {
    const bool end = i + 1 == example.tokens.size();
    const size_t bytes = end ? 0 : target.add(example.tokens[i]).size();
    if (i >= first) {
      const metrics::TokenStats& t = stats[i - first];
      out.push_back({at, at + bytes, adds[i - first], t.rank, std::exp(t.log_p)});
    }
    at += bytes;
  }
  return out;
}

namespace {
class Likelihood : public Detector {
 public:
  Likelihood(const Statistic& statistic, OwnModel model, std::optional<OwnModel> reference)
      : statistic_(statistic),
        model_(std::move(model)),
        reference_(std::move(reference)) {
    RUM_CHECK(reference_ || !statistic.reference, "likelihood: {} needs a second model, option \"reference\"",
              statistic.name);
    RUM_CHECK(!reference_ || statistic.reference, "likelihood: {} has no use for option \"reference\"",
              statistic.name);
    if (!reference_) return;
    model_.check_alike(*reference_);
    RUM_CHECK(model_.weights() != reference_->weights(),
              "likelihood: {} and its reference {} are the same model; statistic curvature is for one model",
              model_.path(), reference_->path());
  }
  std::vector<double> score(std::span<const Text> texts) const override {
    std::vector<double> out;
    for (const auto& stats : read(texts)) out.push_back(sum_of(statistic_, stats));
    return out;
  }
  std::optional<std::string> unfit(const Text& t) const override {
    auto why = model_.unfit(t);
    return why || !reference_ ? why : reference_->unfit(t);
  }
  bool needs_source() const override { return model_.translation(); }
  std::vector<std::string> models() const override {
    std::vector<std::string> out{model_.weights()};
    if (reference_) out.push_back(reference_->weights());
    return out;
  }
  Explanation explain(const Text& text) const override {
    const std::vector<metrics::TokenStats> stats = std::move(read({&text, 1}).front());
    return {0, token_parts(model_, text, stats, statistic_.parts(stats))};
  }
  Saved saved() const override {
    Saved out;
    out.settings = {{"statistic", statistic_.name}, {"model", model_.saved()}};
    if (reference_) out.settings.emplace_back("reference", reference_->saved());
    return out;
  }

 private:
  std::vector<std::vector<metrics::TokenStats>> read(std::span<const Text> texts) const {
    return token_stats_of(model_, reference_ ? &*reference_ : nullptr, texts);
  }
  const Statistic& statistic_;
  OwnModel model_;
  std::optional<OwnModel> reference_;
};

std::unique_ptr<Detector> fit_likelihood(std::span<const Text>, const Json::Object& given) {
  std::string model, reference, statistic = "curvature";
  Options options("likelihood", given);
  options.take("model", model).take("reference", reference).take("statistic", statistic).end();
  RUM_CHECK(!model.empty(), "likelihood: option \"model\": expected a run folder, as `ruminate train` makes");
  std::optional<OwnModel> second;
  if (!reference.empty()) second.emplace(reference);
  return std::make_unique<Likelihood>(statistic_named(statistic), OwnModel(model), std::move(second));
}
std::unique_ptr<Detector> load_likelihood(const Saved& saved, const std::string& path) {
  const Json json(saved.settings);
  const JsonFields settings(json, path);
  std::optional<OwnModel> second;
  if (settings.has("reference")) second = OwnModel::from(saved.settings, "reference", path);
  return std::make_unique<Likelihood>(statistic_named(settings.text("statistic")),
                                      OwnModel::from(saved.settings, "model", path), std::move(second));
}
const Kind likelihood_kind{
    "likelihood",
    "one statistic of a text's tokens under a model; nothing is fitted. "
    "Options: model, a Ruminate run; statistic: log_likelihood, rank, log_rank, lrr, entropy, top_10, "
    "top_100, "
    "top_1000, curvature (the default) or, with a second run as reference, curvature_reference, "
    "binoculars, binoculars_published",
    fit_likelihood, load_likelihood};
}  // namespace
}  // namespace rum::detect
