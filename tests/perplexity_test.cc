// `ruminate perplexity` as a user meets it, on a model that was trained for a moment.
#include <fmt/format.h>

#include <cmath>

#include "tests/program.h"
#include "text/json.h"

using namespace rum;
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
  // Sums over the tokens, once more.
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
  p.write("long.tsv", "a\tb\n" + longer + "\tb\n");
  expect_refusal(p.run({"perplexity", p.file("run"), "--input", p.file("long.tsv")}),
                 "long.tsv: line 2 needs ");
  p.write("plain", "no tab\n");
  expect_refusal(p.run({"perplexity", p.file("run"), "--input", p.file("plain")}),
                 "expected source<TAB>target");
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
