#include "experiment/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "experiment/chart.h"
#include "text/words.h"

namespace rum {
namespace {
constexpr const char* kStyle = R"(
:root{--paper:#fff;--ink:#1c1e21;--soft:#5c6370;--rule:#d9dce1;--shade:#f5f6f8;--good:#1a7f4b;--bad:#b3261e;--open:#7a6200;
--c0:#2f5fd0;--c1:#d0602f;--c2:#2a8a5c;--c3:#9a3fb5;--c4:#b58a00;--c5:#00879b;--c6:#c2316f;--c7:#6b7280}
@media (prefers-color-scheme:dark){:root{--paper:#15171a;--ink:#e6e8eb;--soft:#9aa2ae;--rule:#343941;--shade:#1e2126;--good:#5fcf95;
--bad:#ff8a80;--open:#e6c34a;--c0:#7ea2ff;--c1:#ff9a6b;--c2:#5fcf95;--c3:#d68cf0;--c4:#e6c34a;--c5:#4fd0e3;--c6:#ff86b4;--c7:#a5adb8}}
@media print{:root{--paper:#fff;--ink:#000;--soft:#444;--rule:#bbb;--shade:#f4f4f4}section{break-inside:avoid}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:58rem;padding:1.5rem 1rem 4rem;background:var(--paper);color:var(--ink);font:16px/1.55 Charter,Georgia,serif}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 .3rem}h2{font-size:1.2rem;margin:2.4rem 0 .6rem;border-bottom:1px solid var(--rule);padding-bottom:.2rem}
p,li{max-width:44rem}.soft{color:var(--soft);font-size:.9rem}
.scroll{overflow-x:auto;margin:.8rem 0}table{border-collapse:collapse;font:.85rem/1.4 system-ui,sans-serif;font-variant-numeric:tabular-nums}
th,td{padding:.28rem .6rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--rule)}th{font-weight:600;color:var(--soft)}
td:first-child,th:first-child,.left{text-align:left}.wrap{white-space:normal;min-width:14rem}.many th{white-space:normal;min-width:5.5rem;vertical-align:bottom}tr.main td{background:var(--shade)}
.verdict{font-weight:600}.holds{color:var(--good)}.does_not_hold{color:var(--bad)}.undecided{color:var(--open)}
figure{margin:1rem 0}svg{width:100%;height:auto;font:12px system-ui,sans-serif}
svg text{fill:var(--ink)}svg .title{font-size:13px;font-weight:600}svg .tick,svg .label{fill:var(--soft)}svg .label,svg .tick{font-size:11px}
.grid{stroke:var(--rule)}.zero{stroke:var(--soft)}.line{fill:none;stroke-width:2}.level{stroke-width:2;stroke-dasharray:5 4}.interval{stroke-width:2;opacity:.55}
.band{opacity:.12;stroke:none}
.s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}.s4{stroke:var(--c4)}.s5{stroke:var(--c5)}.s6{stroke:var(--c6)}.s7{stroke:var(--c7)}
.dot.s0,.band.s0{fill:var(--c0)}.dot.s1,.band.s1{fill:var(--c1)}.dot.s2,.band.s2{fill:var(--c2)}.dot.s3,.band.s3{fill:var(--c3)}
.dot.s4,.band.s4{fill:var(--c4)}.dot.s5,.band.s5{fill:var(--c5)}.dot.s6,.band.s6{fill:var(--c6)}.dot.s7,.band.s7{fill:var(--c7)}
mark{background:none;color:var(--bad);text-decoration:underline dotted}
.sample{border-left:3px solid var(--rule);padding:.1rem .9rem;margin:1rem 0}.sample dl{display:grid;grid-template-columns:11rem 1fr;gap:.1rem .8rem;margin:.4rem 0;font-size:.92rem}
.sample dt{color:var(--soft);font:.8rem/1.7 system-ui,sans-serif}.sample dd{margin:0}
@media (max-width:600px){.wrap{min-width:8rem}td,th{padding:.25rem .35rem}.sample dl{grid-template-columns:1fr}body{padding:1rem .7rem 3rem}}
)";

std::string shown(double v, int digits = 1) {
  return std::isfinite(v) ? fmt::format("{:.{}f}", v, digits) : "not defined";
}
int digits_for(double v) {  // so that about four are shown
  return std::abs(v) >= 1000 ? 0 : std::abs(v) >= 100 ? 1 : std::abs(v) >= 10 ? 2 : 3;
}
std::string measured(double v) { return shown(v, digits_for(v)); }
std::string signed_number(double v, int digits) {
  return std::isfinite(v) ? fmt::format("{:+.{}f}", v, digits) : "not defined";
}
int digits_of(const std::string& by) { return by == "NLL" ? 2 : 1; }
std::string p_value(double p) {
  return !std::isfinite(p) ? "–" : p < 0.001 ? "&lt; .001" : fmt::format("{:.3f}", p).substr(1);
}
std::string interval(const Effect& e, int digits) {
  return fmt::format("{} [{}, {}]", signed_number(e.value, digits), signed_number(e.low, digits),
                     signed_number(e.high, digits));
}
std::string ratio(const ArmResult& a, int64_t pool) {
  if (a.seed_pairs == 0) return "–";
  const double r = static_cast<double>(a.seed_pairs) / static_cast<double>(pool);
  return r >= 1 ? fmt::format("{:.3g} : 1", r) : fmt::format("1 : {:.3g}", 1 / r);
}

class Report {
 public:
  Report(const ExperimentResults& r, const ReportFacts& f) : r_(r), f_(f), c_(*r.config) {}
  std::string html() {
    put("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" "
        "content=\"width=device-width,initial-scale=1\">\n");
    put(fmt::format("<title>{0}</title>\n<style>{1}</style></head><body>\n<h1>{0}</h1>\n",
                    escape_html(c_.title), kStyle));
    put(
        fmt::format("<p class=\"soft\">{} students, {} seeds an arm, {} test sentences. Made {} on {}, state "
                    "of the code {}.</p>\n",
                    students(), c_.seeds, r_.test_sentences, escape_html(f_.made), escape_html(f_.machine),
                    escape_html(f_.commit)));
    claims(), gate(), arms(), curves(), fractions(), mechanisms(), samples(), provenance(), differences();
    put("</body></html>\n");
    return std::move(out_);
  }

 private:
  void put(const std::string& s) { out_ += s; }
  void section(const char* title, const std::string& about) {
    put(fmt::format("<section><h2>{}</h2>\n", title));
    if (!about.empty()) put("<p>" + about + "</p>\n");
  }
  void end() { put("</section>\n"); }
  size_t students() const {
    size_t n = 0;
    for (const ArmResult& a : r_.arms)
      if (a.model == "last") n += a.rows[0].size();
    return n;
  }

  // "46 % [31, 60]"; a gap whose sign is uncertain has no share.
  static std::string share_of_gap(const GapClosed& g) {
    if (!g.share || !g.interval) return "no gap";
    return fmt::format("{:.0f} % [{:.0f}, {:.0f}]{}", 100 * *g.share, 100 * g.interval->first,
                       100 * g.interval->second, g.gap_sign_flips > 0 ? ", of a gap of uncertain sign" : "");
  }
  void claims() {
    section("Claims",
            "Each claim is a difference between two arms, or between two sets of targets, that should have "
            "the sign the paper gives it. "
            "It <b>holds</b> when the whole 95 % interval lies on that side and p, corrected over all claims "
            "(Holm), is below .05; "
            "it does <b>not hold</b> when the same is true of the other side; everything else is "
            "<b>undecided</b>, and the column "
            "&ldquo;could see&rdquo; tells the smallest effect that this comparison would have found in 80 "
            "of 100 repetitions.");
    put("<div class=\"scroll\"><table><tr><th>claim</th><th class=\"left\">by</th><th "
        "class=\"left\">verdict</th><th>difference "
        "[95 %]</th><th>p</th><th>p, Holm</th><th>p, swaps</th><th>could see</th><th>seeds, sd</th><th>gap "
        "closed</th></tr>\n");
    for (const ClaimResult& c : r_.claims) {
      bool first = true;
      for (const ClaimResult::Row& row : c.rows) {
        const bool students = c.claim->kind == "students";
        const int d = students ? digits_of(row.by) : digits_for(row.difference.value);
        const std::string verdict = name(row.verdict);
        std::string css = verdict;
        std::replace(css.begin(), css.end(), ' ', '_');
        put(
            fmt::format("<tr{}><td class=\"wrap\">{}</td><td class=\"left\">{}</td><td class=\"left verdict "
                        "{}\">{}</td><td>{}</td>"
                        "<td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                        first ? " class=\"main\"" : "",
                        first ? fmt::format("<b>{}</b> {}{}<br><span class=\"soft\">{} against {}</span>",
                                            escape_html(c.claim->id), escape_html(c.claim->text),
                                            c.claim->chosen_later ? " <i>(chosen after looking)</i>" : "",
                                            escape_html(c.claim->better), escape_html(c.claim->worse))
                              : "",
                        escape_html(row.by), css, verdict, interval(row.difference, d),
                        p_value(row.difference.p), p_value(row.corrected), p_value(row.randomised),
                        students ? shown(row.difference.detectable(), d) : "–",
                        shown(row.difference.seeds.sd, d + 1), row.gap ? share_of_gap(*row.gap) : "–"));
        first = false;
      }
    }
    put("</table></div>\n<p class=\"soft\">Intervals resample seeds and, within them, the test sentences, "
        "both paired across arms. "
        "For claims about targets the interval is the range over the generators of all seeds and p the "
        "largest of theirs. "
        "NLL is the mean negative log-likelihood of a token of the human translation, in nats: lower is "
        "better. Gap closed: how far the better arm goes from the worse one to the claim&rsquo;s ceiling, as "
        "a "
        "ratio of means that are resampled together.</p>\n");
    end();
  }
  void gate() {
    if (!r_.gate) return;
    put(fmt::format(
        "<p class=\"{}\"><b>Gate of this scale: {}.</b> {} reaches BLEU {} (asked: {}); the half-width of "
        "{}&rsquo;s interval is {} "
        "(asked: at most {}).{}</p>\n",
        r_.gate->met ? "holds" : "does_not_hold", r_.gate->met ? "met" : "not met", escape_html(c_.gate.arm),
        shown(r_.gate->bleu), shown(c_.gate.bleu), escape_html(c_.gate.claim), shown(r_.gate->half_width, 2),
        shown(c_.gate.half_width, 2),
        r_.gate->met ? "" : " The sizes of this scale are wrong, not the claims undecided: change them."));
  }
  void arms() {
    section("Arms",
            "Scores of students on the human test set: mean over seeds, and the difference to the students "
            "of human targets at the "
            "same volume (and of the same recipe) with its 95 % interval. The sign of such a difference "
            "depends on how much real text "
            "the generator "
            "learned from and on how it writes, so both stand on every row.");
    put("<div class=\"scroll\"><table><tr><th>arm</th><th class=\"left\">group</th><th "
        "class=\"left\">targets</th><th>seed : pool</th>"
        "<th>pairs</th><th>BLEU</th><th>to human</th><th>chrF</th><th>to human</th><th>NLL</th><th>to "
        "human</th></tr>\n");
    IntervalChart chart{"Difference to human targets, BLEU (95 %)", "BLEU", {}};
    for (const ArmResult& a : r_.arms) {
      std::string cells;
      for (size_t m = 0; m < kScores.size(); ++m) {
        const int d = digits_of(kScores[m]);

        cells +=
            fmt::format("<td>{}<span class=\"soft\"> ±{}</span></td><td>{}</td>", shown(a.scores[m].value, d),
                        shown(a.scores[m].seeds.sd, d), a.compared ? interval(a.to_real[m], d) : "–");
      }
      put(
          fmt::format("<tr><td>{}</td><td class=\"left\">{}</td><td "
                      "class=\"left\">{}</td><td>{}</td><td>{}</td>{}</tr>\n",
                      escape_html(a.name()), escape_html(a.arm->group), escape_html(a.arm->targets),
                      ratio(a, c_.data.pool_pairs), a.pool_pairs, cells));
      if (a.compared && a.volume == 1 && a.model == "last")
        chart.rows.push_back({a.name(), interval(a.to_real[0], 1), a.to_real[0].value, a.to_real[0].low,
                              a.to_real[0].high, a.arm->group.empty() ? 0 : a.arm->group[0] - 'A'});
    }
    put("</table></div>\n<figure>" + svg(chart) +
        "</figure>\n<p class=\"soft\">±: standard deviation over seeds.</p>\n");
    end();
  }
  void curves() {
    LineChart chart{"Learning curves", "pairs of the pool", "BLEU", {}, false};
    for (const Arm& arm : c_.arms) {
      if (arm.volumes.size() < 2) continue;
      ChartLine line{arm.name, {}, false};
      for (const ArmResult& a : r_.arms)
        if (a.arm == &arm && a.model == "last")
          line.points.push_back({a.volume * static_cast<double>(c_.data.pool_pairs), a.scores[0].value,
                                 a.scores[0].low, a.scores[0].high});
      std::sort(line.points.begin(), line.points.end(),
                [](const auto& a, const auto& b) { return a.x < b.x; });
      chart.lines.push_back(std::move(line));
    }
    if (chart.lines.empty()) return;
    section("Volume", "Students that see a part of the pool, for as many rounds each.");
    put("<figure>" + svg(chart) + "</figure>\n"), end();
  }
  void fractions() {
    LineChart chart{"A fraction of real data", "share of the pool with human targets", "BLEU", {}, true};
    const auto line = [&](const std::string& name) -> ChartLine& {
      for (ChartLine& l : chart.lines)
        if (l.name == name) return l;
      chart.lines.push_back({name, {}, false});
      return chart.lines.back();
    };
    for (const ArmResult& a : r_.arms) {
      if (a.volume != 1 || a.arm->apply.size() != 1) continue;
      const AppliedOperation& o = a.arm->apply.front();
      const Json whole{o.parameters};
      double share = 0;
      const ChartPoint p{0, a.scores[0].value, a.scores[0].low, a.scores[0].high};
      const auto add = [&](const std::string& name) {
        line(name).points.push_back(p), line(name).points.back().x = share;
      };
      if (const Json* s = whole.find("share"); o.op == "subset" && s && s->number(share))
        add(a.model == "best" ? "human targets alone, best weights" : "human targets alone, equal tokens");
      if (const Json* s = whole.find("real"); o.op == "mix" && s && s->number(share))
        add("mixed with " + a.arm->targets);
    }
    if (chart.lines.empty()) return;
    const auto compared = [&](const std::string& arm) {  // in the first claim: real and regurgitated
      return !c_.claims.empty() && (arm == c_.claims.front().better || arm == c_.claims.front().worse);
    };
    for (const ArmResult& a : r_.arms)
      if (a.volume == 1 && a.model == "last" && compared(a.arm->name))
        chart.lines.push_back(
            {a.arm->name, {{0, a.scores[0].value, a.scores[0].value, a.scores[0].value}}, true});
    for (ChartLine& l : chart.lines)
      std::sort(l.points.begin(), l.points.end(), [](const auto& a, const auto& b) { return a.x < b.x; });
    section("Fraction of real data",
            "Students of a part of the pool with its human targets, alone or filled up with generated ones. "
            "Equal tokens means more rounds over less text; best weights are those of the lowest validation "
            "loss.");
    put("<figure>" + svg(chart) + "</figure>\n"), end();
  }
  void mechanisms() {
    if (r_.targets.empty()) return;
    section(
        "Mechanisms",
        "What differs between the targets, sentence by sentence against the human ones (mean over seeds). "
        "Beside errors stands the floor: what a second human translation shows, on the sentences of the pool "
        "that have one.");
    table("errors", "floor", &TargetsResult::errors, &TargetsResult::floor);
    table("lexical diversity", "human", &TargetsResult::diversity, &TargetsResult::diversity);
    std::string notes;
    for (const TargetsResult& t : r_.targets)
      for (const std::string& n : t.notes)
        notes += fmt::format("<li>{}: {}</li>\n", escape_html(t.name), escape_html(n));
    if (!notes.empty())
      put("<p>What the changed targets reached:</p><ul class=\"soft\">" + notes + "</ul>\n");
    IntervalChart chart{"What each mechanism costs, BLEU (95 %)", "difference to human targets", {}};
    for (const ArmResult& a : r_.arms)
      if (a.arm->group == "C" && a.compared)
        chart.rows.push_back({a.name(), interval(a.to_real[0], 1), a.to_real[0].value, a.to_real[0].low,
                              a.to_real[0].high, 2});
    put("<figure>" + svg(chart) + "</figure>\n"), end();
  }
  // Whose targets are shown: those of generators, and of arms that change mechanisms; shares and mixtures of
  // these are nothing new.
  bool is_mechanism(const TargetsResult& t) const {
    return std::none_of(c_.arms.begin(), c_.arms.end(), [&](const Arm& a) {
      return a.name == t.name && std::all_of(a.apply.begin(), a.apply.end(), [](const AppliedOperation& o) {
               return o.op == "subset" || o.op == "mix";
             });
    });
  }
  static const MeasureResult* find(const std::vector<MeasureResult>& list, const std::string& measure) {
    const auto at =
        std::find_if(list.begin(), list.end(), [&](const MeasureResult& m) { return m.measure == measure; });
    return at == list.end() ? nullptr : &*at;
  }
  void table(const char* title, const char* people, std::vector<MeasureResult> TargetsResult::*list,
             std::vector<MeasureResult> TargetsResult::*human) {
    std::vector<const TargetsResult*> shown;
    for (const TargetsResult& t : r_.targets)
      if (is_mechanism(t)) shown.push_back(&t);
    if (shown.empty() || (shown.front()->*list).empty()) return;
    put(fmt::format("<div class=\"scroll\"><table class=\"many\"><tr><th>{}</th><th>{}</th>", title, people));
    for (const TargetsResult* t : shown) put("<th>" + escape_html(t->name) + "</th>");
    put("</tr>\n");
    for (const MeasureResult& m : shown.front()->*list) {
      const MeasureResult* floor = find(shown.front()->*human, m.measure);
      put(fmt::format("<tr><td>{}</td><td>{}</td>", escape_html(m.measure),
                      floor ? measured(spread(floor->human).mean) : "–"));
      for (const TargetsResult* t : shown) {
        const MeasureResult* x = find(t->*list, m.measure);
        put("<td>" + (x ? measured(spread(x->values).mean) : "–") + "</td>");
      }
      put("</tr>\n");
    }
    put("</table></div>\n");
  }
  // The translation with every word marked that the longest common word sequence with the reference leaves
  // out.
  static std::string marked(const std::string& translation, const std::string& reference) {
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
  void samples() {
    if (!f_.text || r_.samples.empty()) return;
    section("Samples",
            "Sentences at even distances through the test set, as the students of seed 1 translate them. "
            "Words that the reference "
            "does not have in this order are marked; a marked word need not be wrong.");
    for (const TranslationSample& s : r_.samples) {
      put(
          fmt::format("<div class=\"sample\"><span class=\"soft\">sentence {}</span><dl><dt>source</dt><dd "
                      "lang=\"de\">{}</dd><dt>reference</dt><dd>{}</dd>",
                      s.id, escape_html(s.source), escape_html(s.reference)));
      for (const auto& [arm, translation] : s.translations)
        put(fmt::format("<dt>{}</dt><dd>{}</dd>", escape_html(arm), marked(translation, s.reference)));
      put("</dl></div>\n");
    }
    end();
  }
  void provenance() {
    section("Provenance and cost", "");
    const ExperimentData& d = c_.data;
    put(fmt::format(
        "<p>Seed set {} pairs, pool {}, test {}; all sets disjoint on both sides. Every line of generated "
        "text is kept with its "
        "generator, checkpoint, decoding, seed and log-probability in the stage that wrote it.</p>\n",
        d.seed_pairs, d.pool_pairs, r_.test_sentences));
    put("<div class=\"scroll\"><table><tr><th>stages</th><th>number</th><th>hours of one "
        "process</th></tr>\n");
    double sum = 0;
    for (const auto& c : r_.costs) {
      sum += c.seconds;
      put(fmt::format("<tr><td>{}</td><td>{}</td><td>{:.2f}</td></tr>\n", escape_html(c.kind), c.stages,
                      c.seconds / 3600));
    }
    put(fmt::format("<tr class=\"main\"><td>all</td><td></td><td>{:.2f}</td></tr></table></div>\n",
                    sum / 3600));
    std::string builds;
    for (const std::string& b : r_.builds) builds += (builds.empty() ? "" : "; ") + b;
    put("<p class=\"soft\">Built as: " + escape_html(builds) + "</p>\n");
    end();
  }
  void differences() {
    section("What differs from the paper",
            "Zhang, Qiao, Yang and Wei (arXiv 2407.12835) train on Europarl, German to English, and judge by "
            "BLEU; model sizes, volumes, decoding and "
            "detector of their from-scratch part are not known here. This experiment chooses its own and "
            "says so on every row. It claims to "
            "reproduce directions, with effect sizes and intervals, and never to match their numbers.");
    put(
        fmt::format("<ul><li>Corpus and sizes: those of the config, {} pairs in the pool; sentences may be "
                    "far shorter than Europarl&rsquo;s.</li>"
                    "<li>Students are prefix language models or encoder-decoders of about a million "
                    "parameters at laptop scale.</li>"
                    "<li>Judged by BLEU, chrF and the likelihood of human text side by side: by BLEU a "
                    "student may gain from a better "
                    "generator (distillation) where it loses by likelihood.</li><li>The causal arms (errors "
                    "injected, diversity thinned, errors "
                    "repaired) are not in the paper, which leaves the mechanisms as suggestions.</li></ul>\n",
                    c_.data.pool_pairs));
    end();
  }

  const ExperimentResults& r_;
  const ReportFacts& f_;
  const ExperimentConfig& c_;
  std::string out_;
};
}  // namespace

std::string report_html(const ExperimentResults& r, const ReportFacts& f) { return Report(r, f).html(); }
}  // namespace rum
