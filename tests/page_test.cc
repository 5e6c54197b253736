// The parts of pages, and the pages of runs: well-formed, small and self-contained.
#include "page/page.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <zlib.h>

#include <regex>
#include <thread>

#include "generate/translate.h"
#include "page/attention.h"
#include "page/png.h"
#include "page/tokens.h"
#include "program.h"
#include "run/history.h"
#include "run_folder.h"
#include "text/json.h"
#include "text/unicode.h"

namespace rum::page_test {
namespace {
std::string from_base64(const std::string& text) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0;
  int have = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<unsigned>(digits.find(c)), have += 6;
    if (have >= 8) out += static_cast<char>(bits >> (have -= 8) & 255u);
  }
  return out;
}
TEST(Png, HoldsTheWeights) {
  const std::vector<float> weights{0, .5f, 1, .25f, 2, -1};
  const std::string uri = page::png_uri(2, 3, weights);
  ASSERT_EQ(uri.rfind("data:image/png;base64,", 0), 0u);
  const std::string png = from_base64(uri.substr(22));
  EXPECT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
  EXPECT_EQ(png.substr(12, 13), std::string("IHDR\0\0\0\3\0\0\0\2\x08", 13));
  const size_t data = png.find("IDAT");
  std::string raw(8, '\0');
  uLongf size = raw.size();
  ASSERT_EQ(uncompress(reinterpret_cast<Bytef*>(raw.data()), &size,
                       reinterpret_cast<const Bytef*>(png.data() + data + 4), png.size() - data - 4 - 16),
            Z_OK);
  EXPECT_EQ(raw, std::string("\0\0\x80\xff\0\x40\xff\0", 8));
  EXPECT_EQ(page::base64({reinterpret_cast<const uint8_t*>("ab"), 2}), "YWI=");
}
TEST(TokenMaps, ShadeByProbabilityAndEscape) {
  const std::vector<page::ShownToken> tokens{
      {"<b>"}, {"a\n", std::log(.6)}, {"\xC3", std::log(.0001)}, {"\x1b[31m", std::log(.1)}};
  const std::string html = page::heat_map(tokens);
  EXPECT_NE(html.find("<span class=\"given\" title=\"\">&lt;b&gt;</span>"), std::string::npos) << html;
  EXPECT_NE(html.find("<span class=\"h0\" title=\"a↵: probability 0.6\">a↵\n</span>"), std::string::npos)
      << html;
  EXPECT_NE(html.find("class=\"h5\""), std::string::npos);
  EXPECT_NE(html.find("\\xc3"), std::string::npos);
  EXPECT_EQ(html.find('\x1b'), std::string::npos);
  EXPECT_NE(page::cut_map(tokens).find("class=\"k3\""), std::string::npos);
}

