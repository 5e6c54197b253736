// The density ratio r(x, y) = log p_g(y | x) - log p_h(y | x) of two models of ours, one tuned on generated,
// one on human targets. Where both fit, no test of human against machine is better (Neyman and Pearson 1933),
// and exp(-r) is the weight that makes generated targets count like human ones.
#include <cmath>

#include "base/error.h"
#include "detect/likelihood.h"
#include "detect/options.h"
#include "generate/generate.h"

namespace rum::detect {
namespace {
class Density : public Detector {
 public:
  Density(OwnModel human, OwnModel generated) : human_(std::move(human)), generated_(std::move(generated)) {
    human_.check_alike(generated_);
    RUM_CHECK(human_.weights() != generated_.weights(),
              "density: {} and {} are the same model: every ratio would be 0", human_.path(),
              generated_.path());
  }
  std::vector<double> score(std::span<const Text> texts) const override {
    std::vector<double> out = log_probs(generated_.model(), generated_.examples(texts));
    const std::vector<double> human = log_probs(human_.model(), human_.examples(texts));
    for (size_t i = 0; i < out.size(); ++i) out[i] -= human[i];
    return out;
  }
  bool needs_source() const override { return human_.translation(); }
  // Rank and probability are those of the model of generated text.
  Explanation explain(const Text& text) const override {
    const auto stats = read_texts(generated_, nullptr, {&text, 1}).front();
    const auto human = read_texts(human_, nullptr, {&text, 1}).front();
    std::vector<double> adds;
    for (size_t k = 0; k < stats.size(); ++k) adds.push_back(stats[k].log_p - human[k].log_p);
    return {0, token_parts(generated_, text, stats, adds)};
  }
  Saved saved() const override {
    Saved out;
    out.settings = {{"human", human_.saved()}, {"generated", generated_.saved()}};
    return out;
  }

 private:
  OwnModel human_, generated_;
};

std::unique_ptr<Detector> fit_kind(std::span<const Text>, const Json::Object& given) {
  std::string human, generated;
  Options options("density", given);
  options.take("human", human).take("generated", generated).end();
  RUM_CHECK(!human.empty() && !generated.empty(),
            "density: options \"human\" and \"generated\": expected the run folders of two models, trained "
            "on human and on generated targets with one tokenizer");
  return std::make_unique<Density>(OwnModel(human), OwnModel(generated));
}
std::unique_ptr<Detector> load_kind(const Saved& saved, const std::string& path) {
  return std::make_unique<Density>(OwnModel::from(saved.settings, "human", path),
                                   OwnModel::from(saved.settings, "generated", path));
}
const Kind kind{"density",
                "log-ratio of two models of ours, of generated and of human text; nothing is fitted",
                fit_kind, load_kind};
}  // namespace
}  // namespace rum::detect
