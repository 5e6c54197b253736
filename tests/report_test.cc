// The report of an experiment, on results made by hand: what it prints is worked out here, not by its code.
#include "experiment/report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <regex>
#include <set>
#include <tuple>

#include "base/file.h"
#include "experiment/report_page.h"
#include "experiment/result_files.h"
#include "page/chart.h"
#include "tests/csv.h"
#include "tests/error_of.h"
#include "tests/scratch.h"

namespace rum::report_test {
using namespace experiment;
namespace {
// Everything between two marks, for each occurrence.
std::vector<std::string> between(const std::string& text, const std::string& from, const std::string& to) {
  std::vector<std::string> out;
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos;) {
    const size_t begin = at + from.size(), end = text.find(to, begin);
    if (end == std::string::npos) break;
    out.push_back(text.substr(begin, end - begin)), at = end;
  }
  return out;
}
int64_t times(const std::string& text, const std::string& part) {
  int64_t n = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++n;
  return n;
}
// The first tag that is closed out of order or never, or a stray "<" or "&"; "" if there is none.
std::string malformed(const std::string& html) {
  const std::set<std::string> empty{"meta", "br", "!doctype"};
  std::vector<std::string> open;
  const std::regex tag("</?[a-zA-Z!][a-zA-Z0-9]*( [a-zA-Z0-9-]+(=\"[^\"<>]*\")?)*/?>"),
      entity("&(amp|lt|gt|quot|ldquo|rdquo|rsquo|rarr);");
  for (size_t at = 0; at < html.size(); ++at) {
    if (html.compare(at, 7, "<style>") == 0) at = html.find("</style>", at) + 8;
    if (html[at] != '<' && html[at] != '&') continue;
    std::cmatch m;
    const char* begin = html.data() + at;
    if (!std::regex_search(begin, html.data() + std::min(html.size(), at + 4000), m,
                           html[at] == '<' ? tag : entity, std::regex_constants::match_continuous))
      return "at " + html.substr(at, 60);
    if (html[at] == '&') continue;
    const std::string found = m.str();
    const size_t name_at = found[1] == '/' ? 2 : 1;
    const std::string name = found.substr(name_at, found.find_first_of(" />", name_at) - name_at);
    if (found[1] == '/') {
      if (open.empty() || open.back() != name)
        return "closes " + name + " in " + (open.empty() ? "" : open.back());
      open.pop_back();
    } else if (!empty.contains(name) && !found.ends_with("/>")) {
      open.push_back(name);
    }
  }
  return open.empty() ? "" : "never closed: " + open.back();
}

Effect effect_of(double value, double low, double high, double p) {
  Effect e;
  e.value = value, e.low = low, e.high = high, e.p = p, e.error = (high - low) / 4, e.seeds.sd = 0.1;
  return e;
}
// An experiment of two arms and three claims whose every number is written here.
struct Made {
  ExperimentConfig config;
  ExperimentResults results;
  Made() {
    config.title = "Made <by> hand";
    config.seeds = 5, config.data.pool_pairs = 20000, config.student = "student",
    config.recipes["student"] = {};
    config.arms.resize(2);
    config.arms[0].name = "human", config.arms[0].group = "A", config.arms[0].targets = "human";
    config.arms[1].name = "best & half", config.arms[1].group = "D", config.arms[1].targets = "self/greedy";
    config.claims.resize(3);
    config.claims[0] = {"C1", "real beats regurgitated", "students", "human", "best & half", "", "last", {},
                        false};
    config.claims[1] = {"C6", "remedies help", "students", "best & half", "human", "human", "last", {}, true};
    config.claims[2] = {"C5", "diversity is lower", "diversity", "human", "self/greedy", "", "last", {},
                        false};
    results.config = &config, results.students = 7, results.test_sentences = 5000;
    results.files = {{"tatoeba/train.tsv", "0123456789abcdef"}};
    results.made = "2026-01-01", results.builds = {"abc -O2"};
    results.signatures = {{"BLEU", "nrefs:1|tok:13a"}, {"chrF2", "nrefs:1|nc:6"}};
    results.sets = {{"pool", 20000, 12, 8.25, 7.75}};
    for (const Arm& arm : config.arms) results.arms.push_back(arm_of(arm));
    results.arms[1].against = "human";
    results.arms[1].to_real = {effect_of(-3.5, -4.6, -2.4, 0.0005), effect_of(-2, -3, -1, 0.0005),
                               effect_of(1.9, 1.8, 2.0, 0.0005)};
    for (const Claim& c : config.claims) results.claims.push_back({&c, {}});
    const Effect won = effect_of(3.5, 2.4, 4.6, 0.0005), lost = effect_of(-1.9, -2.0, -1.8, 0.0005);
    results.claims[0].rows = {{"BLEU", 17.3, 20.8, won, 0.01, 0.001, Verdict::holds},
                              {"chrF", 35, 38, effect_of(0.2, -0.4, 0.6, 0.4), 0.4, 1, Verdict::undecided},
                              {"NLL", 4.4, 2.5, lost, 0.01, 0.001, Verdict::does_not_hold}};
    results.claims[1].rows = results.claims[0].rows;
    GapClosed gap;
    gap.share = 0.46, gap.interval = {0.31, 0.6};
    results.claims[1].rows[0].gap = gap;
    // One generator wrote the same share at every seed: a range without width.
    results.claims[2].rows = {
        {"number_mismatch", 1, 0, effect_of(-1, -1, -1, 0.513), NAN, 0.513, Verdict::undecided},
        {"types", 7009, 2147, effect_of(4862, 4800, 4900, 0.001), NAN, 0.004, Verdict::holds}};
    TargetsResult t;
    t.name = "self/greedy", t.pairs = 20000, t.doubled = 187;
    t.errors = {{"ter", {0.69}, {NAN}, {}}}, t.floor = {{"ter", {0.67}, {0.40}, {0.001}}};
    t.diversity = {{"mtld", {30}, {60}, {0.001}}, {"types", {2147}, {7009}, {0.001}}};
    results.targets = {t};
    results.rankings = {{"self/greedy", 20000, {{"reverse", 0.59, {}, -0.1, 12, {1.0}}}}};
    results.detectors = {{"linear", "self/greedy", 1, 0.75, 0.7, 0.8, {{-2, -1, 0, 1}, {-1.5, 0.5, 2, 3}}}};
  }
  static ArmResult arm_of(const Arm& arm) {
    ArmResult a;
    a.arm = &arm, a.weights = "last", a.pool_pairs = a.different_pairs = 20000, a.epochs = 4.2;
    for (SeedRows& rows : a.rows) rows.resize(5);
    for (Bootstrap& b : a.replicates) b.by_seed.assign(5, 20);
    a.scores = {effect_of(20.8, 20, 21.5, 0), effect_of(38, 37, 39, 0), effect_of(2.5, 2.4, 2.6, 0)};
    a.curves.assign(5, {{{500, 3.5}, {1000, 2.75}}, 4.2});
    return a;
  }
  std::string html() const {
    return report_html(results, {"a machine", "a commit", true, {"an arm to come"}});
  }
};

TEST(Report, IsWellFormedAndNeedsNothingElse) {
  const std::string html = Made().html();
  EXPECT_EQ(malformed(html), "");
  EXPECT_NE(malformed("<p><b></p>"), "");  // the check does find it
  EXPECT_NE(malformed("<p>a & b</p>"), "");
  for (const char* bad :
       {"http:", "https:", "//", "src=", "@import", "url(", "<script", "<link", ">nan", "inf<"})
    EXPECT_EQ(html.find(bad), std::string::npos) << bad;
  EXPECT_NE(html.find("Made &lt;by&gt; hand"), std::string::npos);
  EXPECT_NE(html.find("best &amp; half"), std::string::npos);
}

TEST(Report, OverwritesEarlierReportsAlone) {
  const Made made;
  const Scratch scratch;
  Disk& disk = Disk::real();
  const auto refused = [&](const std::string& folder) {
    return error_of([&] { check_report_output(folder); });
  };
  const std::string ours = scratch.path + "/new/ours";
  EXPECT_EQ(refused(ours), "");
  for (const char* page : {"<p>one</p>", "<p>two</p>"}) {  // again and again
    const std::string written = write_report(ours, page, made.results);
    EXPECT_TRUE(written.starts_with(ours + "/report.html, results.csv, ")) << written;
    EXPECT_TRUE(written.ends_with(", claims.json")) << written;
    EXPECT_EQ(disk.read(ours + "/report.html"), page);
    EXPECT_EQ(refused(ours), "");
  }
  for (const auto& [name, content] : result_files(made.results))
    EXPECT_EQ(disk.read(ours + "/" + name), content) << name;
  // Killed while the files took their names: claims.json, the last, is still unfinished.
  disk.remove(ours + "/claims.json");
  EXPECT_NE(refused(ours), "");
  disk.replace_text(ours + "/claims.json.ruminate-0123abcd.tmp", "{");
  EXPECT_EQ(refused(ours), "");
  write_report(ours, "<p>three</p>", made.results);
  EXPECT_FALSE(disk.exists(ours + "/claims.json.ruminate-0123abcd.tmp"));
  // What somebody else left stays.
  const std::string theirs = scratch.path + "/theirs";
  disk.make_folders(theirs);
  disk.replace_text(theirs + "/notes.txt", "mine");
  EXPECT_EQ(refused(theirs), "");
  for (const char* file : {"report.html", "scores.csv", "detectors.csv", "claims.json"}) {
    disk.replace_text(theirs + "/" + file, "{\"claims\": 3}");
    EXPECT_EQ(refused(theirs), theirs + "/" + file +
                                   ": it is there, but not of an earlier report; move it away, or name "
                                   "another folder");
    disk.remove(theirs + "/" + file);
  }
}
TEST(Report, FiguresAndTablesAreNumberedAndHaveCaptions) {
  const Made made;
  const std::string html = made.html();
  for (const std::string kind : {"Table", "Figure"}) {
    const auto numbers = between(html, "<figcaption><b>" + kind + " ", ".</b> ");
    EXPECT_GE(numbers.size(), 4u) << kind;
    for (size_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(numbers[i], std::to_string(i + 1)) << kind;
  }
  EXPECT_EQ(times(html, "<figure"), times(html, "<figcaption>"));
  EXPECT_EQ(times(html, "<table>"), times(html, "<b>Table "));
  // Every file that a caption names is written.
  std::set<std::string> written, linked;
  for (const auto& [name, _] : result_files(made.results)) written.insert(name);
  for (const std::string& href : between(html, "<a href=\"", "\""))
    if (!href.starts_with("#")) linked.insert(href);
  EXPECT_GE(linked.size(), 5u);
  for (const std::string& name : linked) EXPECT_TRUE(written.contains(name)) << name;
}

TEST(Report, NoPBesideAnIntervalWithoutWidth) {
  const std::string html = std::regex_replace(Made().html(), std::regex(" title=\"[^\"]*\""), "");  // no tips
  const auto rows = between(html, "<tr><td data-label=\"by\">", "</tr>");
  int64_t without = 0;
  for (const std::string& row : rows) {
    if (!row.starts_with("number_mismatch")) continue;
    ++without;
    EXPECT_NE(row.find("<td data-label=\"difference [range]\">−1.000</td>"), std::string::npos) << row;
    EXPECT_NE(row.find("<td data-label=\"p\">–</td>"), std::string::npos) << row;
    EXPECT_NE(row.find("<td data-label=\"p, Holm\">–</td>"), std::string::npos) << row;
    EXPECT_NE(row.find("? undecided"), std::string::npos) << row;
  }
  EXPECT_EQ(without, 1);
  const std::regex twice("\\[([^,\\]]*), ([^\\]]*)\\]");
  for (std::sregex_iterator i(html.begin(), html.end(), twice), end; i != end; ++i)
    EXPECT_NE((*i)[1], (*i)[2]) << i->str();
  // Only the printed width counts: with one digit, .0004 is no width.
  const Effect narrow = effect_of(1, 0.9998, 1.0002, 0.01);
  EXPECT_EQ(interval_text(narrow, 1), "+1.0");
  EXPECT_EQ(p_value_text(narrow, 1, 0.01), "–");
  EXPECT_EQ(interval_text(narrow, 4), "+1.0000 [+0.9998,\u00a0+1.0002]");
  EXPECT_EQ(p_value_text(narrow, 4, 0.0104), ".010");
}

TEST(Report, SaysAtWhichScaleItWasMeasured) {
  Made m;
  m.config.bootstrap = 4000, m.config.data.judge_pairs = 12345, m.config.test_decoding.beam = 7;
  m.config.recipes["student"].target_tokens = 900000, m.config.recipes["student"].schedule.peak = .0015f;
  m.config.recipes["student"].schedule.warmup = 321;
  m.config.recipes["unused"] = {};
  m.config.data.source = "en", m.config.data.target = "de";
  m.results.samples = {{7, "house", "Haus", {{"human", "Haus"}}}};
  m.results.arms[0].steps = 3863, m.results.arms[1].steps = 3872.6, m.results.arms[0].parameters = 920192;
  const std::string html = m.html();
  EXPECT_EQ(malformed(html), "");
  EXPECT_NE(html.find("judge set 12,345, test 5,000 pairs"), std::string::npos);
  const auto beside = [&](const char* label, const char* row, const char* column) {
    const auto found =
        between(html, fmt::format("<td data-label=\"{}\">{}</td><td data-label=\"{}\">", label, row, column),
                "</td>");
    return found.size() == 1 ? found[0] : "";
  };
  const auto cell = [&](const char* row) { return beside("what", row, "choice"); };
  const auto key = [&](const char* row) { return beside("key", row, "student"); };
  EXPECT_EQ(cell("BLEU"), "nrefs:1|tok:13a");
  EXPECT_EQ(cell("chrF2"), "nrefs:1|nc:6");
  EXPECT_NE(cell("students translate the test set").find('7'), std::string::npos);
  EXPECT_TRUE(cell("bootstrap replicates").starts_with("4,000")) << cell("bootstrap replicates");
  EXPECT_EQ(cell("languages"), "English to German, by whose rules errors are counted");
  EXPECT_NE(html.find("<dt>source</dt><dd lang=\"en\">house</dd><dt>reference</dt><dd lang=\"de\">Haus</dd>"
                      "<dt>human</dt><dd lang=\"de\">Haus</dd>"),
            std::string::npos);
  EXPECT_EQ(key("train.target_tokens"), "900000");
  EXPECT_EQ(key("optimizer.learning_rate"), "0.0015");
  EXPECT_EQ(key("schedule.warmup"), "321");
  EXPECT_EQ(key("parameters"), "920,192");
  EXPECT_EQ(key("steps"), "3,863 to 3,873");
  EXPECT_EQ(html.find("data-label=\"unused\""), std::string::npos);
  EXPECT_NE(html.find("<td data-label=\"epochs\">4.2<br><small>3,873 steps</small></td>"), std::string::npos);
  // And the same in claims.json, which is all that is kept of a run.
  const Json claims = parse_json(result_files(m.results).back().second, "claims.json");
  const Json* scale = claims.find("scale");
  ASSERT_NE(scale, nullptr);
  EXPECT_EQ(*scale->find("corpus")->find("tatoeba/train.tsv")->text(), "0123456789abcdef");
  const auto whole = [](const Json* j) {
    int64_t out = -1;
    if (j) j->whole(out);
    return out;
  };
  EXPECT_EQ(whole(scale->find("pairs")->find("pool")), 20000);
  EXPECT_EQ(whole(scale->find("replicates")), 4000);
  EXPECT_EQ(whole(scale->find("seeds")), 5);
  EXPECT_EQ(*scale->find("signatures")->find("BLEU")->text(), "nrefs:1|tok:13a");
  EXPECT_EQ(*scale->find("builds")->array()->front().text(), "abc -O2");
  EXPECT_EQ(*scale->find("made")->text(), "2026-01-01");
}
// A change of a share of few is luck, and in percent it looks large.
TEST(Report, NoPercentOfFewChances) {
  for (const auto& [own, human, percent] :
       {std::tuple{30., 40., true}, {29., 40., false}, {40., 29., false}}) {
    Made m;
    TargetsResult& t = m.results.targets[0];
    t.errors = {{"number_mismatch", {0.6, 0.4}, {NAN, NAN}, {}, {1234, 99}, {}}};
    t.floor = {{"number_mismatch", {0.5, 0.5}, {0.25, 0.25}, {0.2, 0.2}, {own, own}, {human, human}}};
    const std::string html = m.html();
    EXPECT_EQ(malformed(html), "");
    EXPECT_EQ(times(html, "0.500 <small>of 1,234</small><br><small>0.250 → 0.500"), 1);
    EXPECT_EQ(times(html, "0.250 → 0.500, +100\u00a0%"), percent);
    EXPECT_EQ(times(html, fmt::format("of {} → {}</small>", human, own)), 1);
    for (ClaimResult::Row& row : m.results.claims[2].rows) row.few_chances = !percent;
    EXPECT_EQ(times(m.html(), "<td data-label=\"human → generated\">1.000 → 0.000</td>"), !percent);
  }
}
TEST(Report, VerdictsStandInAGridByClaimAndScore) {
  const std::string html = Made().html();
  const auto rows = between(html, "<tr><td data-label=\"claim\">", "</tr>");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_TRUE(rows[0].starts_with("real beats regurgitated <small>(C1)</small></td>")) << rows[0];
  EXPECT_TRUE(rows[1].starts_with("remedies help <small>(C6)</small> <i>chosen later</i>")) << rows[1];
  const auto cells = between(rows[0], "<span class=\"verdict ", "</span>");
  EXPECT_EQ(cells, (std::vector<std::string>{"holds\">✓ holds", "undecided\">? undecided",
                                             "does_not_hold\">✗ does not hold"}));
  // The claim about targets: its measures by verdict.
  EXPECT_NE(rows[2].find("<td data-label=\"holds\">types</td><td data-label=\"does not hold\">–</td><td "
                         "data-label=\"undecided\">number_mismatch</td>"),
            std::string::npos)
      << rows[2];
  // Nowhere by its id alone.
  for (const char* id : {">C1<", ">C1:", ">C6<", ">C5<"}) EXPECT_EQ(html.find(id), std::string::npos) << id;
}

TEST(Report, FiveSentencesSumItUp) {
  const std::string html = Made().html();
  const auto list = between(html, "<ol class=\"summary\">", "</ol>");
  ASSERT_EQ(list.size(), 1u);
  const auto sentences = between(list[0], "<li>", "</li>");
  ASSERT_EQ(sentences.size(), 5u);
  EXPECT_TRUE(
      sentences[0].starts_with("7 students were trained for 2 arms, 5 seeds each; they learned from a "
                               "pool of 20,000 pairs"))
      << sentences[0];
  EXPECT_NE(sentences[2].find("<b>holds</b> by BLEU (17.3 → 20.8, +20\u00a0%; +3.5 [+2.4,\u00a0+4.6])"),
            std::string::npos)
      << sentences[2];
  EXPECT_NE(sentences[3].find("2 in all, by BLEU 2 hold, 0 do not, 0 are undecided;"), std::string::npos)
      << sentences[3];
  // The claims' three verdicts by BLEU, chrF and NLL are the same; of one claim, one holds, or does not.
  Made one;
  one.results.claims.erase(one.results.claims.begin() + 1);
  EXPECT_NE(
      one.html().find("1 in all, by BLEU 1 holds, 0 do not, 0 are undecided; by chrF 0 hold, 0 do not, 1 "
                      "is undecided; by NLL 0 hold, 1 does not, 0 are undecided."),
      std::string::npos);
  EXPECT_EQ(sentences[4], "From human to generated targets number_mismatch goes 1.000 → 0.000, −100\u00a0%.");
  const size_t care = html.find("Read with care"), first = html.find("<section>");
  EXPECT_LT(care, first);
  EXPECT_NE(html.find("Arms that are not finished yet, and left out: an arm to come."), std::string::npos);
  EXPECT_NE(html.find("marked so: 1 of 3 claims."), std::string::npos);
}

TEST(Report, NamesWhoWroteElsewhereAndWhatIsMissing) {
  Made made;
  const std::string without = made.html();
  EXPECT_EQ(without.find("elsewhere"), std::string::npos);
  EXPECT_EQ(without.find("One text"), std::string::npos);
  made.results.outside = {{"a&b", "0123abcd", "gpt-x of its server, chat temperature 0, seed 7", 500, 10, 50},
                          {"pairs", "4567cdef", "", 500, 0, 0}};
  made.results.one_text = {"a&b", "pairs"};
  const std::string html = made.html();
  EXPECT_EQ(malformed(html), "");
  for (const char* part :
       {"written elsewhere, a&amp;b", "gpt-x of its server, chat temperature 0, seed 7; file 0123abcd",
        "the file does not say by whom; file 4567cdef",
        "whatever is sampled; one text for all: a&amp;b, pairs",
        "<li>&ldquo;a&amp;b&rdquo; translates 10 of 500 sources not at all, and 50 others only in part.</li>",
        "<li>One text serves all seeds, so intervals hold no variance between generators: a&amp;b, "
        "pairs.</li>",
        "JSON lines written elsewhere are kept as they came"})
    EXPECT_NE(html.find(part), std::string::npos) << part;
  EXPECT_EQ(times(html, "not at all, and"), 1);
}
// By the words that stand in cells, and null in claims.json, which stays parseable.
TEST(Report, AnEndWithoutABoundIsSaid) {
  const double infinity = std::numeric_limits<double>::infinity();
  GapClosed gap;
  gap.share = 0.46;
  for (const auto& [low, high, cell, word] :
       {std::tuple{0.31, infinity, "46\u00a0% [31,\u00a0unbounded]?", "high"},
        {-infinity, 0.6, "46\u00a0% [unbounded,\u00a060]?", "low"},
        {-infinity, infinity, "46\u00a0% [unbounded]?", "both"},
        {0.31, 0.6, "46\u00a0% [31,\u00a060]", ""}}) {
    gap.interval = {low, high};
    EXPECT_EQ(share_of_gap(gap), cell);
    Made made;
    made.results.claims[1].rows[0].gap = gap;
    EXPECT_EQ(malformed(made.html()), "");
    const Json claims = parse_json(result_files(made.results).back().second, "claims.json");
    const Json* closed =
        (*claims.find("claims")->array())[1].find("rows")->array()->front().find("gap_closed");
    EXPECT_EQ(closed->find("low")->is_null(), std::isinf(low));
    EXPECT_EQ(closed->find("high")->is_null(), std::isinf(high));
    const Json* unbounded = closed->find("unbounded");
    EXPECT_EQ(unbounded ? *unbounded->text() : "", word);
  }
}
// Of the remedies for the gap of the gate's claim, the one that closes most among those that hold: a share of
// another gap, one chosen later, and one that is undecided do not win, whatever their size.
TEST(Report, TheBestRemedyIsOneThatHoldsForTheGatesOwnGap) {
  struct Way {
    const char *better, *worse;
    double share;
    Verdict verdict;
    bool later;
    size_t more = 0;  // pairs of arms beside it
  };
  const auto last_sentence = [](const std::vector<Way>& ways) {
    Made m;
    m.config.gate.claim = "C1";
    m.config.claims = {{"C0", "", "students", "human", "another", "", "last", {}, false},
                       {"C1", "", "students", "human", "self", "", "last", {}, false}};
    for (const Way& w : ways)
      m.config.claims.push_back({w.better,
                                 "",
                                 "students",
                                 w.better,
                                 w.worse,
                                 "human",
                                 "last",
                                 {},
                                 w.later,
                                 {w.more, {"one", "other"}}});
    m.results.claims.clear();
    for (const Claim& c : m.config.claims) m.results.claims.push_back({&c, Made().results.claims[0].rows});
    for (size_t i = 0; i < ways.size(); ++i) {
      auto& rows = m.results.claims[i + 2].rows;
      GapClosed gap;
      gap.share = ways[i].share, gap.interval = {ways[i].share - 0.125, ways[i].share + 0.125};
      rows[0].gap = gap, rows[0].verdict = ways[i].verdict;
      rows[1].gap = gap, rows[1].verdict = Verdict::undecided;
    }
    return between(between(m.html(), "<ol class=\"summary\">", "</ol>").at(0), "<li>", "</li>").at(4);
  };
  const Way small{"small", "self", 0.25, Verdict::holds, false},
      larger{"larger", "self", 0.5, Verdict::holds, false};
  const std::vector<Way> others{{"half", "a random half", 3, Verdict::holds, false},
                                {"later", "self", 2, Verdict::holds, true},
                                {"unsure", "self", 1, Verdict::undecided, false},
                                {"worse", "self", -1, Verdict::does_not_hold, false}};
  const std::string half =
      "Of the gap from &ldquo;a random half&rdquo; to &ldquo;human&rdquo;, by BLEU &ldquo;half&rdquo; closes "
      "300\u00a0% [288,\u00a0312]; by chrF &ldquo;half&rdquo;, the one remedy compared with it, is not shown "
      "to "
      "close any; by NLL there is none.";
  std::vector<Way> all{small, larger};
  all.insert(all.end(), others.begin(), others.end());
  EXPECT_EQ(
      last_sentence(all),
      "Of the gap from &ldquo;self&rdquo; to &ldquo;human&rdquo;, by BLEU &ldquo;larger&rdquo; closes "
      "most: 50\u00a0% [38,\u00a062]; by chrF none of the 4 remedies compared with it (&ldquo;small&rdquo;, "
      "&ldquo;larger&rdquo;, &ldquo;unsure&rdquo;, &ldquo;worse&rdquo;) is shown to close any; by NLL "
      "there is none. " +
          half);
  EXPECT_EQ(
      last_sentence(others),
      "Of the gap from &ldquo;self&rdquo; to &ldquo;human&rdquo;, by BLEU, chrF none of the 2 remedies "
      "compared with it (&ldquo;unsure&rdquo;, &ldquo;worse&rdquo;) is shown to close any; by NLL there "
      "is none. " +
          half);
  // What holds from elsewhere, as a mean of pairs too, stands beside a gap that nothing is shown to close.
  EXPECT_EQ(
      last_sentence({{"half", "a random half", 3, Verdict::holds, false, 2}}),
      "Of the gap from &ldquo;a random half&rdquo; and 2 more on average to &ldquo;human&rdquo;, by BLEU "
      "&ldquo;half&rdquo; and 2 more on average closes 300\u00a0% [288,\u00a0312]; by chrF "
      "&ldquo;half&rdquo; "
      "and 2 more on average, the one remedy compared with it, is not shown to close any; by NLL there "
      "is none.");
  // Nothing holds anywhere: what was compared is named all the same.
  EXPECT_EQ(last_sentence({{"half", "a random half", 3, Verdict::undecided, false}})
                .find("Of the gap from &ldquo;a random half&rdquo; to &ldquo;human&rdquo;, by BLEU, chrF "
                      "&ldquo;half&rdquo;, the one remedy compared with it, is not shown to close any"),
            0u);
}
TEST(Report, ArmsSayWhoseTextTheyLearnFrom) {
  Made m;
  m.config.arms[1].apply = {{"replace", {}, {{"with", "human"}}, {}}};
  Arm& mixed = m.config.arms.emplace_back(m.config.arms[1]);
  m.results.arms[0].arm = &m.config.arms[0], m.results.arms[1].arm = &m.config.arms[1];
  mixed.name = "mixed", mixed.targets = "low/greedy";
  mixed.apply = {{"alternate", {}, {{"with", "self/greedy"}}, {}}, {"mix", {{"real", 0.25}}, {}, {}}};
  m.results.arms.push_back(Made::arm_of(mixed));
  m.results.arms[2].seed_pairs = {5000, 40000};
  m.results.arms[2].pool_pairs = 10000, m.results.arms[2].different_pairs = 6320;
  const std::string html = m.html();
  EXPECT_NE(html.find("best &amp; half</td><td data-label=\"targets\">human</td><td data-label=\"seed : "
                      "pool\">–</td><td data-label=\"pairs\">20,000</td>"),
            std::string::npos);
  EXPECT_NE(html.find("<td data-label=\"targets\">low/greedy in turn with self/greedy, 25 % human</td><td "
                      "data-label=\"seed : pool\">1 : 4, 2 : 1</td><td data-label=\"pairs\">10,000<br><small>"
                      "6,320 different</small></td>"),
            std::string::npos);
  std::set<std::string> written;
  for (auto row : read_csv(result_files(m.results).front().second))
    if (row["group"] != "targets" && row["group"] != "floor")
      written.insert(row["arm"] + "|" + row["targets"] + "|" + row["seed_pairs"]);
  EXPECT_EQ(written,
            (std::set<std::string>{"human|human|0", "best & half|human|0",
                                   "mixed|low/greedy in turn with self/greedy, 25 % human|5000 40000"}));
}
// Human targets have no errors against themselves, and text that is only read in another order has the same.
TEST(Report, TextsStandInTheTablesOfErrorsOnce) {
  Made m;
  const TargetsResult self = m.results.targets[0];
  for (const char* name : {"best & half", "ordered", "other"}) {
    m.results.targets.push_back(self);
    m.results.targets.back().name = name;
  }
  m.results.targets[3].errors[0].values = {0.6900001};
  m.config.arms[1].apply = {{"replace", {}, {{"with", "human"}}, {}}};  // "best & half"
  const std::string html = m.html();
  const size_t at = html.find(">Mechanisms</h2>");
  const auto rows = between(html.substr(at), "<tr><td data-label=\"targets\">", "</td>");
  const std::vector<std::string> expected{
      "self/greedy <small>(20,000 pairs, 187 twice)</small><br><small>the same text: ordered</small>",
      "other <small>(20,000 pairs, 187 twice)</small>",
      "self/greedy <small>(20,000 pairs)</small><br><small>the same text: ordered</small>",
      "other <small>(20,000 pairs)</small>"};
  EXPECT_EQ(rows, expected);
}
TEST(Report, ADifferenceMinusAnotherIsShownAsSuch) {
  Made m;
  m.config.claims[0].minus_with = {"half <a>", "half b"};
  for (ClaimResult::Row& row : m.results.claims[0].rows)
    row.from = -0.5, row.to = row.from + row.difference.value, row.randomised = NAN;
  const std::string html = m.html();
  EXPECT_EQ(malformed(html), "");
  EXPECT_NE(html.find("human against best &amp; half, minus half &lt;a&gt; against half b"),
            std::string::npos);
  EXPECT_NE(
      html.find("<td data-label=\"second → first\">−0.5 → +3.0</td><td data-label=\"difference [95 %]\">"
                "+3.5 [+2.4,\u00a0+4.6]</td><td data-label=\"p\">&lt;\u00a0.001</td><td "
                "data-label=\"p, Holm\">.001</td><td data-label=\"p, swaps\">–</td>"),
      std::string::npos);
  EXPECT_NE(html.find("&ldquo;minus&rdquo;"), std::string::npos);
  EXPECT_EQ(Made().html().find("&ldquo;minus&rdquo;"), std::string::npos);
  const Json claims = parse_json(result_files(m.results).back().second, "claims.json");
  const Json* minus = claims.find("claims")->array()->front().find("minus_with");
  EXPECT_EQ(*minus->find("better")->text() + " " + *minus->find("worse")->text(), "half <a> half b");
  EXPECT_EQ((*claims.find("claims")->array())[1].find("minus_with"), nullptr);
}
// The interval of C1 by BLEU goes from 2.4 to 4.6, its half-width is 1.1; other scores have other units.
TEST(Report, IntervalsWiderThanTheGateAsksAreMarked) {
  Made m;
  m.config.gate.arm = "human", m.config.gate.claim = "C1";
  m.results.gate = {20.8, 1.1, true};
  for (const auto& [asked, wide] : {std::pair{1.0, 2}, {1.2, 0}}) {  // C1 and C6 have the same rows
    m.config.gate.half_width = asked;
    const std::string html = m.html();
    EXPECT_EQ(times(html, "+3.5 [+2.4,\u00a0+4.6] <small>wide</small></td>"), wide);
    EXPECT_EQ(times(html, "<small>wide</small>"), wide);
    EXPECT_EQ(times(html, "above the 1.00 BLEU that the gate asks for"), wide > 0 ? 1 : 0);
  }
}
TEST(Report, SaysOfCurvesThatAMeanOfWeightsIsJudged) {
  const char* const part = "students that are judged by a mean of their last weights";
  Made m;
  EXPECT_EQ(m.html().find(part), std::string::npos);
  m.config.recipes["averaged"].average = 5;
  EXPECT_EQ(m.html().find(part), std::string::npos);  // nobody learns by it
  m.config.arms[1].student = "averaged";
  EXPECT_NE(m.html().find(part), std::string::npos);
}
TEST(Report, OnlyWhatTheArmsDoDiffersFromThePaper) {
  Made m;
  const auto list = [&] {
    const std::string html = m.html();
    return between(html.substr(html.find(">What differs from the paper</h2>")), "<ul>", "</ul>").at(0);
  };
  EXPECT_NE(list().find("its sources have 8.2 words on average and 12 at most"), std::string::npos) << list();
  for (const auto& [operation, part] :
       {std::pair{"inject", "causal arms"}, {"order", "An order within an epoch"}}) {
    EXPECT_EQ(list().find(part), std::string::npos);
    m.config.arms[1].apply = {{operation, {}, {}, {}}};
    EXPECT_NE(list().find(part), std::string::npos) << list();
  }
  EXPECT_EQ(list().find("judge set"), std::string::npos);
  m.config.data.judge_pairs = 300;
  EXPECT_NE(list().find("a judge set of its own, 300 pairs"), std::string::npos);
}
// 1,000 people's texts score 0, .001, ...: ten of them lie above .989. Of four machine texts one, then two do.
TEST(Report, DetectorsAreJudgedByTheMeanOfTheirSeeds) {
  Made m;
  detect::Scores one;
  for (int i = 0; i < 1000; ++i) one.human.push_back(i / 1000.);
  one.machine = {0, 0.2, 0.9895, 0.4};
  detect::Scores two = one;
  two.machine[1] = 3;
  const DetectorResult few = m.results.detectors[0];
  m.results.detectors = {{"linear", "self/greedy", 1, 0.75, 0.7, 0.8, one},
                         {"linear", "self/greedy", 2, 0.65, 0.6, 0.7, two},
                         few};
  m.results.detectors[2].scorer = "other";
  const std::string html = m.html();
  const auto rows = between(html, "<tr><td data-label=\"detector\">", "</tr>");
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_NE(rows[0].find("\">0.250 [0.046, 0.699]</td>"), std::string::npos) << rows[0];  // Wilson's, 1 of 4
  EXPECT_NE(rows[1].find("\">0.500 [0.150, 0.850]</td>"), std::string::npos) << rows[1];  // 2 of 4
  EXPECT_NE(rows[2].find("\">mean of 2</td>"), std::string::npos) << rows[2];
  EXPECT_NE(rows[2].find("<b>0.700</b> <small>±0.071</small>"), std::string::npos) << rows[2];
  EXPECT_NE(rows[2].find("<b>0.375</b> <small>±0.177</small>"), std::string::npos) << rows[2];
  EXPECT_TRUE(rows[3].ends_with("\">–</td>")) << rows[3];  // 1 % of four texts is none
  std::vector<std::string> found;
  for (const auto& [name, content] : result_files(m.results)) {
    if (name != "detectors.csv") continue;
    for (auto row : read_csv(content))
      if (row["measure"] == "tpr_at_fpr_0.01") found.push_back(row["seed"] + ": " + row["value"]);
  }
  EXPECT_EQ(found, (std::vector<std::string>{"1: 0.25", "2: 0.5"}));
}
// Rows stand under their group once, in the order of the config within it.
TEST(Report, ArmsStandUnderTheirGroup) {
  Made m;
  m.config.arms.clear(), m.config.claims.clear(), m.results.claims.clear(), m.results.arms.clear();
  for (const auto& [name, group] : {std::pair{"one", "small"},
                                    {"two", "R"},
                                    {"three", "D"},
                                    {"four", "R"},
                                    {"five", "large"},
                                    {"six", "D"},
                                    {"seven", "small"}}) {
    Arm& arm = m.config.arms.emplace_back();
    arm.name = name, arm.group = group, arm.targets = "self/greedy";
  }
  for (const Arm& arm : m.config.arms) {
    m.results.arms.push_back(Made::arm_of(arm));
    m.results.arms.back().against = "human";
  }
  const std::string html = m.html();
  const size_t at = html.find(">Arms</h2>");
  const std::string table = html.substr(at, html.find("</table>", at) - at);
  const std::regex heading_or_name("<th class=\"over\"[^>]*>([^,<]*)|<td data-label=\"arm\">([^<]*)");
  std::vector<std::string> found;
  for (std::sregex_iterator i(table.begin(), table.end(), heading_or_name), end; i != end; ++i)
    found.push_back((*i)[1].str() + (*i)[2].str());
  EXPECT_EQ(found, (std::vector<std::string>{"D", "three", "six", "R", "two", "four", "small", "one", "seven",
                                             "large", "five"}));
  // In the figure below each group, whether the design knows it or not, has a look of its own and a name.
  const std::string figure = html.substr(at, html.find("</figcaption>", html.find("<svg", at)) - at);
  const std::string drawn = between(figure, "<svg", "</svg>").at(0);
  const std::regex named("d=\"([^\"]*)\" class=\"dot (s[0-9])\"></path>\n<text[^>]*class=\"legend\">([^<]*)");
  std::set<std::string> shapes;
  std::vector<std::string> groups;
  for (std::sregex_iterator i(drawn.begin(), drawn.end(), named), end; i != end; ++i)
    shapes.insert((*i)[1]), groups.push_back((*i)[3]);
  EXPECT_EQ(groups,
            (std::vector<std::string>{"D, remedy 1: quality", "R, stronger remedies", "small", "large"}));
  EXPECT_EQ(shapes.size(), 4u);
}
// Mixtures that differ in more than the share are other lines: no line has two marks above one share.
TEST(Report, AFractionOfRealDataIsOneMarkOnALine) {
  Made m;
  m.config.arms.clear(), m.config.claims.clear(), m.results.claims.clear(), m.results.arms.clear();
  const auto add = [&](const char* name, double share, const char* more) {
    Arm& arm = m.config.arms.emplace_back();
    arm.name = name, arm.group = "R", arm.targets = "self/greedy";
    arm.apply = {{"mix", {{"real", share}}, {}, {}}};
    if (*more) arm.apply[0].parameters.emplace_back(more, true);
  };
  const auto chart = [&] {
    m.results.arms.clear();
    for (const Arm& arm : m.config.arms) m.results.arms.push_back(Made::arm_of(arm));
    const std::string html = m.html();
    const size_t at = html.find(">A fraction of real data, BLEU</text>");
    return at == std::string::npos ? "" : html.substr(at, html.find("</svg>", at) - at);
  };
  add("mixed", 0.1, ""), add("tagged", 0.1, "tagged");
  EXPECT_EQ(chart(), "");  // there is nothing to draw a line through
  add("last", 0.1, "real_last"), add("half", 0.5, ""), add("half, tagged", 0.5, "tagged");
  const std::string drawn = chart();
  for (const auto& [line, marks] : {std::pair{"mixed with self/greedy", 2},
                                    {"mixed with self/greedy, tagged", 2},
                                    {"mixed with self/greedy, real_last", 1}}) {
    EXPECT_EQ(times(drawn, std::string("<title>") + line + ": 20.8</title>"), marks) << line;
    EXPECT_EQ(times(drawn, std::string("class=\"legend\">") + line + "</text>"), 1) << line;
  }
}
// A part of the generated targets has no human ones; other bins are another filter.
TEST(Report, SharesOfHumanAndOfKeptTargetsAreLinesOfTheirOwn) {
  Made m;
  m.config.arms.clear(), m.config.claims.clear(), m.results.claims.clear(), m.results.arms.clear();
  const auto add = [&](const char* name, const char* targets, AppliedOperation operation) {
    Arm& arm = m.config.arms.emplace_back();
    arm.name = name, arm.group = "B", arm.targets = targets, arm.apply = {std::move(operation)};
  };
  const auto filter = [](double keep, int64_t bins) {
    AppliedOperation out{"filter", {{"keep", keep}}, {}, {{"by", "reverse"}}};
    if (bins > 0) out.parameters.emplace_back("bins", bins);
    return out;
  };
  for (const double share : {.25, .5}) {
    add("human", "human", {"subset", {{"share", share}}, {}, {}});
    add("self", "self/greedy", {"subset", {{"share", share}}, {}, {}});
    add("plain", "self/greedy", filter(share, share < .5 ? 0 : 1));
    add("in bins", "self/greedy", filter(share, 8));
  }
  m.config.scorers["reverse"].kind = "reverse";
  for (const Arm& arm : m.config.arms) m.results.arms.push_back(Made::arm_of(arm));
  const std::string html = m.html();
  const auto legend = [&](const char* title) {
    const size_t at = html.find(title);
    return between(html.substr(at, html.find("</svg>", at) - at), "class=\"legend\">", "</text>");
  };
  using Lines = std::vector<std::string>;
  EXPECT_EQ(legend(">A fraction of real data, BLEU</text>"), Lines{"human alone"});
  EXPECT_EQ(legend(">Growing sets, BLEU</text>"),
            (Lines{"self/greedy by reverse", "self/greedy by reverse, 8 bins"}));
}
TEST(Report, SaysWhichArmsLearnForEquallyManySteps) {
  Made m;
  for (Arm& arm : m.config.arms) arm.volumes = {0.5, 1};
  EXPECT_EQ(m.html().find("for as many steps"), std::string::npos);
  m.config.arms[1].equal_steps = true;
  EXPECT_NE(m.html().find("for as many epochs each (for as many steps: best &amp; half); 95 %"),
            std::string::npos);
}
// Only the first arm is judged by its best weights, too.
TEST(Report, AClaimSaysByWhichWeightsEachArmIsJudged) {
  Made m;
  m.config.arms[0].weights = {"last", "best"};
  EXPECT_EQ(m.html().find("best weights"), std::string::npos);
  m.config.claims[0].weights = "best";
  m.config.claims[0].mean_with = {{"human", "human"}};
  EXPECT_NE(
      m.html().find(": mean of human (best weights) against best &amp; half (last weights), human (best "
                    "weights) against human (best weights)</th>"),
      std::string::npos);
  const Json all = parse_json(result_files(m.results).back().second, "claims.json");
  const Json& claim = all.find("claims")->array()->front();
  EXPECT_EQ(*claim.find("weights")->text(), "best");
  EXPECT_EQ(*claim.find("weights_of_worse")->text(), "last");
  EXPECT_EQ(*claim.find("mean_with")->array()->front().find("weights_of_worse")->text(), "best");
}
TEST(Report, CautionsAgainstATestSetThatRepeatsItself) {
  Made m;
  EXPECT_EQ(m.html().find("repeat an earlier one"), std::string::npos);
  m.results.test_repeated = 59;
  const std::string html = m.html();
  EXPECT_NE(html.find("<li>59 of 5,000 test pairs repeat an earlier one: intervals count them"),
            std::string::npos);
  const size_t claims = html.find(">Claims</h2>");
  ASSERT_NE(claims, std::string::npos);
  EXPECT_LT(html.find("<b>Read with care:</b>", claims),
            html.find("<table", claims));  // beside the claims, too
  EXPECT_NE(html.find(" 59 of 5,000 test pairs repeat an earlier one, so intervals are too narrow.", claims),
            std::string::npos);
}
// The MTLD of human targets is that beside one translation of each sentence; beside several there is none.
TEST(Report, SeveralTranslationsOfASentenceStandAlone) {
  Made m;
  TargetsResult four = m.results.targets[0];
  four.name = "self/four", four.pairs = 80000, four.diversity = {{"mtld", {45}, {NAN}, {NAN}}};
  m.results.targets.push_back(four);
  const std::string html = m.html();
  EXPECT_EQ(malformed(html), "");
  EXPECT_NE(html.find(">45.00</td>"), std::string::npos);
  const size_t at = html.find(">Diversity of targets and quality of students</text>");
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(times(html.substr(at, html.find("</svg>", at) - at), "class=\"label\""), 2 + 2);  // points, axes
}
// However many arms a group has, those of one panel differ in colour.
TEST(Report, TrainingCurvesOfOnePanelHaveColoursOfTheirOwn) {
  Made m;
  m.config.claims.clear(), m.results.claims.clear(), m.results.arms.clear();
  m.config.arms.resize(1);
  for (int i = 0; i < 9; ++i) {
    Arm& arm = m.config.arms.emplace_back();
    arm.name = fmt::format("arm {}", i), arm.group = "D", arm.targets = "self/greedy";
  }
  for (const Arm& arm : m.config.arms) m.results.arms.push_back(Made::arm_of(arm));
  const std::string html = m.html();
  size_t panels = 0, lines = 0;
  for (const std::string& drawn : between(html, "<svg", "</svg>")) {
    if (drawn.find("optimizer step") == std::string::npos || drawn.find("remedy 1") == std::string::npos)
      continue;
    ++panels;
    std::set<std::string> colours;
    size_t names = 0;
    const std::regex in_legend("<line [^>]*class=\"line (s[0-9])\"");
    for (std::sregex_iterator i(drawn.begin(), drawn.end(), in_legend), end; i != end; ++i, ++names)
      colours.insert((*i)[1]);
    EXPECT_EQ(colours.size(), names);
    EXPECT_EQ(times(drawn, "class=\"legend\">human</text>"), 1);
    lines += names;
  }
  EXPECT_EQ(panels, 2u);
  EXPECT_EQ(lines, 9u + 2);  // the students of human targets are in both
}
TEST(Report, DetectorsSayWhatTheyWereTriedOn) {
  Made m;
  m.results.detectors.push_back({"density", "self/greedy", 1, 0.6, 0.5, 0.7, {}, "valid"});
  const std::string html = m.html();
  EXPECT_EQ(times(html, "<td data-label=\"tried on\">judge set</td>"), 1);
  EXPECT_EQ(times(html, "<td data-label=\"tried on\">validation set</td>"), 1);
  EXPECT_EQ(html.find("on sources of the judge set"), std::string::npos);
}

// A row per measurement, each under a key of its own, with what the tables that link to it show.
TEST(ReportFiles, EachNumberIsUnderAKeyOfItsOwn) {
  Made m;
  m.results.targets.push_back(m.results.targets[0]);  // half the pairs, so other human text beside it
  m.results.targets[1].name = "best, half", m.results.targets[1].pairs = 10000;
  m.results.targets[1].diversity = {{"mtld", {31}, {59}, {0.001}}};
  m.results.arms[1].randomised = {0.02, 1, 1};
  m.results.targets[0].errors[0].chances = {156000}, m.results.targets[0].floor[0].chances = {1450};
  m.results.targets[0].floor[0].human_chances = {1460};
  std::map<std::string, std::string> files;
  for (const auto& [name, content] : result_files(m.results)) files[name] = content;
  std::set<std::string> keys;
  const auto rows = read_csv(files.at("results.csv"));
  for (auto row : rows)
    EXPECT_TRUE(keys.insert(row["arm"] + "|" + row["group"] + "|" + row["volume"] + "|" + row["weights"] +
                            "|" + row["seed"] + "|" + row["measure"])
                    .second)
        << row["arm"] << " " << row["measure"];
  const auto found = [&](const std::string& arm, const std::string& group, const std::string& measure) {
    std::vector<std::string> out;
    for (auto row : rows)
      if (row["arm"] == arm && row["group"] == group && row["measure"] == measure)
        out = {row["value"], row["human"], row["pool_pairs"], row["p"], row["chances"], row["human_chances"]};
    return out;
  };
  using Cells = std::vector<std::string>;
  EXPECT_EQ(found("self/greedy", "targets", "mtld"), (Cells{"30", "60", "20000", "0.001", "", ""}));
  EXPECT_EQ(found("best, half", "targets", "mtld"), (Cells{"31", "59", "10000", "0.001", "", ""}));
  EXPECT_EQ(found("self/greedy", "targets", "ter"), (Cells{"0.69", "", "20000", "", "156000", ""}));
  EXPECT_EQ(found("self/greedy", "floor", "ter"), (Cells{"0.67", "0.4", "187", "0.001", "1450", "1460"}));
  EXPECT_EQ(found("best & half", "D", "epochs"), (Cells{"4.2", "", "20000", "", "", ""}));

  const auto differences = read_csv(files.at("differences.csv")), scores = read_csv(files.at("scores.csv"));
  ASSERT_EQ(differences.size(), 3u);  // of the one arm that is compared, by each score
  const std::map<std::string, std::string> first{{"arm", "best & half"}, {"volume", "1"},
                                                 {"weights", "last"},    {"against", "human"},
                                                 {"score", "BLEU"},      {"value", "-3.5"},
                                                 {"low", "-4.6"},        {"high", "-2.4"},
                                                 {"p", "0.0005"},        {"p_randomisation", "0.02"}};
  EXPECT_EQ(differences[0], first);
  ASSERT_EQ(scores.size(), 6u);
  const std::map<std::string, std::string> last{{"arm", "best & half"}, {"volume", "1"},  {"weights", "last"},
                                                {"score", "NLL"},       {"value", "2.5"}, {"low", "2.4"},
                                                {"high", "2.6"}};
  EXPECT_EQ(scores[5], last);
  const Json claims = parse_json(files.at("claims.json"), "claims.json");
  double from = 0, to = 0;
  const Json& row = claims.find("claims")->array()->front().find("rows")->array()->front();
  EXPECT_TRUE(row.find("from")->number(from) && row.find("to")->number(to));
  EXPECT_EQ(from, 17.3);
  EXPECT_EQ(to, 20.8);
}

TEST(Report, EffectsAreRelativeWithTheirDenominators) {
  const std::string html = Made().html();
  EXPECT_NE(html.find("<td data-label=\"human → generated\">7009 → 2147, −69\u00a0%</td>"),
            std::string::npos);
  EXPECT_NE(html.find("self/greedy <small>(20,000 pairs, 187 twice)</small>"), std::string::npos);
  EXPECT_NE(html.find("0.400 → 0.670, +68\u00a0%"), std::string::npos);  // .67 / .40 = 1.675
  EXPECT_NE(html.find(">60.00 → 30.00<br><small>−50\u00a0%</small>"), std::string::npos);
  EXPECT_NE(html.find("BLEU, higher is better"), std::string::npos);
  EXPECT_NE(html.find("NLL, lower is better"), std::string::npos);
  const auto heads = between(html, "<th title=\"", "</th>");
  EXPECT_TRUE(std::any_of(heads.begin(), heads.end(), [](const std::string& h) {
    return h.starts_with("MTLD") && h.ends_with(">mtld") && h.find("Source:") != std::string::npos;
  }));
}

// Of one detector at two seeds, and another: two names, each in one colour in both charts.
TEST(Report, SeedsOfADetectorAreLinesOfOneColour) {
  Made m;
  m.results.detectors.push_back(m.results.detectors[0]), m.results.detectors.back().seed = 2;
  m.results.detectors.push_back(m.results.detectors[0]), m.results.detectors.back().scorer = "density";
  const std::string html = m.html();
  const size_t roc = html.find(">ROC</text>"), end = html.find("</figure>", roc);
  ASSERT_NE(roc, std::string::npos);
  const std::string charts = html.substr(roc, end - roc);
  EXPECT_EQ(between(charts, ">linear of ", "</text>").size(), 2u);
  EXPECT_EQ(between(charts, ">density of ", "</text>").size(), 2u);
  for (const char* line : {"class=\"line s0\"", "class=\"line s1\""})  // data, and the legend's
    EXPECT_EQ(between(charts, line, ">").size(), line == std::string("class=\"line s0\"") ? 6u : 4u) << line;
}
// The links of a chain by generation; of the text, means over seeds between the smallest and the largest.
TEST(Report, AChainIsShownByGeneration) {
  Made m;
  m.config.arms.clear(), m.config.claims.clear(), m.results.claims.clear(), m.results.arms.clear();
  Arm start, next;
  start.name = "generation 0", start.targets = "human", start.group = "G", start.chain = "replace";
  next = start, next.name = "replace, generation 1", next.targets = "generation 0/greedy",
  next.generation = 1;
  m.config.arms = {start, next};
  for (const Arm& arm : m.config.arms) m.results.arms.push_back(Made::arm_of(arm));
  m.results.arms[1].scores[0] = effect_of(12.3, 11.8, 12.9, 0);
  TargetsResult t;
  t.name = "generation 0/greedy";
  t.errors = {{"ter", {0.4, 0.5}, {NAN, NAN}, {}}},
  t.diversity = {{"mtld", {30, 32}, {60, 60}, {}}, {"attested_expected_types", {100, 150}, {200, 200}, {}}};
  TargetsResult pool;  // human text of other sources than those of the chain
  pool.name = "self/greedy", pool.diversity = {{"mtld", {90}, {99}, {}}};
  m.results.targets = {pool, t};
  m.results.tried = {{"tried", "generation 0/greedy", 1, 0.7, 0.6, 0.8, {}},
                     {"tried", "generation 0/greedy", 2, 0.9, 0.8, 1.0, {}}};
  const std::string html = m.html();
  EXPECT_EQ(malformed(html), "");
  const size_t at = html.find(">Chains of generations</h2>");
  ASSERT_NE(at, std::string::npos);
  const std::string charts = html.substr(at, html.find("<table", at) - at);
  EXPECT_NE(charts.find("text-anchor=\"middle\" class=\"tick\">1</text>"), std::string::npos);
  EXPECT_EQ(charts.find("text-anchor=\"middle\" class=\"tick\">0.5</text>"),
            std::string::npos);  // no half generation
  EXPECT_NE(charts.find("class=\"tick\">0.5</text>", charts.find(">AUROC<")), std::string::npos)
      << "from chance on";
  const auto rows = between(html.substr(at), "<tr><td data-label=\"generation\">", "</tr>");
  ASSERT_EQ(rows.size(), 2u);  // what heads them is the chain's name
  for (const char* cell : {">20.8<", ">60.0<"}) EXPECT_NE(rows[0].find(cell), std::string::npos) << rows[0];
  EXPECT_EQ(rows[0].find(">99.0<"), std::string::npos) << rows[0];
  for (const char* cell :
       {">12.3<br><small>[11.8, 12.9]<", ">0.450<br><small>[0.400, 0.500]<", ">31.0<br><small>[30.0, 32.0]<",
        ">0.62<br><small>[0.50, 0.75]<", ">0.800<br><small>[0.700, 0.900]<"})
    EXPECT_NE(rows[1].find(cell), std::string::npos) << cell << " in " << rows[1];
  EXPECT_EQ(Made().html().find("Chains of generations"), std::string::npos);
}
// Two writers, two kinds of students: a cell for each pair that was made.
TEST(Report, TheMapSaysWhereGeneratedTextHelps) {
  Made m;
  m.config.recipes["small"] = {};
  m.config.arms.clear(), m.config.claims.clear(), m.results.claims.clear(), m.results.arms.clear();
  for (const auto& [name, targets, student] :
       {std::tuple{"a", "low/greedy", ""}, {"b", "high/greedy", ""}, {"c", "high/greedy", "small"}}) {
    Arm& arm = m.config.arms.emplace_back();
    arm.name = name, arm.targets = targets, arm.student = student, arm.group = "A";
  }
  m.config.recipes["small"] = {};
  for (const Arm& arm : m.config.arms) m.results.arms.push_back(Made::arm_of(arm));
  const Effect effects[] = {effect_of(-3.5, -4.6, -2.4, 0), effect_of(0.2, -0.4, 0.6, 0),
                            effect_of(1.9, 1.2, 2.6, 0)};
  for (size_t i = 0; i < 3; ++i) {
    m.results.arms[i].against = "human";
    m.results.arms[i].to_real = {effects[i], effects[i], effect_of(0.5, 0.4, 0.6, 0)};
  }
  m.results.targets[0].name = "low/greedy";
  const std::string html = m.html();
  const size_t at = html.find(">Where generated text helps</h2>");
  ASSERT_NE(at, std::string::npos);
  const std::string map = html.substr(at, html.find("</table>", at) - at);
  EXPECT_NE(
      map.find("<b>hurts</b><br>−3.5 [−4.6,\u00a0−2.4]<br><small>NLL +0.50 [+0.40,\u00a0+0.60]</small></td>"
               "<td data-label=\"small\">–</td>"),
      std::string::npos)
      << map;
  EXPECT_NE(map.find("undecided<br>+0.2 [−0.4,\u00a0+0.6]"), std::string::npos) << map;
  EXPECT_NE(map.find("<b>helps</b><br>+1.9 [+1.2,\u00a0+2.6]"), std::string::npos) << map;
  EXPECT_NE(map.find(">0.690<"), std::string::npos) << map;  // the first targets' TER
  EXPECT_EQ(Made().html().find("Where generated text helps"), std::string::npos);
}

TEST(Report, NumbersAreWrittenAsInPrint) {
  EXPECT_EQ(page::counted(7), "7");
  EXPECT_EQ(page::counted(1234567), "1,234,567");
  EXPECT_EQ(page::signed_number(-0.04, 1), "0.0");
  EXPECT_EQ(page::signed_number(-0.05001, 1), "−0.1");
  EXPECT_EQ(page::change(4, 3, 1), "4.0 → 3.0, −25\u00a0%");
  EXPECT_EQ(page::change(0, 3, 1), "0.0 → 3.0");  // nothing is a percentage of 0
  EXPECT_EQ(page::change(NAN, 3, 1), "–");
  EXPECT_EQ(page::digits_for(-1234, -3), 0);  // by the larger in size
  EXPECT_EQ(page::digits_for(3, 12), 2);
  EXPECT_EQ(p_value_text(effect_of(1, 0, 2, 0), 1, 0.0004), "&lt;\u00a0.001");
  // An end that would round to 0 tells on which side of 0 it lies.
  EXPECT_EQ(interval_text(effect_of(0.3, 0.0278, 0.5, 0), 1), "+0.3 [+0.03,\u00a0+0.5]");
  EXPECT_EQ(interval_text(effect_of(-0.3, -0.5, -0.004, 0), 1), "−0.3 [−0.5,\u00a0−0.004]");
  EXPECT_EQ(interval_text(effect_of(0.3, 0, 0.5, 0), 1), "+0.3 [0.0,\u00a0+0.5]");
  GapClosed gap;
  gap.share = 0.09, gap.interval = {0.004, 0.19};
  EXPECT_EQ(share_of_gap(gap), "9\u00a0% [0.4,\u00a019]");
  EXPECT_EQ(p_value_text(effect_of(1, 0, 2, 0), 1, 1), "1");
  EXPECT_NE(explained("mattr_50").find("Moving-average TTR"), std::string::npos);
  EXPECT_EQ(explained("of no such name"), "");
}

// ---- charts
std::vector<double> ticks_of(const std::string& chart, const std::string& anchor) {
  std::vector<double> out;
  for (const std::string& t : between(chart, "text-anchor=\"" + anchor + "\" class=\"tick\">", "</text>"))
    out.push_back(t.starts_with("−") ? -std::stod(t.substr(std::string("−").size())) : std::stod(t));
  return out;
}
TEST(Chart, TicksAreRound) {
  EXPECT_EQ(page::ticks(0, 10), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  const auto t = page::ticks(-1.3, 0.9);
  EXPECT_NE(std::find(t.begin(), t.end(), 0.0), t.end());
}
// A digit is at most 7 wide at the 11 px of ticks; the name of the axis, turned, ends at 16.
TEST(Chart, NamesOfAxesStandClearOfTheirNumbers) {
  const std::string drawn =
      page::svg(page::LineChart{"Rate", "step", "learning rate", {{"one", {{0, 0.0002}, {1, 0.0014}}}}});
  const std::regex tick("<text x=\"([0-9.]+)\"[^>]*text-anchor=\"end\" class=\"tick\">([^<]*)");
  int checked = 0;
  for (std::sregex_iterator m(drawn.begin(), drawn.end(), tick), end; m != end; ++m, ++checked)
    EXPECT_GE(std::stod((*m)[1]) - 7.0 * static_cast<double>((*m)[2].length()), 16) << (*m)[2];
  EXPECT_GE(checked, 3);
}
TEST(Chart, TicksLieWithinTheDataAndNamesAreEscaped) {
  const std::string drawn = page::svg(
      page::LineChart{"t", "x", "y", {{"<name>", {{5000, 12.5, 11.2, 13}, {20000, 18.7, 18, 19.9}}}}});
  const auto across = ticks_of(drawn, "middle"), up = ticks_of(drawn, "end");
  ASSERT_GE(across.size(), 3u);
  ASSERT_GE(up.size(), 3u);
  for (const double t : across) EXPECT_TRUE(5000 <= t && t <= 20000) << t;
  for (const double t : up) EXPECT_TRUE(11.2 <= t && t <= 19.9) << t;
  EXPECT_NE(drawn.find("&lt;name&gt;"), std::string::npos);
  EXPECT_EQ(drawn.find("<name>"), std::string::npos);
  EXPECT_EQ(malformed(drawn), "");
}
TEST(Chart, EveryKeyHasAColourAndAShapeOfItsOwn) {
  page::LineChart chart{"t", "x", "y", {}};
  for (int i = 0; i < 9; ++i)
    chart.lines.push_back({std::to_string(i), {{0, double(i), double(i), double(i)}}});
  const std::string drawn = page::svg(chart);
  const std::regex mark(" d=\"([^\"]*)\" class=\"dot (s[0-9])\"");
  std::set<std::string> looks, shapes;
  for (std::sregex_iterator i(drawn.begin(), drawn.end(), mark), end; i != end; ++i)
    looks.insert(i->str()), shapes.insert((*i)[1]);
  EXPECT_EQ(looks.size(), 9u);
  EXPECT_EQ(shapes.size(), 9u);
}
// Marks at some points only, so that a line of many can be told by its shape; in the legend, too.
TEST(Chart, LinesOfManyPointsHaveMarksOfTheirOwn) {
  page::LineChart chart{"t", "x", "y", {{"one", {}}, {"two", {}}}};
  for (page::ChartLine& l : chart.lines)
    for (int i = 0; i <= 200; ++i) l.points.push_back({double(i), double(i), double(i), double(i)});
  const std::string drawn = page::svg(chart);
  const std::regex mark("translate\\(([^)]*)\\)\" d=\"([^\"]*)\" class=\"dot (s[0-9])\"");
  std::map<std::string, std::pair<int, std::set<std::string>>> by_colour;
  std::set<std::string> places;
  int all = 0;
  for (std::sregex_iterator i(drawn.begin(), drawn.end(), mark), end; i != end; ++i, ++all) {
    ++by_colour[(*i)[3]].first, by_colour[(*i)[3]].second.insert((*i)[2]);
    places.insert((*i)[1]);
  }
  EXPECT_EQ(static_cast<int>(places.size()), all);  // none hides another, though the lines are the same
  ASSERT_EQ(by_colour.size(), 2u);
  for (const auto& [colour, marks] : by_colour) {
    EXPECT_TRUE(6 <= marks.first && marks.first <= 12) << colour << " " << marks.first;
    EXPECT_EQ(marks.second.size(), 1u) << colour;
  }
  EXPECT_NE(*by_colour["s0"].second.begin(), *by_colour["s1"].second.begin());
}
// Advance widths of DejaVu Sans, which is the widest of the fonts that pages ask for, in thousandths of its size:
// characters 32 to 126.
// clang-format off
constexpr int kAdvances[] = {
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636,
    636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775,
    752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390,
    337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612,
    635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838};
// clang-format on
struct Box {
  double left, right, top, bottom;
  std::string text;
};
// Of the texts with one of these styles, which end or begin at their x.
std::vector<Box> boxes(const std::string& drawn, const std::map<std::string, double>& sizes) {
  const std::regex text(
      "<text x=\"([-0-9.]+)\" y=\"([-0-9.]+)\" text-anchor=\"(start|end)\" class=\"([a-z]+)\">([^<]*)");
  std::vector<Box> out;
  for (std::sregex_iterator m(drawn.begin(), drawn.end(), text), end; m != end; ++m) {
    const auto size = sizes.find((*m)[4]);
    if (size == sizes.end()) continue;
    double width = 0;
    for (const char c : (*m)[5].str())
      width += ' ' <= c && c <= '~' ? kAdvances[c - ' '] : c < 0 && (c & 0xC0) != 0x80 ? 838 : 0;
    width *= size->second / 1000;
    const double x = std::stod((*m)[1]), y = std::stod((*m)[2]), left = (*m)[3] == "end" ? x - width : x;
    out.push_back({left, left + width, y - .76 * size->second, y + .24 * size->second, (*m)[5]});
  }
  return out;
}
void expect_apart(const std::string& drawn, const std::map<std::string, double>& sizes, size_t least) {
  const std::vector<Box> all = boxes(drawn, sizes);
  EXPECT_GE(all.size(), least);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_TRUE(all[i].left >= 0 && all[i].right <= 440) << all[i].text;
    for (size_t j = 0; j < i; ++j)
      EXPECT_TRUE(all[i].right <= all[j].left || all[j].right <= all[i].left || all[i].bottom <= all[j].top ||
                  all[j].bottom <= all[i].top)
          << all[i].text << " over " << all[j].text;
  }
  const std::smatch box = [&] {
    std::smatch m;
    std::regex_search(drawn, m, std::regex("viewBox=\"0 0 440 ([0-9]+)\""));
    return m;
  }();
  for (const Box& b : all) EXPECT_LE(b.bottom, std::stod(box[1])) << b.text;
}
TEST(Chart, NoTextIsPrintedOverAnotherOrCutOff) {
  const std::string longest =
      "best first by reverse, constant rate, from one random order, constant rate, and 2 more on average";
  page::IntervalChart intervals{"t", "x", {}, {{0, "D, remedy 1: quality"}, {1, longest}}};
  for (const std::string& name :
       {std::string("self, greedy"), longest, std::string("WWWWW MMMMM WWWWW MMMMM WWWWW MMMMM")})
    intervals.rows.push_back({name, "−12\u00a0% [−24,\u00a0unbounded]?", 0.5, 0.25, 0.75, 0});
  const std::string drawn = page::svg(intervals);
  EXPECT_EQ(malformed(drawn), "");
  expect_apart(drawn, {{"name", 12}, {"note", 11}, {"legend", 12}}, 12);
  // All of a long name is there.
  EXPECT_GE(times(drawn, "class=\"name\""), 3 + 2);
  page::LineChart lines{
      "t", "x", "y", {{"one", {{0, 1, 1, 1}}}, {longest, {{0, 2, 2, 2}}}, {"three", {{0, 3, 3, 3}}}}};
  expect_apart(page::svg(lines), {{"legend", 12}}, 4);
  // Points at one place, or almost: their numbers stand side by side, and none runs out of the picture.
  page::ScatterChart points{"t", "x", "y", {}};
  for (int i = 0; i < 14; ++i)
    points.points.push_back({longest, {i < 12 ? 30 + i * .01 : 0, i == 13 ? 9. : 10 + i * .01, 5, 15}, 0});
  const std::string scattered = page::svg(points);
  expect_apart(scattered, {{"label", 11}, {"legend", 12}}, 30);
  // Nor is a mark wiped out by the white around a number: what is drawn later lies above.
  ASSERT_NE(scattered.find("class=\"interval"), std::string::npos);
  EXPECT_GT(scattered.find("class=\"interval"), scattered.rfind("class=\"label\">14"));
  for (int i = 1; i <= 14; ++i)
    EXPECT_TRUE(
        std::regex_search(scattered, std::regex(fmt::format("class=\"label\">([0-9, ]*[ ,])?{}[,<]", i))))
        << i;
}
TEST(Chart, WhatLiesBeyondTheAxisIsCutWithAnArrow) {
  page::IntervalChart chart{"t", "x", {{"wide", "", 0.5, -7, 9, 0}, {"narrow", "", 0.5, 0.25, 0.75, 1}}, {}};
  chart.percent = chart.bars = true, chart.least = -1, chart.most = 2;
  const std::string drawn = page::svg(chart);
  for (const double t : ticks_of(drawn, "middle")) EXPECT_TRUE(-100 <= t && t <= 200) << t;
  EXPECT_EQ(times(drawn, "4v-8Z"), 2);  // both ends of the first row
  EXPECT_EQ(malformed(drawn), "");
}
}  // namespace
}  // namespace rum::report_test
