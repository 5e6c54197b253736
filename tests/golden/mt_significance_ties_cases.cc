// Answers for significance with ties counted: given resamples and masks, of corpus scores, of the mean of
// sentence scores and of the mean of plain numbers.
#include <map>

#include "base/error.h"
#include "cases.h"
#include "metrics/significance.h"
#include "tests/mean_metric.h"

namespace rum::golden::mt_significance_ties_cases {
using namespace metrics;
namespace {
std::vector<std::vector<int64_t>> table(const Json& rows) {
  std::vector<std::vector<int64_t>> out;
  for (const Json& row : *rows.array()) {
    auto& to = out.emplace_back();
    for (const double x : numbers(row)) to.push_back(static_cast<int64_t>(x));
  }
  return out;
}
std::vector<double> differences(const std::vector<double>& system, const std::vector<double>& baseline) {
  std::vector<double> out;
  for (size_t i = 0; i < system.size(); ++i) out.push_back(system[i] - baseline[i]);
  return out;
}
double mean(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v;
  return sum / static_cast<double>(x.size());
}

template <class T>
std::vector<size_t> unequal(const std::vector<T>& a, const std::vector<T>& b) {
  std::vector<size_t> out;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    if (a[i] != b[i]) out.push_back(i);
  return out;
}
// The texts of a set, shared by the cases of several metrics.
struct Set {
  std::vector<std::vector<std::string>> systems;
  std::vector<Reference> references;
  std::vector<std::vector<int64_t>> resamples, masks;
};
Set read_set(const Json& c) {
  Set out{{strings(at(c, "baseline")), strings(at(c, "system"))},
          {},
          table(at(c, "resample_indices")),
          table(at(c, "swap_masks"))};
  for (const Json& stream : *at(c, "refs").array()) {
    const auto lines = strings(stream);
    out.references.emplace_back(lines.begin(), lines.end());
  }
  return out;
}
// `different`: the lines that differ between the two; if they are few, all swaps are tried.
Json tested(const Metric& metric, const std::vector<Rows>& rows,
            const std::vector<std::vector<int64_t>>& indices, const std::vector<std::vector<int64_t>>& masks,
            const std::vector<size_t>& different) {
  const auto bs =
      paired_bootstrap(metric, rows, static_cast<int64_t>(indices.size()), resample_weights(indices));
  const auto ar = paired_randomisation(metric, rows, static_cast<int64_t>(masks.size()), mask_weights(masks));
  const auto resampled = differences(bs[1].scores, bs[0].scores);
  Json::Object out{{"baseline", bs[0].score},
                   {"system", bs[1].score},
                   {"difference", bs[1].score - bs[0].score},
                   {"ar_differences", list(differences(ar[1].system, ar[1].baseline))},
                   {"ar_count", ar[1].as_far},
                   {"p_ar", *ar[1].p},
                   {"bootstrap_differences", list(resampled)},
                   {"bootstrap_mean", mean(resampled)},
                   {"bootstrap_count", bs[1].as_far},
                   {"p_bootstrap", *bs[1].p}};
  constexpr size_t kMost = 10;  // of these golden files
  if (different.size() <= kMost) {
    const Exact e = exact_randomisation(metric, rows[0], rows[1], different);
    out.emplace_back("exact", Json::Object{{"differing_lines", static_cast<int64_t>(e.differing)},
                                           {"masks", e.swaps},
                                           {"count", e.as_far},
                                           {"p", e.p()}});
  }
  return out;
}
Json of_numbers(const Json& c) {
  const auto baseline = numbers(at(c, "baseline_values")), system = numbers(at(c, "system_values"));
  return tested(MeanMetric(), {mean_rows(baseline), mean_rows(system)}, table(at(c, "resample_indices")),
                table(at(c, "swap_masks")), unequal(baseline, system));
}
Json of_texts(const Json& c, const Set& set) {
  const std::string& name = text(at(c, "metric"));
  const bool sentences = name == "mean_sentence_chrF";
  const auto metric = make_metric(sentences ? "chrF" : name, *at(c, "options").object());
  auto rows = count(*metric, set.systems, set.references);
  const auto different = unequal(set.systems[0], set.systems[1]);
  if (!sentences) return tested(*metric, rows, set.resamples, set.masks, different);
  for (Rows& one : rows) {
    std::vector<double> scores;
    for (size_t i = 0; i < one.size(); ++i) scores.push_back(metric->score(one[i]));
    one = mean_rows(scores);
  }
  return tested(MeanMetric(), rows, set.resamples, set.masks, different);
}

const Area ties("mt/significance with ties counted", [](const Request& request, const Emit& emit) {
  const Json::Array& cases = *at(request.file, "cases").array();
  std::map<std::string, Set> sets;
  for (const Json& c : cases)
    if (c.find("kind")) sets.emplace(text(at(c, "set")), read_set(c));
  for (const Json& c : cases) {
    if (c.find("kind")) continue;
    try {
      emit(text(at(c, "id")),
           c.find("baseline_values") ? of_numbers(c) : of_texts(c, sets.at(text(at(c, "set")))));
    } catch (const Error& e) {
      emit(text(at(c, "id")), Json::Object{{"error", e.what()}});
    }
  }
});
}  // namespace
}  // namespace rum::golden::mt_significance_ties_cases
