// Explanations: sums by hand and against the score, windows of a detector with known answers, and the page
// and the terminal with hostile text.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <map>
#include <regex>

#include "detect/explain_page.h"
#include "detect/linear.h"
#include "tests/error_of.h"
#include "tests/typed.h"
#include "text/words.h"

namespace rum::detect::detect_explain_test {
namespace {
constexpr uint32_t kColumns = 1u << 20;

// A detector of words only, with prescribed weights for its n-grams.
std::unique_ptr<Linear> weighing(const char* ngrams,
                                 const std::vector<std::pair<std::string, double>>& weights,
                                 double constant) {
  LinearOptions o;
  o.ngrams = parse_ngrams(ngrams);
  o.features = kColumns;
  Logistic model{std::vector<double>(kColumns * o.ngrams.size()), constant, 0};
  for (const auto& [ngram, weight] : weights) {
    const int32_t h = murmur3(ngram);
    model.weights[static_cast<size_t>(std::abs(int64_t{h})) % kColumns] = h < 0 ? -weight : weight;
  }
  return std::make_unique<Linear>(o, std::move(model));
}
TEST(Explain, WordsShareTheirNgramsByHand) {
  const auto d = weighing("word:1-2", {{"saw", 2}, {"saw it", 6}, {"it saw", -1}}, 0.5);
  const Text t{.id = "1", .target = "I  SAW it saw"};
  // saw twice, it, "saw it" and "it saw" once: a vector of length sqrt(4 + 1 + 1 + 1).
  const double length = std::sqrt(7.0);
  const Explanation e = d->explain(t);
  ASSERT_EQ(e.parts.size(), 4u);
  const std::vector<double> expected{0, 2 + 3.0, 3 - 0.5, 2 - 0.5};
  const std::vector<std::string> words{"I", "SAW", "it", "saw"};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(t.target.substr(e.parts[i].begin, e.parts[i].end - e.parts[i].begin), words[i]);
    EXPECT_NEAR(e.parts[i].adds, expected[i] / length, 1e-12);
  }
  const auto top = strongest(e.features, 5);
  ASSERT_EQ(top.size(), 3u);
  EXPECT_EQ(top[0].name, "saw it");
  EXPECT_EQ(top[1].name, "saw");
  EXPECT_EQ(top[1].times, 2);
  EXPECT_NEAR(top[1].adds, 4 / length, 1e-12);
  EXPECT_EQ(top[2].name, "it saw");
  EXPECT_NEAR(d->score({&t, 1})[0], 0.5 + (4 + 6 - 1) / length, 1e-12);
}
TEST(Explain, BlanksAloneAreOnePart) {
  const auto d = weighing("char:1-1", {{" ", 3}}, 1);
  const Text t{.id = "1", .target = "  "};
  const Explained e = explained(*d, t);
  ASSERT_EQ(e.explanation.parts.size(), 1u);
  EXPECT_NEAR(e.explanation.parts[0].adds, 3, 1e-12);
}

// Scores by how often "bot" is in a text; its explanation is prescribed.
struct Counting : Detector {
  Explanation told;
  bool source = false;
  std::vector<double> score(std::span<const Text> texts) const override {
    std::vector<double> out;
    for (const Text& t : texts) {
      double count = 0;
      for (size_t at = 0; (at = t.target.find("bot", at)) != std::string::npos; ++at) ++count;
      out.push_back(count);
    }
    return out;
  }
  bool needs_source() const override { return source; }
  Explanation explain(const Text&) const override { return told; }
  Saved saved() const override { return {}; }
};
TEST(Explain, WhatDoesNotAddUpIsRefused) {
  Counting d;
  const Text t{.id = "7", .target = "bot bot"};
  d.told = {0.5, {{0, 3, 1}, {4, 7, 0.5}}};
  EXPECT_EQ(explained(d, t).score, 2);
  d.told.parts[1].adds += 0.0625;
  EXPECT_NE(error_of([&] {
              explained(d, t);
            }).find("text 7: the parts of its explanation add up to 2.0625, its score is 2:"),
            std::string::npos);
}
TEST(Explain, AScoreThatIsNoNumberIsRefused) {
  struct Broken : Counting {
    std::vector<double> score(std::span<const Text> texts) const override {
      return std::vector<double>(texts.size(), std::nan(""));
    }
  };
  const Broken d;
  const Text t{.id = "7", .target = "one two"};
  EXPECT_EQ(error_of([&] { explained(d, t); }),
            "text 7: its score is nan; a detector must give every text a number");
  EXPECT_EQ(error_of([&] { windows(d, t, Unit::words, 1, 1); }), "text 7: the score of window 1 is nan");
}
TEST(Explain, StretchesCoverTheTextAndKeepTheSum) {
  // "a€b", the euro sign's three bytes in two tokens, a word over all of it, and an end.
  const std::string target =
      "a\xE2\x82\xAC"
      "b";
  const std::vector<Contribution> parts{
      {0, 3, 3, 5, 0.5}, {3, 4, 1, 2000, 0.1}, {4, 5, 2, 1, 0.9}, {5, 5, -4, 7, 0.25}, {0, 5, 10}};
  const auto all = stretches(target, parts);
  // The boundary at byte 3 is inside a character, so the stretches are "a€", "b" and the end.
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].end, 4u);
  EXPECT_NEAR(all[0].adds, 3 + 1 + 8, 1e-12);
  EXPECT_EQ(all[0].rank, 2000);
  EXPECT_NEAR(all[0].probability, 0.05, 1e-12);
  EXPECT_NEAR(all[1].adds, 2 + 2, 1e-12);
  EXPECT_EQ(all[1].rank, 1);
  EXPECT_EQ(all[2].begin, all[2].end);
  EXPECT_EQ(all[2].adds, -4);
  EXPECT_EQ(rank_histogram(parts), (std::array<int64_t, 4>{3, 0, 0, 1}));
  EXPECT_FALSE(has_ranks(parts));
  EXPECT_TRUE(has_ranks(std::span(parts).first(4)));
  for (const auto& [rank, expected] :
       {std::pair{1, 0}, {10, 0}, {11, 1}, {100, 1}, {101, 2}, {1000, 2}, {1001, 3}})
    EXPECT_EQ(rank_class(rank), expected);
}

