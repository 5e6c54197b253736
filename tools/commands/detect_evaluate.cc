// `ruminate detect evaluate`: how good detectors are on labelled texts, each number with its error.
#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <map>

#include "base/error.h"
#include "detect/attacks.h"
#include "detect/calibrate.h"
#include "detect/folds.h"
#include "tools/commands/detect.h"
#include "tools/lines.h"

namespace rum {
using namespace detect;
namespace {
struct EvaluateFlags {
  std::vector<std::string> detectors;
  std::string quality;
  int64_t documents = 10, seed = 1;
  bool attacks = false, matrix = false;
};
Json shown(const std::array<double, 2>& interval) { return Json::Array{interval[0], interval[1]}; }
template <class T>
Json shown(const std::optional<T>& x) {
  if (x) return *x;
  return {};
}
Json::Object area(const Auroc& a) { return {{"auroc", a.value}, {"interval", shown(a.interval())}}; }
// A part of the texts may hold one author only, or too few: then it says so instead.
Json area_or_fault(const Scores& s) {
  try {
    Json::Object out = area(auroc(s));
    out.emplace_back("humans", static_cast<int64_t>(s.human.size()));
    out.emplace_back("machines", static_cast<int64_t>(s.machine.size()));
    return out;
  } catch (const BadScores& e) {
    return Json::Object{{"fault", e.fault}};
  }
}
// Each group of machine texts against all people, or each group of both.
Json by_group(std::span<const Text> texts, std::span<const double> scores, bool people_everywhere,
              const std::function<std::string(const Text&)>& group) {
  std::map<std::string, Scores> groups;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].author == Author::machine) groups[group(texts[i])].machine.push_back(scores[i]);
    if (texts[i].author == Author::human && !people_everywhere)
      groups[group(texts[i])].human.push_back(scores[i]);
  }
  const Scores all = by_author(texts, scores);
  Json::Object out;
  for (auto& [name, s] : groups) {
    if (people_everywhere) s.human = all.human;
    out.emplace_back(name.empty() ? "unknown" : name, area_or_fault(s));
  }
  return out;
}
std::string length_bin(const Text& t) {
  const size_t n = t.target.size();
  for (const size_t edge : {50, 100, 150, 200})
    if (n < edge) return fmt::format("below {:03d} bytes", edge);
  return "longer";
}
Json rates(const Scores& s) {
  Json::Array out;
  for (const double fpr : {0.001, 0.01, 0.05}) {
    const auto at = at_fpr(s, fpr);
    Json::Object one{{"target_fpr", fpr}};
    one.emplace_back("fpr", at ? Json(at->fpr) : Json());
    one.emplace_back("fpr_interval", at ? shown(at->fpr_interval) : Json());
    one.emplace_back("tpr", at ? Json(at->tpr) : Json());
    one.emplace_back("tpr_interval", at ? shown(at->tpr_interval) : Json());
    one.emplace_back("threshold", at ? Json(at->threshold) : Json());
    out.emplace_back(std::move(one));
  }
  return out;
}
Json probabilities(const Detector& d, Scores s) {
  for (auto* list : {&s.human, &s.machine})
    for (double& x : *list) {
      const auto p = probability(d.calibration, x);
      if (!p) return {};
      x = *p;
    }
  const Decisions made = decisions(s);
  const Reliability r = reliability(s);
  Json::Array bins;
  for (const auto& b : r.bins)
    bins.emplace_back(
        Json::Object{{"n", b.n}, {"mean_probability", shown(b.mean)}, {"frequency", shown(b.frequency)}});
  return Json::Object{{"accuracy", made.accuracy},     {"mcc", made.mcc}, {"f1", made.f1},
                      {"brier", made.brier},           {"ece_15", r.ece}, {"log_loss", made.log_loss},
                      {"reliability", std::move(bins)}};
}
// Machines' texts attacked, people's as they are.
Json attacked(const Detector& d, std::span<const Text> texts, uint32_t seed) {
  Json::Object out;
  for (const Attack& a : attacks()) {
    std::vector<Text> changed(texts.begin(), texts.end());
    for (size_t i = 0; i < changed.size(); ++i)
      if (changed[i].author == Author::machine)
        changed[i].target = attack(a.name, changed[i].target, seed, static_cast<uint32_t>(i));
    out.emplace_back(a.name, area_or_fault(by_author(changed, finite_scores(d, changed))));
  }
  return out;
}
double correlation(std::span<const Text> texts, std::span<const double> scores, const std::string& path) {
  std::vector<double> machine, quality;
  for (size_t i = 0; i < texts.size(); ++i)
    if (texts[i].author == Author::machine) machine.push_back(scores[i]);
  for (const std::string& line : read_lines(path)) {
    char* end = nullptr;
    quality.push_back(std::strtod(line.c_str(), &end));
    if (line.empty() || *end != '\0' || !std::isfinite(quality.back()))
      throw FileError(
          fmt::format("{}: line {}: expected a number, found \"{}\"", path, quality.size(), line));
  }
  if (machine.size() != quality.size())
    throw FileError(fmt::format("{} has {} numbers, there are {} texts by machines; expected the same number",
                                path, quality.size(), machine.size()));
  return spearman(machine, quality);
}

