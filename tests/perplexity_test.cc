// `ruminate perplexity` as a user meets it, on a model trained for a moment.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "run/run.h"
#include "tests/program.h"
#include "text/json.h"

namespace rum::perplexity_test {
namespace {
double number(const Json& j, const char* key) {
  double out = NAN;
  const Json* found = j.find(key);
  EXPECT_TRUE(found != nullptr && found->number(out)) << key;
  return out;
}
TEST(PerplexityCommand, TableTokensAndJsonAgree) {
  Program p;
  p.corpora(), p.config();
  ASSERT_EQ(p.run({"train", p.file("c.toml")}).status, 0);
  const Ran json =
      p.run({"perplexity", p.file("run"), "--input", p.file("test.tsv"), "--json", "--per-token"});
  ASSERT_EQ(json.status, 0) << json.err;
  const Json j = parse_json(json.out, "json");
  // Sums over the tokens, computed independently.
  double log_p = 0, ranks = 0, log_ranks = 0, entropy = 0, tokens = 0, bytes = 0;
  const Json::Array& texts = *j.find("per_token")->array();
  EXPECT_EQ(texts.size(), 15u);
  for (const Json& t : texts)
    for (const Json& token : *t.find("tokens")->array()) {
      log_p += number(token, "log_p"), ranks += number(token, "rank"), entropy += number(token, "entropy");
      log_ranks += std::log(number(token, "rank")), ++tokens;
    }
  const auto pairs = grammar_pairs(330, 5);
  for (size_t i = 315; i < 330; ++i) bytes += static_cast<double>(pairs[i].target.size());
  EXPECT_EQ(number(j, "tokens"), tokens);
  EXPECT_EQ(number(j, "bytes"), bytes);
  EXPECT_NEAR(number(j, "perplexity"), std::exp(-log_p / tokens), 1e-9);
  EXPECT_NEAR(number(j, "bits_per_byte"), -log_p / std::log(2.) / bytes, 1e-9);
  EXPECT_NEAR(number(j, "rank"), ranks / tokens, 1e-9);
  EXPECT_NEAR(number(j, "log_rank"), log_ranks / tokens, 1e-9);
  EXPECT_NEAR(number(j, "lrr"), -log_p / log_ranks, 1e-9);
  EXPECT_NEAR(number(j, "token_entropy"), entropy / tokens, 1e-9);

  const Ran table = p.run({"perplexity", p.file("run"), "-i", "-"}, slurp(p.file("test.tsv")));
  ASSERT_EQ(table.status, 0) << table.err;
  EXPECT_EQ(std::count(table.out.begin(), table.out.end(), '\n'), 2) << table.out;
  EXPECT_NE(table.out.find(fmt::format(" {:.4f} ", number(j, "perplexity"))), std::string::npos) << table.out;
  const Ran each = p.run({"perplexity", p.file("run"), "-i", p.file("test.tsv"), "--per-token"});
  EXPECT_EQ(std::count(each.out.begin(), each.out.end(), '\n'), static_cast<int64_t>(tokens) + 1);
  EXPECT_NE(each.out.find("\"<eos>\""), std::string::npos);

  std::string longer;
  for (int i = 0; i < 200; ++i) longer += "Hund ";
  const auto ask = [&](const std::string& text, std::vector<std::string> more) {
    p.write("asked.tsv", text);
    more.insert(more.begin(), {"perplexity", p.file("run"), "-i", p.file("asked.tsv")});
    return p.run(more);
  };
  const std::string good = slurp(p.file("test.tsv"));
  const Ran skipped = ask("a\tb\tc\n" + longer + "\tb\n" + good + "\n", {});
  EXPECT_EQ(skipped.status, 1);
  EXPECT_EQ(skipped.out, table.out);  // the figures of the others
  for (const char* part : {"line 1: expected source<TAB>target", "line 2 needs ", "lines left out: 2"})
    EXPECT_NE(skipped.err.find(part), std::string::npos) << skipped.err;
  const Json counted =
      parse_json(ask("a\tb\tc\n" + longer + "\tb\n" + good + "\n", {"--json"}).out, "skipped");
  EXPECT_EQ(number(counted, "left_out"), 2);
  EXPECT_EQ(number(counted, "cut"), 0);
  EXPECT_EQ(ask(good + "\n", {}).status, 0);  // a blank last line does not count
  expect_refusal(ask(longer + "\tb\n" + good, {"--on-long", "fail"}), "asked.tsv: line 1 needs ");
  const Ran cut = ask("Hund\t" + longer + "\n", {"--on-long", "cut", "--per-token"});
  EXPECT_EQ(cut.status, 0) << cut.err;
  EXPECT_EQ(cut.out.find("<eos>"), std::string::npos);  // its end was cut off
  EXPECT_NE(cut.err.find("texts cut: 1"), std::string::npos) << cut.err;
  p.write("plain", "no tab\n");
  expect_refusal(p.run({"perplexity", p.file("run"), "--input", p.file("plain")}),
                 "expected source<TAB>target");
}
TEST(PerplexityCommand, PlainTextIsPredictedAfterItsFirstToken) {
  Program p;
  std::string text;
  for (const Pair& t : grammar_pairs(300, 9)) text += t.target + "\n\n";
  std::string longest = text.substr(2000, 1000);
  for (size_t at; (at = longest.find("\n\n")) != std::string::npos;) longest.erase(at, 1);
  p.write("train.txt", text), p.write("valid.txt", text.substr(0, 2000) + "\n\n" + longest), p.config();
  ASSERT_EQ(p.run({"train", p.file("c.toml"), "--set", "data.kind=text", "--set",
                   "data.train=" + p.file("train.txt"), "--set", "data.valid=" + p.file("valid.txt"), "--set",
                   "data.test="})
                .status,
            0);
  p.write("two.txt", "the dog\n\na cat\nsees it\n");
  const Ran r = p.run({"perplexity", p.file("run"), "-i", p.file("two.txt"), "--json", "--per-token"});
  ASSERT_EQ(r.status, 0) << r.err;
  const Json j = parse_json(r.out, "json");
  const Json::Array& texts = *j.find("per_token")->array();
  ASSERT_EQ(texts.size(), 2u);
  const std::string whole[] = {"the dog", "a cat\nsees it"};
  const double lines[] = {1, 3};
  double bytes = 0;
  for (size_t i = 0; i < 2; ++i) {
    std::string written;
    for (const Json& t : *texts[i].find("tokens")->array()) written += *t.find("token")->text();
    EXPECT_EQ(number(texts[i], "line"), lines[i]);
    ASSERT_TRUE(written.ends_with("<eos>"));
    written.resize(written.size() - 5);
    EXPECT_TRUE(whole[i].ends_with(written)) << written;
    EXPECT_LT(written.size(), whole[i].size());
    bytes += static_cast<double>(written.size());
  }
  EXPECT_EQ(number(j, "bytes"), bytes);
  // One token more than the context of 96: the last one is predicted, not read.
  {
    const auto run = load_run(p.file("run"));
    std::string full = "the";
    while (to_example({"", full}, run->tokenizer).tokens.size() < 97) full += " cat";
    ASSERT_EQ(to_example({"", full}, run->tokenizer).tokens.size(), 97u);
    p.write("full.txt", full + "\n");
    const Ran all =
        p.run({"perplexity", p.file("run"), "-i", p.file("full.txt"), "--json", "--on-long", "fail"});
    ASSERT_EQ(all.status, 0) << all.err;
    EXPECT_EQ(number(parse_json(all.out, "json"), "tokens"), 96);
    EXPECT_EQ(number(parse_json(all.out, "json"), "cut"), 0);
  }
  // A longer document is read as in validation.
  const auto ask = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"perplexity", p.file("run"), "-i", p.file("valid.txt"), "--json"});
    return p.run(more);
  };
  const Ran cut = ask({}), skipped = ask({"--on-long", "skip"});
  ASSERT_EQ(cut.status, 0) << cut.err;
  // Its tokens are numbered on from piece to piece.
  std::istringstream rows(p.run({"perplexity", p.file("run"), "-i", p.file("valid.txt"), "--per-token"}).out);
  std::string row;
  std::getline(rows, row);
  int64_t expected = 1, longest_text = 0;
  while (std::getline(rows, row)) {
    EXPECT_EQ(std::stoll(row.substr(row.find('\t') + 1)), expected) << row;
    longest_text = std::max(longest_text, expected);
    expected = row.find("\"<eos>\"") == std::string::npos ? expected + 1 : 1;
  }
  EXPECT_GT(longest_text, 96);
  EXPECT_NE(cut.err.find("texts cut: 1"), std::string::npos) << cut.err;
  const Json results = parse_json(slurp(p.file("run/results.json")), "results");
  EXPECT_NEAR(std::log(number(parse_json(cut.out, "json"), "perplexity")), number(results, "valid_loss"),
              1e-5);
  EXPECT_EQ(skipped.status, 1);
  EXPECT_NE(skipped.err.find("lines left out: 1"), std::string::npos) << skipped.err;
  expect_refusal(ask({"--on-long", "fail"}), "split the text");
}
TEST(PerplexityCommand, AStreamIsReadInTheWindowsOfItsRun) {
  Program p;
  std::string text;
  for (const Pair& t : grammar_pairs(300, 9)) text += t.target + "\n";
  text.resize(6000);
  p.write("train.txt", text), p.write("valid.txt", text.substr(0, 2000)), p.config();
  ASSERT_EQ(p.run({"train", p.file("c.toml"), "--set", "data.kind=text", "--set", "data.windows=stream",
                   "--set", "tokenizer.pattern=characters", "--set", "data.train=" + p.file("train.txt"),
                   "--set", "data.valid=" + p.file("valid.txt"), "--set", "data.test="})
                .status,
            0);
  const Ran r = p.run({"perplexity", p.file("run"), "-i", p.file("valid.txt"), "--json", "--per-token"});
  ASSERT_EQ(r.status, 0) << r.err;
  const Json j = parse_json(r.out, "json"),
             results = parse_json(slurp(p.file("run/results.json")), "results");
  EXPECT_NEAR(std::log(number(j, "perplexity")), number(results, "valid_loss"), 1e-5);
  EXPECT_EQ(number(j, "tokens"), 1999);  // ASCII: a token a byte, and nothing is before the first
  EXPECT_EQ(number(j, "bytes"), 1999);
  std::string written = text.substr(0, 1);
  for (const Json& window : *j.find("per_token")->array()) {
    EXPECT_EQ(number(window, "before"), static_cast<double>(written.size() - 1));
    EXPECT_EQ(number(window, "line"), 1 + std::count(written.begin(), written.end() - 1, '\n'));
    for (const Json& t : *window.find("tokens")->array()) written += *t.find("token")->text();
  }
  EXPECT_EQ(written, text.substr(0, 2000));
  EXPECT_EQ(
      p.run({"perplexity", p.file("run"), "-i", "-", "--json", "--per-token"}, text.substr(0, 2000)).out,
      r.out);
  expect_refusal(p.run({"perplexity", p.file("run"), "-i", p.file("valid.txt"), "--on-long", "skip"}),
                 "--on-long needs a model of pairs or documents");
}
TEST(PerplexityCommand, AsksForWhatItNeeds) {
  Program p;
  expect_refusal(p.run({"perplexity"}), "expected a run folder and --input FILE");
  expect_refusal(p.run({"perplexity", p.file("none"), "--input", "-"}), "not a run folder");
  expect_refusal(p.run({"perplexity", "--explain", "perplexty"}), "did you mean \"perplexity\"?");
  const Ran r = p.run({"perplexity", "--explain", "lrr"});
  EXPECT_EQ(r.status, 0) << r.err;
  EXPECT_NE(r.out.find("Su et al. 2023"), std::string::npos);
}
}  // namespace
}  // namespace rum::perplexity_test