std::vector<std::pair<int64_t, int64_t>> places(const std::vector<Window>& all) {
  std::vector<std::pair<int64_t, int64_t>> out;
  for (const Window& w : all) out.emplace_back(w.first, w.last);
  return out;
}
using Places = std::vector<std::pair<int64_t, int64_t>>;
TEST(Windows, CoverTheTextToItsEnd) {
  const Counting d;
  const Text t{.id = "1", .target = " one two  three four five six seven eight nine ten eleven "};
  EXPECT_EQ(places(windows(d, t, Unit::words, 4, 2)), (Places{{1, 4}, {3, 6}, {5, 8}, {7, 10}, {8, 11}}));
  EXPECT_EQ(places(windows(d, t, Unit::words, 4, 7)), (Places{{1, 4}, {8, 11}}));
  EXPECT_EQ(places(windows(d, t, Unit::words, 11, 1)), (Places{{1, 11}}));
  EXPECT_EQ(places(windows(d, t, Unit::words, 50, 1)), (Places{{1, 11}}));
  EXPECT_EQ(places(windows(d, t, Unit::words, 3, 100)), (Places{{1, 3}, {9, 11}}));
  const Window w = windows(d, t, Unit::words, 4, 2)[1];
  EXPECT_EQ(t.target.substr(w.begin, w.end - w.begin), "three four five six");
  // Words where no blank parts them, with the signs beside them: "I / love / music, / you / too."
  const Text han{.id = "3", .target = "\u6211\u7231\u97F3\u4E50\uFF0C\u4F60\u4E5F\u7231\u3002 -- (ok)"};
  const auto parted = windows(d, han, Unit::words, 1, 1);
  std::string whole;
  for (const Window& x : parted) whole += han.target.substr(x.begin, x.end - x.begin);
  EXPECT_EQ(parted.size(), words(han.target).size());
  EXPECT_GT(parted.size(), 5u);
  EXPECT_EQ(whole, "\u6211\u7231\u97F3\u4E50\uFF0C\u4F60\u4E5F\u7231\u3002 --(ok)");
  const auto signs = windows(d, {.id = "4", .target = " ... !"}, Unit::words, 2, 1);
  ASSERT_EQ(signs.size(), 1u);
  EXPECT_EQ(signs[0].begin, 1u);
  EXPECT_EQ(signs[0].end, 6u);
  const Text s{.id = "2",
               .target = "He came.  He said \"No.\" and left. It cost 3.50 euros! \u5B83\u3002\u597D\u3002"};
  std::vector<std::string> sentences;
  for (const Window& x : windows(d, s, Unit::sentences, 1, 1))
    sentences.push_back(s.target.substr(x.begin, x.end - x.begin));
  EXPECT_EQ(sentences, (std::vector<std::string>{"He came.", "He said \"No.\" and left.",
                                                 "It cost 3.50 euros!", "\u5B83\u3002", "\u597D\u3002"}));
}
TEST(Windows, FindThePartThatWasPlanted) {
  Counting d;
  std::string target;
  for (int i = 1; i <= 60; ++i) target += i > 20 && i <= 30 ? "bot " : "man ";
  const Text t{.id = "1", .target = target};
  d.calibration.thresholds = {{0.05, 2.5, 200}, {0.01, 4.5, 1000}};
  const auto all = windows(d, t, Unit::words, 5, 5);
  ASSERT_EQ(all.size(), 12u);
  for (const Window& w : all) EXPECT_EQ(w.score, w.first > 20 && w.last <= 30 ? 5 : 0);
  // Words 21 to 30, each of four bytes with its blank: two windows, a blank apart, stay two parts.
  EXPECT_EQ(machine_parts(d.calibration, all),
            (std::vector<std::pair<size_t, size_t>>{{80, 99}, {100, 119}}));
  EXPECT_EQ(machine_parts(d.calibration, windows(d, t, Unit::words, 5, 1)),
            (std::vector<std::pair<size_t, size_t>>{{80, 119}}));
  // The strictest threshold decides: three of five words are above only the first.
  EXPECT_EQ(machine_parts(d.calibration, windows(d, t, Unit::words, 3, 3)).size(), 0u);
  d.calibration.minimum_characters = 20;  // a window has 19
  const auto silent = windows(d, t, Unit::words, 5, 1);
  for (const Window& w : silent) EXPECT_TRUE(w.verdict.abstains);
  EXPECT_TRUE(machine_parts(d.calibration, silent).empty());
  EXPECT_NE(parts_told(d.calibration, silent).find("56 of 56 windows are too short: it abstains below 20"),
            std::string::npos);
  d.source = true;
  EXPECT_NE(error_of([&] { windows(d, t, Unit::words, 5, 1); }).find("reads source and target"),
            std::string::npos);
}

