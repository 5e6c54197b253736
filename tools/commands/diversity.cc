// `ruminate diversity`: how varied the words and sentences of corpora are, side by side, and whether two
// corpora that say the same things line by line differ by more than chance.
#include "metrics/diversity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/error.h"
#include "base/say.h"
#include "base/threads.h"
#include "metrics/corpus_compare.h"
#include "metrics/corpus_shape.h"
#include "metrics/mauve.h"
#include "metrics/novelty.h"
#include "text/json.h"
#include "text/reader.h"
#include "text/table.h"
#include "text/unicode.h"
#include "text/unpack.h"
#include "tools/command.h"
#include "tools/lines.h"
#include "tools/options.h"

namespace rum::diversity_command {
using namespace metrics;
namespace {
constexpr size_t kNoveltyOrders = 6;
constexpr const char* kUsual =
    "tokens,types,length_mean,ttr,rttr_guiraud,herdan_c,maas_a2_ln,yule_k,simpson_d,entropy_bits,"
    "entropy_miller_madow_bits,msttr_100,mattr_50,mattr_500,mtld,hdd_42,vocd_exact,expected_types,chao1,"
    "good_turing_coverage,hapax_ratio_types,distinct_2,distinct_3,ngram_entropy_bits_2,ead_1,"
    "zipf_mle_exponent,zipf_ols_exponent,heaps_beta,compression_ratio,self_bleu,homogenization_rougeL";
constexpr const char* kAttestedUsual =
    ",attested_types,unattested_types,attested_token_share,attested_expected_types";

struct Options {
  std::vector<std::string> files;
  std::string reference, train, measures, explain, format = "text";
  int64_t tokens = 0, permutations = 1000, seed = 1;
  bool json = false;

