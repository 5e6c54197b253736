// `ruminate detect evaluate`: how good detectors are on labelled texts, each number with its error.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "base/error.h"
#include "base/number.h"
#include "base/say.h"
#include "detect/attacks.h"
#include "detect/calibrate.h"
#include "detect/folds.h"
#include "experiment/statistics.h"
#include "text/table.h"
#include "text/unicode.h"
#include "tools/commands/detect.h"
#include "tools/lines.h"

namespace rum::detect_evaluate_command {
using namespace detect;
namespace {
struct EvaluateFlags {
  std::vector<std::string> detectors;
  std::string quality, format = "json";
  int64_t documents = 10, seed = 1;
  bool attacks = false, matrix = false, spread = false;
};
Json shown(const std::array<double, 2>& interval) { return Json::Array{interval[0], interval[1]}; }
template <class T>
Json shown(const std::optional<T>& x) {
  if (x) return *x;
  return {};
}
Json::Object area(const Auroc& a) { return {{"auroc", a.value}, {"interval", shown(a.interval())}}; }
// A part of the texts may hold one author only, or too few: then it says so instead.
Json::Object area_or_fault(const Scores& s) {
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
  const size_t n = characters(t.target);
  constexpr size_t edges[] = {50, 100, 150, 200};
  for (const size_t edge : edges)
    if (n < edge) return fmt::format("below {:03d} characters", edge);
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
Json probabilities(const Detector& d, Scores s) {  // of texts that get a verdict
  if (s.human.empty() && s.machine.empty()) return {};
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
// Machine texts attacked, human texts as they are.
Json attacked(const Detector& d, std::span<const Text> texts, uint32_t seed) {
  Json::Object out;
  for (const Attack& a : attacks()) {
    std::vector<Text> changed(texts.begin(), texts.end());
    for (size_t i = 0; i < changed.size(); ++i)
      if (changed[i].author == Author::machine)
        changed[i].target = attack(a.name, changed[i].target, seed, static_cast<uint32_t>(i));
    const size_t longer = std::erase_if(changed, [&](const Text& t) { return d.unfit(t).has_value(); });
    Json::Object one = area_or_fault(by_author(changed, finite_scores(d, changed)));
    if (longer > 0) one.emplace_back("left_out", static_cast<int64_t>(longer));
    out.emplace_back(a.name, std::move(one));
  }
  return out;
}
// One number for each text, NaN for human ones.
std::vector<double> read_quality(const std::string& path, std::span<const Text> texts) {
  std::vector<double> quality;
  for (const std::string& line : read_lines(path, Form::nfc, BlankEnd::passed_over)) {
    const auto number = number_in<double>(line);
    if (!number || !std::isfinite(*number))
      throw FileError(
          fmt::format("{}: line {}: expected a number, found \"{}\"", path, quality.size() + 1, line));
    quality.push_back(*number);
  }
  const auto by_machine = [](const Text& t) { return t.author == Author::machine; };
  const auto machines = static_cast<size_t>(std::count_if(texts.begin(), texts.end(), by_machine));
  if (machines != quality.size())
    throw FileError(fmt::format("{} has {} numbers, but there are {} machine texts; expected one each", path,
                                quality.size(), machines));
  std::vector<double> out(texts.size(), NAN);
  size_t next = 0;
  for (size_t i = 0; i < texts.size(); ++i)
    if (by_machine(texts[i])) out[i] = quality[next++];
  return out;
}

// Some of the texts with what is known of them.
struct Part {
  std::vector<Text> texts;
  std::vector<double> scores, quality;  // quality: empty where none was given
  Part(std::span<const Text> all, std::span<const double> all_scores, std::span<const double> all_quality,
       const std::function<bool(size_t)>& keep) {
    for (size_t i = 0; i < all.size(); ++i) {
      if (!keep(i)) continue;
      texts.push_back(all[i]);
      scores.push_back(all_scores[i]);
      if (!all_quality.empty()) quality.push_back(all_quality[i]);
    }
  }
  Scores by_author() const { return detect::by_author(texts, scores); }
};
Json correlation(const Part& part) {
  std::vector<double> machine, quality;
  for (size_t i = 0; i < part.texts.size(); ++i) {
    if (part.texts[i].author != Author::machine) continue;
    machine.push_back(part.scores[i]);
    quality.push_back(part.quality[i]);
  }
  try {
    return spearman(machine, quality);
  } catch (const BadScores& e) {
    return Json::Object{{"fault", e.fault}};
  }
}
Json::Object evaluated(const Detector& d, const Part& part, const EvaluateFlags& o) {
  const auto& [texts, scores, quality] = part;
  const Scores s = part.by_author();
  const Curve best = curve(s);
  Json::Object out = area(auroc(s));
  out.emplace_back("humans", static_cast<int64_t>(s.human.size()));
  out.emplace_back("machines", static_cast<int64_t>(s.machine.size()));
  out.emplace_back("average_precision", best.average_precision);
  out.emplace_back("eer", best.eer);
  out.emplace_back("at_fpr", rates(s));
  const Part judged(texts, scores, {}, [&](size_t i) { return !abstains(d.calibration, texts[i]); });
  const Scores of_judged = judged.by_author();
  const auto count = [](const Scores& x) { return static_cast<double>(x.human.size() + x.machine.size()); };
  out.emplace_back("abstains", (count(s) - count(of_judged)) / count(s));
  out.emplace_back("probabilities", probabilities(d, of_judged));
  out.emplace_back("paired_accuracy", shown(paired_accuracy(texts, scores)));
  out.emplace_back(
      "documents",
      Json::Object{{"lines", o.documents}, {"scores", area_or_fault(documents(texts, scores, o.documents))}});
  out.emplace_back("by_generator", by_group(texts, scores, true, [](const Text& t) { return t.generator; }));
  out.emplace_back("by_decoding", by_group(texts, scores, true, [](const Text& t) { return t.decoding; }));
  out.emplace_back("by_length", by_group(texts, scores, false, length_bin));
  if (!quality.empty()) out.emplace_back("spearman_with_quality", correlation(part));
  if (o.attacks) out.emplace_back("attacks", attacked(d, texts, static_cast<uint32_t>(o.seed)));
  return out;
}
Json against_first(const Scores& first, const Scores& other) try {
  const PairedAuroc p = delong(other, first);
  const auto interval = p.honest_interval();
  return Json::Object{{"difference", p.a.value - p.b.value},
                      {"interval", interval ? shown(*interval) : Json()},
                      {"p", shown(p.p)}};
} catch (const BadScores& e) {
  return Json::Object{{"fault", e.fault}};
}
// Texts that a model wrote which the detector asks itself are shown apart.
Json::Object tried_on(const Detector& d, std::span<const Text> texts, const MarkedScores& tried,
                      const std::vector<double>& quality, const EvaluateFlags& o) {
  const Part others(texts, tried.scores, quality,
                    [&](size_t i) { return !tried.white_box[i] && !std::isnan(tried.scores[i]); });
  const auto why = why_white_box(tried.white_box);
  if (!why) return evaluated(d, others, o);
  Json::Object out{{"fault", "one_class"}};
  if (!others.by_author().machine.empty()) out = evaluated(d, others, o);
  const Part own(texts, tried.scores, quality, [&](size_t i) {
    return tried.white_box[i] || (texts[i].author == Author::human && !std::isnan(tried.scores[i]));
  });
  out.emplace_back(
      "white_box",
      Json::Object{{"note", *why}, {"by_generator", by_group(own.texts, own.scores, true, [](const Text& t) {
                                      return t.generator;
                                    })}});
  return out;
}
// Of a detector fitted on some machines, on one: which texts are by its own model is said beside it.
Json cell(const CrossAuroc& a) {
  Json::Object out = area(a);
  if (a.white_box > 0) out.emplace_back("white_box", a.white_box);
  return out;
}
Json matrix(const DetectRecipe& recipe, std::span<const Text> texts) {
  const CrossGenerator m =
      cross_generator(recipe.kind, texts, recipe.parsed(), recipe.folds, static_cast<uint32_t>(recipe.seed));
  Json::Object rows, left;
  for (size_t g = 0; g < m.generators.size(); ++g) {
    Json::Object row;
    for (size_t h = 0; h < m.generators.size(); ++h) row.emplace_back(m.generators[h], cell(m.matrix[g][h]));
    rows.emplace_back(m.generators[g], std::move(row));
    if (!m.leave_one_out.empty()) left.emplace_back(m.generators[g], cell(m.leave_one_out[g]));
  }
  return Json::Object{{"fitted_on_one", std::move(rows)}, {"fitted_on_all_others", std::move(left)}};
}

// What several results have in common: of each number its mean, standard deviation, least and most.
Json spread_over(const std::vector<const Json*>& each) {
  std::vector<double> numbers;
  for (const Json* one : each)
    if (double v = 0; one != nullptr && one->number(v)) numbers.push_back(v);
  if (numbers.size() == each.size()) {
    const experiment::Spread s = experiment::spread(numbers);
    return Json::Object{{"mean", s.mean}, {"sd", s.sd}, {"low", s.low}, {"high", s.high}};
  }
  if (const Json::Array* list = each.front()->array()) {
    Json::Array out;
    for (size_t i = 0; i < list->size(); ++i) {
      std::vector<const Json*> at;
      for (const Json* one : each)
        if (one->array() && i < one->array()->size()) at.push_back(&(*one->array())[i]);
      out.push_back(at.size() == each.size() ? spread_over(at) : Json());
    }
    return Json(std::move(out));
  }
  if (each.front()->object() == nullptr) return {};
  Json::Object out;
  for (const auto& [key, _] : *each.front()->object()) {
    std::vector<const Json*> of_key;
    for (const Json* one : each) of_key.push_back(one->find(key));
    if (std::count(of_key.begin(), of_key.end(), nullptr) > 0) continue;
    if (Json found = spread_over(of_key); !found.is_null()) out.emplace_back(key, std::move(found));
  }
  return Json(std::move(out));
}
// The main numbers of each detector.
TextTable table_of(const Json::Object& detectors) {
  TextTable t{{{"detector", "AUROC", "95 %", "EER", "TPR at 1 % FPR", "TPR at 5 % FPR", "ECE", "abstains"}}};
  const auto cell = [](const Json* x) {
    double v = 0, sd = 0;
    if (x && x->find("mean") && x->find("sd") && x->find("mean")->number(v) && x->find("sd")->number(sd))
      return fmt::format("{:.3f} ± {:.3f}", v, sd);
    return x && x->number(v) ? fmt::format("{:.3f}", v) : std::string("-");
  };
  for (const auto& [name, d] : detectors) {
    const Json *interval = d.find("interval"), *rates = d.find("at_fpr"), *p = d.find("probabilities");
    const auto tpr = [&](size_t i) { return cell(rates ? rates->array()->at(i).find("tpr") : nullptr); };
    std::string width = "-";
    if (interval && interval->array())
      width = fmt::format("{} to {}", cell(&interval->array()->at(0)), cell(&interval->array()->at(1)));
    t.rows.push_back({name, cell(d.find("auroc")), width, cell(d.find("eer")), tpr(1), tpr(2),
                      cell(p && p->object() ? p->find("ece_15") : nullptr), cell(d.find("abstains"))});
  }
  return t;
}

// By detector.
Json::Object each_detector(const Texts& read, const std::vector<double>& quality, const EvaluateFlags& o) {
  Json::Object out;
  std::optional<MarkedScores> first;
  for (const std::string& path : o.detectors) {
    const auto detector = load(path);
    warn_of_seen(*detector, path, read);
    const Judged tried = judge(*detector, read.texts, "is left out");
    if (tried.unfit > 0) say("{}: {} of {} texts are left out", path, tried.unfit, read.texts.size());
    Json::Object one = tried_on(*detector, read.texts, tried, quality, o);
    if (tried.unfit > 0) one.emplace_back("left_out", tried.unfit);
    if (first) {
      const auto neither = [&](size_t i) {
        return !first->white_box[i] && !tried.white_box[i] && !std::isnan(first->scores[i] + tried.scores[i]);
      };
      const Part before(read.texts, first->scores, {}, neither), now(read.texts, tried.scores, {}, neither);
      one.emplace_back("against_the_first", against_first(before.by_author(), now.by_author()));
      const auto joined = [&](const Part& p) { return documents(p.texts, p.scores, o.documents); };
      one.emplace_back("documents_against_the_first", against_first(joined(before), joined(now)));
    }
    if (!first) first = tried;
    out.emplace_back(path, std::move(one));
  }
  return out;
}
int run(int argc, char** argv) {
  EvaluateFlags o;
  DetectInput input;
  DetectRecipe recipe;
  Flags flags(
      "detect evaluate",
      "Measures how well detectors tell machine from human text, on labelled texts that they were not fitted "
      "on, and prints one JSON object. A text that a detector's model cannot read is left out (left_out: how "
      "many). Probabilities are judged on texts that are long enough for a verdict "
      "(abstains: the share of the others), all else on all texts. With --matrix it fits detectors itself, "
      "each on one machine, and tries them on every other, on sources that were held out.");
  input.declare(flags);
  recipe.declare(flags, "the split into folds, and of the attacks");
  flags.add("--detector", o.detectors, "detectors to measure; the others are tested against the first")
      .add("--spread", o.spread,
           "they are one recipe with several seeds: also report mean, deviation and range of every number")
      .add("--document-lines", o.documents, "how many lines make a document", 1, 1000000)
      .add("--quality", o.quality,
           "a file with a number for each machine text; reports how the score correlates with it")
      .add("--attacks", o.attacks,
           "also measure with the machines' texts attacked (homoglyphs, misspellings, ...)")
      .add("--matrix", o.matrix,
           "fit on each machine, try on every other; white_box: how many texts a model wrote that the "
           "detector asks itself")
      .choice("--format", o.format, "json: everything; otherwise a table of the main numbers",
              {"json", "text", "csv", "md", "latex"})
      .footer(DetectRecipe::kinds() +
              "\nExample:\n  ruminate detect evaluate --detector detector --human held-out.tsv --machine "
              "deepl.tsv --format text\n");
  if (const auto status = flags.parse(argc, argv)) return *status;
  o.seed = recipe.seed;
  RUM_CHECK(!o.detectors.empty() || o.matrix, "expected --detector FILE, or --matrix");
  RUM_CHECK(o.detectors.size() > 1 || !o.spread, "--spread needs several --detector");
  RUM_CHECK(o.format == "json" || !o.matrix, "--matrix has no table: leave out --format");
  for (const char* flag : {"--kind", "--option", "--folds"})
    RUM_CHECK(o.matrix || !flags.given(flag), "{} is for the detectors that --matrix fits", flag);
  RUM_CHECK(o.matrix || o.attacks || !flags.given("--seed"), "--seed is for --matrix and --attacks");
  flags.need(!o.detectors.empty(), "a --detector to measure", {"--attacks", "--document-lines", "--quality"});
  flags.need(o.format == "json", "--format json: the table has the main numbers alone",
             {"--attacks", "--document-lines", "--quality"});
  refuse_same_file(o.detectors, "--detector", "detector");
  const Texts read = input.read();
  if (o.matrix) refuse_seen_by_members(recipe, read);
  std::vector<double> quality;
  if (!o.quality.empty()) quality = read_quality(o.quality, read.texts);
  Json::Object out = each_detector(read, quality, o);
  if (o.spread) {
    std::vector<const Json*> each;
    for (const auto& [_, one] : out) each.push_back(&one);
    out.emplace_back("spread", spread_over(each));
  }
  if (o.matrix) out.emplace_back("matrix", matrix(recipe, read.texts));
  print(o.format == "json" ? to_json(Json(std::move(out)), 1) + "\n" : written(table_of(out), o.format));
  return 0;
}
const DetectVerb verb{
    {"evaluate", "AUROC, error rates, calibration on labelled texts, with their errors", run}};
}  // namespace
}  // namespace rum::detect_evaluate_command