// Start tags and end tags in order; void elements aside.
bool well_formed(const std::string& html) {
  std::vector<std::string> open;
  const std::regex tag("<(/?)([a-z0-9]+)[^<>]*>");
  for (std::sregex_iterator i(html.begin(), html.end(), tag), end; i != end; ++i) {
    const std::string name = (*i)[2];
    if (name == "meta") continue;
    if ((*i)[1].length() == 0) {
      open.push_back(name);
    } else if (open.empty() || open.back() != name) {
      return false;
    } else {
      open.pop_back();
    }
  }
  return open.empty();
}
// What a browser shows: the page without tags, its entities read.
std::string text_of_page(const std::string& html) {
  std::string out = std::regex_replace(html.substr(html.find("<body>")), std::regex("<[^>]*>"), "");
  for (const auto& [entity, character] :
       {std::pair{"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&amp;", "&"}})
    out = std::regex_replace(out, std::regex(entity), character);
  return out;
}
TEST(ExplainPage, NeedsNothingBesideItAndEscapesEverything) {
  const std::string evil = "<script>alert(\"x\")</script> & <img src=x onerror='y'>";
  const size_t third = evil.size() / 3;
  Explained e{{.id = "<b>7", .target = evil}, 1.5, {}, {}, false};
  e.verdict.probability = 0.9;
  e.explanation.parts = {
      {0, third, 1, 3, 0.2}, {third, evil.size(), -2, 1500, 1e-4}, {evil.size(), evil.size(), 2.5, 1, 0.8}};
  Calibration c;
  c.curve = Platt{-1, 0, 0};
  const std::vector<Explained> texts{e};
  const std::vector<Windowed> windowed{
      {e.text, {{0, third, 1, 1, 3, {}}, {third, evil.size(), 2, 2, 1, {}}}}};
  for (const std::string& html : {explanation_page(c, texts), windows_page(c, windowed)}) {
    EXPECT_TRUE(well_formed(html)) << html;
    for (const char* request : {"http:", "https:", "//", "<script", "<img", "<link", "@import", "url("})
      EXPECT_EQ(html.find(request), std::string::npos) << request;
    EXPECT_NE(text_of_page(html).find(evil), std::string::npos);
    EXPECT_NE(text_of_page(html).find("Text <b>7"), std::string::npos);
    EXPECT_NE(html.find("content=\"width=device-width,initial-scale=1\""), std::string::npos);
    EXPECT_NE(html.find("prefers-color-scheme:dark"), std::string::npos);
  }
  const std::string html = explanation_page(c, texts);
  EXPECT_NE(html.find("<span class=\"h0\" title=\"adds +1, rank 3, probability 0.2\">"), std::string::npos);
  EXPECT_NE(html.find("<span class=\"h5\" title=\"adds -2, rank 1500, probability 0.0001\">"),
            std::string::npos);
  EXPECT_NE(html.find("width:66.7%\"></i></td><td data-label=\"tokens\">2 (67 %)"),
            std::string::npos);  // of ranks up to 10
  EXPECT_NE(html.find("width:0.0%\"></i></td><td data-label=\"tokens\">0 (0 %)"), std::string::npos);
  e.explanation.parts.back().rank = 0;  // not one language model's: no ranks are shown
  const std::vector<Explained> others{e};
  EXPECT_EQ(explanation_page(c, others).find("rank 1 to 10"), std::string::npos);
}
// Text has a contrast of at least 4.5 : 1 with each shade (WCAG 2, AA), in light and dark mode.
TEST(ExplainPage, CanBeRead) {
  const std::string html = explanation_page({}, {});
  using Colour = std::array<double, 3>;  // 0 to 1
  const auto parsed = [](const std::string& hex) {
    Colour out;
    const size_t digits = hex.size() / 3;
    for (size_t k = 0; k < 3; ++k) {
      const std::string one = hex.substr(k * digits, digits);
      out[k] = std::stoi(digits == 1 ? one + one : one, nullptr, 16) / 255.0;
    }
    return out;
  };
  const auto luminance = [](const Colour& c) {
    const double share[] = {0.2126, 0.7152, 0.0722};
    double out = 0;
    for (size_t k = 0; k < 3; ++k)
      out += share[k] * (c[k] <= 0.04045 ? c[k] / 12.92 : std::pow((c[k] + 0.055) / 1.055, 2.4));
    return out;
  };
  const size_t dark = html.find("prefers-color-scheme:dark");
  const std::regex variable("--([a-z0-9]+):#([0-9a-f]+)"),
      shade("color-mix\\(in srgb,var\\(--([a-z0-9]+)\\) ([0-9]+)%,transparent\\)");
  int seen = 0;
  for (const std::string& half : {html.substr(0, dark), html.substr(dark)}) {
    std::map<std::string, Colour> named;
    for (std::sregex_iterator i(half.begin(), half.end(), variable), end; i != end; ++i)
      named.try_emplace((*i)[1], parsed((*i)[2]));
    const double ink = luminance(named.at("ink"));
    for (std::sregex_iterator i(html.begin(), html.end(), shade), end; i != end; ++i, ++seen) {
      Colour back = named.at("paper");
      const Colour& over = named.at((*i)[1]);
      const double share = std::stod((*i)[2]) / 100;
      for (size_t k = 0; k < 3; ++k) back[k] = share * over[k] + (1 - share) * back[k];
      const double behind = luminance(back);
      EXPECT_GE((std::max(ink, behind) + 0.05) / (std::min(ink, behind) + 0.05), 4.5) << (*i)[0];
    }
  }
  EXPECT_EQ(seen, 2 * (6 + 4 + 8));  // shades of probabilities and of tokens, and the page's own
}

