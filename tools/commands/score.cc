// `ruminate score`: BLEU, chrF and TER of one or several systems against references, and whether their
// differences mean anything.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "base/say.h"
#include "metrics/bleu.h"
#include "metrics/explain.h"
#include "metrics/significance.h"
#include "text/table.h"
#include "text/unicode.h"
#include "text/unpack.h"
#include "text/words.h"
#include "tools/command.h"
#include "tools/lines.h"
#include "tools/options.h"

namespace rum::score_command {
using namespace metrics;
namespace {
struct Options {
  std::vector<std::string> hyps, refs, metrics{"bleu"};
  std::string tokenize = "13a", smooth_method = "exp", p_rule = "ties", explain, format = "text";
  double smooth_value = -1;
  int64_t max_ngram_order = 4, char_order = 6, word_order = 0, beta = 2, width = 1;
  bool lowercase = false, effective_order = false, chrf_lowercase = false, chrf_whitespace = false;
  bool chrf_eps_smoothing = false, ter_case_sensitive = false, ter_normalized = false, ter_no_punct = false;
  bool ter_asian_support = false;
  bool sentence_level = false, confidence = false, bootstrap = false, randomisation = false,
       significance = false;
  int64_t confidence_n = 1000, bootstrap_n = 1000, randomisation_n = 10000, seed = 12345;
  bool json = false;
};
// Fewer resamples have no 2.5 % quantile.
constexpr int64_t kFewest = 40, kMany = 10000000;

void declare(Flags& flags, Options& o) {
  flags
      .add("--hyp", o.hyps,
           "translations, one per line; several files: several systems, the first is the baseline")
      .add("--ref", o.refs, "references, one per line; several files or --ref several times")
      .add("--metrics,-m", o.metrics, "bleu, chrf, chrf++, ter; separate several by commas or spaces")
      .add("--sentence-level", o.sentence_level, "a row per sentence; BLEU with effective order")
      .add("--confidence", o.confidence, "95 % intervals by bootstrap resampling")
      .add("--confidence-n", o.confidence_n, "resamples of --confidence", kFewest, kMany)
      .add("--paired-bs", o.bootstrap, "each system against the baseline by paired bootstrap")
      .add("--paired-bs-n", o.bootstrap_n, "its resamples", kFewest, kMany)
      .add("--paired-ar", o.randomisation, "the same by paired approximate randomisation")
      .add("--paired-ar-n", o.randomisation_n, "its trials", 1, kMany)
      .add("--significance", o.significance, "both tests: they answer different questions")
      .choice("--p-rule", o.p_rule,
              "ties: ties count, and few differing lines are counted exactly; sacrebleu: as sacreBLEU does",
              {"ties", "sacrebleu"})
      .add("--seed", o.seed, "seed of the resamples", 0, UINT32_MAX)
      .add("--tokenize", o.tokenize, "BLEU: how sentences are split into words: 13a, intl, char, zh, none")
      .add("--lowercase", o.lowercase, "BLEU: compare in lower case")
      .add("--smooth-method", o.smooth_method,
           "BLEU: what an order without a match counts: exp, floor, add-k, none")
      .add("--smooth-value", o.smooth_value, "BLEU: the value of floor (0.1) or add-k (1)")
      .add("--max-ngram-order", o.max_ngram_order, "BLEU: longest n-grams", 1, 100)
      .add("--effective-order", o.effective_order, "BLEU: leave out orders that nothing reaches")
      .add("--chrf-char-order", o.char_order, "chrF: longest character n-grams", 0, 100)
      .add("--chrf-word-order", o.word_order, "chrF: longest word n-grams; 2 is chrF++", 0, 100)
      .add("--chrf-beta", o.beta, "chrF: how much more recall counts than precision", 1, 100)
      .add("--chrf-lowercase", o.chrf_lowercase, "chrF: compare in lower case")
      .add("--chrf-whitespace", o.chrf_whitespace, "chrF: spaces are characters too")
      .add("--chrf-eps-smoothing", o.chrf_eps_smoothing, "chrF: average F over all orders, as chrF++.py does")
      .add("--ter-case-sensitive", o.ter_case_sensitive, "TER: compare case-sensitively")
      .add("--ter-normalized", o.ter_normalized, "TER: separate punctuation from words")
      .add("--ter-no-punct", o.ter_no_punct, "TER: drop punctuation")
      .add("--ter-asian-support", o.ter_asian_support, "TER: the two above also handle Chinese and Japanese")
      .add("--width", o.width, "digits after the point", 0, 17)
      .choice("--format", o.format, kFormatHelp, table_formats())
      .add("--json", o.json, kJsonHelp)
      .add("--explain", o.explain, kExplainHelp)
      .footer(fmt::format(
          "FILE is {}, or - for standard input; FILE:2 is the second column of a TSV, and a reference "
          "line without that column does not count as a reference for its sentence.",
          kPackedHelp));
}

std::vector<std::string> metric_names(const Options& o) {
  std::vector<std::string> out;
  for (const std::string& some : o.metrics)
    for (const std::string& name : listed(some)) out.push_back(lower_case(name));
  RUM_CHECK(!out.empty(), "--metrics: no metric is named");
  return out;
}
std::vector<std::unique_ptr<Metric>> metrics_of(const Options& o) {
  std::vector<std::unique_ptr<Metric>> out;
  for (const std::string& name : metric_names(o)) {
    Json::Object options;
    if (name == "bleu")
      options = {{"tokenize", o.tokenize},
                 {"lowercase", o.lowercase},
                 {"smooth_method", o.smooth_method},
                 {"smooth_value", o.smooth_value},
                 {"max_ngram_order", o.max_ngram_order},
                 {"effective_order", o.effective_order || o.sentence_level}};
    else if (name == "ter")
      options = {{"case_sensitive", o.ter_case_sensitive},
                 {"normalized", o.ter_normalized},
                 {"no_punct", o.ter_no_punct},
                 {"asian_support", o.ter_asian_support}};
    else
      options = {{"char_order", o.char_order},
                 {"beta", o.beta},
                 {"lowercase", o.chrf_lowercase},
                 {"whitespace", o.chrf_whitespace},
                 {"eps_smoothing", o.chrf_eps_smoothing},
                 {"word_order", name == "chrf" ? o.word_order : 2}};
    out.push_back(make_metric(name, options));
  }
  return out;
}
// Flags that would change nothing in what is asked for.
void refuse_unused(const Flags& flags, const Options& o) {
  const auto names = metric_names(o);
  const auto asked = [&](const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  flags.need(asked("bleu"), "the metric bleu",
             {"--tokenize", "--lowercase", "--smooth-method", "--smooth-value", "--max-ngram-order",
              "--effective-order"});
  flags.need(asked("chrf"), "the metric chrf; chrf++ is chrf with 2", {"--chrf-word-order"});
  flags.need(
      asked("chrf") || asked("chrf++"), "the metric chrf or chrf++",
      {"--chrf-char-order", "--chrf-beta", "--chrf-lowercase", "--chrf-whitespace", "--chrf-eps-smoothing"});
  flags.need(asked("ter"), "the metric ter",
             {"--ter-case-sensitive", "--ter-normalized", "--ter-no-punct", "--ter-asian-support"});
  flags.need(o.smooth_method == "floor" || o.smooth_method == "add-k", "--smooth-method floor or add-k",
             {"--smooth-value"});
  flags.need(o.confidence, "--confidence", {"--confidence-n"});
  flags.need(o.bootstrap || o.significance, "--paired-bs or --significance", {"--paired-bs-n"});
  flags.need(o.randomisation || o.significance, "--paired-ar or --significance", {"--paired-ar-n"});
  const bool paired = o.bootstrap || o.randomisation || o.significance;
  flags.need(paired, "--paired-bs, --paired-ar or --significance", {"--p-rule"});
  flags.need(paired || o.confidence, "--confidence, --paired-bs, --paired-ar or --significance", {"--seed"});
  flags.need(!o.json, "a table: --json has all digits", {"--width"});
  RUM_CHECK(!flags.given("--smooth-value") || o.smooth_value >= 0,
            "--smooth-value {}: expected a number of at least 0", o.smooth_value);
  RUM_CHECK(!flags.given("--confidence-n") || o.confidence_n == o.bootstrap_n ||
                !(o.bootstrap || (o.significance && o.hyps.size() > 1)),
            "--confidence-n: with a paired bootstrap the intervals are of its resamples; give --paired-bs-n");
  RUM_CHECK(
      o.json || !o.sentence_level || !(o.confidence || o.bootstrap || o.randomisation || o.significance),
      "--sentence-level lists scores of sentences, without intervals or tests; --json holds both");
}

struct Texts {
  std::vector<std::vector<std::string>> systems;
  std::vector<Reference> references;
};
Texts read(const Options& o) {
  RUM_CHECK(!o.hyps.empty() && !o.refs.empty(),
            "expected --hyp FILE and --ref FILE; `ruminate score --help` lists the options");
  std::vector<std::string> paths = o.hyps;
  paths.insert(paths.end(), o.refs.begin(), o.refs.end());
  refuse_second_reading(paths);
  refuse_same_file(o.hyps, "--hyp", "system");
  Texts t;
  const auto as_many = [&](const std::string& path, size_t lines) {
    check_same_length(path, lines, o.hyps[0], t.systems[0].size());
  };
  for (const std::string& path : o.hyps) {
    t.systems.push_back(read_lines(path, Form::as_is));
    as_many(path, t.systems.back().size());
    for (std::string& l : t.systems.back()) l.resize(without_trailing_blanks(l).size());
  }
  for (const std::string& path : o.refs) {
    t.references.push_back(read_columns(path, Form::as_is));
    as_many(path, t.references.back().size());
    for (auto& l : t.references.back())
      if (l) l->resize(without_trailing_blanks(*l).size());
  }
  return t;
}

// What one metric says of all systems.
struct Scored {
  std::unique_ptr<Metric> metric;
  std::string signature;
  std::vector<Rows> rows;
  std::vector<Bootstrapped> bootstrapped;  // empty: not asked for
  std::vector<Swapped> swapped;
  std::vector<std::optional<Exact>> exact;  // of each system whose p of randomisation it gives
};
constexpr size_t kFewLines = 25;  // fewer, and the bootstrap's own error is above 7 % where 5 % are meant

void test_by_swaps(Scored& j, const Options& o, PRule rule) {
  j.exact.resize(j.rows.size());
  bool trials = rule == PRule::sacrebleu;  // or all swaps are counted, and none needs to be drawn
  for (size_t s = 1; s < j.rows.size() && rule != PRule::sacrebleu; ++s) {
    const std::vector<size_t> lines = differing(j.rows[0], j.rows[s]);
    if (lines.size() <= kMostExact)
      j.exact[s] = exact_randomisation(*j.metric, j.rows[0], j.rows[s], lines);
    else
      trials = true;
  }
  if (trials)
    j.swapped = paired_randomisation(*j.metric, j.rows, o.randomisation_n,
                                     swap_weights(static_cast<uint32_t>(o.seed)), rule);
  j.swapped.resize(j.rows.size());
  for (size_t s = 1; s < j.rows.size(); ++s)
    if (j.exact[s]) j.swapped[s].p = j.exact[s]->p();
}
// One line cannot vary by resampling: a p-value of it would mean nothing.
bool too_few(const Scored& j) { return j.rows[0].size() < 2; }
Scored scored(std::unique_ptr<Metric> metric, const Texts& texts, const Options& o) {
  Scored j{std::move(metric), "", {}, {}, {}, {}};
  j.rows = count(*j.metric, texts.systems, texts.references);
  const auto seed = static_cast<uint32_t>(o.seed);
  const PRule rule = o.p_rule == "ties" ? PRule::ties : PRule::sacrebleu;
  const bool paired = texts.systems.size() > 1, bs = o.bootstrap || (o.significance && paired);
  std::string trials;
  if (bs || o.confidence) {
    const int64_t n = bs ? o.bootstrap_n : o.confidence_n;
    j.bootstrapped = paired_bootstrap(*j.metric, j.rows, n, bootstrap_weights(seed), rule);
    if (!bs || too_few(j))
      for (Bootstrapped& b : j.bootstrapped) b.p.reset();
    trials += fmt::format("bs:{}|", n);
  }
  if (o.randomisation || (o.significance && paired)) {
    test_by_swaps(j, o, rule);
    trials += fmt::format("ar:{}|", o.randomisation_n);
  }
  if (!trials.empty()) trials += fmt::format("seed:{}", seed);
  j.signature = signature(*j.metric, reference_count(texts.references), trials);
  return j;
}

// ---- as text
std::string number(double x, int64_t width) { return fmt::format("{:.{}f}", x, width); }
std::string with_interval(const Bootstrapped& b, int64_t width) {
  return fmt::format("{} ± {}", number(b.interval.mean, width), number(b.interval.half_width, width));
}
// In plain text a blank stands where others have a star; in CSV the cell is the number alone. `starred`: whether
// p is one to go by.
std::string p_of(const std::optional<double>& p, const std::string& format, bool starred = true) {
  if (!p) return "";
  std::string out = fmt::format("{:.4f}", *p);
  if (format != "csv" && *p < 0.05 && starred) return out + "*";
  return format == "text" ? out + " " : out;
}

std::string sentence_table(const std::vector<Scored>& all, const Options& o) {
  std::string out = o.hyps.size() > 1 ? "line\tsystem" : "line";
  for (const Scored& j : all) out += "\t" + j.metric->name();
  out += "\n";
  for (size_t i = 0; i < all[0].rows[0].size(); ++i)
    for (size_t s = 0; s < o.hyps.size(); ++s) {
      out += std::to_string(i + 1);
      if (o.hyps.size() > 1) out += "\t" + o.hyps[s];
      for (const Scored& j : all) out.append("\t").append(number(j.metric->score(j.rows[s][i]), o.width));
      out += "\n";
    }
  return out;
}
std::string one_system(const Scored& j, const Options& o) {  // as sacreBLEU writes it
  const std::vector<double> sum = j.rows[0].sum();
  const std::string details = j.metric->details(sum);
  std::string score = number(j.metric->score(sum), o.width);
  if (!j.bootstrapped.empty() && !too_few(j))
    score += " (μ = " + with_interval(j.bootstrapped[0], o.width) + ")";
  return fmt::format("{}|{} = {}{}{}\n", j.metric->name(), j.signature, score, details.empty() ? "" : " ",
                     details);
}
// Of a bootstrap over few lines.
std::string few_lines(const std::vector<Scored>& all, const Options& o) {
  const size_t lines = all[0].rows[0].size();
  const bool tests = o.bootstrap || o.significance;
  if (!(tests || o.confidence) || lines >= kFewLines) return "";
  const char* const what = tests ? "p bootstrap" : "--confidence";
  if (lines < 2) return fmt::format("{}: one line cannot vary by resampling", what);
  return fmt::format("{}: with {} lines, fewer than {}, {}", what, lines, kFewLines,
                     tests ? "it finds differences too readily" : "its intervals are too narrow");
}
// Of metrics whose words stand between blanks, where the references have none.
std::string unspaced(const Texts& texts, const Options& o) {
  std::vector<std::string> lines;
  for (const auto& line : texts.references[0])
    if (line) lines.push_back(*line);
  if (!without_blanks(lines)) return "";
  const auto names = metric_names(o);
  const auto asked = [&](const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  std::string out;
  if (asked("bleu") && o.tokenize != "char" && o.tokenize != "zh")
    out += fmt::format(
        "BLEU takes each sentence for a word by --tokenize {}: char, or zh for Chinese, splits it",
        o.tokenize);
  if (asked("ter") && !(o.ter_normalized && o.ter_asian_support))
    out += fmt::format(
        "{}TER takes each sentence for a word; for Chinese and Japanese --ter-normalized with "
        "--ter-asian-support splits it",
        out.empty() ? "" : "; ");
  return out.empty() ? "" : "most references are of a script without spaces: " + out;
}
// What the p-values of a table mean, and which of them are not to be relied on.
std::string notes(const std::vector<Scored>& all, const Options& o) {
  const bool bs = o.bootstrap || o.significance;
  if (!bs && !o.randomisation) return "";
  std::string out = fmt::format(
      "p: against the baseline, two-sided, {}; * below 0.05. --explain paired-bs and paired-ar define "
      "them.\n",
      o.p_rule == "ties" ? "ties count" : "ties do not count (sacreBLEU's rule)");
  for (const Scored& j : all)
    for (size_t s = 1; s < j.exact.size(); ++s)
      if (const auto& e = j.exact[s])
        out += fmt::format(
            "{}: {} and {} {}\n", j.metric->name(), shown(o.hyps[0]), shown(o.hyps[s]),
            e->differing == 0 ? "do not differ in any line"
                              : fmt::format("differ in {} of {} lines: p randomisation is exact, of {} swaps",
                                            e->differing, j.rows[s].size(), e->swaps));
  if (const std::string few = few_lines(all, o); !few.empty()) out += few + "\n";
  return out;
}
// A table for each metric that was tested, and one for all others.
std::string score_tables(const std::vector<Scored>& all, const Options& o) {
  const bool csv = o.format == "csv";  // for programs: every cell but the first is a number or empty
  std::string out;
  std::vector<std::vector<std::string>> scores{{"system"}};
  for (const std::string& path : o.hyps) scores.push_back({path});
  for (const Scored& j : all) {
    const bool tested = !j.bootstrapped.empty() || !j.swapped.empty();
    auto cells = scores;
    auto& to = tested ? cells : scores;
    to[0].push_back(j.metric->name());
    for (size_t s = 0; s < o.hyps.size(); ++s)
      to[s + 1].push_back(number(j.metric->score(j.rows[s].sum()), o.width));
    if (!tested) continue;
    const auto column = [&](const char* title, const auto& value) {
      cells[0].push_back(title);
      for (size_t s = 0; s < o.hyps.size(); ++s) cells[s + 1].push_back(value(s));
    };
    const bool paired = !j.bootstrapped.empty() && (o.bootstrap || o.significance);
    if (!j.bootstrapped.empty() && csv) {
      column("mean", [&](size_t s) { return number(j.bootstrapped[s].interval.mean, o.width); });
      column("± 95 %", [&](size_t s) {
        return too_few(j) ? "" : number(j.bootstrapped[s].interval.half_width, o.width);
      });
    } else if (!j.bootstrapped.empty()) {
      column("mean ± 95 %", [&](size_t s) {
        return too_few(j) ? "too few lines" : with_interval(j.bootstrapped[s], o.width);
      });
    }
    if (paired)
      column("p bootstrap", [&](size_t s) {
        return s > 0 && too_few(j) && !csv
                   ? "too few lines"
                   : p_of(j.bootstrapped[s].p, o.format, j.rows[0].size() >= kFewLines);
      });
    if (!j.swapped.empty())
      column("p randomisation", [&](size_t s) { return p_of(j.swapped[s].p, o.format); });
    if ((paired || !j.swapped.empty()) && !csv) cells[1].back() = "baseline";
    out += written({cells}, o.format) + "\n";
  }
  if (scores[0].size() > 1) out += written({scores}, o.format) + "\n";
  return out;
}
std::string many_systems(const std::vector<Scored>& all, const Options& o) {
  std::string out = score_tables(all, o);
  for (const Scored& j : all)
    out += fmt::format("{}|{} ({} is better)\n", j.metric->name(), j.signature,
                       j.metric->higher_is_better() ? "higher" : "lower");
  return out + notes(all, o);
}

Json as_json(const std::vector<Scored>& all, const Texts& texts, const Options& o) {
  Json::Array metrics;
  for (const Scored& j : all) {
    Json::Array systems;
    for (size_t s = 0; s < o.hyps.size(); ++s) {
      Json::Object system{{"system", o.hyps[s]}};
      for (auto& field : j.metric->fields(j.rows[s].sum())) system.push_back(std::move(field));
      if (!j.bootstrapped.empty()) {
        const Bootstrapped& b = j.bootstrapped[s];
        system.emplace_back("confidence_mean", b.interval.mean);
        system.emplace_back("confidence_half_width", too_few(j) ? Json() : Json(b.interval.half_width));
        if (b.p) system.emplace_back("p_bootstrap", *b.p);
        if (s > 0 && (o.bootstrap || o.significance) && too_few(j)) {
          system.emplace_back("p_bootstrap", Json());
          system.emplace_back("no_p_bootstrap", "too few lines");
        }
      }
      if (!j.swapped.empty() && j.swapped[s].p) {
        system.emplace_back("p_randomisation", *j.swapped[s].p);
        system.emplace_back("p_randomisation_exact", j.exact[s].has_value());
      }
      Json::Array sentences;
      for (size_t i = 0; o.sentence_level && i < j.rows[s].size(); ++i)
        sentences.emplace_back(j.metric->fields(j.rows[s][i]));
      if (o.sentence_level) system.emplace_back("sentences", std::move(sentences));
      systems.emplace_back(std::move(system));
    }
    metrics.emplace_back(Json::Object{{"name", j.metric->name()},
                                      {"signature", j.signature},
                                      {"higher_is_better", j.metric->higher_is_better()},
                                      {"systems", std::move(systems)}});
  }
  Json::Object out{{"lines", static_cast<int64_t>(all[0].rows[0].size())},
                   {"references", static_cast<int64_t>(o.refs.size())}};
  if (o.bootstrap || o.randomisation || o.significance) out.emplace_back("p_rule", o.p_rule);
  std::string note = few_lines(all, o);
  if (const std::string more = unspaced(texts, o); !more.empty()) note += (note.empty() ? "" : "; ") + more;
  if (!note.empty()) out.emplace_back("note", note);
  out.emplace_back("metrics", std::move(metrics));
  return out;
}

int run(int argc, char** argv) {
  Options o;
  Flags flags("score", "BLEU, chrF and TER of translations, as sacreBLEU computes them.");
  declare(flags, o);
  if (const auto status = flags.parse(argc, argv)) return *status;
  if (flags.given("--explain")) {
    fmt::print("{}", explain(o.explain));
    return 0;
  }
  RUM_CHECK(o.format == "text" || !(o.json || o.sentence_level),
            "--format is for the table of systems; it excludes --json and --sentence-level");
  refuse_unused(flags, o);
  auto metrics = metrics_of(o);
  const Texts texts = read(o);
  RUM_CHECK(texts.systems.size() > 1 || !(o.bootstrap || o.randomisation || o.significance),
            "a paired test needs a baseline and another system: --hyp BASELINE SYSTEM...");
  std::vector<Scored> all;
  for (auto& m : metrics) all.push_back(scored(std::move(m), texts, o));
  if (const std::string note = unspaced(texts, o); !note.empty() && !o.json) say("{}", note);
  const bool tested = o.bootstrap || o.randomisation || o.significance;  // then the notes have it
  if (const std::string few = few_lines(all, o); !few.empty() && !tested && !o.json) say("{}", few);
  std::string out;
  if (o.json)
    out = to_json(as_json(all, texts, o), 1) + "\n";
  else if (o.sentence_level)
    out = sentence_table(all, o);
  else if (o.format != "text") {
    out = score_tables(all, o);
    put(stderr, notes(all, o));
  } else if (o.hyps.size() == 1)
    for (const Scored& j : all) out += one_system(j, o);
  else
    out = many_systems(all, o);
  fmt::print("{}", out);
  return 0;
}
const Command command{"score", "BLEU, chrF and TER of translations, with significance", run};
}  // namespace
}  // namespace rum::score_command
