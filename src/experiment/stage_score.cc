// The stage in which a scorer rates how good, or how human, each generated pair looks (scorers.h, detectors).
// Writes scores.tsv (higher is better); a detector also match.json, how far its scores can be trusted, and
// held_out.json, the evidence for that; a regression to quality also its weights, regression.json.
#include <fmt/format.h>

#include <map>
#include <set>

#include "base/error.h"
#include "base/names.h"
#include "base/random.h"
#include "detect/detector.h"
#include "detect/evaluate.h"
#include "detect/folds.h"
#include "edits/operation.h"
#include "edits/ridge.h"
#include "edits/scorers.h"
#include "edits/scores.h"
#include "experiment/scorer.h"
#include "experiment/stage_model.h"
#include "metrics/chrf.h"

namespace rum::experiment {
namespace {
using Values = std::vector<double>;
Values negated(Values v) {
  for (double& s : v) s = -s;
  return v;
}
Values confidence(const StageContext& x, const edits::TargetSet& t) {
  std::map<int64_t, double> by_id;
  const std::vector<Generated> written = read_generated(x.input("written") + "/generated.jsonl");
  const Values scores = edits::generator_confidence(written);
  for (size_t i = 0; i < written.size(); ++i) by_id.try_emplace(written[i].id, scores[i]);
  Values out;
  for (const int64_t id : t.ids) out.push_back(by_id.at(id));
  return out;
}
Values fluency(const StageContext& x, const edits::TargetSet& t) {
  return edits::fluency(*load_model(x, "fluency"), t.texts);
}
Values forward(const StageContext& x, const edits::TargetSet& t) {
  return edits::forward_score(*load_model(x, "forward"), t.texts);
}
Values reverse(const StageContext& x, const edits::TargetSet& t) {
  return edits::reverse_score(*load_model(x, "reverse"), t.texts);
}
Values length(const StageContext& x, const edits::TargetSet& t) {
  return edits::length_agreement(edits::fit_length(edits::read_pool(x.input("split"), "judge").texts),
                                 t.texts);
}
Values dual(const StageContext& x, const edits::TargetSet& t) {
  return edits::dual_cross_entropy(negated(forward(x, t)), negated(reverse(x, t)));
}
// Other translations by id, several for each.
std::map<int64_t, std::vector<std::string>> lines_by_id(const std::string& folder) {
  std::map<int64_t, std::vector<std::string>> out;
  const edits::TargetSet t = edits::read_targets(folder);
  for (size_t i = 0; i < t.ids.size(); ++i) out[t.ids[i]].push_back(t.texts[i].target);
  return out;
}
Values with_second(const StageContext& x, const edits::TargetSet& t) {
  const auto second = lines_by_id(x.input("with"));
  std::vector<std::string> lines;
  for (const int64_t id : t.ids) {
    const auto at = second.find(id);
    lines.push_back(at == second.end() ? "" : at->second.front());
  }
  return edits::agreement(t.texts, lines);
}
Values with_draws(const StageContext& x, const edits::TargetSet& t) {
  const auto drawn = lines_by_id(x.input("draws"));
  std::vector<std::vector<std::string>> lines;
  for (const int64_t id : t.ids) {
    const auto at = drawn.find(id);
    lines.push_back(at == drawn.end() ? std::vector<std::string>{""} : at->second);
  }
  return edits::consistency(t.texts, lines);
}
// A set's human targets and the generator's, where there is one: labelled texts, two per source.
std::vector<detect::Text> labelled(const StageContext& x, const char* set, const char* generated) {
  std::vector<detect::Text> out;
  const edits::TargetSet human = edits::read_pool(x.input("split"), set);
  const auto machine = lines_by_id(x.input(generated));
  for (size_t i = 0; i < human.ids.size(); ++i) {
    const auto at = machine.find(human.ids[i]);
    if (at == machine.end()) continue;
    const std::string id = fmt::format("{}", human.ids[i]);
    const Pair& p = human.texts[i];
    out.push_back({id, p.source, p.target, detect::Author::human, "", ""});
    out.push_back({id, p.source, at->second.front(), detect::Author::machine, "generator", ""});
  }
  return out;
}
std::vector<detect::Text> unlabelled(const edits::TargetSet& t) {
  std::vector<detect::Text> out;
  for (size_t i = 0; i < t.ids.size(); ++i)
    out.push_back(
        {fmt::format("{}", t.ids[i]), t.texts[i].source, t.texts[i].target, detect::Author::unknown, "", ""});
  return out;
}
// How well a detector tells people from the generator on unseen sources. Error, unless the scorer has
// `anyway`, if that is no better than chance by its own error: its order might be reversed, and its weights
// arbitrary.
void check_detector(const StageContext& x, std::span<const detect::Text> tried_on, const Values& scores) {
  const detect::Scores held_out = detect::by_author(tried_on, scores);
  const detect::Auroc a = detect::auroc(held_out);
  const auto [low, high] = a.interval();
  if (const auto why = detect::why_not_order(detect::HeldOut{1, a.value, a.error()})) {
    RUM_CHECK(x.parameters().has("anyway"),
              "{}: nothing is ordered or weighed by it: {}; anyway = true overrides this", x.stage.label,
              *why);
    x.progress.line(fmt::format("warning: {}: {}", x.stage.label, *why));
  }
  const auto list = [](const Values& v) { return Json(Json::Array(v.begin(), v.end())); };
  Disk::real().replace_text(
      x.folder + "/held_out.json",
      to_json(Json(Json::Object{{"human", list(held_out.human)}, {"machine", list(held_out.machine)}})) +
          "\n");
  edits::write_summary(x, fmt::format("held-out AUROC {:.3f} [{:.3f}, {:.3f}]", a.value, low, high),
                       {{"auroc", a.value}, {"low", low}, {"high", high}});
}
// Scores of a detector that learns from the judge set, higher = human. Tested on a fifth of the sources after
// a fit on the others; then fitted on all.
Values learned(const StageContext& x, const edits::TargetSet& t, const char* kind,
               const Json::Object& options = {}) {
  const std::vector<detect::Text> texts = labelled(x, "judge", "judge");
  const auto [fitted_on, tried_on, _] = detect::hold_out(texts, detect::folds_of(texts, kFolds, x.seed()), 0);
  check_detector(x, tried_on, detect::fit(kind, fitted_on, options)->score(tried_on));
  return negated(detect::fit(kind, texts, options)->score(unlabelled(t)));
}
Values linear(const StageContext& x, const edits::TargetSet& t) { return learned(x, t, "linear"); }
Values classifier(const StageContext& x, const edits::TargetSet& t) {
  Json::Object options{{"seed", int64_t{x.seed()}}};
  if (const Json* shape = x.stage.parameters.find("options"))
    options.insert(options.end(), shape->object()->begin(), shape->object()->end());
  return learned(x, t, "classifier", options);
}
Values states(const StageContext& x, const edits::TargetSet& t) {
  return learned(x, t, "states", {{"model", model_file(x, "surrogate")}});
}
// log p_human - log p_generated of each whole target, from two models trained on the judge set, one on its
// human targets and one on generated ones. Tested on the validation set, from which neither learned.
Values density(const StageContext& x, const edits::TargetSet& t) {
  const auto human = load_model(x, "human_model"), generated = load_model(x, "generated_model");
  const auto ratios = [&](const std::vector<Pair>& texts) {
    Values out = edits::forward_score(*human, texts);
    const Values minus = edits::forward_score(*generated, texts);
    for (size_t i = 0; i < out.size(); ++i) {
      std::vector<Token> tokens;
      human->tokenizer.encode(texts[i].target, tokens);
      out[i] = (out[i] - minus[i]) * static_cast<double>(tokens.size() + 1);
    }
    return out;
  };
  const std::vector<detect::Text> tried_on = labelled(x, "valid", "held_out");
  std::vector<Pair> pairs;
  for (const detect::Text& text : tried_on) pairs.push_back({text.source, text.target});
  check_detector(x, tried_on, negated(ratios(pairs)));
  return ratios(t.texts);
}
Values random(const StageContext& x, const edits::TargetSet& t) {
  const Random random{x.seed(), Stream::shuffle};
  Values out;
  for (size_t i = 0; i < t.ids.size(); ++i)
    out.push_back(static_cast<double>(
        random.bits({0, static_cast<uint32_t>(i), 0x52414e44, static_cast<uint32_t>(t.ids[i])}).at[0]));
  return out;
}
// ---- quality: the sentence chrF to the human target, predicted by a regression on other scores

// The scores of `ids` by each of several scorers.
std::vector<Values> features(const std::vector<std::string>& folders, const std::vector<int64_t>& ids) {
  std::vector<Values> out;
  for (const std::string& folder : folders) {
    const std::string path = folder + "/scores.tsv";
    out.push_back(edits::scores_of(edits::read_scores(path), ids, path));
  }
  return out;
}
Values picked(const Values& all, const std::vector<size_t>& lines) {
  Values out;
  for (const size_t i : lines) out.push_back(all[i]);
  return out;
}
std::vector<Values> picked(const std::vector<Values>& features, const std::vector<size_t>& lines) {
  std::vector<Values> out;
  for (const Values& f : features) out.push_back(picked(f, lines));
  return out;
}
// Fitted on the judge set's generated targets, whose human ones are known; first tested on a fifth of the
// sources; writes regression.json, the weights in the order of the config's `of`: experiments that share the
// stage may give the scorers other names. Models trained on the judge set have seen even that fifth, so this
// correlation is optimistic: the report has the one on the pool.
Values quality(const StageContext& x, const edits::TargetSet& t) {
  const edits::TargetSet judge = edits::read_targets(x.input("judge")),
                         human = edits::read_pool(x.input("split"), "judge");
  std::vector<std::string> references;
  for (const int64_t id : judge.ids) references.push_back(human.texts[static_cast<size_t>(id)].target);
  const Values measured = edits::agreement(judge.texts, references);
  const std::vector<Values> given = features(x.inputs("judge_score"), judge.ids);
  std::set<std::string_view> sources;
  for (const Pair& p : judge.texts) sources.insert(p.source);
  RUM_CHECK(std::ssize(sources) >= least_for_quality(given.size()),
            "{}: {} sources of the judge set are too few for a regression on {} scores; raise "
            "data.judge_pairs",
            x.stage.label, sources.size(), given.size());
  std::vector<size_t> fitted_on, tried_on;
  const std::vector<int64_t> fold = detect::folds_of(unlabelled(judge), kFolds, x.seed());
  for (size_t i = 0; i < fold.size(); ++i) (fold[i] == 0 ? tried_on : fitted_on).push_back(i);
  const double held_out =
      detect::spearman(edits::predict(edits::fit_ridge(picked(given, fitted_on), picked(measured, fitted_on)),
                                      picked(given, tried_on)),
                       picked(measured, tried_on));
  const edits::Ridge ridge = edits::fit_ridge(given, measured);
  const Json facts(
      Json::Object{{"pairs", static_cast<int64_t>(measured.size())},
                   {"held_out_spearman", held_out},
                   {"chrf_a_standard_deviation", Json::Array(ridge.weights.begin(), ridge.weights.end())}});
  Disk::real().replace_text(x.folder + "/regression.json", to_json(facts, 1) + "\n");
  return predict(ridge, features(x.inputs("score"), t.ids));
}
// Sentence chrF to the human target: what a perfect score would be. Labelled as an oracle wherever it is
// used.
Values oracle(const StageContext& x, const edits::TargetSet& t) {
  const auto human = lines_by_id(x.input("human"));
  std::vector<std::string> lines;
  for (const int64_t id : t.ids) lines.push_back(human.at(id).front());
  return edits::agreement(t.texts, lines);
}

void score(const StageContext& x) {
  const edits::TargetSet t = edits::read_targets(x.input("targets"));
  const ScorerKind& kind = ScorerKind::named(x.parameters().text("kind"));
  edits::write_scores(x.folder + "/scores.tsv", {t.ids, kind.score(x, t)});
}
const StageKind kind("score", 2, false, score);
}  // namespace

const std::vector<ScorerKind>& ScorerKind::all() {
  static const std::vector<ScorerKind> kinds = {
      {"confidence", confidence, {"written"}, {}, asks | feature},
      {"length", length, {}, {}, learns | feature},
      {"fluency", fluency, {"fluency"}, {"recipe"}, learns | feature},
      {"forward", forward, {"forward"}, {"recipe"}, learns | feature},
      {"reverse", reverse, {"reverse"}, {"recipe"}, learns | feature},
      {"dual_cross_entropy", dual, {"forward", "reverse"}, {"recipe"}, learns | feature},
      {"agreement", with_second, {"with"}, {"with"}, feature},
      {"consistency", with_draws, {"draws"}, {"decoding", "draws"}, asks | feature},
      {"quality", quality, {"judge"}, {"of"}, learns | asks},
      {"linear", linear, {"judge"}, {"anyway"}, learns | asks | detector},
      {"classifier", classifier, {"judge"}, {"recipe", "anyway"}, learns | asks | detector},
      {"states", states, {"judge", "surrogate"}, {"recipe", "anyway"}, learns | asks | detector},
      {"density",
       density,
       {"judge", "held_out", "human_model", "generated_model"},
       {"recipe", "anyway"},
       learns | asks | detector},
      {"random", random, {}, {}},
      {"oracle", oracle, {"human"}, {}}};
  return kinds;
}
const ScorerKind& ScorerKind::named(std::string_view name) {
  return find_named(all(), name, "kind of scorer");
}
}  // namespace rum::experiment
