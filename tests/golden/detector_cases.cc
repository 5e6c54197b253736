// Answers for detectors: evaluation, thresholds, calibration, hashed n-grams, logistic regression.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "cases.h"
#include "detect/calibrate.h"
#include "detect/linear.h"

namespace rum::golden::detector_cases {
namespace {
using namespace rum::detect;

double score(const Json& j) {  // JSON has no syntax for these three
  if (const std::string* s = j.text()) {
    if (*s == "nan") return std::nan("");
    if (*s == "inf") return std::numeric_limits<double>::infinity();
    if (*s == "-inf") return -std::numeric_limits<double>::infinity();
  }
  return number(j);
}
Json shown(double x) {
  if (std::isinf(x)) return x > 0 ? "inf" : "-inf";
  return x;
}
Json shown(const std::optional<double>& x) {
  if (x) return *x;
  return {};
}
Json shown(const std::array<double, 2>& interval) { return Json::Array{interval[0], interval[1]}; }
std::vector<double> list(const Json& c, std::string_view key) {
  std::vector<double> out;
  for (const Json& x : *at(c, key).array()) out.push_back(score(x));
  return out;
}
std::vector<bool> labels(const Json& c) {
  std::vector<bool> out;
  for (const Json& x : *at(c, "labels").array()) out.push_back(number(x) != 0);
  return out;
}
Scores split(const std::vector<double>& values, const std::vector<bool>& machine) {
  Scores out;
  for (size_t i = 0; i < values.size(); ++i) (machine[i] ? out.machine : out.human).push_back(values[i]);
  return out;
}
// Every case of the file; a fault is a result, too.
void answer(const Request& request, const Emit& emit, const std::function<Json(const Json&)>& f) {
  for (const Json& c : *at(request.file, "cases").array()) {
    Json got;
    try {
      got = f(c);
    } catch (const BadScores& e) {
      got = Json::Object{{"error", e.fault}};
    }
    emit(text(at(c, "id")), std::move(got));
  }
}

Json evaluation(const Json& c) {
  const std::vector<bool> machine = labels(c);
  const Scores s = split(list(c, "scores"), machine), p = split(list(c, "probabilities"), machine);
  const Auroc area = auroc(s);
  const Curve best = curve(s);
  const Decisions d = decisions(p);
  Json::Object out{{"auroc", area.value},
                   {"average_precision", best.average_precision},
                   {"youden_j", best.youden},
                   {"best_accuracy", best.best_accuracy},
                   {"eer", best.eer},
                   {"brier", d.brier},
                   {"log_loss", d.log_loss},
                   {"ece_10", reliability(p, 10).ece},
                   {"ece_15", reliability(p, 15).ece},
                   {"accuracy_0.5", d.accuracy},
                   {"f1_0.5", d.f1},
                   {"mcc_0.5", d.mcc},
                   {"mann_whitney_u", area.value * static_cast<double>(s.human.size() * s.machine.size())}};
  for (const double fpr : {0.0, 0.01, 0.05, 0.1})
    out.emplace_back(fmt::format("tpr_at_fpr_{}", fpr), tpr(s, threshold(s.human, fpr)));
  if (area.variance) out.emplace_back("auroc_delong_se", std::sqrt(*area.variance));
  return out;
}

Json at_rate(const Scores& s, double target) {
  Json::Object out{{"target_fpr", target}};
  const auto found = at_fpr(s, target);
  if (!found) {
    for (const char* key :
         {"threshold", "fpr", "tpr", "human_flagged", "machine_flagged", "fpr_wilson", "tpr_wilson"})
      out.emplace_back(key, Json());
    return out;
  }
  out.emplace_back("threshold", shown(found->threshold));
  out.emplace_back("fpr", found->fpr);
  out.emplace_back("tpr", found->tpr);
  out.emplace_back("human_flagged", found->humans_flagged);
  out.emplace_back("machine_flagged", found->machines_flagged);
  out.emplace_back("fpr_wilson", shown(found->fpr_interval));
  out.emplace_back("tpr_wilson", shown(found->tpr_interval));
  return out;
}
Json thresholds(const Json& c) {
  const Scores s{list(c, "human"), list(c, "machine")};
  const Auroc area = auroc(s);
  Json::Array rates;
  for (const Json& target : *at(c, "target_fprs").array()) rates.push_back(at_rate(s, number(target)));
  return Json::Object{
      {"at_fpr", std::move(rates)}, {"auroc", area.value}, {"delong_variance", shown(area.variance)}};
}
Json paired(const Json& c) {
  const PairedAuroc p =
      delong({list(c, "human_a"), list(c, "machine_a")}, {list(c, "human_b"), list(c, "machine_b")});
  Json interval;
  if (p.interval) interval = shown(*p.interval);
  return Json::Object{{"auroc_a", p.a.value},
                      {"auroc_b", p.b.value},
                      {"difference", p.a.value - p.b.value},
                      {"variance_a", shown(p.a.variance)},
                      {"variance_b", shown(p.b.variance)},
                      {"covariance", shown(p.covariance)},
                      {"variance", shown(p.variance)},
                      {"z", shown(p.z)},
                      {"p", shown(p.p)},
                      {"interval", std::move(interval)}};
}
Json threshold_case(const Json& c) {
  const std::string& kind = text(at(c, "kind"));
  if (kind == "threshold") return thresholds(c);
  if (kind == "delong_paired") return paired(c);
  RUM_CHECK(kind == "spearman", "a golden case of kind \"{}\"", kind);
  return Json::Object{{"rho", spearman(list(c, "x"), list(c, "y"))}};
}

Json table(const Scores& p) {
  const Reliability r = reliability(p);
  Json::Array bins;
  for (const auto& bin : r.bins)
    bins.emplace_back(Json::Object{
        {"n", bin.n}, {"mean_probability", shown(bin.mean)}, {"frequency", shown(bin.frequency)}});
  return Json::Object{{"ece_15", r.ece}, {"brier", r.brier}, {"bins", std::move(bins)}};
}
template <class Curve>
Json::Array through(const Curve& curve, const std::vector<double>& scores) {
  Json::Array out;
  for (const double s : scores) out.emplace_back(curve(s));
  return out;
}
template <class Curve>
Reliability fit_of(const Curve& curve, Scores s) {
  for (auto* list : {&s.human, &s.machine})
    for (double& x : *list) x = curve(x);
  return reliability(s);
}
Json calibration(const Json& c) {
  const std::vector<bool> machine = labels(c);
  if (text(at(c, "kind")) == "reliability") return table(split(list(c, "probabilities"), machine));
  const std::vector<double> scores = list(c, "scores"), fresh = list(c, "new_scores");
  const Scores s = split(scores, machine);
  const Platt platt = fit_platt(s);
  const Isotonic isotonic = fit_isotonic(s);
  const Reliability of_platt = fit_of(platt, s);
  return Json::Object{
      {"platt", Json::Object{{"a", platt.a},
                             {"b", platt.b},
                             {"objective", platt.objective},
                             {"probabilities", through(platt, scores)},
                             {"new_probabilities", through(platt, fresh)},
                             {"brier", of_platt.brier},
                             {"ece_15", of_platt.ece}}},
      {"isotonic", Json::Object{{"scores", through([](double x) { return x; }, isotonic.scores)},
                                {"values", through([](double x) { return x; }, isotonic.values)},
                                {"new_values", through(isotonic, fresh)},
                                {"brier", fit_of(isotonic, s).brier}}}};
}

Ngrams ngrams_of(const Json& c) {
  const Json::Array& range = *at(c, "ngram_range").array();
  return parse_ngrams(
      fmt::format("{}:{}-{}", text(at(c, "analyzer")), number(range[0]), number(range[1])))[0];
}
Json hashing(const Json& c) {
  const Json* seed = c.find("seed");
  const std::string& input = text(at(c, "input"));
  if (seed) return murmur3(input, static_cast<uint32_t>(number(*seed)));
  Hasher hasher(static_cast<uint32_t>(number(at(c, "n_features"))));
  const Lowered lowered(Text{"", "", input});
  const auto counts = hasher.count(lowered, ngrams_of(c));
  std::vector<Hasher::Hashed> sorted(counts.begin(), counts.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.column < b.column; });
  const double size = length(counts);  // 0 where all signs cancel
  const double whole = at(c, "norm").is_null() || size == 0 ? 1 : size;
  Json::Array indices, values;
  for (const auto& h : sorted) {
    indices.emplace_back(static_cast<int64_t>(h.column));
    values.emplace_back(h.count / whole);
  }
  return Json::Object{{"indices", std::move(indices)}, {"values", std::move(values)}};
}

// Human against machine lines of the same sources, scored by a fitted detector.
std::vector<Text> texts_of(const std::vector<std::string>& lines, Author author) {
  std::vector<Text> out;
  for (const std::string& l : lines) out.push_back({"", "", l, author});
  return out;
}
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
Json::Array first(const std::vector<double>& scores) {
  return {scores.begin(), scores.begin() + static_cast<int64_t>(std::min<size_t>(scores.size(), 5))};
}
Json judged(const Linear& detector, const std::vector<std::string>& human,
            const std::vector<std::string>& machine) {
  std::vector<Text> texts = texts_of(human, Author::human);
  for (Text& t : texts_of(machine, Author::machine)) texts.push_back(std::move(t));
  const std::vector<double> scores = detector.score(texts);
  const Scores s = by_author(texts, scores);
  Scores p = s;
  for (auto* list : {&p.human, &p.machine})
    for (double& x : *list) x = sigmoid(x);
  const Decisions d = decisions(p);
  return Json::Object{{"accuracy", d.accuracy},
                      {"auroc", auroc(s).value},
                      {"tpr_at_fpr_0.01", tpr(s, threshold(s.human, 0.01))},
                      {"tpr_at_fpr_0.05", tpr(s, threshold(s.human, 0.05))},
                      {"ece_10", reliability(p, 10).ece},
                      {"brier", d.brier},
                      {"auroc_mean_logit_of_10_lines", auroc(documents(texts, scores, 10)).value},
                      {"first_logits_human", first(s.human)},
                      {"first_logits_machine", first(s.machine)}};
}
// The corpora that the cases speak of: "test/deepl" is htmt.test.deepl.en beside htmt.test.ht.en.
void linear(const Request& request, const Emit& emit) {
  for (const Json& c : *at(request.file, "cases").array()) {
    const std::vector<std::string> files = strings(at(c, "train_files"));
    const Json::Array &range = *at(c, "lines").array(), &machine = *at(c, "labels").array();
    std::vector<Text> texts;
    for (size_t f = 0; f < files.size(); ++f)
      for (Text& t : texts_of(lines(request, files[f], static_cast<size_t>(number(range[0])),
                                    static_cast<size_t>(number(range[1]))),
                              number(machine[f]) != 0 ? Author::machine : Author::human))
        texts.push_back(std::move(t));
    LinearOptions o;
    o.ngrams = {ngrams_of(c)};
    o.features = static_cast<uint32_t>(number(at(c, "n_features")));
    o.C = number(at(c, "C"));
    const auto detector = fit_linear(texts, o);
    const Scores s = by_author(texts, detector->score(texts));
    const double right = static_cast<double>(
        std::count_if(s.machine.begin(), s.machine.end(), [](double x) { return x > 0; }) +
        std::count_if(s.human.begin(), s.human.end(), [](double x) { return x <= 0; }));
    double squares = 0;
    for (const double w : detector->model().weights) squares += w * w;
    Json::Object got{{"objective", detector->model().objective},
                     {"intercept", detector->model().constant},
                     {"train_accuracy", right / static_cast<double>(texts.size())},
                     {"weight_l2", std::sqrt(squares)}};
    for (const std::string part : {"test", "dev"})
      for (const std::string system : {"deepl", "google", "fair", "rwth", "onlinex", "promt"}) {
        const std::string path = fmt::format("htmt.{}.{}.en", part, system);
        if (!std::filesystem::exists(request.folder + "/" + path)) continue;
        got.emplace_back(part + "/" + system,
                         judged(*detector, lines(request, "htmt." + part + ".ht.en"), lines(request, path)));
      }
    emit(text(at(c, "id")), std::move(got));
  }
}

const Area areas[] = {
    {"detector evaluation", [](const Request& r, const Emit& e) { answer(r, e, evaluation); }},
    {"feature hashing", [](const Request& r, const Emit& e) { answer(r, e, hashing); }},
    {"L2 logistic regression on hashed n-grams", linear},
    {"detector thresholds", [](const Request& r, const Emit& e) { answer(r, e, threshold_case); }},
    {"detector calibration", [](const Request& r, const Emit& e) { answer(r, e, calibration); }}};
}  // namespace
}  // namespace rum::golden::detector_cases