// ---- the program
struct Explaining : Program, testing::Test {
  Explaining() {
    auto d = weighing("word:1-1", {{"furthermore", 4}, {"anyway", -4}}, -0.5);
    d->kind = "linear";
    d->calibration.curve = Platt{-1, 0, 0};
    d->calibration.thresholds = {{0.05, 0.25, 200}};
    d->calibration.minimum_characters = 10;
    save(*d, file("d"));
    write("texts", "furthermore the house\nshort\nanyway the \x1B[31mhouse\n");
  }
  std::vector<std::string> words(std::vector<std::string> more) const {
    std::vector<std::string> out{"detect", "explain", "--detector", file("d")};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
};
TEST_F(Explaining, ATableWhereThereAreNoColours) {
  const Ran r = run(words({"--in", file("texts"), "--html", file("page.html")}));
  ASSERT_EQ(r.status, 0) << r.err;
  // 4 / sqrt(3) = 2.309401; the probability is 1 / (1 + exp(-1.809401)).
  EXPECT_NE(r.out.find("score 1.8094 = -0.5, the constant, + 2.3094 of 3 parts\n"
                       "a machine wrote it with probability 0.859\n"
                       "machine: above 0.25, the threshold for 5 % false alarms\n"
                       "        adds  text\n    2.309401  \"furthermore\"\n"),
            std::string::npos)
      << r.out;
  EXPECT_NE(r.out.find("text 2\nscore -0.5 = -0.5, the constant, + 0 of 1 parts\n"
                       "too short to say: it abstains below 10 characters\n"),
            std::string::npos)
      << r.out;
  EXPECT_EQ(r.out.find('\x1B'), std::string::npos);
  const std::string page = slurp(file("page.html"));
  EXPECT_TRUE(well_formed(page));
  EXPECT_NE(page.find("furthermore</span>"), std::string::npos);
  const Ran one = run(words({"--in", file("texts"), "--id", "3"}));
  EXPECT_EQ(one.out.find("text 3\n"), 0u);
  EXPECT_NE(one.out.find("not above 0.25"), std::string::npos) << one.out;
  expect_refusal(run(words({"--in", file("texts"), "--id", "4"})), "no text has the id 4");
}
TEST_F(Explaining, APageOnStandardOutputStandsThereAlone) {
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--window", "1"}}) {
    std::vector<std::string> all = words({"--in", file("texts"), "--html", file("page.html")});
    all.insert(all.end(), more.begin(), more.end());
    const Ran file = run(all);
    all[7] = "-";
    const Ran piped = run(all);
    EXPECT_EQ(piped.status, 0) << piped.err;
    EXPECT_EQ(piped.out, slurp(this->file("page.html")));
    EXPECT_EQ(piped.err, file.out);
  }
  // Where the table cannot be written, the page is.
  std::string line = program_path();
  for (const std::string& word : words({"--in", file("texts"), "--html", "-"})) line += " " + word;
  EXPECT_EQ(shell(line + " >" + file("piped") + " 2>/dev/full").status, 0);
  run(words({"--in", file("texts"), "--html", file("page.html")}));
  EXPECT_EQ(slurp(file("piped")), slurp(file("page.html")));
}
// Its own colours, and no other control sequence, reach a terminal; none with NO_COLOR.
TEST_F(Explaining, ColoursOnATerminalUnlessTurnedOff) {
  const std::string shown = typed(*this, words({"--in", file("texts")}));
  EXPECT_NE(shown.find("m"
                       "furthermore\x1B[0m"),
            std::string::npos)
      << shown;
  EXPECT_EQ(shown.find("\x1B[31m"), std::string::npos);
  EXPECT_NE(shown.find("\\x1b[31mhouse"), std::string::npos);
  const std::string rest = std::regex_replace(shown, std::regex("\x1B\\[(48;5;[0-9]+;38;5;[0-9]+|0)m"), "");
  EXPECT_EQ(rest.find('\x1B'), std::string::npos) << rest;
  const std::string plain = typed(*this, words({"--in", file("texts")}), false);
  EXPECT_EQ(plain.find('\x1B'), std::string::npos);
  EXPECT_NE(plain.find("2.309401  \"furthermore\""), std::string::npos) << plain;
}
TEST_F(Explaining, WindowsOfADocument) {
  std::string text;
  for (int i = 0; i < 30; ++i) text += i / 10 == 1 ? "furthermore they came\n" : "anyway they came\n";
  write("essay.txt", text);
  const Ran r = run(
      words({"--document", file("essay.txt"), "--window", "9", "--stride", "3", "--html", file("w.html")}));
  ASSERT_EQ(r.status, 0) << r.err;
  EXPECT_NE(r.out.find("of 28 windows look machine-written, where 5 % of people's texts would"),
            std::string::npos)
      << r.out;
  const std::regex row(" ([0-9]+)-([0-9]+) +(-?[0-9.]+) +([0-9.]+)  (machine|not flagged) ");
  int64_t rows = 0;
  for (std::sregex_iterator i(r.out.begin(), r.out.end(), row), end; i != end; ++i, ++rows) {
    // "furthermore" stands at words 31, 34 .. 58, and no other is a machine's.
    int64_t machine = 0;
    for (int64_t w = std::stoll((*i)[1]); w <= std::stoll((*i)[2]); w += 3) machine += w >= 31 && w <= 58;
    EXPECT_EQ((*i)[5] == "machine", machine >= 2) << i->str();
  }
  EXPECT_EQ(rows, 28);
  EXPECT_NE(slurp(file("w.html")).find("<mark>"), std::string::npos);
  expect_refusal(run(words({"--document", file("texts"), "--stride", "3"})), "--stride needs --window");
  write("blank.txt", " \n\n");
  expect_refusal(run(words({"--document", file("blank.txt")})), "it holds only spaces");
  expect_refusal(run(words({"--document", file("none.txt")})), "none.txt: cannot open: No such file");
  expect_refusal(run(words({"--in", file("texts"), "--html", file("no/folder.html")})),
                 "there is no folder " + file("no"));
  expect_refusal(run(words({"--in", file("texts"), "--html", file(std::string(250, 'x'))})),
                 "the name has 250 bytes; at most 230 can be written");
  ASSERT_EQ(shell("gzip -k " + file("essay.txt")).status, 0);
  const Ran packed = run(words({"--document", file("essay.txt.gz"), "--window", "9", "--stride", "3"}));
  EXPECT_EQ(packed.out.substr(packed.out.find("of 28")), r.out.substr(r.out.find("of 28"))) << packed.err;
}
}  // namespace
}  // namespace rum::detect::detect_explain_test