// Nothing is fetched, and every tag is closed.
void expect_alone(const std::string& html) {
  EXPECT_LT(html.size(), 2'000'000u);
  EXPECT_EQ(html.find("<link"), std::string::npos);
  EXPECT_EQ(html.find("@import"), std::string::npos);
  EXPECT_EQ(html.find("url("), std::string::npos);
  const std::regex reference(R"re((src|href)="([^"]*)")re");
  for (std::sregex_iterator it(html.begin(), html.end(), reference), end; it != end; ++it) {
    const std::string to = (*it)[2];
    EXPECT_TRUE(to.starts_with("#") || to.starts_with("data:image/png;base64,")) << to.substr(0, 60);
  }
  for (const char* tag : {"div", "svg", "span", "p", "table", "section", "details", "figure", "dl", "g"}) {
    const auto count = [&](const std::string& what) {
      size_t n = 0;
      for (size_t at = html.find(what); at != std::string::npos; at = html.find(what, at + 1))
        n += !std::isalnum(static_cast<unsigned char>(html[at + what.size()]));
      return n;
    };
    EXPECT_EQ(count("<" + std::string(tag)), count("</" + std::string(tag))) << tag;
  }
}
TEST(RunHistory, ThinnedPointsAreMeansOfNeighbours) {
  const std::vector<page::ChartPoint> points{{1, 10}, {2, 20}, {3, 30}, {4, 40}, {5, 80}};
  const auto at = [](const std::vector<page::ChartPoint>& all) {
    std::vector<std::pair<double, double>> out;
    for (const page::ChartPoint& p : all) {
      out.emplace_back(p.x, p.y);
      EXPECT_TRUE(p.low == p.y && p.high == p.y);  // no interval
    }
    return out;
  };
  EXPECT_EQ(at(thinned(points, 2)), (std::vector<std::pair<double, double>>{{1.5, 15}, {4, 50}}));
  EXPECT_EQ(at(thinned(points, 9)),
            (std::vector<std::pair<double, double>>{{1, 10}, {2, 20}, {3, 30}, {4, 40}, {5, 80}}));
  EXPECT_TRUE(thinned({}, 3).empty());
}
struct RunPage : testing::Test {
  Program p;
  void trained(const std::string& name, const std::string& more = "") {
    p.corpora(), p.config(more);
    const Ran r = p.run({"train", p.file("c.toml"), "--set", "run.folder=" + p.file(name)});
    ASSERT_EQ(r.status, 0) << r.err;
  }
};
TEST_F(RunPage, ShowsCurvesSamplesTokensAndAttention) {
  trained("one");
  ASSERT_EQ(p.run({"inspect", p.file("one"), "--html", p.file("page.html"), "--watch"}).status,
            0);  // it is finished
  const std::string html = slurp(p.file("page.html"));
  expect_alone(html);
  for (const char* part :
       {"Loss", "Learning rate", "Norm of the gradient", "Speed", "BLEU of the validation texts",
        "Samples over time", "<dt>step 20</dt>", "class=\"h", "class=\"k", "Layer 1", "finished"})
    EXPECT_NE(html.find(part), std::string::npos) << part;
  EXPECT_EQ(html.find("http-equiv=\"refresh\""), std::string::npos);
  // Another run overlaid, which has no weights and is not finished.
  write_run(p.file("two"), {});
  std::filesystem::remove(p.file("two") + "/model.safetensors");
  ASSERT_EQ(p.run({"inspect", p.file("two"), p.file("one"), "--html", p.file("page.html")}).status, 0);
  const std::string both = slurp(p.file("page.html"));
  expect_alone(both);
  EXPECT_NE(both.find("neither a model nor a checkpoint"), std::string::npos);
  EXPECT_NE(both.find("not finished"), std::string::npos);
  EXPECT_NE(both.find("Training loss"), std::string::npos);
  // While it is watched the page reloads itself, and no longer when that has ended.
  const pid_t watch = p.start({"inspect", p.file("two"), "--html", p.file("live.html"), "--watch"});
  const auto reloads = [&] {
    return slurp(p.file("live.html")).find("<meta http-equiv=\"refresh\" content=\"10\">") !=
           std::string::npos;
  };
  for (int i = 0; i < 3000 && !reloads(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(reloads());
  kill(watch, SIGINT);
  EXPECT_EQ(p.end(watch).status, 0) << slurp(p.file("err"));
  EXPECT_FALSE(reloads());
  ASSERT_EQ(p.run({"inspect", p.file("one"), "--svg", p.file("loss.svg")}).status, 0);
  EXPECT_NE(slurp(p.file("loss.svg")).find("</svg>"), std::string::npos);
  expect_refusal(p.run({"inspect", p.file("one"), p.file("two")}), "--html");
  expect_refusal(p.run({"inspect", p.file("one"), "--watch"}), "--watch needs --html");
  expect_refusal(p.run({"inspect", p.scratch.path, "--html", p.file("page.html")}), "not a run folder");
  // And a corpus as the model sees it, token by token.
  ASSERT_EQ(p.run({"perplexity", p.file("one"), "--input", p.file("test.tsv"), "--html", p.file("page.html")})
                .status,
            0);
  const std::string texts = slurp(p.file("page.html"));
  expect_alone(texts);
  EXPECT_NE(texts.find("perplexity"), std::string::npos);
  EXPECT_NE(texts.find("title=\""), std::string::npos);
}
TEST_F(RunPage, ASourceThatLooksLikeAnotherLineIsASource) {
  write_run(p.file("run"), {});
  p.write(
      "run/samples.txt",
      "step 10\n  > quoted\n  = one\n  > first\n  = equal\n  = two\n  > \nstep 20\n  > quoted\n  = one\n  > "
      "second\n");
  ASSERT_EQ(p.run({"inspect", p.file("run"), "--html", p.file("page.html")}).status, 0);
  const std::string html = slurp(p.file("page.html"));
  for (const char* part :
       {"<b>&gt; quoted</b><br><span class=\"soft\">one</span></p><dl>\n<dt>step "
        "10</dt><dd>first</dd>\n<dt>step "
        "20</dt><dd>second</dd>\n</dl>",
        "<b>= equal</b><br><span class=\"soft\">two</span></p><dl>\n<dt>step 10</dt><dd></dd>\n</dl>"})
    EXPECT_NE(html.find(part), std::string::npos) << part << html;
}
// As a crash or a full disk may leave them: half a character at the end, then what was never written.
TEST_F(RunPage, WhatIsDamagedIsPassedOverAndSaid) {
  write_run(p.file("run"), {}), write_run(p.file("whole"), {});
  const std::string good = "step 10\n  eins\n  = one\n  > first\n",
                    damaged = good +
                              "step 20\n  eins\n  = one\n  > sec\xC3\n  zwei\nstep 30\n  eins\n  = one\n" +
                              "  > third\n" + std::string(100, '\0');
  p.write("run/samples.txt", damaged), p.write("whole/samples.txt", good);
  p.write("run/metrics.jsonl", "{\"step\":1,");
  ASSERT_EQ(p.run({"inspect", p.file("whole"), p.file("run"), "--html", p.file("page.html")}).status, 0);
  const std::string html = slurp(p.file("page.html"));
  for (const char* part : {", 3 damaged lines of its records passed over",
                           "<dt>step 10</dt><dd>first</dd>\n<dt>step 30</dt><dd>third</dd>\n</dl>"})
    EXPECT_NE(html.find(part), std::string::npos) << part << html;
  for (const char* part : {"zwei", "step 20"}) EXPECT_EQ(html.find(part), std::string::npos) << part;
  p.write("run/results.json", "{\"report\": \"BLEU 3");
  const Ran r = p.run({"inspect", p.file("run")});
  EXPECT_EQ(r.status, 0);
  EXPECT_NE(r.err.find("results.json: "), std::string::npos) << r.err;
  EXPECT_NE(r.err.find("; the results are passed over\n"), std::string::npos) << r.err;
}
// An untrained model writes bytes that are no text.
TEST_F(RunPage, SamplesAreLinesOfText) {
  p.corpora(), p.config();
  ASSERT_EQ(p.run({"train", p.file("c.toml"), "--set", "train.steps=1", "--set", "schedule.warmup=0", "--set",
                   "optimizer.learning_rate=0"})
                .status,
            0);
  const auto run = load_run(p.file("run"));
  const std::vector<Pair> valid = read_corpus(p.file("valid.tsv"), CorpusKind::pairs).texts;
  std::vector<std::string> sources;
  for (size_t i = 0; i < 3; ++i) sources.push_back(valid[i].source);
  Decoding greedy = run->config.decoding;
  greedy.beam = 1;
  std::string all;
  for (const std::string& t : translate(run->model, run->tokenizer, sources, greedy)) all += t;
  ASSERT_NE(find_invalid_utf8(all), std::string::npos) << all;
  const std::string samples = slurp(p.file("run/samples.txt"));
  EXPECT_EQ(find_invalid_utf8(samples), std::string::npos);
  EXPECT_EQ(std::count(samples.begin(), samples.end(), '\n'), 1 + 3 * 3);
  EXPECT_EQ(p.run({"inspect", p.file("run"), "--html", p.file("page.html")}).status, 0);
}
}  // namespace
}  // namespace rum::page_test