Json judged(const Detector& d, std::span<const Text> texts, std::span<const double> scores,
            const EvaluateFlags& o) {
  const Scores s = by_author(texts, scores);
  const Curve best = curve(s);
  Json::Object out = area(auroc(s));
  out.emplace_back("humans", static_cast<int64_t>(s.human.size()));
  out.emplace_back("machines", static_cast<int64_t>(s.machine.size()));
  out.emplace_back("average_precision", best.average_precision);
  out.emplace_back("eer", best.eer);
  out.emplace_back("at_fpr", rates(s));
  out.emplace_back("probabilities", probabilities(d, s));
  out.emplace_back("paired_accuracy", shown(paired_accuracy(texts, scores)));
  out.emplace_back(
      "documents",
      Json::Object{{"lines", o.documents}, {"scores", area_or_fault(documents(texts, scores, o.documents))}});
  out.emplace_back("by_generator", by_group(texts, scores, true, [](const Text& t) { return t.generator; }));
  out.emplace_back("by_decoding", by_group(texts, scores, true, [](const Text& t) { return t.decoding; }));
  out.emplace_back("by_length", by_group(texts, scores, false, length_bin));
  if (!o.quality.empty()) out.emplace_back("spearman_with_quality", correlation(texts, scores, o.quality));
  if (o.attacks) out.emplace_back("attacks", attacked(d, texts, static_cast<uint32_t>(o.seed)));
  return out;
}
Json against_first(const Scores& first, const Scores& other) {
  const PairedAuroc p = delong(other, first);
  return Json::Object{{"difference", p.a.value - p.b.value},
                      {"interval", p.interval ? shown(*p.interval) : Json()},
                      {"p", shown(p.p)}};
}
Json matrix(const DetectRecipe& recipe, std::span<const Text> texts) {
  const CrossGenerator m =
      cross_generator(recipe.kind, texts, recipe.parsed(), recipe.folds, static_cast<uint32_t>(recipe.seed));
  Json::Object rows, left;
  for (size_t g = 0; g < m.generators.size(); ++g) {
    Json::Object row;
    for (size_t h = 0; h < m.generators.size(); ++h) row.emplace_back(m.generators[h], area(m.matrix[g][h]));
    rows.emplace_back(m.generators[g], std::move(row));
    if (!m.leave_one_out.empty()) left.emplace_back(m.generators[g], area(m.leave_one_out[g]));
  }
  return Json::Object{{"fitted_on_one", std::move(rows)}, {"fitted_on_all_others", std::move(left)}};
}

int run(int argc, char** argv) {
  EvaluateFlags o;
  DetectInput input;
  DetectRecipe recipe;
  Flags flags(
      "detect evaluate",
      "How well detectors tell machines from people, as one JSON object. Their texts must not be those that "
      "they were fitted on; --matrix fits detectors of one kind itself, on sources apart.");
  input.declare(flags);
  recipe.declare(flags);
  flags.add("--detector", o.detectors, "files of detectors; the others are tested against the first")
      .add("--documents", o.documents, "lines of a document", 1, 1000000)
      .add("--quality", o.quality, "a number for each machine's text: its rank correlation with the score")
      .add("--attacks", o.attacks, "also with the machines' texts attacked")
      .add("--matrix", o.matrix, "fit on each machine, try on every other");
  if (const auto status = flags.parse(argc, argv)) return *status;
  o.seed = recipe.seed;
  RUM_CHECK(!o.detectors.empty() || o.matrix, "expected --detector FILE, or --matrix");
  const Texts read = input.read();
  Json::Object out;
  std::optional<Scores> first;
  for (const std::string& path : o.detectors) {
    const auto detector = load(path);
    for (const auto& [corpus, hash] : read.corpora)
      for (const auto& [seen, known] : detector->origin.corpora)
        if (hash == known)
          fmt::print(stderr, "warning: {} was fitted on {}: its numbers here are too good\n", path, corpus);
    const std::vector<double> scores = finite_scores(*detector, read.texts);
    Json one = judged(*detector, read.texts, scores, o);
    const Scores s = by_author(read.texts, scores);
    if (first) std::get<Json::Object>(one.value).emplace_back("against_the_first", against_first(*first, s));
    if (!first) first = s;
    out.emplace_back(path, std::move(one));
  }
  if (o.matrix) out.emplace_back("matrix", matrix(recipe, read.texts));
  print(to_json(Json(std::move(out)), 1) + "\n");
  return 0;
}
const DetectVerb verb{"evaluate", "AUROC, error rates, calibration on labelled texts, with their errors",
                      run};
}  // namespace
}  // namespace rum
