// The claims in a report: the grid of verdicts, the numbers behind each, and the share of the gap that is
// closed.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "experiment/report_page.h"
#include "experiment/result_files.h"
#include "page/chart.h"

namespace rum::experiment {
namespace {
bool of_students(const ClaimResult& c) { return c.claim->kind == "students"; }
bool any(const ExperimentResults& r, bool students) {
  return std::any_of(r.claims.begin(), r.claims.end(),
                     [&](const ClaimResult& c) { return of_students(c) == students; });
}
int digits_of_row(const ClaimResult& c, const ClaimResult::Row& row) {
  return of_students(c) ? digits_of(row.by) : page::digits_for(row.from, row.to);
}
std::string against(const ExperimentConfig& config, const Claim& c) {
  const auto arm = [&](const std::string& name) {
    return escape_html(name) +
           (c.weights == "last" ? "" : fmt::format(" ({} weights)", weights_of(config, c, name)));
  };
  std::string out = fmt::format("{} against {}", arm(c.better), arm(c.worse));
  for (const auto& [better, worse] : c.mean_with)
    out += fmt::format(", {} against {}", arm(better), arm(worse));
  if (const auto& [better, worse] = c.minus_with; !better.empty())
    out += fmt::format(", minus {} against {}", arm(better), arm(worse));
  return c.mean_with.empty() ? out : "mean of " + out;
}

// ---- verdicts
void grid_of_students(page::Page& page, const ExperimentResults& r) {
  page::Table t{"Verdicts of the claims about students, by each score.", "claims.json", {{"claim"}}};
  for (size_t m = 0; m < kScores.size(); ++m) t.head.push_back(score_head(m));
  for (const ClaimResult& c : r.claims) {
    if (!of_students(c)) continue;
    std::vector<std::string> row{claim_sentence(*c.claim)};
    for (const ClaimResult::Row& by : c.rows) row.push_back(verdict_html(by.verdict));
    t.rows.push_back(std::move(row));
  }
  page.table(t);
}
void grid_of_targets(page::Page& page, const ExperimentResults& r) {
  page::Table t{"Verdicts of the claims about targets: by which measures each holds.",
                "claims.json",
                {{"claim"}, {"holds"}, {"does not hold"}, {"undecided"}}};
  for (const ClaimResult& c : r.claims) {
    if (of_students(c)) continue;
    std::vector<std::string> row{claim_sentence(*c.claim)};
    for (const Verdict v : {Verdict::holds, Verdict::does_not_hold, Verdict::undecided}) {
      std::string measures;
      for (const ClaimResult::Row& by : c.rows)
        if (by.verdict == v) measures += (measures.empty() ? "" : ", <br>") + escape_html(by.by);
      row.push_back(measures.empty() ? "–" : measures);
    }
    t.rows.push_back(std::move(row));
  }
  page.table(t);
}

// ---- numbers
// The cells that both tables have for a row, with this many digits.
std::vector<std::string> verdict_cells(const Claim& c, const ClaimResult::Row& row, int digits) {
  const Effect& e = row.difference;
  return {escape_html(row.by),      verdict_html(row.verdict),    from_to(c, row, digits),
          interval_text(e, digits), p_value_text(e, digits, e.p), p_value_text(e, digits, row.corrected)};
}
// By BLEU, in which the gate asks for it.
bool too_wide(const ExperimentResults& r, const ClaimResult::Row& row) {
  return r.gate && !r.config->gate.claim.empty() && row.by == kScores[0] &&
         (row.difference.high - row.difference.low) / 2 > r.config->gate.half_width;
}
bool any_of_students(const ExperimentResults& r, const std::function<bool(const ClaimResult::Row&)>& is) {
  return std::any_of(r.claims.begin(), r.claims.end(), [&](const ClaimResult& c) {
    return of_students(c) && std::any_of(c.rows.begin(), c.rows.end(), is);
  });
}
std::string caption_of_students(const ExperimentResults& r) {
  std::string out =
      "Claims about students. The difference is the first arm minus the second, with its 95 % interval; "
      "beside it the scores of the second and of the first. &ldquo;Could see&rdquo;: the smallest effect "
      "that this comparison, if it were the only one, would have found in 80 of 100 repetitions. "
      "&ldquo;p, swaps&rdquo; takes these students as fixed: it may be small where p is not, for it says "
      "nothing of students of other seeds, so it is not corrected and decides no verdict. "
      "&ldquo;sd of seeds&rdquo; is that of the paired difference.";
  if (std::any_of(r.claims.begin(), r.claims.end(),
                  [](const ClaimResult& c) { return !c.claim->minus_with.first.empty(); }))
    out +=
        " Of a claim with a &ldquo;minus&rdquo; the difference is that of the first two arms minus that of "
        "the other two, and beside it stand the other difference and the first; swaps would test that the "
        "arms of each pair are alike, not that the pairs differ alike, so it has no p by them.";
  if (any_of_students(r, [&](const ClaimResult::Row& row) { return too_wide(r, row); }))
    out += fmt::format(" Wide: the half-width of the interval is above the {} BLEU that the gate asks for.",
                       page::shown(r.config->gate.half_width, 2));
  if (any_of_students(r, [](const ClaimResult::Row& row) { return row.gap.has_value(); }))
    out +=
        " Gap closed: how far the first arm goes from the second to the claim&rsquo;s ceiling, a ratio of "
        "means that are resampled together, with Fieller&rsquo;s interval, which holds 0 just when that of "
        "the difference does and allows for few seeds, with which percentiles of the resampled ratio are too "
        "narrow; with a ?, the gap itself may have the other sign, so its share means little, and may be "
        "unbounded; none where the ceiling is not better.";
  return out;
}
void numbers_of_students(page::Page& page, const ExperimentResults& r) {
  page::Table t{
      caption_of_students(r),
      "claims.json",
      {{"by"},
       {"verdict"},
       {"second → first"},
       {"difference [95 %]",
        "Resamples seeds, and test sentences by one draw for all of them (Owen's pigeonhole bootstrap), both "
        "paired across arms; wider by Student's t where few seeds make much of the variance."},
       {"p", "Two-sided, by the same bootstrap, or by Student's t where that is larger."},
       {"p, Holm",
        "Corrected over all claims that are judged by this score. Claims chosen later do not count "
        "against the others."},
       {"p, swaps",
        "By approximate randomisation of these students' translations: not corrected, and not used for the "
        "verdict."},
       {"could see"},
       {"sd of seeds", "Of the paired difference."},
       {"gap closed"}}};
  for (const ClaimResult& c : r.claims) {
    if (!of_students(c)) continue;
    t.rows.push_back({fmt::format("{}: {}", claim_sentence(*c.claim), against(*r.config, *c.claim))});
    for (const ClaimResult::Row& row : c.rows) {
      const int d = digits_of_row(c, row);
      const Effect& e = row.difference;
      std::vector<std::string> cells = verdict_cells(*c.claim, row, d);
      if (too_wide(r, row)) cells[3] += " <small>wide</small>";
      cells.insert(cells.end(), {p_value_text(e, d, row.randomised), page::shown(e.detectable(), d),
                                 std::isfinite(e.seeds.sd) ? page::shown(e.seeds.sd, d + 1) : "–",
                                 row.gap ? share_of_gap(*row.gap) : "–"});
      t.rows.push_back(std::move(cells));
    }
  }
  page.table(t);
}
void numbers_of_targets(page::Page& page, const ExperimentResults& r) {
  page::Table t{
      "Claims about targets. The interval is the range over the generators of all seeds; if they agree "
      "there is none, and no p. Errors are compared on the sentences that have two human translations, "
      "and the human value is that of the second.",
      "claims.json",
      {{"by"},
       {"verdict"},
       {"human → generated"},
       {"difference [range]", "Human minus generated where the claim has it so, over the seeds."},
       {"p", "The largest of any generator's, by swapping lines."},
       {"p, Holm", "Corrected over all claims of this kind."},
       {"sentences"}}};
  for (const ClaimResult& c : r.claims) {
    if (of_students(c)) continue;
    t.rows.push_back({fmt::format("{}: {}", claim_sentence(*c.claim), against(*r.config, *c.claim))});
    for (const ClaimResult::Row& row : c.rows) {
      t.rows.push_back(verdict_cells(*c.claim, row, digits_of_row(c, row)));
      t.rows.back().push_back(page::counted(compared_sentences(r, *c.claim)));
    }
  }
  page.table(t);
}

// ---- the gap
void gap_bars(page::Page& page, const ExperimentResults& r) {
  std::vector<std::string> charts;
  for (size_t m = 0; m < kScores.size(); ++m) {
    page::IntervalChart chart{
        fmt::format("Gap closed, by {}", kScores[m]), "share of the gap that is closed", {}, {}};
    std::vector<const ArmResult*> arms;
    chart.percent = chart.bars = true;
    chart.least = -1;
    chart.most = 2;
    for (const ClaimResult& c : r.claims) {
      if (c.rows.size() <= m || !c.rows[m].gap || !c.rows[m].gap->interval) continue;
      const GapClosed& g = *c.rows[m].gap;
      const auto arm = std::find_if(r.arms.begin(), r.arms.end(), [&](const ArmResult& a) {
        return a.arm->name == c.claim->better && a.weights == c.claim->weights;
      });
      if (arm == r.arms.end()) continue;
      arms.push_back(&*arm);
      std::string label = fmt::format("{}, from {}", c.claim->better, c.claim->worse);
      if (const size_t more = c.claim->mean_with.size())
        label = fmt::format("mean of {}: {}, …", more + 1, label);
      chart.rows.push_back({std::move(label), share_of_gap(g), *g.share, g.interval->first,
                            g.interval->second, group_key(*r.config, arm->arm->group)});
    }
    chart.legend = group_legend(*r.config, arms);
    if (!chart.rows.empty()) charts.push_back(page::svg(chart));
  }
  if (charts.empty()) return;
  page.figure(
      charts,
      "Share of the gap that each remedy closes, with its 95 % interval (Fieller&rsquo;s): 0 % is the arm "
      "that it starts from, 100 % the ceiling of its claim. Arrows: the interval continues beyond the axis, "
      "or has no bound there.",
      "claims.json");
}
// What makes all claims about students doubtful; the top of the page has it among all else.
std::string care(const ExperimentResults& r) {
  if (!any(r, true)) return "";
  std::string out;
  if (r.gate && !r.gate->met) out += " The gate of this scale is not met.";
  if (r.test_repeated > 0)
    out += fmt::format(" {} of {} test pairs repeat an earlier one, so intervals are too narrow.",
                       page::counted(r.test_repeated), page::counted(r.test_sentences));
  return out.empty() ? "" : " <b>Read with care:</b>" + out;
}
}  // namespace

void put_claims(page::Page& page, const ExperimentResults& r) {
  page.section(
      "Claims",
      "Each claim is a difference between two arms, or between two sets of targets, that should have "
      "the sign that it states. It <b>holds</b> when the whole 95 % interval lies on that side and "
      "p, corrected over all claims (Holm), is below .05; it does <b>not hold</b> when the same is true "
      "of the other side; everything else is <b>undecided</b>, and so is every claim about students of a "
      "single seed." +
          care(r));
  if (any(r, true)) grid_of_students(page, r);
  if (any(r, false)) grid_of_targets(page, r);
  if (any(r, true)) numbers_of_students(page, r);
  if (any(r, false)) numbers_of_targets(page, r);
  gap_bars(page, r);
}
}  // namespace rum::experiment
