#include "experiment/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "experiment/report_page.h"
#include "page/chart.h"

namespace rum::experiment {
namespace {
std::string recipe(const RunConfig& c) {
  return fmt::format("layers {}, width {}, heads {}, vocabulary {}", c.model.layers, c.model.width,
                     c.model.heads, page::counted(c.bpe.vocab));
}
// The top of the report: what it is, how far to trust it, and the main results.
std::string top(const ExperimentResults& r, const ReportFacts& f) {
  const ExperimentConfig& c = *r.config;
  std::string corpus;
  for (const auto& [name, _] : r.files) corpus += (corpus.empty() ? "" : ", ") + escape_html(name);
  const std::string judges =
      c.data.judge_pairs > 0 ? fmt::format("judge set {}, ", page::counted(c.data.judge_pairs)) : "";
  std::string out = fmt::format(
      "<p class=\"soft\">Corpus: {}; seed set {}, pool {}, {}test {} pairs. Students: {}.<br>"
      "Made {} on {}, state of the code {}.</p>\n",
      corpus, page::counted(c.data.seed_pairs), page::counted(c.data.pool_pairs), judges,
      page::counted(r.test_sentences), recipe(c.recipes.at(c.student)), escape_html(r.made),
      escape_html(f.machine), escape_html(f.commit));
  return out + care_html(r, f.waiting) + summary_html(r);
}
bool any_applies(const ExperimentConfig& c, std::initializer_list<std::string_view> operations) {
  return std::any_of(c.arms.begin(), c.arms.end(), [&](const Arm& a) {
    return std::any_of(a.apply.begin(), a.apply.end(), [&](const AppliedOperation& o) {
      return std::find(operations.begin(), operations.end(), o.op) != operations.end();
    });
  });
}
// Of this experiment alone: what none of its arms does is left out.
std::vector<std::string> differences(const ExperimentResults& r) {
  const ExperimentConfig& c = *r.config;
  std::string sizes = fmt::format("Corpus and sizes: those of the config, {} pairs in the pool",
                                  page::counted(c.data.pool_pairs));
  for (const SetFacts& s : r.sets)
    if (s.name == "pool")
      sizes += fmt::format(
          "; its sources have {} words on average and {} at most, and may be far shorter "
          "than Europarl&rsquo;s",
          page::shown(s.source_words), page::counted(s.longest));
  std::vector<std::string> out{
      sizes + ".", "Students are small: prefix language models or encoder-decoders.",
      "Judged by BLEU, chrF and the likelihood of human text side by side: by BLEU a student may gain from a "
      "better generator (distillation) where it loses by likelihood."};
  if (c.data.judge_pairs > 0)
    out.push_back(fmt::format(
        "Whatever ranks the pool learns from a judge set of its own, {} pairs that neither generators nor "
        "students learn from unless an arm says so.",
        page::counted(c.data.judge_pairs)));
  if (any_applies(c, {"order"}))
    out.emplace_back("An order within an epoch is not in the paper, whose remedies let the set grow.");
  if (any_applies(c, {"inject", "thin", "repair"}))
    out.emplace_back(
        "The causal arms (errors injected, diversity thinned, errors repaired) are not in the paper, which "
        "leaves the mechanisms as suggestions.");
  return out;
}
void put_differences(page::Page& page, const ExperimentResults& r) {
  page.section(
      "What differs from the paper",
      "Zhang, Qiao, Yang and Wei (arXiv 2407.12835) train on Europarl, German to English, and judge by "
      "BLEU; model sizes, volumes, decoding and detector of their from-scratch part are not known here. "
      "This experiment chooses its own.");
  std::string list;
  for (const std::string& says : differences(r)) list += "<li>" + says + "</li>";
  page.put("<ul>" + list + "</ul>\n");
}
}  // namespace

std::string report_html(const ExperimentResults& r, const ReportFacts& f) {
  page::Page page;
  put_claims(page, r);
  put_sets(page, r);
  put_setup(page, r);
  put_arms(page, r);
  put_learning(page, r);
  put_chains(page, r);
  put_map(page, r);
  put_mechanisms(page, r);
  put_rankings(page, r);
  if (f.text && !r.samples.empty()) put_samples(page, r);
  put_provenance(page, r);
  put_differences(page, r);
  return page.html(r.config->title, top(r, f));
}
}  // namespace rum::experiment
