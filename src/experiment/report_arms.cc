// What was run: the sets of sentences, the arms with their scores, samples, cost.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "experiment/report_page.h"
#include "page/chart.h"
#include "text/words.h"

namespace rum::experiment {
namespace {
std::string ratios(const ArmResult& a, int64_t pool) {
  std::string out;
  for (const int64_t pairs : a.seed_pairs) {
    const double r = static_cast<double>(pairs) / static_cast<double>(pool);
    out += out.empty() ? "" : ", ";
    out += r >= 1 ? fmt::format("{:.3g} : 1", r) : fmt::format("1 : {:.3g}", 1 / r);
  }
  return out.empty() ? "–" : out;
}
std::string pairs_cell(const ArmResult& a) {
  const std::string pairs = page::counted(a.pool_pairs);
  if (a.different_pairs >= a.pool_pairs) return pairs;
  return fmt::format("{}<br><small>{} different</small>", pairs, page::counted(a.different_pairs));
}
std::string trained(const ArmResult& a) {
  return fmt::format("{}<br><small>{} steps</small>", page::shown(a.epochs),
                     page::counted(std::llround(a.steps)));
}
std::string score_cell(const ArmResult& a, size_t m) {
  const int d = digits_of(kScores[m]);
  const double sd = a.scores[m].seeds.sd;
  std::string out = page::shown(a.scores[m].value, d);
  if (std::isfinite(sd)) out += fmt::format(" <small>±{}</small>", page::shown(sd, d));
  if (!a.against.empty()) out += "<br><small>" + interval_text(a.to_real[m], d) + "</small>";
  return out;
}
std::string forest(const ExperimentConfig& c, const std::vector<const ArmResult*>& arms, size_t m) {
  page::IntervalChart chart{kScores[m],
                            fmt::format("difference in {} to human targets ({} is better)", kScores[m],
                                        kHigherIsBetter[m] ? "higher" : "lower"),
                            {},
                            group_legend(c, arms)};
  for (const ArmResult* a : arms) {
    const Effect& e = a->to_real[m];
    chart.rows.push_back({a->name(), interval_text(e, digits_of(kScores[m])), e.value, e.low, e.high,
                          group_key(c, a->arm->group)});
  }
  return page::svg(chart);
}
// The translation, with the words marked that are not in its longest common subsequence with the reference.
std::string marked(const std::string& translation, const std::string& reference) {
  const auto a = split_at_blanks(translation), b = split_at_blanks(reference);
  std::vector<std::vector<int>> best(a.size() + 1, std::vector<int>(b.size() + 1));
  for (size_t i = a.size(); i-- > 0;)
    for (size_t j = b.size(); j-- > 0;)
      best[i][j] = a[i] == b[j] ? best[i + 1][j + 1] + 1 : std::max(best[i + 1][j], best[i][j + 1]);
  std::string out;
  for (size_t i = 0, j = 0; i < a.size(); ++i) {
    while (j < b.size() && a[i] != b[j] && best[i][j + 1] == best[i][j]) ++j;
    const bool common = j < b.size() && a[i] == b[j];
    if (common) ++j;
    const std::string word = escape_html(a[i]);
    out += (i ? " " : "") + (common ? word : "<mark>" + word + "</mark>");
  }
  return out;
}
const char* purpose(const std::string& set) {
  constexpr std::pair<const char*, const char*> kPurposes[] = {
      {"seed", "seed set: what generators learn from"},
      {"pool", "pool: what they translate, and what students learn from"},
      {"judge", "judge set: all that whatever ranks the pool learns from"},
      {"valid", "validation"},
      {"test", "test"}};
  for (const auto& [name, says] : kPurposes)
    if (set == name) return says;
  return "";
}
}  // namespace

void put_sets(page::Page& page, const ExperimentResults& r) {
  std::string files;
  for (const auto& [name, hash] : r.files)
    files += fmt::format("{}{} <small>({})</small>", files.empty() ? "" : ", ", escape_html(name), hash);
  page.section(
      "Corpus and sizes",
      "Files and their hashes: " + files +
          ". No source and no target is in two of these sets; words are what stands between spaces.");
  page::Table t{"The sets of sentence pairs.",
                "",
                {{"set"}, {"pairs"}, {"words per source"}, {"per target"}, {"longest source"}}};
  for (const SetFacts& s : r.sets)
    t.rows.push_back({purpose(s.name), page::counted(s.pairs), page::shown(s.source_words),
                      page::shown(s.target_words), page::counted(s.longest)});
  page.table(t);
}

void put_arms(page::Page& page, const ExperimentResults& r) {
  page.section(
      "Arms",
      "An arm is one choice of targets for the pool. The sign of a difference to human targets depends "
      "on how much real text the generator learned from and on how it decodes, so both are on every "
      "row: whose text the students learn from, where other targets were put in the place of some or all "
      "of the generator&rsquo;s.");
  page::Table t{
      "Students on the human test set: mean over seeds with the standard deviation (±), and below it the "
      "difference to students trained on human targets with its 95 % interval, if there are any of the same "
      "recipe, volume and start: judged by the same kind of weights, or by the last where the best ones are "
      "not judged. At equal tokens fewer pairs mean more epochs.",
      "results.csv differences.csv",
      {{"arm"},
       {"targets"},
       {"seed : pool",
        "Pairs that the generator learned from, or each of several, against those of the pool."},
       {"pairs", "Seen by a student; below, how many differ, where some come several times."},
       {"epochs", "Passes over them, and steps of the optimizer."}}};
  for (size_t m = 0; m < kScores.size(); ++m) t.head.push_back(score_head(m));
  std::vector<const ArmResult*> compared;
  std::string group;
  for (const ArmResult* arm : by_group(r)) {
    const ArmResult& a = *arm;
    if (t.rows.empty() || a.arm->group != group)
      t.rows.push_back({escape_html(group_name(group = a.arm->group))});
    t.rows.push_back({escape_html(a.name()), escape_html(writers_of(*a.arm).text),
                      ratios(a, r.config->data.pool_pairs), pairs_cell(a),
                      a.pool_pairs > 0 ? trained(a) : "–"});
    for (size_t m = 0; m < kScores.size(); ++m) t.rows.back().push_back(score_cell(a, m));
    if (!a.against.empty() && a.volume == 1 && a.weights == "last") compared.push_back(&a);
  }
  page.table(t);
  if (compared.empty()) return;
  page.figure({forest(*r.config, compared, 0), forest(*r.config, compared, 2)},
              "Differences to students of human targets of the same recipe with 95 % intervals, by BLEU and "
              "by NLL of human text (nats a token): right of 0 is better by BLEU, left of 0 by NLL.",
              "differences.csv");
}

void put_samples(page::Page& page, const ExperimentResults& r) {
  page.section("Samples",
               "Evenly spaced sentences of the test set, as the students of seed 1 translate them. "
               "Words that the reference does not have in this order are marked; a marked word need not be "
               "wrong.");
  const ExperimentData& data = r.config->data;
  const auto row = [&](const std::string& name, const std::string& language, const std::string& text) {
    page.put(fmt::format("<dt>{}</dt><dd lang=\"{}\">{}</dd>", escape_html(name), language, text));
  };
  for (const TranslationSample& s : r.samples) {
    page.put(fmt::format("<div class=\"sample\"><span class=\"soft\">sentence {}</span><dl>", s.id));
    row("source", data.source, escape_html(s.source));
    row("reference", data.target, escape_html(s.reference));
    for (const auto& [arm, translation] : s.translations)
      row(arm, data.target, marked(translation, s.reference));
    page.put("</dl></div>\n");
  }
}

void put_provenance(page::Page& page, const ExperimentResults& r) {
  page.section("Provenance and cost",
               fmt::format("Every line of text generated here is kept with its generator, checkpoint, "
                           "decoding, seed and log-probability in the stage that wrote it{}.",
                           r.outside.empty() ? "" : "; JSON lines written elsewhere are kept as they came"));
  page::Table t{"Stages and their cost.", "", {{"stages"}, {"number"}, {"hours of one process"}}};
  double sum = 0;
  int64_t number = 0;
  for (const auto& c : r.costs) {
    sum += c.seconds;
    number += c.stages;
    t.rows.push_back({escape_html(c.kind), page::counted(c.stages), fmt::format("{:.2f}", c.seconds / 3600)});
  }
  t.rows.push_back({"<b>all</b>", page::counted(number), fmt::format("{:.2f}", sum / 3600)});
  page.table(t);
  std::string builds;
  for (const std::string& b : r.builds) builds += (builds.empty() ? "" : "; ") + b;
  page.put("<p class=\"soft\">Built as: " + escape_html(builds) + "</p>\n");
}
}  // namespace rum::experiment
