// Answers for significance by sacreBLEU's rule: with given resamples and masks, and with our own random
// numbers on files.
#include "cases.h"
#include "metrics/significance.h"

namespace rum::golden::mt_significance_cases {
using namespace metrics;
namespace {
std::vector<std::vector<int64_t>> table(const Json& rows) {
  std::vector<std::vector<int64_t>> out;
  for (const Json& row : *rows.array()) {
    auto& to = out.emplace_back();
    for (const Json& x : *row.array()) to.push_back(static_cast<int64_t>(number(x)));
  }
  return out;
}
Json::Array list(const std::vector<double>& x) { return Json::Array(x.begin(), x.end()); }
Json::Array list(const Interval& i) { return {i.mean, i.half_width}; }
Json or_null(const std::optional<double>& p) { return p ? Json(*p) : Json(); }

// A case of kind "input", without options, has the texts for the cases after it.
const Area given("mt/significance with explicit indices", [](const Request& request, const Emit& emit) {
  std::vector<std::vector<std::string>> systems;
  std::vector<Reference> refs;
  Weights resamples, masks;
  int64_t resampled = 0, swapped = 0;
  for (const Json& c : *at(request.file, "cases").array()) {
    if (c.find("kind")) {
      systems = {strings(at(c, "baseline")), strings(at(c, "system"))};
      refs.clear();
      for (const Json& stream : *at(c, "refs").array()) {
        const auto ref = strings(stream);
        refs.emplace_back(ref.begin(), ref.end());
      }
      const auto indices = table(at(c, "resample_indices")), swaps = table(at(c, "swap_masks"));
      resampled = static_cast<int64_t>(indices.size()), swapped = static_cast<int64_t>(swaps.size());
      resamples = resample_weights(indices), masks = mask_weights(swaps);
      continue;
    }
    const auto metric = make_metric(text(at(c, "metric")), *at(c, "options").object());
    const auto rows = count(*metric, systems, refs);
    const auto bs = paired_bootstrap(*metric, rows, resampled, resamples, PRule::sacrebleu);
    const auto ar = paired_randomisation(*metric, rows, swapped, masks, PRule::sacrebleu);
    emit(text(at(c, "id")), Json::Object{{"baseline", bs[0].score},
                                         {"system", bs[1].score},
                                         {"bootstrap_baseline", list(bs[0].scores)},
                                         {"bootstrap_system", list(bs[1].scores)},
                                         {"bootstrap_mean_ci_baseline", list(bs[0].interval)},
                                         {"bootstrap_mean_ci_system", list(bs[1].interval)},
                                         {"p_bootstrap", or_null(bs[1].p)},
                                         {"ar_a", list(ar[1].baseline)},
                                         {"ar_b", list(ar[1].system)},
                                         {"p_ar", or_null(ar[1].p)}});
  }
});

const Area real("mt/significance on WMT17", [](const Request& request, const Emit& emit) {
  const auto file = [&](const std::string& name) { return lines(request, "wmt17.ende." + name + ".de"); };
  const auto ref = file("ref");
  const Reference reference(ref.begin(), ref.end());
  for (const Json& c : *at(request.file, "cases").array()) {
    if (c.find("kind")) continue;  // published
    const std::string &name = text(at(c, "metric")), &baseline = text(at(c, "baseline")),
                      &system = text(at(c, "system"));
    const bool bleu = name == "BLEU";
    const auto metric = make_metric(bleu                       ? "bleu"
                                    : name.starts_with("chrF") ? "chrf"
                                                               : name,
                                    bleu ? Json::Object{{"tokenize", at(c, "tokenize")}} : Json::Object{});
    std::vector<std::vector<std::string>> systems{file(baseline)};
    if (system != baseline) systems.push_back(file(system));
    const auto rows = count(*metric, systems, std::span(&reference, 1));
    const auto trials = static_cast<int64_t>(number(at(c, "samples")));
    const auto seed = static_cast<uint32_t>(number(at(c, "seed")));
    if (text(at(c, "test")) == "bs") {
      const Bootstrapped b =
          paired_bootstrap(*metric, rows, trials, bootstrap_weights(seed), PRule::sacrebleu).back();
      emit(text(at(c, "id")), Json::Object{{"score", b.score},
                                           {"p_value", or_null(b.p)},
                                           {"mean", b.interval.mean},
                                           {"ci_halfwidth", b.interval.half_width}});
    } else {
      const Swapped s =
          paired_randomisation(*metric, rows, trials, swap_weights(seed), PRule::sacrebleu).back();
      emit(text(at(c, "id")),
           Json::Object{{"score", s.score}, {"p_value", or_null(s.p)}, {"mean", {}}, {"ci_halfwidth", {}}});
    }
  }
});
}  // namespace
}  // namespace rum::golden::mt_significance_cases
