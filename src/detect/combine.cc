// A detector made of others: logistic regression over their scores, standardised to mean 0 and deviation 1.
// The others are already fitted, and must not have seen the texts that the combination is fitted on: what they
// have memorised would count as what they can do (`ruminate detect fit` refuses such files).
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/mean.h"
#include "detect/logistic.h"
#include "detect/options.h"

namespace rum::detect {
namespace {
using Members = std::vector<std::unique_ptr<Detector>>;

class Combination : public Detector {
 public:
  // One weight per member, for its raw score.
  Combination(Members members, std::vector<double> weights, double constant)
      : members_(std::move(members)),
        weights_(std::move(weights)),
        constant_(constant) {}
  std::vector<double> score(std::span<const Text> texts) const override {
    std::vector<double> out(texts.size(), constant_);
    for (size_t m = 0; m < members_.size(); ++m) {
      const std::vector<double> scores = members_[m]->score(texts);
      for (size_t i = 0; i < out.size(); ++i) out[i] += weights_[m] * scores[i];
    }
    return out;
  }
  std::optional<std::string> unfit(const Text& t) const override {
    for (const auto& m : members_)
      if (auto why = m->unfit(t)) return why;
    return {};
  }
  bool needs_source() const override {
    for (const auto& m : members_)
      if (m->needs_source()) return true;
    return false;
  }
  std::vector<std::string> models() const override {
    std::vector<std::string> out;
    for (const auto& m : members_)
      for (std::string& hash : m->models()) out.push_back(std::move(hash));
    return out;
  }
  std::vector<const Origin*> origins() const override {
    std::vector<const Origin*> out{&origin};
    for (const auto& m : members_)
      for (const Origin* one : m->origins()) out.push_back(one);
    return out;
  }
  Explanation explain(const Text& text) const override {
    Explanation out;
    out.constant = constant_;
    for (size_t m = 0; m < members_.size(); ++m) {
      const Explanation one = members_[m]->explain(text);
      out.constant += weights_[m] * one.constant;
      const bool known =
          std::any_of(out.parts.begin(), out.parts.end(), [](const Contribution& c) { return c.rank > 0; });
      for (Contribution c : one.parts) {
        c.adds *= weights_[m];
        if (known) c.rank = 0;  // the rank comes from the first model only
        out.parts.push_back(c);
      }
      for (Feature f : one.features) {
        f.adds *= weights_[m];
        out.features.push_back(std::move(f));
      }
    }
    return out;
  }
  Saved saved() const override {
    Saved out;
    Json::Array heads;
    for (size_t m = 0; m < members_.size(); ++m) {
      Saved one = pack(*members_[m]);
      heads.emplace_back(std::move(one.settings));
      for (auto& [name, tensor] : one.tensors)
        out.tensors.emplace_back(fmt::format("{}/{}", m, name), std::move(tensor));
    }
    out.settings = {{"detectors", std::move(heads)},
                    {"weights", Json::Array(weights_.begin(), weights_.end())},
                    {"constant", constant_}};
    return out;
  }

 private:
  Members members_;
  std::vector<double> weights_;
  double constant_;
};

Standard standard_of(const std::vector<double>& scores, const std::string& path) {
  for (const double x : scores) RUM_CHECK(std::isfinite(x), "{}: a score is not finite", path);
  const Standard s = standard(scores);
  RUM_CHECK(s.deviation > 0, "{}: all its scores are {}: it adds nothing", path, s.mean);
  return s;
}

std::unique_ptr<Detector> fit_combination(std::span<const Text> texts, const Json::Object& given) {
  std::vector<std::string> paths;
  double c = 1;
  Options options("combine", given);
  options.take("detectors", paths).take("C", c).end();
  RUM_CHECK(paths.size() >= 2, "combine: option \"detectors\": expected at least two files of detectors");
  Members members;
  std::vector<std::vector<double>> scores;
  std::vector<Standard> standards;
  for (const std::string& path : paths) {
    members.push_back(load(path));
    scores.push_back(members.back()->score(texts));
    standards.push_back(standard_of(scores.back(), path));
  }
  SparseRows rows;
  rows.columns = static_cast<int32_t>(paths.size());
  std::vector<uint8_t> machine;
  for (size_t i = 0; i < texts.size(); ++i) {
    for (size_t m = 0; m < paths.size(); ++m) {
      rows.column.push_back(static_cast<int32_t>(m));
      rows.value.push_back(static_cast<float>(standards[m](scores[m][i])));
    }
    rows.begin.push_back(static_cast<int64_t>(rows.column.size()));
    machine.push_back(texts[i].author == Author::machine);
  }
  Logistic model = fit_logistic(std::move(rows), machine, c);
  for (size_t m = 0; m < paths.size(); ++m) {
    model.weights[m] /= standards[m].deviation;
    model.constant -= model.weights[m] * standards[m].mean;
  }
  return std::make_unique<Combination>(std::move(members), std::move(model.weights), model.constant);
}
std::unique_ptr<Detector> load_combination(const Saved& saved, const std::string& path) {
  const Json json(saved.settings);
  const JsonFields settings(json, path);
  Members members;
  for (const Json& head : settings.array("detectors")) {
    if (!head.object()) throw FileError(path + ": a combined detector's head is no JSON object");
    Saved one{*head.object(), {}};
    const std::string prefix = fmt::format("{}/", members.size());
    for (const auto& [name, tensor] : saved.tensors)
      if (name.starts_with(prefix)) one.tensors.emplace_back(name.substr(prefix.size()), tensor);
    members.push_back(unpack(one, path));
  }
  std::vector<double> weights = settings.numbers("weights");
  if (weights.size() != members.size())
    throw FileError(fmt::format("{}: {} detectors and {} weights", path, members.size(), weights.size()));
  return std::make_unique<Combination>(std::move(members), std::move(weights), settings.number("constant"));
}
const Kind combine_kind{"combine",
                        "logistic regression over the scores of detectors that are fitted already. "
                        "Options: detectors (their files, given one by one), C",
                        fit_combination, load_combination};
}  // namespace
}  // namespace rum::detect
