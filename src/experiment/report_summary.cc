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

// "1 seed", "5 seeds"
std::string some(int64_t n, const char* one, const char* many) {
  return page::counted(n) + " " + (n == 1 ? one : many);
}

// ---- five sentences
std::string what_was_run(const ExperimentResults& r) {
  std::set<const Arm*> arms;
  for (const ArmResult& a : r.arms) arms.insert(a.arm);
  return fmt::format(
      "{} trained for {}, {} each; they learned from a pool of {} pairs and were judged on {} sentences that "
      "humans had translated.",
      some(r.students, "student was", "students were"), some(std::ssize(arms), "arm", "arms"),
      some(r.config->seeds, "seed", "seeds"), page::counted(r.config->data.pool_pairs),
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
                                    : ". The scale is too small; verdicts are given all the same.");
}
std::string main_claim(const ExperimentResults& r) {
  const ClaimResult* c = first_claim(r, "students");
  if (c == nullptr) return "No claim about students was judged.";
  std::string out = quoted(*c->claim);
  for (const ClaimResult::Row& row : c->rows) {
    const int d = digits_of(row.by);
    out += fmt::format("{} {}<b>{}</b> by {} ({}; {})", &row == &c->rows.front() ? "" : ",",
                       row.verdict == Verdict::undecided ? "is " : "", name(row.verdict), row.by,
                       from_to(*c->claim, row, d), interval_text(row.difference, d));
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
    const auto those = [&](Verdict v, const char* one, const char* many) {
      return some(of[static_cast<int>(v)], one, many);
    };
    out += fmt::format("{} by {} {}, {}, {}", m == 0 ? "" : ";", kScores[m],
                       those(Verdict::holds, "holds", "hold"),
                       those(Verdict::does_not_hold, "does not", "do not"),
                       those(Verdict::undecided, "is undecided", "are undecided"));
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
    if (c.claim->id == r.config->gate.claim && c.claim->kind == "students" &&
        c.claim->minus_with.first.empty())
      return c.claim;
  for (const ClaimResult& c : r.claims)
    if (c.claim->kind == "students" && c.claim->minus_with.first.empty()) return c.claim;
  return nullptr;
}
// A gap, and the claims that ask how much of it is closed.
struct Gap {
  std::string from, to;  // HTML
  std::vector<const ClaimResult*> claims;
};
std::string named(const std::string& arm) { return "&ldquo;" + escape_html(arm) + "&rdquo;"; }
// One side of a claim, better or worse.
std::string side(const Claim& c, const std::string& arm) {
  std::string out = named(arm);
  if (const size_t more = c.mean_with.size(); more > 0) out += fmt::format(" and {} more on average", more);
  return out;
}
std::string from_of(const ExperimentConfig& config, const Claim& c) {
  const std::string weights = weights_of(config, c, c.worse);
  return side(c, c.worse) + (weights == "last" ? "" : fmt::format(" ({} weights)", weights));
}
// The gap of the gate's claim first, if any remedy starts there. Shares of different gaps do not compare. Not
// remedies: oracles, and controls whose generator learned from more human text; and what was chosen
// later is no evidence.
std::vector<Gap> gaps_of(const ExperimentResults& r) {
  std::vector<Gap> out;
  if (const Claim* main = gap_claim(r)) out.push_back({from_of(*r.config, *main), named(main->better), {}});
  for (const ClaimResult& c : r.claims) {
    if (c.rows.empty() || c.claim->ceiling.empty() || c.claim->chosen_later) continue;
    const ArmResult* arm = find_arm(r, c.claim->better);
    if (arm && (chosen_by_oracle(*r.config, *arm->arm) || learned_more(*r.config, *arm->arm))) continue;
    const Gap gap{from_of(*r.config, *c.claim), named(c.claim->ceiling), {}};
    auto at = std::find_if(out.begin(), out.end(),
                           [&](const Gap& g) { return g.from == gap.from && g.to == gap.to; });
    if (at == out.end()) at = out.insert(out.end(), gap);
    at->claims.push_back(&c);
  }
  std::erase_if(out, [](const Gap& g) { return g.claims.empty(); });
  return out;
}
// "“X” closes most: 46 % [31, 60]"
std::string best_remedy(const Gap& gap, size_t score) {
  const ClaimResult* best = nullptr;
  bool there = false;
  for (const ClaimResult* c : gap.claims) {
    const ClaimResult::Row& row = c->rows[score];
    if (!row.gap || !row.gap->share) continue;
    there = true;
    if (row.verdict != Verdict::holds) continue;
    if (best == nullptr || *row.gap->share > *best->rows[score].gap->share) best = c;
  }
  if (!there) return "there is none";
  const size_t n = gap.claims.size();
  if (best != nullptr)
    return fmt::format("{} closes {}{}", side(*best->claim, best->claim->better), n > 1 ? "most: " : "",
                       share_of_gap(*best->rows[score].gap));
  std::string names;
  for (const ClaimResult* c : gap.claims)
    names += (names.empty() ? "" : ", ") + side(*c->claim, c->claim->better);
  if (n == 1) return names + ", the one remedy compared with it, is not shown to close any";
  constexpr size_t kNamed = 4;  // more are in the figure of all shares
  return fmt::format("none of the {} remedies compared with it{} is shown to close any", n,
                     n > kNamed ? "" : " (" + names + ")");
}
std::string best_remedies(const Gap& gap) {
  std::vector<std::pair<std::string, std::string>> said;  // and the scores by which it is so
  for (size_t m = 0; m < kScores.size(); ++m) {
    const std::string says = best_remedy(gap, m);
    if (!said.empty() && said.back().first == says)
      said.back().second += std::string(", ") + kScores[m];
    else
      said.emplace_back(says, kScores[m]);
  }
  std::string out = fmt::format("Of the gap from {} to {},", gap.from, gap.to);
  for (const auto& s : said)
    out += fmt::format("{} by {} {}", &s == &said.front() ? "" : ";", s.second, s.first);
  return out + ".";
}
// The remedies that close most of the gap of the gate's claim, and of any other that some remedy closes; else
// the clearest difference between targets; else that there are remedies, chosen later; else the smallest
// effect that would have been detected.
std::string main_effect(const ExperimentResults& r) {
  const std::vector<Gap> gaps = gaps_of(r);
  const auto closed = [](const Gap& g) {
    return std::any_of(g.claims.begin(), g.claims.end(), [](const ClaimResult* c) {
      return std::any_of(c->rows.begin(), c->rows.end(), [](const ClaimResult::Row& row) {
        return row.verdict == Verdict::holds && row.gap && row.gap->share;
      });
    });
  };
  const bool any_closed = std::any_of(gaps.begin(), gaps.end(), closed);
  std::string out;
  for (const Gap& g : gaps)
    if (closed(g) || &g == &gaps.front() || !any_closed) out += (out.empty() ? "" : " ") + best_remedies(g);
  if (!out.empty()) return out;
  if (const ClaimResult* c = first_claim(r, "diversity"); c && !c->rows.empty()) {
    const ClaimResult::Row& row = c->rows.front();
    return fmt::format("From human to generated targets {} goes {}.", escape_html(row.by),
                       page::change(row.from, row.to, page::digits_for(row.from, row.to)));
  }
  if (std::ranges::any_of(r.claims, [](const ClaimResult& c) {
        return !c.rows.empty() && !c.claim->ceiling.empty() && c.claim->chosen_later;
      }))
    return "What might close the gap was chosen later, when results had been seen: the table of claims has "
           "it.";
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
  if (r.test_repeated > 0)
    out.push_back(fmt::format(
        "{} of {} test pairs repeat an earlier one: intervals count them as independent, and so are too "
        "narrow.",
        page::counted(r.test_repeated), page::counted(r.test_sentences)));
  if (r.bleu_tokenizer != "13a")
    out.push_back(fmt::format(
        "The test set is written without spaces: BLEU counts what sacreBLEU&rsquo;s tokenizer {} gives.",
        r.bleu_tokenizer));
  int64_t later = 0, doubled = 0;
  bool errors = false;
  for (const ClaimResult& c : r.claims) {
    later += c.claim->chosen_later;
    errors |= c.claim->kind == "errors";
  }
  for (const TargetsResult& t : r.targets) doubled = std::max(doubled, t.doubled);
  if (later > 0)
    out.push_back(fmt::format("Chosen later, when results had been seen, and marked so: {} of {} claims.",
                              later, r.claims.size()));
  if (errors)
    out.push_back(
        doubled > 0
            ? fmt::format("Claims about errors rest on the {} sentences of the pool that have two human "
                          "translations.",
                          page::counted(doubled))
            : "Claims about errors are undecided: no sentence of the pool has two human translations.");
  if (const int64_t n = without_likelihood(r); n > 0)
    out.push_back(fmt::format(
        "{} of {} test pairs {} not fit the context of a student: NLL leaves {} out, BLEU and chrF do not.",
        page::counted(n), page::counted(r.test_sentences), n == 1 ? "does" : "do", n == 1 ? "it" : "them"));
  if (r.unfinished > 0)
    out.push_back(fmt::format("{} off where the generator&rsquo;s context ends ({} translated).",
                              some(r.unfinished, "translation breaks", "translations break"),
                              some(r.generated, "source was", "sources were")));
  for (const auto& o : r.outside)
    if (o.left_out + o.unfinished > 0)
      out.push_back(
          fmt::format("&ldquo;{}&rdquo; translates {} of {} sources not at all, and {} others only in part.",
                      escape_html(o.name), page::counted(o.left_out), page::counted(o.sources),
                      page::counted(o.unfinished)));
  if (!r.one_text.empty())
    out.push_back(
        fmt::format("One text serves all seeds, so intervals hold no variance between generators: {}.",
                    escape_html(fmt::format("{}", fmt::join(r.one_text, ", ")))));
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