  void add(Flags&);
  void check(const Flags&) const;  // Error: what is missing, or flags that contradict each other
};
struct Row {
  std::string name;
  std::vector<double> values;  // one a file
  double difference = kUndefined, p = kUndefined;
  bool tested = false;
};
struct Table {
  std::vector<Row> measures, lengths, reference, train;
  int64_t tokens = 0;  // of expected_types
  int64_t exact = 0;   // not 0: p is exact, over all swaps, of which there are this many
  std::string no_p;    // why there is no p
  std::vector<std::string> notes;
};

// What all corpora can be cut down to; where lines are swapped, what any swap leaves of two.
int64_t common_tokens(const ComparedCorpora& c, bool swapped) {
  size_t least = SIZE_MAX, sum = 0;
  for (const ComparedCorpora::Part& one : c.parts) least = std::min(least, one.words.tokens.size());
  if (!swapped) return static_cast<int64_t>(least);
  for (size_t i = 0; i < c.parts[0].words.lines(); ++i)
    sum += std::min(c.parts[0].words.line(i).size(), c.parts[1].words.line(i).size());
  return static_cast<int64_t>(sum);
}
std::vector<Measure> choose(const Options& o, int64_t tokens) {
  std::string list = o.measures;
  if (list.empty()) list = std::string(kUsual) + (o.reference.empty() ? "" : kAttestedUsual);
  if (list == "all") {
    list.clear();
    for (const MeasureKind& kind : MeasureKind::all())
      if (!(kind.needs & kAttested) || !o.reference.empty())
        list += (list.empty() ? "" : ",") + std::string(kind.explanation.name);
  }
  std::vector<Measure> out;
  for (const std::string& name : listed(list)) {
    out.push_back(find_measure(name, tokens));
    RUM_CHECK(!(out.back().needs() & kAttested) || !o.reference.empty(),
              "measure \"{}\" needs --reference, the text that attests words", out.back().name);
  }
  RUM_CHECK(!out.empty(), "--measures: no measure is named");
  return out;
}

void measure(const Options& o, const ComparedCorpora& c, Table& table) {
  const std::vector<Measure> measures = choose(o, table.tokens);
  unsigned needs = 0;
  for (const Measure& m : measures) {
    table.measures.push_back({m.name, std::vector<double>(c.parts.size())});
    needs |= m.needs();
  }
  std::vector<DiversitySample> samples(c.parts.size());
  parallel(static_cast<int64_t>(samples.size()), [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    samples[at] = sample(c, at, needs);
  });
  parallel(static_cast<int64_t>(samples.size() * measures.size()), [&](int64_t piece) {
    const size_t m = static_cast<size_t>(piece) / samples.size(),
                 i = static_cast<size_t>(piece) % samples.size();
    table.measures[m].values[i] = measures[m](samples[i]);
  });
  for (const Measure& m : measures)
    for (size_t i = 0; i < c.parts.size() && m.kind->parameter == MeasureKind::kCallers; ++i)
      if (const auto has = static_cast<int64_t>(c.parts[i].words.tokens.size()); has < m.parameter)
        table.notes.push_back(
            fmt::format("{}: undefined for {}, which has {} tokens", m.name, shown(o.files[i]), has));
  if (c.parts.size() != 2) return;
  std::vector<Measure> tested;
  std::vector<Row*> rows;
  for (size_t m = 0; m < measures.size(); ++m) {
    Row& row = table.measures[m];
    row.difference = row.values[0] - row.values[1];
    if (measures[m].needs() & kText) continue;
    tested.push_back(measures[m]);
    rows.push_back(&row);
  }
  if (!table.no_p.empty()) return;
  const auto tests = swap_test(c, 0, 1, tested, o.permutations, static_cast<uint32_t>(o.seed));
  if (!tests.empty() && tests[0].exact) table.exact = static_cast<int64_t>(tests[0].permuted.size());
  for (size_t t = 0; t < tests.size(); ++t) {
    rows[t]->tested = true;
    rows[t]->p = tests[t].p();
    if (const int64_t n = tests[t].undefined(); n > 0 && !std::isnan(tests[t].difference))
      table.notes.push_back(fmt::format("{}: no p, undefined in {} of {} {}", rows[t]->name, n,
                                        tests[t].permuted.size(),
                                        table.exact > 0 ? "swaps" : "permutations"));
  }
  if (tests.size() < measures.size())
    table.notes.push_back("-: needs the text itself, which is too slow for a permutation test");
}

// Where scripts have no blanks and no dictionary, a whole clause counts as one word, and no measure means what
// it says.
void note_long_words(const Options& o, const ComparedCorpora& c, Table& table) {
  constexpr double kLong = 20;  // letters: German, of long words, has 6 on average
  for (size_t i = 0; i < c.parts.size(); ++i) {
    size_t letters = 0;
    for (const int32_t word : c.parts[i].words.tokens) letters += characters(c.vocabulary.word(word));
    const auto words = static_cast<double>(c.parts[i].words.tokens.size());
    if (static_cast<double>(letters) <= kLong * words) continue;
    table.notes.push_back(
        fmt::format("{}: its words have {:.0f} letters on average; of scripts without spaces, words_v2 knows "
                    "the words of Chinese, Japanese, Thai, Lao, Khmer and Burmese alone",
                    shown(o.files[i]), static_cast<double>(letters) / words));
  }
}
void add(std::vector<Row>& rows, const std::string& name, double value) {
  for (Row& row : rows)
    if (row.name == name) return row.values.push_back(value);
  rows.push_back({name, {value}});
}
void add_lengths(const ComparedCorpora& c, std::vector<Row>& rows) {
  for (const ComparedCorpora::Part& one : c.parts) {
    std::vector<int64_t> tokens;
    for (size_t i = 0; i < one.words.lines(); ++i)
      tokens.push_back(static_cast<int64_t>(one.words.line(i).size()));
    const Lengths l = lengths(tokens);
    add(rows, "lines", static_cast<double>(l.lines));
    add(rows, "lines_without_word", static_cast<double>(l.empty));
    add(rows, "length_deviation", l.deviation);
    add(rows, "length_median", l.median);
    add(rows, "length_percentile_90", l.percentile90);
    add(rows, "length_longest", static_cast<double>(l.longest));
  }
}
void add_comparison(const ComparedCorpora& c, std::vector<Row>& rows) {
  for (const ComparedCorpora::Part& one : c.parts) {
    const std::vector<int32_t> counts = count_tokens(one.words.tokens, c.vocabulary.size());
    const Comparison x = compare(c.reference, counts, c.vocabulary);
    add(rows, "js_divergence_bits", x.js_divergence_bits);
    add(rows, "jaccard", x.jaccard);
    add(rows, "type_coverage", x.type_coverage);
    add(rows, "token_coverage", x.token_coverage);
    add(rows, "oov_rate", x.oov_rate);
    const char* bands[] = {"1", "2", "3_5", "6_10", "11_100", "over_100"};
    for (size_t b = 0; b < x.bands.size(); ++b)
      add(rows, std::string("coverage_ref_freq_") + bands[b], x.bands[b]);
    const char* levels[] = {"lfp_top1000", "lfp_1001_2000", "lfp_rest"};
    for (size_t l = 0; l < 3; ++l) add(rows, levels[l], x.profile_system[l]);
    const auto [p, q] = word_histograms(c.reference, counts, c.vocabulary);
    double area = kUndefined, integral = kUndefined;
    if (x.js_divergence_bits >= 0) {  // else one of them has no word
      area = mauve(distribution(p), distribution(q));
      integral = frontier_integral(distribution(p), distribution(q));
    }
    add(rows, "mauve_words", area);
    add(rows, "frontier_integral", integral);
  }
}
void add_novelty(const Options& o, const ComparedCorpora& c, std::vector<Row>& rows) {
  std::vector<CopyFinder> finders;
  for (const ComparedCorpora::Part& one : c.parts) finders.emplace_back(one.words);
  constexpr size_t kBatch = 1 << 14;  // lines: the training corpus passes by and is not kept
  std::vector<std::string> batch;
  Lines reader(o.train);
  bool any = false;
  for (bool more = true; more;) {
    batch.clear();
    std::string_view line;
    while (batch.size() < kBatch && (more = reader.next(line))) batch.emplace_back(line);
    any |= !batch.empty();
    for (CopyFinder& f : finders) f.train(batch, c.vocabulary);
  }
  if (!any) reader.refuse_empty();
  reader.warn();
  for (const CopyFinder& f : finders) {
    const Novelty x = f.novelty(kNoveltyOrders);
    for (size_t n = 0; n < kNoveltyOrders; ++n)
      add(rows, fmt::format("novelty_{}", n + 1), x.orders[n].share());
    add(rows, "longest_copy", static_cast<double>(x.longest));
    add(rows, "longest_copy_in_line", x.longest ? static_cast<double>(x.line + 1) : kUndefined);
  }
}

std::string cell(double x) {
  if (std::isnan(x)) return "undefined";
  if (std::isinf(x)) return "infinite";
  if (x == std::rint(x) && std::abs(x) < 1e15) return fmt::format("{:.0f}", x);
  const double size = std::abs(x);
  if (size >= 1000) return fmt::format("{:.1f}", x);
  return size >= 10 ? fmt::format("{:.3f}", x) : fmt::format("{:.5f}", x);
}
std::string p_cell(const Row& row) {
  if (!row.tested) return "-";
  return std::isnan(row.p) ? "undefined" : fmt::format("{:.4f}", row.p);
}
void add_rows(TextTable& to, const char* title, const std::vector<Row>& rows, bool pair) {
  if (rows.empty()) return;
  to.rows.push_back({title});
  for (const Row& row : rows) {
    auto& cells = to.rows.emplace_back();
    cells.push_back(row.name);
    for (const double x : row.values) cells.push_back(cell(x));
    if (pair) {
      cells.push_back(cell(row.difference));
      cells.push_back(p_cell(row));
    }
    cells.resize(to.rows[0].size());
  }
}
TextTable table_of(const Options& o, const Table& t) {
  TextTable out{{{"measure"}}};
  const bool pair = o.files.size() == 2;
  // Above people's tables stands which file is #1; others go elsewhere without what is around them.
  const auto name = [&](size_t i) {
    return o.format == "text" ? fmt::format("#{}", i + 1) : shown(o.files[i]);
  };
  for (size_t i = 0; i < o.files.size(); ++i) out.rows[0].push_back(name(i));
  if (pair) {
    out.rows[0].push_back(name(0) + " - " + name(1));
    out.rows[0].push_back("p");
  }
  add_rows(out, "Diversity (words_v2; --explain NAME says what a measure is)", t.measures, pair);
  add_rows(out, "Lines", t.lengths, false);
  add_rows(out, "Against the reference", t.reference, false);
  add_rows(out, "Against the training corpus", t.train, false);
  return out;
}
void print_table(const Options& o, const Table& t) {
  for (size_t i = 0; i < o.files.size(); ++i) fmt::print("#{}  {}\n", i + 1, shown(o.files[i]));
  if (!o.reference.empty()) fmt::print("reference  {}\n", shown(o.reference));
  if (!o.train.empty()) fmt::print("training corpus  {}\n", shown(o.train));
  fmt::print("\n{}\n", written(table_of(o, t), "text"));
  if (t.exact > 0)
    fmt::print("p: paired swap test, two-sided, exact: all {} swaps of lines whose words differ\n", t.exact);
  else if (t.no_p.empty())
    fmt::print("p: paired swap-permutation test, two-sided, {} permutations, seed {}\n", o.permutations,
               o.seed);
  else
    fmt::print("no p: {}\n", t.no_p);
  for (const std::string& note : t.notes) fmt::print("{}\n", note);
}
Json value(double x) {
  return x == std::rint(x) && std::abs(x) < 1e15 ? Json(static_cast<int64_t>(x)) : Json(x);
}
void print_json(const Options& o, const Table& t) {
  Json::Array files;
  for (size_t i = 0; i < o.files.size(); ++i) {
    Json::Object file{{"file", o.files[i]}};
    for (const auto& [key, rows] : {std::pair{"measures", &t.measures},
                                    {"lines", &t.lengths},
                                    {"reference", &t.reference},
                                    {"train", &t.train}}) {
      Json::Object values;
      for (const Row& row : *rows) values.emplace_back(row.name, value(row.values[i]));
      if (!rows->empty()) file.emplace_back(key, std::move(values));
    }
    files.emplace_back(std::move(file));
  }
  Json::Object out{{"tokenizer", "words_v2"}, {"rarefied_to", t.tokens}, {"files", std::move(files)}};
  if (!o.reference.empty()) out.emplace_back("reference", o.reference);
  if (!o.train.empty()) out.emplace_back("train", o.train);
  if (o.files.size() == 2) {
    Json::Object differences;
    for (const Row& row : t.measures)
      differences.emplace_back(row.name, Json::Object{{"difference", value(row.difference)},
                                                      {"p", row.tested ? Json(row.p) : Json()}});
    out.emplace_back("difference", std::move(differences));
  }
  if (t.no_p.empty())
    out.emplace_back("test", Json::Object{{"method", "paired swap permutation"},
                                          {"permutations", t.exact > 0 ? t.exact : o.permutations},
                                          {"exact", t.exact > 0},
                                          {"seed", o.seed}});
  else
    out.emplace_back("no_p", t.no_p);
  if (!t.notes.empty()) out.emplace_back("notes", Json::Array(t.notes.begin(), t.notes.end()));
  fmt::print("{}\n", to_json(Json(std::move(out)), 1));
}

void Options::add(Flags& flags) {
  flags
      .add("files", files,
           fmt::format(
               "corpora, one sentence per line, {}; -: standard input; FILE:2: the second column of a TSV",
               kPackedHelp))
      .add("--reference", reference, "human text to compare with; its words count as attested")
      .add("--train", train, "training corpus: n-grams that it lacks are novel")
      .add(
          "--tokens", tokens,
          "cut corpora down to this many tokens for expected_types (0: the size of the smallest; where two "
          "files are tested line by line, the sum over the shorter line of each pair, which any swap leaves)",
          0)
      .add("--permutations", permutations, "permutations of the paired test of two files (0: no test)", 0,
           1'000'000)
      .add("--seed", seed, "seed of the permutations", 0, UINT32_MAX)
      .add("--measures", measures, "names, separated by commas or spaces, or all")
      .choice("--format", format, kFormatHelp, table_formats())
      .add("--json", json, kJsonHelp)
      .add("--explain", explain, kExplainHelp)
      .footer(
          "Homogenisation (homogenization_rougeL) compares pairs: of more than 2000 lines it takes 2000, "
          "evenly spaced; with long documents as lines it is slow: leave it out with --measures. All other "
          "measures cover the whole corpus.");
}
void Options::check(const Flags& flags) const {
  RUM_CHECK(format == "text" || !json, "--format excludes --json");
  RUM_CHECK(!files.empty(), "no file given; `ruminate diversity --help` lists the options");
  flags.need(files.size() == 2, "two files to be tested against each other", {"--permutations", "--seed"});
  flags.need(permutations > 0, "--permutations above 0", {"--seed"});
  choose(*this, 1);  // wrong names are told before anything is read
  std::vector<std::string> paths = files;
  paths.insert(paths.end(), {reference, train});
  refuse_second_reading(paths);
}

// The files, read; their lines only where a measure needs them, since numbers are all that the others read.
struct Corpora {
  std::vector<std::vector<std::string>> texts;
  ComparedCorpora compared;
  explicit Corpora(const Options& o) : texts(o.files.size()) {
    unsigned needs = 0;
    for (const Measure& m : choose(o, 1)) needs |= m.needs();
    for (size_t i = 0; i < texts.size(); ++i) {
      texts[i] = read_lines(o.files[i]);
      compared.add(texts[i]);
      if (!(needs & kText)) texts[i] = {};
    }
    if (!o.reference.empty()) compared.attest(read_lines(o.reference));
  }
};
// Why the files are not tested against each other; "" where they are.
std::string why_no_p(const Options& o, const ComparedCorpora& c) {
  if (o.files.size() != 2)
    return fmt::format("the paired test compares exactly two files, {} given", o.files.size());
  if (c.parts[0].words.lines() != c.parts[1].words.lines())
    return fmt::format("the paired test needs files aligned line by line; {} has {} lines, {} has {}",
                       shown(o.files[0]), c.parts[0].words.lines(), shown(o.files[1]),
                       c.parts[1].words.lines());
  return o.permutations == 0 ? "--permutations 0" : "";
}
Table compared(const Options& o, const ComparedCorpora& c) {
  Table table;
  table.no_p = why_no_p(o, c);
  table.tokens = o.tokens > 0 ? o.tokens : common_tokens(c, table.no_p.empty());
  note_long_words(o, c, table);
  measure(o, c, table);
  add_lengths(c, table.lengths);
  if (!o.reference.empty()) add_comparison(c, table.reference);
  if (!o.train.empty()) add_novelty(o, c, table.train);
  return table;
}
void print(const Options& o, const Table& table) {
  if (o.json) return print_json(o, table);
  if (o.format == "text") return print_table(o, table);
  fmt::print("{}", written(table_of(o, table), o.format));
  for (const std::string& note : table.notes) say("{}", note);
}

int run(int argc, char** argv) {
  Options o;
  Flags flags("diversity", "How varied the words and sentences of corpora are, side by side.");
  o.add(flags);
  if (const auto status = flags.parse(argc, argv)) return *status;
  if (flags.given("--explain")) {
    fmt::print("{}", explain(o.explain));
    return 0;
  }
  o.check(flags);
  const Corpora corpora(o);
  print(o, compared(o, corpora.compared));
  return 0;
}
const Command command{"diversity", "lexical diversity of corpora, side by side", run};
}  // namespace
}  // namespace rum::diversity_command
