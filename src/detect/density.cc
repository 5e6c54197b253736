// The density ratio r(x, y) = log p_g(y | x) - log p_h(y | x) of two models of ours, one tuned on generated
// targets, one on human ones. If both models are right, no test of human against machine is better (Neyman
// and Pearson 1933), and exp(-r) is the weight that turns generated targets into a sample of human ones.
#include <cmath>

#include "base/error.h"
#include "detect/likelihood.h"
#include "detect/options.h"

namespace rum::detect {
namespace {
// The ratio of each token, from statistics in double precision, since the two sums are large compared to
// their difference.
std::vector<double> ratios(std::span<const metrics::TokenStats> generated,
                           std::span<const metrics::TokenStats> human) {
  std::vector<double> out;
  for (size_t k = 0; k < generated.size(); ++k) out.push_back(generated[k].log_p - human[k].log_p);
  return out;
}
class Density : public Detector {
 public:
  Density(OwnModel human, OwnModel generated) : human_(std::move(human)), generated_(std::move(generated)) {
    human_.check_alike(generated_);
    RUM_CHECK(human_.weights() != generated_.weights(),
              "density: {} and {} are the same model: every ratio would be 0", human_.path(),
              generated_.path());
  }
  std::vector<double> score(std::span<const Text> texts) const override {
    const auto generated = token_stats_of(generated_, nullptr, texts),
               human = token_stats_of(human_, nullptr, texts);
    std::vector<double> out(texts.size());
    for (size_t i = 0; i < out.size(); ++i)
      for (const double ratio : ratios(generated[i], human[i])) out[i] += ratio;
    return out;
  }
  std::optional<std::string> unfit(const Text& t) const override {
    auto why = human_.unfit(t);
    return why ? why : generated_.unfit(t);
  }
  bool needs_source() const override { return human_.translation(); }
  std::vector<std::string> models() const override { return {human_.weights(), generated_.weights()}; }
  // Rank and probability come from the model of generated text.
  Explanation explain(const Text& text) const override {
    const auto generated = token_stats_of(generated_, nullptr, {&text, 1}).front();
    const auto human = token_stats_of(human_, nullptr, {&text, 1}).front();
    return {0, token_parts(generated_, text, generated, ratios(generated, human))};
  }
  Saved saved() const override {
    Saved out;
    out.settings = {{"human", human_.saved()}, {"generated", generated_.saved()}};
    return out;
  }

 private:
  OwnModel human_, generated_;
};

std::unique_ptr<Detector> fit_density(std::span<const Text>, const Json::Object& given) {
  std::string human, generated;
  Options options("density", given);
  options.take("human", human).take("generated", generated).end();
  RUM_CHECK(!human.empty() && !generated.empty(),
            "density: options \"human\" and \"generated\": expected the run folders of two models, trained "
            "on human and on generated targets with one tokenizer");
  return std::make_unique<Density>(OwnModel(human), OwnModel(generated));
}
std::unique_ptr<Detector> load_density(const Saved& saved, const std::string& path) {
  return std::make_unique<Density>(OwnModel::from(saved.settings, "human", path),
                                   OwnModel::from(saved.settings, "generated", path));
}
const Kind density_kind{"density",
                        "log-ratio of two models, of generated and of human text; nothing is fitted. "
                        "Options: human and generated, two Ruminate runs",
                        fit_density, load_density};
}  // namespace
}  // namespace rum::detect
