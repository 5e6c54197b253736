// The stage that measures targets against the human ones of the same sentences: errors, the errors of a
// second human translation (the floor), and lexical diversity with its paired test.
#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "base/file.h"
#include "edits/operation.h"
#include "edits/targets.h"
#include "experiment/measures.h"
#include "experiment/statistics.h"
#include "metrics/bleu.h"
#include "metrics/chrf.h"
#include "metrics/diversity.h"
#include "metrics/errors.h"
#include "pipeline/stage.h"

namespace rum::experiment {
namespace {
struct Lines {  // one for each target, however many its sentence has
  std::vector<int64_t> ids;
  std::vector<std::string> sources, targets, human;
};

// Errors and chances of each target, a row each: a measure's value is the ratio of their sums.
struct Ratio {
  std::string name;
  metrics::Rows rows{2, {}};
};
// One minus a score of sentences, each of which is one chance.
Ratio lacking(const std::string& name, const metrics::Metric& metric, const std::vector<std::string>& targets,
              const std::vector<std::string>& references) {
  const metrics::Reference reference(references.begin(), references.end());
  const metrics::Rows counted = metrics::count(metric, targets, {&reference, 1});
  Ratio out{name};
  for (size_t i = 0; i < counted.size(); ++i) {
    out.rows.values.push_back(1 - metric.score(counted[i]) / 100);
    out.rows.values.push_back(1);
  }
  return out;
}
// In the order of measures_of("errors").
std::vector<Ratio> ratios(const std::vector<std::string>& targets, const std::vector<std::string>& references,
                          const std::vector<std::string>& sources, const metrics::ErrorRules& rules) {
  const metrics::BleuConfig of_sentences{.tokenize = metrics::fitting_tokenizer(references),
                                         .effective_order = true};
  std::vector<Ratio> out{lacking("1-bleu", *metrics::make_bleu(of_sentences), targets, references),
                         lacking("1-chrf", *metrics::make_chrf(), targets, references)};
  const std::vector<metrics::SentenceErrors> found = find_errors(targets, references, sources, rules);
  for (const metrics::ErrorMeasure& m : metrics::error_measures()) {
    Ratio& r = out.emplace_back(Ratio{m.name});
    for (const metrics::SentenceErrors& s : found) {
      r.rows.values.push_back(m.count_errors(s.counts));
      r.rows.values.push_back(m.count_chances(s.counts));
    }
  }
  return out;
}
double value_of(std::span<const double> sum) { return sum[1] > 0 ? sum[0] / sum[1] : metrics::kUndefined; }

Json of_errors(const Lines& a, const metrics::ErrorRules& rules) {
  Json::Object out;
  for (const Ratio& r : ratios(a.targets, a.human, a.sources, rules)) {
    const std::vector<double> sum = r.rows.sum();
    out.emplace_back(r.name, Json(Json::Object{{"value", value_of(sum)}, {"chances", sum[1]}}));
  }
  return Json(std::move(out));
}

// The rows of each sentence added up: its targets are not independent, so they are swapped together.
metrics::Rows by_sentence(const metrics::Rows& rows, const std::vector<std::string>& sources) {
  std::map<std::string_view, size_t> numbers;
  metrics::Rows out{rows.columns, {}};
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t at = rows.columns * numbers.try_emplace(sources[i], numbers.size()).first->second;
    out.values.resize(rows.columns * numbers.size());
    for (size_t c = 0; c < rows.columns; ++c) out.values[at + c] += rows[i][c];
  }
  return out;
}
// The targets and a second person's translations, both against the first person's. The human text that tells
// which words are invented is without the second person's, who could not invent any otherwise.
Json of_floor(const edits::TargetSet& targets, const edits::TargetSet& human,
              const std::vector<std::string>& attesting, metrics::Language language, int64_t& sentences) {
  const edits::TranslatedTwice t = translated_twice(targets, human);
  const std::set<std::string> twice(t.sources.begin(), t.sources.end());
  sentences = std::ssize(twice);
  Json::Object out;
  if (twice.empty()) return Json(std::move(out));
  std::vector<std::string> once;
  for (const Pair& p : human.texts)
    if (!twice.contains(p.source)) once.push_back(p.target);
  metrics::HumanText people;
  people.add(attesting);
  people.add(once);
  people.add(t.references);
  const metrics::ErrorRules rules{people, language};
  const std::vector<Ratio> m = ratios(t.targets, t.references, t.sources, rules),
                           p = ratios(t.second, t.references, t.sources, rules);
  for (size_t i = 0; i < m.size(); ++i) {
    const std::vector<double> sum = m[i].rows.sum(), other = p[i].rows.sum();
    const bool defined = sum[1] > 0 && other[1] > 0;
    const double chance =
        defined ? randomisation_p([](std::span<const double> s) { return s[1] > 0 ? s[0] / s[1] : 0; },
                                  {by_sentence(m[i].rows, t.sources)}, {by_sentence(p[i].rows, t.sources)},
                                  {kSwaps, 1})
                : metrics::kUndefined;
    out.emplace_back(m[i].name, Json(Json::Object{{"value", value_of(sum)},
                                                  {"human", value_of(other)},
                                                  {"p", chance},
                                                  {"chances", sum[1]},
                                                  {"human_chances", other[1]}}));
  }
  return Json(std::move(out));
}

// First a target of each sentence, then a second one of those that have several, and so on: side by side, versions
// of one sentence would look like repetition to measures that read a text in its order (MTLD).
std::vector<int64_t> by_occurrence(const std::vector<int64_t>& ids) {
  std::map<int64_t, int64_t> seen;
  std::vector<int64_t> occurrence, rows(ids.size());
  for (const int64_t id : ids) occurrence.push_back(seen[id]++);
  std::iota(rows.begin(), rows.end(), int64_t{0});
  std::ranges::stable_sort(rows, {}, [&](int64_t i) { return occurrence[static_cast<size_t>(i)]; });
  return rows;
}
// Lines of one sentence are swapped together.
metrics::Keep swaps_of_sentences(const std::vector<int64_t>& ids) {
  std::map<int64_t, size_t> numbers;
  std::vector<size_t> sentence;
  for (const int64_t id : ids) sentence.push_back(numbers.try_emplace(id, numbers.size()).first->second);
  return [sentence, n = numbers.size(), each = metrics::random_swaps(1)](int64_t permutation,
                                                                         std::span<uint8_t> marks) {
    std::vector<uint8_t> stays(n);
    each(permutation, stays);
    for (size_t i = 0; i < marks.size(); ++i) marks[i] = stays[sentence[i]];
  };
}
// Has a sentence different targets? Its one human target, repeated beside each, is no text to compare them
// with: repetition is what measures of diversity find.
bool several_each(const Lines& a) {
  std::map<int64_t, std::string_view> first;
  for (size_t i = 0; i < a.ids.size(); ++i)
    if (first.try_emplace(a.ids[i], a.targets[i]).first->second != a.targets[i]) return true;
  return false;
}
Json of_diversity(const Lines& a, const std::vector<std::string>& attesting) {
  metrics::ComparedCorpora corpora;
  corpora.add(a.targets);
  corpora.add(a.human);
  corpora.attest(attesting);
  // Types are compared at a sample size that every swap of lines can provide.
  size_t tokens = 0;
  for (size_t i = 0; i < a.targets.size(); ++i)
    tokens += std::min(corpora.parts[0].words.line(i).size(), corpora.parts[1].words.line(i).size());
  std::vector<metrics::Measure> measures;
  unsigned needs = 0;
  for (const TargetMeasure& m : measures_of("diversity")) {
    measures.push_back(metrics::find_measure(m.name, static_cast<int64_t>(tokens)));
    needs |= measures.back().needs();
  }
  const metrics::DiversitySample targets = sample(corpora, 0, needs), human = sample(corpora, 1, needs);
  const bool comparable = !several_each(a),
             once = std::set(a.ids.begin(), a.ids.end()).size() == a.ids.size();
  std::vector<metrics::DifferenceTest> tests;
  if (comparable)
    tests = once ? metrics::swap_test(corpora, 0, 1, measures, kSwaps, 1)
                 : metrics::permutation_test(corpora, 0, 1, measures, kSwaps, swaps_of_sentences(a.ids));
  Json::Object out;
  for (size_t m = 0; m < measures.size(); ++m)
    out.emplace_back(measures_of("diversity")[m].name,
                     Json(Json::Object{{"value", measures[m](targets)},
                                       {"human", comparable ? measures[m](human) : metrics::kUndefined},
                                       {"p", comparable ? tests[m].p() : metrics::kUndefined}}));
  return Json(std::move(out));
}

// Inputs: targets, human targets, split. Weights do not count. Writes measures.json.
void measure(const StageContext& x) {
  const edits::TargetSet targets = edits::read_targets(x.input("targets")),
                         human = edits::read_targets(x.input("human"));
  const std::vector<std::string> attesting =
      edits::sides(read_corpus(x.input("split") + "/seed.tsv", CorpusKind::pairs).texts, &Pair::target);
  const auto [by_id, human_by_id] = edits::aligned(targets, human);
  const std::vector<int64_t> rows = by_occurrence(by_id.ids);
  const edits::TargetSet t = picked(by_id, rows), h = picked(human_by_id, rows);
  const Lines a{t.ids, edits::sides(h.texts, &Pair::source), edits::sides(t.texts, &Pair::target),
                edits::sides(h.texts, &Pair::target)};
  metrics::HumanText people;
  people.add(attesting);
  people.add(a.human);
  const metrics::ErrorRules rules{people, edits::target_language(x)};
  int64_t doubled = 0;
  Json floor = of_floor(targets, human, attesting, rules.language, doubled);
  const Json out(Json::Object{{"pairs", static_cast<int64_t>(a.targets.size())},
                              {"errors", of_errors(a, rules)},
                              {"floor_sentences", doubled},
                              {"floor", std::move(floor)},
                              {"diversity", of_diversity(a, attesting)}});
  Disk::real().replace_text(x.folder + "/measures.json", to_json(out, 1) + "\n");
}
const StageKind measure_kind("measure", 6, false, measure);
}  // namespace
}  // namespace rum::experiment
