#include "experiment/result_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/output.h"
#include "experiment/measures.h"
#include "text/file_set.h"
#include "text/table.h"

namespace rum::experiment {
namespace {
constexpr const char* kClaims = "claims.json";
std::string number(double v) { return std::isfinite(v) ? fmt::format("{}", v) : ""; }
std::string head_of(const ArmResult& a) {
  return fmt::format("{},{},{}", csv_cell(a.arm->name), a.volume, a.weights);
}

std::string results_csv(const ExperimentResults& r) {
  std::string out =
      "arm,group,targets,volume,weights,seed_pairs,pool_pairs,seed,measure,value,human,p,chances,human_"
      "chances\n";
  for (const ArmResult& a : r.arms) {
    const auto row = [&](size_t seed, const char* measure, double value) {
      out += fmt::format("{},{},{},{},{},{},{},{},{},{},,,,\n", csv_cell(a.arm->name), csv_cell(a.arm->group),
                         csv_cell(writers_of(*a.arm).text), a.volume, a.weights,
                         a.seed_pairs.empty() ? "0" : fmt::format("{}", fmt::join(a.seed_pairs, " ")),
                         a.pool_pairs, seed + 1, measure, number(value));
    };
    for (size_t m = 0; m < kScores.size(); ++m)
      for (size_t s = 0; s < a.replicates[m].by_seed.size(); ++s)
        row(s, kScores[m], a.replicates[m].by_seed[s]);
    for (size_t s = 0; s < a.curves.size() && a.pool_pairs > 0; ++s) row(s, "epochs", a.curves[s].epochs);
  }
  for (const TargetsResult& t : r.targets) {
    const auto rows = [&](const char* group, int64_t pairs, const std::vector<MeasureResult>& measures) {
      for (const MeasureResult& m : measures)
        for (size_t s = 0; s < m.values.size(); ++s) {
          const auto at = [s](const std::vector<double>& of) { return number(s < of.size() ? of[s] : NAN); };
          out += fmt::format("{0},{1},{0},1,,,{2},{3},{4},{5},{6},{7},{8},{9}\n", csv_cell(t.name), group,
                             pairs, s + 1, m.measure, number(m.values[s]), number(m.human[s]), at(m.p),
                             at(m.chances), at(m.human_chances));
        }
    };
    rows("targets", t.pairs, t.errors);
    rows("floor", t.doubled, t.floor);
    rows("targets", t.pairs, t.diversity);
  }
  return out;
}
std::string scores_csv(const ExperimentResults& r) {
  std::string out = "arm,volume,weights,score,value,low,high\n";
  for (const ArmResult& a : r.arms)
    for (size_t m = 0; m < kScores.size(); ++m) {
      const Effect& e = a.scores[m];
      out += fmt::format("{},{},{},{},{}\n", head_of(a), kScores[m], number(e.value), number(e.low),
                         number(e.high));
    }
  return out;
}
std::string differences_csv(const ExperimentResults& r) {
  std::string out = "arm,volume,weights,against,score,value,low,high,p,p_randomisation\n";
  for (const ArmResult& a : r.arms)
    for (size_t m = 0; m < kScores.size() && !a.against.empty(); ++m) {
      const Effect& e = a.to_real[m];
      out +=
          fmt::format("{},{},{},{},{},{},{},{}\n", head_of(a), csv_cell(a.against), kScores[m],
                      number(e.value), number(e.low), number(e.high), number(e.p), number(a.randomised[m]));
    }
  return out;
}

std::string sentences_csv(const ExperimentResults& r) {
  const auto bleu = metrics::make_metric("bleu", {{"effective_order", true}}),
             chrf = metrics::make_metric("chrf");
  std::string out = "arm,volume,weights,seed,sentence,BLEU,chrF,nll,tokens\n";
  for (const ArmResult& a : r.arms)
    for (size_t s = 0; s < a.rows[0].size(); ++s)
      for (size_t i = 0; i < a.rows[0][s].size(); ++i)
        out += fmt::format("{},{},{},{:.4f},{:.4f},{:.5f},{}\n", head_of(a), s + 1, i,
                           bleu->score(a.rows[0][s][i]), chrf->score(a.rows[1][s][i]), a.rows[2][s][i][0],
                           a.rows[2][s][i][1]);
  return out;
}

std::string curves_csv(const ExperimentResults& r) {
  std::string out = "arm,volume,weights,seed,step,valid_loss\n";
  for (const ArmResult& a : r.arms)
    for (size_t s = 0; s < a.curves.size(); ++s)
      for (const auto& [step, loss] : a.curves[s].valid_loss)
        out += fmt::format("{},{},{},{}\n", head_of(a), s + 1, step, number(loss));
  return out;
}
std::string validity_csv(const ExperimentResults& r) {
  std::string out = "targets,pairs,score,ties,correlation_with,spearman\n";
  for (const RankingResult& ranking : r.rankings)
    for (const edits::Validity& v : ranking.scorers) {
      const auto row = [&](const std::string& with, const std::optional<double>& value) {
        out += fmt::format("{},{},{},{},{},{}\n", csv_cell(ranking.targets), ranking.pairs, csv_cell(v.name),
                           v.tied, csv_cell(with), number(value.value_or(NAN)));
      };
      row("chrF to the human target", v.quality);
      row("source length", v.length);
      row("source rarity", v.rarity);
      for (size_t i = 0; i < v.others.size(); ++i) row(ranking.scorers[i].name, v.others[i]);
    }
  return out;
}
// The AUROC with its interval, then the log odds of each held-out text by author.
std::string detectors_csv(const ExperimentResults& r) {
  std::string out = "detector,targets,seed,tried_on,measure,value\n";
  std::vector<DetectorResult> all = r.detectors;
  all.insert(all.end(), r.tried.begin(), r.tried.end());
  for (const DetectorResult& d : all) {
    const auto row = [&](const char* measure, double value) {
      out += fmt::format("{},{},{},{},{},{}\n", csv_cell(d.scorer), csv_cell(d.targets), d.seed, d.tried_on,
                         measure, number(value));
    };
    row("auroc", d.auroc);
    if (const auto at = detect::at_fpr(d.log_odds, kFalseAlarms))
      row(fmt::format("tpr_at_fpr_{}", kFalseAlarms).c_str(), at->tpr);
    row("auroc_low", d.low);
    row("auroc_high", d.high);
    for (const double x : d.log_odds.human) row("log_odds_of_human", x);
    for (const double x : d.log_odds.machine) row("log_odds_of_machine", x);
  }
  return out;
}

// An end without a bound is null, and named.
Json gap_json(const GapClosed& g) {
  const auto [low, high] = g.interval.value_or(std::pair(NAN, NAN));
  const auto or_null = [](double v) { return std::isfinite(v) ? Json(v) : Json(); };
  Json::Object out{{"share", or_null(g.share.value_or(NAN))}, {"low", or_null(low)}, {"high", or_null(high)}};
  if (std::isinf(low) || std::isinf(high))
    out.emplace_back("unbounded", std::isinf(low) && std::isinf(high) ? "both"
                                  : std::isinf(low)                   ? "low"
                                                                      : "high");
  out.emplace_back("gap_sign_flips", g.gap_sign_flips);
  return Json(std::move(out));
}
// At which scale the claims were measured: what another run needs to be the same.
Json scale_json(const ExperimentResults& r) {
  Json::Object corpus, pairs, signatures;
  for (const auto& [name, hash] : r.files) corpus.emplace_back(name, hash);
  for (const SetFacts& s : r.sets) pairs.emplace_back(s.name, s.pairs);
  for (const auto& [score, signature] : r.signatures) signatures.emplace_back(score, signature);
  return Json(Json::Object{{"corpus", Json(std::move(corpus))},
                           {"pairs", Json(std::move(pairs))},
                           {"seeds", r.config->seeds},
                           {"replicates", r.config->bootstrap},
                           {"swaps", int64_t{kSwaps}},
                           {"signatures", Json(std::move(signatures))},
                           {"builds", Json::Array(r.builds.begin(), r.builds.end())},
                           {"made", r.made}});
}
Json claims_json(const ExperimentResults& r) {
  Json::Array claims;
  for (const ClaimResult& c : r.claims) {
    Json::Array rows;
    for (const ClaimResult::Row& row : c.rows) {
      Json::Object o{{"by", row.by},
                     {"verdict", name(row.verdict)},
                     {"from", row.from},
                     {"to", row.to},
                     {"difference", row.difference.value},
                     {"low", row.difference.low},
                     {"high", row.difference.high},
                     {"p", row.difference.p},
                     {"p_holm", row.corrected},
                     {"p_randomisation", row.randomised},
                     {"detectable", row.difference.error > 0 ? Json(row.difference.detectable()) : Json()},
                     {"seed_sd", row.difference.seeds.sd},
                     {"seed_low", row.difference.seeds.low},
                     {"seed_high", row.difference.seeds.high}};
      if (row.gap) o.emplace_back("gap_closed", gap_json(*row.gap));
      rows.push_back(Json(std::move(o)));
    }
    Json::Object claim{{"id", c.claim->id},
                       {"text", c.claim->text},
                       {"kind", c.claim->kind},
                       {"better", c.claim->better},
                       {"worse", c.claim->worse},
                       {"ceiling", c.claim->ceiling},
                       {"chosen_later", c.claim->chosen_later}};
    const auto pair = [&](const std::string& better, const std::string& worse) {
      return Json(Json::Object{{"better", better},
                               {"worse", worse},
                               {"weights_of_worse", weights_of(*r.config, *c.claim, worse)}});
    };
    Json::Array pairs;
    for (const auto& [better, worse] : c.claim->mean_with) pairs.push_back(pair(better, worse));
    if (!pairs.empty()) claim.emplace_back("mean_with", Json(std::move(pairs)));
    if (const auto& [better, worse] = c.claim->minus_with; !better.empty())
      claim.emplace_back("minus_with", pair(better, worse));
    if (c.claim->kind == "students") {
      claim.emplace_back("weights", c.claim->weights);
      claim.emplace_back("weights_of_worse", weights_of(*r.config, *c.claim, c.claim->worse));
    } else {
      claim.emplace_back("sentences", compared_sentences(r, *c.claim));
    }
    claim.emplace_back("rows", std::move(rows));
    claims.push_back(Json(std::move(claim)));
  }
  Json::Object out{{"experiment", r.config->title},
                   {"seeds", r.config->seeds},
                   {"test_sentences", r.test_sentences},
                   {"scale", scale_json(r)}};
  if (r.gate) {
    Json::Object gate{{"met", r.gate->met}, {"bleu", r.gate->bleu}, {"bleu_asked", r.config->gate.bleu}};
    if (!r.config->gate.claim.empty()) {
      gate.emplace_back("half_width", r.gate->half_width);
      gate.emplace_back("half_width_asked", r.config->gate.half_width);
    }
    out.emplace_back("gate", Json(std::move(gate)));
  }
  out.emplace_back("claims", std::move(claims));
  return Json(std::move(out));
}
}  // namespace

int64_t compared_sentences(const ExperimentResults& r, const Claim& c) {
  const std::string& generated = c.better == "human" ? c.worse : c.better;
  for (const TargetsResult& t : r.targets)
    if (t.name == generated) return c.kind == "errors" ? t.doubled : t.pairs;
  return 0;
}
std::vector<std::pair<std::string, std::string>> result_files(const ExperimentResults& r) {
  std::vector<std::pair<std::string, std::string>> out{{"results.csv", results_csv(r)},
                                                       {"scores.csv", scores_csv(r)},
                                                       {"differences.csv", differences_csv(r)},
                                                       {"sentences.csv", sentences_csv(r)},
                                                       {"curves.csv", curves_csv(r)}};
  if (!r.rankings.empty()) out.emplace_back("validity.csv", validity_csv(r));
  if (!r.detectors.empty() || !r.tried.empty()) out.emplace_back("detectors.csv", detectors_csv(r));
  out.emplace_back(kClaims, to_json(claims_json(r), 1) + "\n");
  return out;
}

namespace {
const std::vector<std::string> kReportFiles = {"report.html",     "results.csv",   "scores.csv",
                                               "differences.csv", "sentences.csv", "curves.csv",
                                               "validity.csv",    "detectors.csv", kClaims};
bool reported_earlier(const std::string& folder) {
  return has_mark(folder, kClaims,
                  [](const JsonFields& claims) { return claims.has("experiment") && claims.has("claims"); });
}
}  // namespace
void check_report_output(const std::string& folder) {
  check_output_folder(folder);
  Disk& disk = Disk::real();
  if (!disk.exists(folder) || reported_earlier(folder)) return;
  for (const std::string& file : kReportFiles)
    if (const std::string path = folder + "/" + file; disk.exists(path))
      throw FileError(path +
                      ": it is there, but not of an earlier report; move it away, or name another folder");
}
std::string write_report(const std::string& folder, const std::string& html, const ExperimentResults& r) {
  std::vector<std::pair<std::string, std::string>> files = result_files(r);
  files.insert(files.begin(), {"report.html", html});
  std::string names;
  for (const auto& [name, _] : files) names += names.empty() ? folder + "/" + name : ", " + name;
  write_file_set(folder, kReportFiles, files);
  return names;
}
}  // namespace rum::experiment
