#include "detect/folds.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <unordered_set>
#include <utility>

#include "base/hash.h"
#include "base/mean.h"
#include "detect/calibrate.h"
#include "text/words.h"

namespace rum::detect {
namespace {
const std::string& group_of(const Text& t) { return t.source.empty() ? t.id : t.source; }

using Selects = std::function<bool(const Text&)>;
bool everyone(const Text&) { return true; }
HeldOutFold hold_out(std::span<const Text> texts, const std::vector<int64_t>& fold, int64_t f,
                     const Selects& learns, const Selects& tried) {
  HeldOutFold out;
  std::unordered_set<std::string_view> targets;  // of those tried
  for (size_t i = 0; i < texts.size(); ++i) {
    if (fold[i] != f || !tried(texts[i])) continue;
    out.unseen.push_back(texts[i]);
    out.where.push_back(i);
    targets.insert(without_trailing_blanks(texts[i].target));
  }
  for (size_t i = 0; i < texts.size() && !out.unseen.empty(); ++i)
    if (fold[i] != f && learns(texts[i]) && !targets.contains(without_trailing_blanks(texts[i].target)))
      out.seen.push_back(texts[i]);
  return out;
}
// By any detector of the recipe, before it has scored one: how many of all texts it could not, not of a fold.
void refuse_unfit(const Detector& detector, std::span<const Text> texts) {
  int64_t unfit = 0;
  std::string first;
  for (const Text& t : texts)
    if (const auto why = detector.unfit(t); why && unfit++ == 0)
      first = fmt::format("{}: {}", place_of(t), *why);
  RUM_CHECK(unfit == 0,
            "{}; {} of {} texts cannot be judged: leave them out, or split those that are too long", first,
            unfit, texts.size());
}
// Before the first fit, which may take long: is there something to learn from whatever fold is held out?
void check_folds(std::span<const Text> texts, const std::vector<int64_t>& fold, int64_t folds,
                 const Selects& learns, const Selects& tried) {
  for (int64_t f = 0; f < folds; ++f) {
    const auto [seen, unseen, where] = hold_out(texts, fold, f, learns, tried);
    if (unseen.empty()) continue;
    const auto people =
        std::count_if(seen.begin(), seen.end(), [](const Text& t) { return t.author == Author::human; });
    const auto machines = static_cast<int64_t>(seen.size()) - people;
    RUM_CHECK(
        people > 0 && machines > 0,
        "with one of {} folds held out, {} texts by people and {} by machines are left to fit on, equal "
        "ones left out: give more sources, or try another --seed",
        folds, people, machines);
  }
}
// For each fold: fits on the texts of the other folds that `learns` selects, and scores those of this fold
// that `tried` selects.
MarkedScores fit_and_score(const std::string& kind, std::span<const Text> texts, const Json::Object& options,
                           const std::vector<int64_t>& fold, int64_t folds, const Selects& learns,
                           const Selects& tried) {
  check_folds(texts, fold, folds, learns, tried);
  MarkedScores out{std::vector<double>(texts.size()), std::vector<bool>(texts.size())};
  bool all_fit = false;
  for (int64_t f = 0; f < folds; ++f) {
    const auto [seen, unseen, where] = hold_out(texts, fold, f, learns, tried);
    if (unseen.empty()) continue;
    const auto detector = fit(kind, seen, options);
    if (!std::exchange(all_fit, true)) refuse_unfit(*detector, texts);
    const std::vector<double> scores = detector->score(unseen);
    const std::vector<bool> own = white_box(*detector, unseen);
    for (size_t k = 0; k < where.size(); ++k) {
      out.scores[where[k]] = scores[k];
      out.white_box[where[k]] = own[k];
    }
  }
  return out;
}
CrossAuroc against(std::span<const Text> texts, const MarkedScores& tried, const std::string& generator) {
  Scores s;
  int64_t own = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].author == Author::human) s.human.push_back(tried.scores[i]);
    if (texts[i].author != Author::machine || texts[i].generator != generator) continue;
    s.machine.push_back(tried.scores[i]);
    own += tried.white_box[i];
  }
  return {auroc(s), own};
}
}  // namespace

