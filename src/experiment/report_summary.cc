// What a reader should know first: cautions, and a summary in five sentences.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "experiment/report_page.h"
#include "page/chart.h"

namespace rum::experiment {
namespace {
const ClaimResult* first_claim(const ExperimentResults& r, const std::string& kind) {
  for (const ClaimResult& c : r.claims)
    if (c.claim->kind == kind) return &c;
  return nullptr;
}
std::string quoted(const Claim& c) { return "&ldquo;" + escape_html(c.text) + "&rdquo;"; }
std::string quoted(const ExperimentResults& r, const std::string& id) {
  for (const ClaimResult& c : r.claims)
    if (c.claim->id == id) return quoted(*c.claim);
  return escape_html(id);
}

std::string seeds_of(const ExperimentConfig& c) {
  return c.seeds == 1 ? "1 seed" : fmt::format("{} seeds", c.seeds);
}

// ---- five sentences
std::string what_was_run(const ExperimentResults& r) {
  std::set<const Arm*> arms;
  for (const ArmResult& a : r.arms) arms.insert(a.arm);
  return fmt::format(
      "{} students were trained for {} arms, {} each; they learned from a pool of {} pairs and were "
      "judged on {} sentences that people had translated.",
      page::counted(r.students), arms.size(), seeds_of(*r.config), page::counted(r.config->data.pool_pairs),
      page::counted(r.test_sentences));
}
std::string how_good(const ExperimentResults& r) {
  if (!r.gate) return "No gate is set, so it is not known whether these sizes are large enough.";
  const Gate& asked = r.config->gate;
  std::string out = fmt::format("The gate of this scale is <b>{}</b>: {} reaches BLEU {} (asked: {})",
                                r.gate->met ? "met" : "not met", escape_html(asked.arm),
                                page::shown(r.gate->bleu, 2), page::shown(asked.bleu, 2));
  if (!asked.claim.empty())
    out += fmt::format(", and the half-width of the interval of {} is {} (asked: at most {})",
                       quoted(r, asked.claim), page::shown(r.gate->half_width, 2),
                       page::shown(asked.half_width, 2));
  if (r.gate->met) return out + ".";
  return out + (r.config->seeds < 2 ? ". One seed meets no gate."
                                    : ". Its sizes are wrong, not its claims undecided.");
}
std::string main_claim(const ExperimentResults& r) {
  const ClaimResult* c = first_claim(r, "students");
  if (c == nullptr) return "No claim about students was judged.";
  std::string out = quoted(*c->claim);
  for (const ClaimResult::Row& row : c->rows) {
    const int d = digits_of(row.by);
    out += fmt::format("{} {}<b>{}</b> by {} ({}; {})", &row == &c->rows.front() ? "" : ",",
                       row.verdict == Verdict::undecided ? "is " : "", name(row.verdict), row.by,
                       page::change(row.from, row.to, d), interval_text(row.difference, d));
  }
  return out + ".";
}
std::string all_claims(const ExperimentResults& r) {
  std::string out;
  size_t claims = 0;
  for (const ClaimResult& c : r.claims) claims += c.claim->kind == "students";
  for (size_t m = 0; m < kScores.size() && claims > 0; ++m) {
    int of[3] = {};
    for (const ClaimResult& c : r.claims)
      if (c.claim->kind == "students") ++of[static_cast<int>(c.rows[m].verdict)];
    out += fmt::format("{} by {} {} hold, {} do not, {} are undecided", m == 0 ? "" : ";", kScores[m],
                       of[static_cast<int>(Verdict::holds)], of[static_cast<int>(Verdict::does_not_hold)],
                       of[static_cast<int>(Verdict::undecided)]);
  }
  return fmt::format("Of the claims about students, {} in all,{}.", claims,
                     claims > 0 ? out : " none is judged");
}
bool chosen_by_oracle(const ExperimentConfig& c, const Arm& a) {
  const auto ranks = [&](const auto& s) { return c.scorers.at(s.second).kind == "oracle"; };
  const auto wrote = [&](const auto& t) { return chosen_by_oracle(c, t.second); };
  return chosen_by_oracle(c, a.targets) ||
         std::any_of(a.apply.begin(), a.apply.end(), [&](const AppliedOperation& o) {
           return std::any_of(o.scores.begin(), o.scores.end(), ranks) ||
                  std::any_of(o.targets.begin(), o.targets.end(), wrote);
         });
}
bool learned_more(const ExperimentConfig& c, const Arm& a) {
  const std::string generator = TargetsName(a.targets).generator;
  return std::any_of(c.generators.begin(), c.generators.end(),
                     [&](const Generator& g) { return g.name == generator && g.judge_set; });
}
// The claim whose two arms are the ends of the gap that remedies are judged by: the gate's, else the first
// about students; null if there is none.
const Claim* gap_claim(const ExperimentResults& r) {
  for (const ClaimResult& c : r.claims)
    if (c.claim->id == r.config->gate.claim && c.claim->kind == "students") return c.claim;
  const ClaimResult* first = first_claim(r, "students");
  return first ? first->claim : nullptr;
}
// The claims of remedies for this gap; shares of others, such as that from a random half, are of other sizes.
// Oracles, and controls whose generator learned from more human text, are not remedies, and what was chosen
// after looking is no evidence.
std::vector<const ClaimResult*> remedies_for(const ExperimentResults& r, const Claim& gap) {
  std::vector<const ClaimResult*> out;
  for (const ClaimResult& c : r.claims) {
    if (c.rows.empty() || c.claim->worse != gap.worse || c.claim->ceiling != gap.better ||
        c.claim->weights != gap.weights || c.claim->chosen_later || !c.claim->mean_with.empty())
      continue;
    const ArmResult* arm = find_arm(r, c.claim->better);
    if (arm && (chosen_by_oracle(*r.config, *arm->arm) || learned_more(*r.config, *arm->arm))) continue;
    out.push_back(&c);
  }
  return out;
}
// "“X” closes most: 46 % [31, 60]"
std::string best_remedy(const std::vector<const ClaimResult*>& remedies, size_t score) {
  const ClaimResult* best = nullptr;
  bool there = false;
  for (const ClaimResult* c : remedies) {
    const ClaimResult::Row& row = c->rows[score];
    if (!row.gap || !row.gap->share) continue;
    there = true;
    if (row.verdict != Verdict::holds) continue;
    if (best == nullptr || *row.gap->share > *best->rows[score].gap->share) best = c;
  }
  if (!there) return "there is none";
  if (best == nullptr) return "no remedy is shown to close any of it";
  return fmt::format("&ldquo;{}&rdquo; closes most: {}", escape_html(best->claim->better),
                     share_of_gap(*best->rows[score].gap));
}
// The remedies that close most of the gap; else the clearest difference between targets; else the smallest
// effect that would have been detected.
std::string main_effect(const ExperimentResults& r) {
  const Claim* gap = gap_claim(r);
  if (const auto remedies = gap ? remedies_for(r, *gap) : std::vector<const ClaimResult*>();
      !remedies.empty()) {
    std::string out = fmt::format("Of the gap from &ldquo;{}&rdquo; to &ldquo;{}&rdquo;,",
                                  escape_html(gap->worse), escape_html(gap->better));
    std::vector<std::pair<std::string, std::string>> said;  // and the scores by which it is so
    for (size_t m = 0; m < kScores.size(); ++m) {
      const std::string says = best_remedy(remedies, m);
      if (!said.empty() && said.back().first == says)
        said.back().second += std::string(", ") + kScores[m];
      else
        said.emplace_back(says, kScores[m]);
    }
    for (const auto& s : said)
      out += fmt::format("{} by {} {}", &s == &said.front() ? "" : ";", s.second, s.first);
    return out + ".";
  }
  if (const ClaimResult* c = first_claim(r, "diversity"); c && !c->rows.empty()) {
    const ClaimResult::Row& row = c->rows.front();
    return fmt::format("From human to generated targets {} goes {}.", escape_html(row.by),
                       page::change(row.from, row.to, page::digits_for(std::max(row.from, row.to))));
  }
  if (const ClaimResult* c = first_claim(r, "students"))
    return fmt::format(
        "In 80 of 100 repetitions the comparison of {} alone would have found a difference of {} BLEU.",
        quoted(*c->claim), page::shown(c->rows[0].difference.detectable()));
  return "No effect was judged.";
}

// ---- care

// Pairs of the test set that are too long for some student.
int64_t without_likelihood(const ExperimentResults& r) {
  std::set<size_t> pairs;
  for (const ArmResult& a : r.arms)
    for (const metrics::Rows& nll : a.rows[2])
      for (size_t i = 0; i < nll.size(); ++i)
        if (nll[i][1] == 0) pairs.insert(i);
  return std::ssize(pairs);
}
std::vector<std::string> cautions(const ExperimentResults& r) {
  std::vector<std::string> out{
      "It reproduces directions, with effect sizes and intervals, at a scale of its own choice; it does not "
      "match the paper&rsquo;s numbers."};
  if (r.config->seeds < 2)
    out.emplace_back(
        "1 seed tells nothing about the variance between seeds: intervals are those of the test sentences "
        "alone, so claims about students stay undecided and the gate is not met.");
  else if (r.config->seeds < 5)
    out.push_back(fmt::format(
        "{} seeds tell little about the variance between seeds: intervals may be too narrow, so look at "
        "the deviation over seeds too.",
        r.config->seeds));
  for (const std::string& sentence : undecidable(*r.config)) out.push_back(sentence);
  if (r.test_sentences < 5000)
    out.push_back(fmt::format("{} test sentences: small effects go unseen; each comparison says how small.",
                              page::counted(r.test_sentences)));
  out.emplace_back(
      "NLL punishes greedy targets for their lack of variety, so an arm may change by NLL alone: read it "
      "beside "
      "BLEU.");
  if (r.bleu_tokenizer != "13a")
    out.push_back(fmt::format(
        "The test set is written without blanks: BLEU counts what sacreBLEU&rsquo;s tokenizer {} gives.",
        r.bleu_tokenizer));
  int64_t later = 0, doubled = 0;
  bool errors = false;
  for (const ClaimResult& c : r.claims) {
    later += c.claim->chosen_later;
    errors |= c.claim->kind == "errors";
  }
  for (const TargetsResult& t : r.targets) doubled = std::max(doubled, t.doubled);
  if (later > 0)
    out.push_back(fmt::format("Chosen after looking at results, and marked so: {} of {} claims.", later,
                              r.claims.size()));
  if (errors)
    out.push_back(
        doubled > 0
            ? fmt::format(
                  "Claims about errors rest on the {} sentences of the pool that two people translated.",
                  page::counted(doubled))
            : "Claims about errors are undecided: no sentence of the pool has been translated by two "
              "people.");
  if (const int64_t n = without_likelihood(r); n > 0)
    out.push_back(fmt::format(
        "{} of {} test pairs do not fit the context of a student: they count in BLEU and chrF, not in NLL.",
        page::counted(n), page::counted(r.test_sentences)));
  if (r.unfinished > 0)
    out.push_back(
        fmt::format("{} translations break off where their generator&rsquo;s context ends ({} sources were "
                    "translated).",
                    page::counted(r.unfinished), page::counted(r.generated)));
  std::string oracles;
  for (const Arm& a : r.config->arms)
    if (chosen_by_oracle(*r.config, a))
      oracles += (oracles.empty() ? "" : ", ") + fmt::format("&ldquo;{}&rdquo;", escape_html(a.name));
  if (!oracles.empty())
    out.push_back("An oracle that saw the human targets chose for " + oracles + ": a ceiling, not a remedy.");
  return out;
}
}  // namespace

std::string care_html(const ExperimentResults& r, const std::vector<std::string>& waiting) {
  std::string out = "<aside class=\"care\"><h2>Read with care</h2><ul>\n";
  if (!waiting.empty())
    out += fmt::format("<li>Arms that are not finished yet, and left out: {}.</li>\n",
                       escape_html(fmt::format("{}", fmt::join(waiting, "; "))));
  for (const std::string& c : cautions(r)) out += "<li>" + c + "</li>\n";
  return out + "</ul></aside>\n";
}
std::string summary_html(const ExperimentResults& r) {
  std::string out = "<ol class=\"summary\">\n";
  for (const auto sentence : {what_was_run, how_good, main_claim, all_claims, main_effect})
    out += "<li>" + sentence(r) + "</li>\n";
  return out + "</ol>\n";
}
}  // namespace rum::experiment
