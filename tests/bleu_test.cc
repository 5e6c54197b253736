// BLEU against sacreBLEU's own numbers: sentences of ours (tests/golden/bleu.json), and the large collection
// of real text when it lies beside the repository.
#include "metrics/bleu.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "base/error.h"
#include "base/threads.h"
#include "text/json.h"
#include "text/unicode.h"

namespace rum {
namespace {
std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream s;
  s << in.rdbuf();
  return s.str();
}
const Json& at(const Json& j, std::string_view key) {
  const Json* found = j.find(key);
  if (found == nullptr) fail("no key " + std::string(key));
  return *found;
}
double number(const Json& j) {
  double x = 0;
  if (!j.number(x)) fail("not a number");
  return x;
}
std::vector<std::string> strings(const Json& j) {
  std::vector<std::string> out;
  for (const Json& x : *j.array()) out.push_back(*x.text());
  return out;
}
// False when an option is not ours (yet).
bool config_of(const Json& options, BleuConfig& c) {
  for (const auto& [key, value] : *options.object()) {
    if (key == "lowercase")
      c.lowercase = *value.boolean();
    else if (key == "effective_order")
      c.effective_order = *value.boolean();
    else if (key == "smooth_method")
      c.smooth = *value.text();
    else if (key == "smooth_value")
      c.smooth_value = number(value);
    else if (key == "tokenize" && (*value.text() == "13a" || *value.text() == "none"))
      c.tokenize = *value.text();
    else
      return false;
  }
  return true;
}
void expect_score(const Bleu& got, const Json& wanted, const std::string& what) {
  auto near = [&](double a, double b) { EXPECT_NEAR(a, b, 1e-9 + 1e-9 * std::abs(b)) << what; };
  near(got.score, number(at(wanted, "score")));
  near(got.brevity_penalty, number(at(wanted, "bp")));
  for (size_t n = 0; n < 4; ++n) near(got.precisions[n], number((*at(wanted, "precisions").array())[n]));
  EXPECT_EQ(got.hyp_len, number(at(wanted, wanted.find("hyp_len") ? "hyp_len" : "sys_len"))) << what;
  EXPECT_EQ(got.ref_len, number(at(wanted, "ref_len"))) << what;
}
std::string before_version(const std::string& s) { return s.substr(0, s.find("|version:")); }

TEST(Bleu, OwnSentencesAsSacreBleu) {
  const Json golden = parse_json(slurp("tests/golden/bleu.json"), "tests/golden/bleu.json");
  int cases = 0;
  for (const Json& set : *at(golden, "sets").array()) {
    const auto hyps = strings(at(set, "hyps"));
    std::vector<std::vector<std::string>> refs;
    for (const Json& r : *at(set, "refs").array()) refs.push_back(strings(r));
    for (const Json& one : *at(set, "cases").array()) {
      BleuConfig c;
      ASSERT_TRUE(config_of(at(one, "options"), c));
      const std::string what = *at(set, "name").text() + " " + to_json(at(one, "options"));
      const Bleu corpus = corpus_bleu(hyps, refs, c);
      expect_score(corpus, at(one, "corpus"), what);
      EXPECT_EQ(before_version(bleu_signature(c, refs.size())), before_version(*at(one, "signature").text()));
      EXPECT_EQ(fmt::format("BLEU = {:.2f} {}", corpus.score, bleu_details(corpus)), *at(one, "line").text());
      for (size_t i = 0; i < hyps.size(); ++i) {
        std::vector<std::string> r;
        for (const auto& stream : refs) r.push_back(stream[i]);
        expect_score(bleu(bleu_stats(hyps[i], r, c), c), (*at(one, "sentences").array())[i],
                     what + " sentence " + std::to_string(i));
      }
      ++cases;
    }
  }
  EXPECT_EQ(cases, 77);
}
TEST(Bleu, TokensAsSacreBleu) {
  const Json golden = parse_json(slurp("tests/golden/bleu.json"), "tests/golden/bleu.json");
  for (const Json& x : *at(golden, "tokens").array())
    EXPECT_EQ(tokenize_13a(*at(x, "line").text()), *at(x, "tokens").text()) << to_json(x);
}
TEST(Bleu, ByHand) {  // the example of Papineni et al. 2002: 'the' counts at most twice
  const std::vector<std::string> refs{"the cat is on the mat", "there is a cat on the mat"};
  const BleuStats s = bleu_stats("the the the the the the the", refs);
  EXPECT_EQ(s.matches[0], 2);
  EXPECT_EQ(s.totals[0], 7);
  EXPECT_EQ(s.matches[1], 0);
  EXPECT_EQ(s.ref_len, 7);
  const std::vector<std::string> tie{"a b c d", "a b"};  // as near: the shorter
  EXPECT_EQ(bleu_stats("a b c", tie).ref_len, 2);
}
TEST(Bleu, StatisticsAddUpAndThreadsDoNotMatter) {
  std::vector<std::string> hyps;
  std::vector<std::vector<std::string>> refs(2);
  for (int i = 0; i < 300; ++i) {
    hyps.push_back(fmt::format("word{} stands before word{} and word{}, {}.", i % 7, i % 5, i % 3, i));
    refs[0].push_back(fmt::format("word{} stands after word{} and word{}, {}", i % 7, i % 4, i % 3, i));
    refs[1].push_back(fmt::format("here is word{} and word{}.", i % 2, i % 3));
  }
  BleuStats sum;
  for (size_t i = 0; i < hyps.size(); ++i)
    sum += bleu_stats(hyps[i], std::vector<std::string>{refs[0][i], refs[1][i]});
  const int before = threads();
  for (const int n : {1, 2, 3}) {
    set_threads(n);
    EXPECT_EQ(corpus_bleu(hyps, refs).score, bleu(sum).score);
  }
  set_threads(before);
  EXPECT_GT(bleu(sum).score, 10);
  EXPECT_LT(bleu(sum).score, 90);
}
TEST(Bleu, Refusals) {
  const std::vector<std::string> one{"a"}, two{"a", "b"};
  auto message = [](auto f) -> std::string {
    try {
      f();
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(message([&] { corpus_bleu(one, two); }), "bleu: 1 hypotheses, but reference 1 has 2 lines");
  EXPECT_NE(message([&] { bleu_stats("a", {}); }).find("without a reference"), std::string::npos);
  EXPECT_NE(message([&] { bleu_stats("a", one, {.tokenize = "14a"}); }).find("there are 13a, none"),
            std::string::npos);
  EXPECT_NE(message([&] { corpus_bleu(one, one, {.smooth = "maybe"}); }).find("no smoothing \"maybe\""),
            std::string::npos);
}

// ---- the large collection
std::string folder() {
  const char* set = std::getenv("RUM_GOLDEN");
  return set ? set : "../shared/golden/metrics";
}
std::vector<std::string> lines(const std::string& path, size_t from, size_t to) {
  std::vector<std::string> out;
  std::istringstream in(slurp(path));
  std::string line;
  for (size_t i = 0; i < to && std::getline(in, line); ++i)
    if (i >= from) out.push_back(line);
  return out;
}
TEST(Bleu, TokenizersOfTheCollection) {
  const std::string text = slurp(folder() + "/mt_tokenizers.json");
  if (text.empty()) GTEST_SKIP() << "no golden collection in " << folder();
  int cases = 0;
  const Json all = parse_json(text, "mt_tokenizers.json");
  for (const Json& c : *at(all, "cases").array()) {
    if (*at(c, "tokenizer").text() != "13a") continue;
    std::string line = *at(c, "input").text();
    if (*at(c, "lowercase").boolean()) line = lower_case(line);
    EXPECT_EQ(tokenize_13a(line), *at(c, "expected").text()) << to_json(at(c, "id"));
    ++cases;
  }
  EXPECT_EQ(cases, 59);
}
TEST(Bleu, CorporaOfTheCollection) {
  const std::string inline_text = slurp(folder() + "/mt_corpus.json"),
                    real = slurp(folder() + "/mt_realdata.json");
  if (inline_text.empty() || real.empty()) GTEST_SKIP() << "no golden collection in " << folder();
  struct Set {
    std::vector<std::string> hyps;
    std::vector<std::vector<const std::string*>> refs;  // null: this sentence has no such reference
  };
  std::map<std::string, Set> sets;
  int cases = 0;
  const Json small = parse_json(inline_text, "mt_corpus.json"), large = parse_json(real, "mt_realdata.json");
  for (const Json& c : *at(small, "cases").array()) {
    if (const Json* kind = c.find("kind"); kind && *kind->text() == "input") {
      Set& set = sets[*at(c, "set").text()];
      set.hyps = strings(at(c, "hyps"));
      for (const Json& stream : *at(c, "refs").array()) {
        auto& to = set.refs.emplace_back();
        for (const Json& r : *stream.array()) to.push_back(r.text());
      }
      continue;
    }
    BleuConfig config;
    if (*at(c, "metric").text() != "BLEU" || !config_of(at(c, "options"), config)) continue;
    const Set& set = sets.at(*at(c, "set").text());
    const Json& expected = at(c, "expected");
    const std::string id = *at(c, "id").text();
    BleuStats sum;
    for (size_t i = 0; i < set.hyps.size(); ++i) {
      std::vector<std::string> refs;
      for (const auto& stream : set.refs)
        if (stream[i]) refs.push_back(*stream[i]);
      const BleuStats s = bleu_stats(set.hyps[i], refs, config);
      sum += s;
      if (const Json* sentences = expected.find("sentences"))
        expect_score(bleu(s, config), (*sentences->array())[i], id + " sentence " + std::to_string(i));
    }
    expect_score(bleu(sum, config), at(expected, "score"), id);
    ++cases;
  }
  const bool every = std::getenv("RUM_TEST_ALL") != nullptr;
  for (const Json& c : *at(large, "cases").array()) {
    BleuConfig config;
    if (*at(c, "metric").text() != "BLEU" || !config_of(at(c, "options"), config)) continue;
    if (!every && cases % 4 != 0 && cases++) continue;
    const auto& range = *at(c, "lines").array();
    const auto from = static_cast<size_t>(number(range[0])), to = static_cast<size_t>(number(range[1]));
    const auto hyps = lines(folder() + "/data/" + *at(c, "hyp_file").text(), from, to);
    std::vector<std::vector<std::string>> refs;
    for (const std::string& f : strings(at(c, "ref_files")))
      refs.push_back(lines(folder() + "/data/" + f, from, to));
    const Bleu got = corpus_bleu(hyps, refs, config);
    const std::string id = *at(c, "id").text();
    expect_score(got, at(at(c, "expected"), "score"), id);
    EXPECT_EQ(fmt::format("BLEU = {:.2f} {}", got.score, bleu_details(got)),
              *at(at(c, "expected"), "formatted").text());
    ++cases;
  }
  EXPECT_GT(cases, 150);
}
}  // namespace
}  // namespace rum
