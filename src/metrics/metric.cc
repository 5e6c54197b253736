#include "metrics/metric.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"
#include "metrics/bleu.h"
#include "metrics/chrf.h"
#include "metrics/ter.h"
#include "text/json_keys.h"

namespace rum::metrics {
namespace {
constexpr const char* kVersion = "ruminate-1";  // of these definitions; incremented when a score would change
const std::string kMetrics[] = {"bleu", "chrf", "chrf++", "ter"};

std::string small(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}
class Given : public JsonKeys {
 public:
  Given(const char* metric, const Json::Object& options) : JsonKeys(&options, true), metric_(metric) {}
  void take(const Option& o) {
    if (int* const* i = std::get_if<int*>(&o.to)) {
      int64_t x = **i;
      read(o.name, x, 0, 1000);
      **i = static_cast<int>(x);
    } else if (bool* const* b = std::get_if<bool*>(&o.to)) {
      read(o.name, **b);
    } else if (double* const* d = std::get_if<double*>(&o.to)) {
      read(o.name, **d);
    } else {
      read(o.name, **std::get_if<std::string*>(&o.to));
    }
  }
  void done() const {
    if (const std::string* name = unknown())
      check_known(fmt::format("{}: option", metric_).c_str(), *name, known());
  }

 private:
  [[noreturn]] void wrong(const std::string& name, const std::string& expected,
                          const Json& found) const override {
    fail(fmt::format("{}: {}: expected {}, found {}", metric_, name, expected, to_json(found)));
  }
  const char* metric_;
};
}  // namespace

void check_known(const char* what, std::string_view name, std::span<const std::string> known) {
  RUM_CHECK(std::find(known.begin(), known.end(), name) != known.end(), "{}: there is no \"{}\"{}", what,
            name, known_names(name, known));
}
void read_options(const char* metric, const Json::Object& given, std::initializer_list<Option> known) {
  Given options(metric, given);
  for (const Option& o : known) options.take(o);
  options.done();
}

std::span<const std::string> metric_names() { return kMetrics; }
std::unique_ptr<Metric> make_metric(std::string_view name, const Json::Object& options) {
  const std::string n = small(name);
  check_known("metrics", n, kMetrics);
  if (n == "bleu") {
    BleuConfig c;
    read_options("bleu", options,
                 {{"tokenize", &c.tokenize},
                  {"smooth_method", &c.smooth},
                  {"smooth_value", &c.smooth_value},
                  {"lowercase", &c.lowercase},
                  {"effective_order", &c.effective_order},
                  {"max_ngram_order", &c.max_ngram_order}});
    return make_bleu(c);
  }
  if (n == "ter") {
    TerConfig c;
    read_options("ter", options,
                 {{"normalized", &c.normalized},
                  {"no_punct", &c.no_punct},
                  {"asian_support", &c.asian_support},
                  {"case_sensitive", &c.case_sensitive}});
    return make_ter(c);
  }
  ChrfConfig c;
  if (n == "chrf++") c.word_order = 2;
  read_options(n.c_str(), options,
               {{"char_order", &c.char_order},
                {"word_order", &c.word_order},
                {"beta", &c.beta},
                {"lowercase", &c.lowercase},
                {"whitespace", &c.whitespace},
                {"eps_smoothing", &c.eps_smoothing}});
  return make_chrf(c);
}

std::vector<double> Rows::sum() const {
  std::vector<double> out(columns);
  for (size_t i = 0; i < values.size(); ++i) out[i % columns] += values[i];
  return out;
}

std::vector<Rows> count(const Metric& metric, std::span<const std::vector<std::string>> systems,
                        std::span<const Reference> references) {
  RUM_CHECK(!systems.empty(), "{}: no system to score", metric.name());
  const size_t sentences = systems[0].size(), columns = metric.columns().size();
  for (size_t s = 1; s < systems.size(); ++s)
    RUM_CHECK(systems[s].size() == sentences, "{}: system 1 has {} lines, but system {} has {}",
              metric.name(), sentences, s + 1, systems[s].size());
  for (size_t r = 0; r < references.size(); ++r)
    RUM_CHECK(references[r].size() == sentences, "{}: {} hypotheses, but reference {} has {} lines",
              metric.name(), sentences, r + 1, references[r].size());
  std::vector<Rows> out(systems.size(), Rows{columns, std::vector<double>(sentences * columns)});
  constexpr size_t kPiece = 32;
  parallel(static_cast<int64_t>((sentences + kPiece - 1) / kPiece), [&](int64_t piece) {
    std::vector<std::string_view> hyps(systems.size()), refs;
    std::vector<double> rows(systems.size() * columns);
    const size_t begin = static_cast<size_t>(piece) * kPiece;
    for (size_t i = begin; i < std::min(sentences, begin + kPiece); ++i) {
      refs.clear();
      for (const Reference& r : references)
        if (r[i]) refs.push_back(*r[i]);
      RUM_CHECK(!refs.empty(), "{}: sentence {} has no reference", metric.name(), i + 1);
      for (size_t s = 0; s < hyps.size(); ++s) hyps[s] = systems[s][i];
      metric.count(hyps, refs, rows);
      for (size_t s = 0; s < hyps.size(); ++s)
        std::copy_n(rows.begin() + static_cast<std::ptrdiff_t>(s * columns), columns,
                    out[s].values.begin() + static_cast<std::ptrdiff_t>(i * columns));
    }
  });
  return out;
}
Rows count(const Metric& metric, const std::vector<std::string>& system,
           std::span<const Reference> references) {
  return std::move(count(metric, std::span(&system, 1), references)[0]);
}

std::string reference_count(std::span<const Reference> references) {
  const auto of = [&](size_t i) {
    return std::count_if(references.begin(), references.end(),
                         [i](const Reference& r) { return r[i].has_value(); });
  };
  const size_t sentences = references.empty() ? 0 : references[0].size();
  for (size_t i = 1; i < sentences; ++i)
    if (of(i) != of(0)) return "var";
  return std::to_string(sentences > 0 ? static_cast<size_t>(of(0)) : references.size());
}
std::string signature(const Metric& metric, const std::string& references, const std::string& trials) {
  return fmt::format("nrefs:{}|{}{}|version:{}", references, trials.empty() ? "" : trials + "|",
                     metric.settings(), kVersion);
}
std::string line(const Metric& metric, std::span<const double> sum, int width) {
  const std::string details = metric.details(sum);
  return fmt::format("{} = {:.{}f}{}{}", metric.name(), metric.score(sum), width, details.empty() ? "" : " ",
                     details);
}
}  // namespace rum::metrics
