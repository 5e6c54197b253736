// `ruminate errors`: what is wrong with translations, by kind, several systems side by side, and
// their worst sentences.
#include "metrics/errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/names.h"
#include "base/say.h"
#include "metrics/bleu.h"
#include "metrics/explain.h"
#include "text/json.h"
#include "text/table.h"
#include "text/unpack.h"
#include "tools/command.h"
#include "tools/lines.h"
#include "tools/options.h"

namespace rum::errors_command {
using namespace metrics;
namespace {
struct Options {
  std::vector<std::string> systems, lexicons;
  std::string reference, source, language = "en", by = "ter", explain, format = "text";
  int64_t worst = 0;
  bool json = false, no_text = false;
};
struct Texts {
  std::vector<std::vector<std::string>> systems;
  std::vector<std::string> references, sources;
};
struct System {
  std::string name;
  std::vector<SentenceErrors> sentences;
  ErrorCounts sum;
  std::vector<std::pair<std::string, int64_t>> invented;  // types, most frequent first
  std::vector<size_t> worst;
};

Texts read_texts(const Options& o) {
  std::vector<std::string> paths = o.systems;
  for (const std::string& p : {o.reference, o.source}) paths.push_back(p);
  paths.insert(paths.end(), o.lexicons.begin(), o.lexicons.end());
  refuse_second_reading(paths);
  Texts t;
  t.references = read_lines(o.reference);
  const auto read = [&](const std::string& path) {
    std::vector<std::string> lines = read_lines(path);
    check_same_length(path, lines.size(), o.reference, t.references.size());
    return lines;
  };
  for (const std::string& path : o.systems) t.systems.push_back(read(path));
  if (!o.source.empty()) t.sources = read(o.source);
  return t;
}

System analyse(const std::string& path, const std::vector<std::string>& lines, const Texts& texts,
               const ErrorRules& rules, const Options& o) {
  System s{shown(path), find_errors(lines, texts.references, texts.sources, rules), {}, {}, {}};
  std::map<std::string, int64_t> invented;
  for (const SentenceErrors& e : s.sentences) {
    s.sum += e.counts;
    for (const std::string& w : e.words.invented) ++invented[w];
  }
  s.invented.assign(invented.begin(), invented.end());
  std::stable_sort(s.invented.begin(), s.invented.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  s.worst = worst_sentences(s.sentences, error_measure(o.by), static_cast<size_t>(o.worst));
  return s;
}

using Words = std::vector<std::pair<const char*, const std::vector<std::string>*>>;
Words named(const ErrorWords& w) {  // as the counts are named
  return {{"numbers_missing", &w.numbers_missing},
          {"numbers_added", &w.numbers_added},
          {"names_missing", &w.names_missing},
          {"names_added", &w.names_added},
          {"copied", &w.copied},
          {"invented", &w.invented},
          {"repeated", &w.repeated}};
}
// "insertions 2, numbers_missing 1 (1000)": what is not 0 of what measures count as errors.
std::string brief(const SentenceErrors& e, bool no_text) {
  std::string out;
  for (const NamedCount& c : error_counts()) {
    bool is_error = false;
    for (const ErrorMeasure& m : error_measures())
      is_error |= m.share && std::find(m.errors.begin(), m.errors.end(), c.count) != m.errors.end();
    if (!is_error || e.counts.*c.count == 0) continue;
    out += fmt::format("{}{} {:.4g}", out.empty() ? "" : ", ", c.name, e.counts.*c.count);
    for (const auto& [name, words] : named(e.words))
      if (!no_text && std::string_view(name) == c.name) out += fmt::format(" ({})", fmt::join(*words, ", "));
  }
  return out.empty() ? "none" : out;
}
std::string written(const ErrorMeasure& m, const ErrorCounts& c) {
  const auto v = m.value(c);
  if (!v) return "undefined";
  return m.share ? fmt::format("{:.2f}%", 100 * *v) : fmt::format("{:.4f}", *v);
}

// In plain text the counts are in columns; elsewhere in brackets.
TextTable table_of(const std::vector<System>& systems, bool text) {
  TextTable t{{{"measure"}}};
  for (const System& s : systems) t.rows[0].push_back(s.name);
  const auto row = [&](const char* name, const auto& cell) {
    t.rows.push_back({name});
    for (const System& s : systems) t.rows.back().push_back(cell(s));
  };
  row("sentences", [](const System& s) { return fmt::format("{}", s.sentences.size()); });
  for (const ErrorMeasure& m : error_measures())
    row(m.name, [&](const System& s) {
      return fmt::format(fmt::runtime(text ? "{} {:>7.0f}" : "{} ({:.0f})"), written(m, s.sum),
                         m.count_errors(s.sum));
    });
  row("invented types", [](const System& s) { return fmt::format("{}", s.invented.size()); });
  return t;
}
void print_table(const std::vector<System>& systems, const Options& o) {
  fmt::print("errors against {}: share, and how many\n", shown(o.reference));
  fmt::print("{}", written(table_of(systems, true), "text"));
  for (const System& s : systems) {
    if (o.no_text || s.invented.empty()) continue;
    std::string list;
    for (size_t i = 0; i < std::min<size_t>(s.invented.size(), 10); ++i)
      list += fmt::format(" {} {}", s.invented[i].first, s.invented[i].second);
    fmt::print("most frequent invented words of {}:{}\n", s.name, list);
  }
  if (o.language == "de")
    fmt::print("name_mismatch: counts all German nouns, since names cannot be told from them\n");
}
void print_worst(const System& s, const std::vector<std::string>& lines, const Texts& texts,
                 const Options& o) {
  if (s.worst.empty()) return;
  const ErrorMeasure& by = error_measure(o.by);
  fmt::print("\nworst of {} by {}\n", s.name, by.name);
  for (const size_t i : s.worst) {
    const SentenceErrors& e = s.sentences[i];
    fmt::print("line {}: {} {}\n", i + 1, by.name, written(by, e.counts));
    if (!o.no_text) {
      if (!texts.sources.empty()) fmt::print("  source       {}\n", texts.sources[i]);
      fmt::print("  reference    {}\n  translation  {}\n", texts.references[i], lines[i]);
    }
    fmt::print("  errors       {}\n", brief(e, o.no_text));
  }
}

Json::Object measured(const ErrorCounts& c) {
  Json::Object measures, counts;
  for (const ErrorMeasure& m : error_measures()) {
    const auto v = m.value(c);
    measures.emplace_back(m.name, v ? Json(*v) : Json());
  }
  for (const NamedCount& n : error_counts()) counts.emplace_back(n.name, c.*n.count);
  return {{"measures", std::move(measures)}, {"counts", std::move(counts)}};
}
Json system_json(const System& s, const std::vector<std::string>& lines, const Texts& texts,
                 const Options& o) {
  Json::Object out{{"name", s.name}};
  for (auto& field : measured(s.sum)) out.push_back(std::move(field));
  out.emplace_back("invented_types", static_cast<int64_t>(s.invented.size()));
  if (!o.no_text) {
    Json::Array list;
    for (size_t i = 0; i < std::min<size_t>(s.invented.size(), 10); ++i)
      list.push_back(Json::Array{s.invented[i].first, s.invented[i].second});
    out.emplace_back("most_frequent_invented", std::move(list));
  }
  Json::Array worst;
  for (const size_t i : s.worst) {
    Json::Object one{{"line", static_cast<int64_t>(i + 1)}};
    for (auto& field : measured(s.sentences[i].counts)) one.push_back(std::move(field));
    if (!o.no_text) {
      if (!texts.sources.empty()) one.emplace_back("source", texts.sources[i]);
      one.emplace_back("reference", texts.references[i]);
      one.emplace_back("translation", lines[i]);
      Json::Object words;
      for (const auto& [name, list] : named(s.sentences[i].words))
        if (!list->empty()) words.emplace_back(name, Json::Array(list->begin(), list->end()));
      one.emplace_back("words", std::move(words));
    }
    worst.emplace_back(std::move(one));
  }
  if (o.worst > 0) out.emplace_back("worst", std::move(worst));
  return out;
}

int run(int argc, char** argv) {
  Options o;
  Flags flags("errors", "What is wrong with translations: errors by kind, systems side by side.");
  flags.add("--hyp", o.systems, "translations, one per line; several files or --hyp several times")
      .add("--ref", o.reference, "their reference, one per line")
      .add("--src", o.source, "their sources, to tell copied words from invented ones")
      .add("--lexicon", o.lexicons,
           "more human text in the target language: its words, like the reference's, are not inventions")
      .choice("--lang", o.language, "language of translations and reference; the source is in the other",
              names_of(languages()))
      .add("--worst", o.worst, "how many of each system's worst sentences to list", 0, 1 << 30)
      .add("--by", o.by, "the measure that ranks the worst")
      .choice("--format", o.format, kFormatHelp, table_formats())
      .add("--json", o.json, kJsonHelp)
      .add("--no-text", o.no_text, "line numbers and counts only, no words of the files")
      .add("--explain", o.explain, kExplainHelp)
      .footer(fmt::format("FILE is {}, or - for standard input; FILE:2 is the second column of a TSV.",
                          kPackedHelp));
  if (const auto status = flags.parse(argc, argv)) return *status;
  if (flags.given("--explain")) {
    fmt::print("{}", explain(o.explain));
    return 0;
  }
  RUM_CHECK(!o.systems.empty() && !o.reference.empty(),
            "expected --hyp FILE and --ref FILE; --help lists the options");
  RUM_CHECK(o.format == "text" || !(o.json || o.worst > 0),
            "--format is for the table of errors; it excludes --json and --worst");
  error_measure(o.by);  // refused before anything is read
  flags.need(o.worst > 0, "--worst", {"--by"});
  const Texts texts = read_texts(o);
  const std::string note =
      without_blanks(texts.references)
          ? "most references are written without spaces: TER takes each sentence for one "
            "word, and errors are defined for English and German"
          : "";
  if (!note.empty() && !o.json) say("{}", note);
  HumanText human;
  human.add(texts.references);
  for (const std::string& path : o.lexicons) human.add(read_lines(path));
  const ErrorRules rules{human, language_named(o.language).rules};
  std::vector<System> systems;
  for (size_t i = 0; i < texts.systems.size(); ++i)
    systems.push_back(analyse(o.systems[i], texts.systems[i], texts, rules, o));
  if (o.json) {
    Json::Array list;
    for (size_t i = 0; i < systems.size(); ++i)
      list.push_back(system_json(systems[i], texts.systems[i], texts, o));
    Json::Object out{{"reference", shown(o.reference)},
                     {"language", o.language},
                     {"sentences", static_cast<int64_t>(texts.references.size())}};
    if (!note.empty()) out.emplace_back("note", note);
    if (o.worst > 0) out.emplace_back("worst_by", o.by);
    out.emplace_back("systems", std::move(list));
    fmt::print("{}\n", to_json(Json(std::move(out)), 1));
    return 0;
  }
  if (o.format != "text") {
    fmt::print("{}", written(table_of(systems, false), o.format));
    return 0;
  }
  print_table(systems, o);
  for (size_t i = 0; i < systems.size(); ++i) print_worst(systems[i], texts.systems[i], texts, o);
  return 0;
}
const Command command{"errors", "what is wrong with translations, by kind, and the worst of them", run};
}  // namespace
}  // namespace rum::errors_command