std::vector<int64_t> folds_of(std::span<const Text> texts, int64_t folds, uint32_t seed) {
  RUM_CHECK(folds >= 2, "{} folds: expected at least 2", folds);
  // In an order that does not depend on their content.
  std::set<std::pair<uint64_t, std::string_view>> groups;
  for (const Text& t : texts) groups.emplace(hash64(group_of(t), seed), group_of(t));
  RUM_CHECK(static_cast<int64_t>(groups.size()) >= folds,
            "{} sources for {} folds: expected at least one each", groups.size(), folds);
  std::map<std::string_view, int64_t> fold;
  for (const auto& [hash, group] : groups) {
    const auto next = static_cast<int64_t>(fold.size());
    fold[group] = next % folds;
  }
  std::vector<int64_t> out;
  for (const Text& t : texts) out.push_back(fold[group_of(t)]);
  return out;
}
HeldOutFold hold_out(std::span<const Text> texts, const std::vector<int64_t>& fold, int64_t f) {
  return hold_out(texts, fold, f, everyone, everyone);
}
MarkedScores cross_fit(const std::string& kind, std::span<const Text> texts, const Json::Object& options,
                       int64_t folds, uint32_t seed) {
  check_authors(texts);
  return fit_and_score(kind, texts, options, folds_of(texts, folds, seed), folds, everyone, everyone);
}
HeldOut held_out(std::span<const Text> texts, std::span<const double> scores, int64_t folds) {
  const Auroc area = auroc(by_author(texts, scores));
  return {folds, area.value, area.error()};
}
void fit_curve(Calibration& c, const Scores& scores, const std::string& curve) {
  if (curve == "isotonic")
    c.curve = fit_isotonic(scores);
  else
    c.curve = fit_rising_platt(scores);
}
std::unique_ptr<Detector> fit_calibrated(const std::string& kind, std::span<const Text> texts,
                                         const Json::Object& options, int64_t folds, uint32_t seed,
                                         const std::string& curve) {
  check_authors(texts);
  check_folds(texts, folds_of(texts, folds, seed), folds, everyone, everyone);
  auto detector = fit(kind, texts, options);  // first, since what it says of texts it says of all
  const MarkedScores crossed = cross_fit(kind, texts, options, folds, seed);
  detector->calibration.minimum_characters = usual_minimum(texts);
  std::vector<Text> others;
  std::vector<double> scores;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (crossed.white_box[i]) continue;
    others.push_back(texts[i]);
    scores.push_back(crossed.scores[i]);
  }
  detector->origin.white_box = static_cast<int64_t>(texts.size() - others.size());
  const Scores s = by_author(others, scores);
  if (s.machine.empty()) return detector;
  detector->origin.held_out = held_out(others, scores, folds);
  fit_curve(detector->calibration, s, curve);
  return detector;
}
std::optional<std::string> why_not_order(const std::optional<HeldOut>& h) {
  if (!h) return "it was never tried on sources that it had not seen";
  const double half = kNormal95 * h->error;
  if (h->auroc - half > 0.5) return std::nullopt;
  return fmt::format(
      "on sources that it had not seen its AUROC is {:.3f} +- {:.3f}, not above .5 by its own error: its "
      "order would be chance, or upside down",
      h->auroc, half);
}

CrossGenerator cross_generator(const std::string& kind, std::span<const Text> texts,
                               const Json::Object& options, int64_t folds, uint32_t seed) {
  check_authors(texts);
  CrossGenerator out;
  std::set<std::string> names;
  for (const Text& t : texts)
    if (t.author == Author::machine) names.insert(t.generator);
  out.generators.assign(names.begin(), names.end());
  const std::vector<int64_t> fold = folds_of(texts, folds, seed);
  for (const std::string& name : out.generators) {
    const auto only = [&](const Text& t) { return t.author == Author::human || t.generator == name; };
    const MarkedScores tried = fit_and_score(kind, texts, options, fold, folds, only, everyone);
    out.matrix.emplace_back();
    for (const std::string& other : out.generators) out.matrix.back().push_back(against(texts, tried, other));
  }
  if (out.generators.size() < 2) return out;
  for (const std::string& name : out.generators) {
    const auto others = [&](const Text& t) { return t.author == Author::human || t.generator != name; };
    const auto these = [&](const Text& t) { return t.author == Author::human || t.generator == name; };
    out.leave_one_out.push_back(
        against(texts, fit_and_score(kind, texts, options, fold, folds, others, these), name));
  }
  return out;
}
}  // namespace rum::detect
