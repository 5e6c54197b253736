// Detectors that use models of ours: each score against a plain formula over the logits of the text alone.
#include <gtest/gtest.h>

#include <cmath>

#include "detect/explain.h"
#include "detect/likelihood.h"
#include "ops/linear.h"
#include "tests/error_of.h"
#include "tests/run_folder.h"
#include "tests/scratch.h"

namespace rum::detect_models_test {
using detect::Text;
namespace {
struct Place {
  double log_p = 0, entropy = 0, variance = 0;  // under the model; the last two under the reference
  int64_t rank = 1;
};
// Each predicted token, from one forward of the text alone.
std::vector<Place> places(const LoadedRun& run, const LoadedRun& reference, const Text& t) {
  const bool pair = run.translation();
  const Example e = to_example(Pair{pair ? t.source : "", t.target}, run.tokenizer);
  const auto logits = [&](const LoadedRun& of) {
    const auto n = static_cast<int64_t>(e.tokens.size());
    BatchShape shape{n, 1, 0, Mask::prefix, of.model.config().restart, 0};
    if (of.model.encoder_decoder()) shape.sources = n, shape.mask = Mask::causal;
    return linear(of.model.hidden(upload(pack({&e, 1}, shape))), of.model.head());
  };
  const Tensor q = logits(run), r = logits(reference);
  const int64_t vocab = run.model.config().vocab;
  std::vector<Place> out;
  for (size_t i = static_cast<size_t>(std::max(e.prefix, 1)); i < e.tokens.size(); ++i) {
    // The row before the token; an encoder-decoder's rows begin at the separator.
    const auto row = [&](const LoadedRun& of) {
      const int64_t before = of.model.encoder_decoder() ? e.prefix : 1;
      return (static_cast<int64_t>(i) - before) * vocab;
    };
    const int64_t at = row(run), other = row(reference);
    double zq = 0, zr = 0, square = 0;
    for (int64_t v = 0; v < vocab; ++v) zq += std::exp(q.at(at + v)), zr += std::exp(r.at(other + v));
    Place p;
    const double own = q.at(at + e.tokens[i]);
    p.log_p = own - std::log(zq);
    for (int64_t v = 0; v < vocab; ++v) {
      const double share = std::exp(r.at(other + v)) / zr, log_q = q.at(at + v) - std::log(zq);
      p.entropy -= share * log_q, square += share * log_q * log_q, p.rank += q.at(at + v) > own;
    }
    p.variance = square - p.entropy * p.entropy;
    out.push_back(p);
  }
  return out;
}
double mean(const std::vector<Place>& all, double (*f)(const Place&)) {
  double sum = 0;
  for (const Place& p : all) sum += f(p);
  return sum / static_cast<double>(all.size());
}
double log_p(const Place& p) { return p.log_p; }
double log_rank(const Place& p) { return std::log(static_cast<double>(p.rank)); }
double entropy(const Place& p) { return p.entropy; }
double plain(const std::string& name, const std::vector<Place>& all) {
  const auto n = static_cast<double>(all.size());
  if (name == "log_likelihood") return mean(all, log_p);
  if (name == "rank") return -mean(all, [](const Place& p) { return static_cast<double>(p.rank); });
  if (name == "log_rank") return -mean(all, log_rank);
  if (name == "entropy") return -mean(all, entropy);
  if (name == "top_10") return mean(all, [](const Place& p) { return p.rank <= 10 ? 1. : 0.; });
  if (name == "top_100") return mean(all, [](const Place& p) { return p.rank <= 100 ? 1. : 0.; });
  if (name == "top_1000") return mean(all, [](const Place& p) { return p.rank <= 1000 ? 1. : 0.; });
  if (name == "lrr") {
    const double ratio = -mean(all, log_p) / mean(all, log_rank);
    return ratio / (1 + ratio);
  }
  if (name == "binoculars") return mean(all, log_p) / mean(all, entropy);
  if (name == "binoculars_published") {
    const std::vector<Place> text(all.begin(), all.end() - 1);  // without the end
    return mean(text, log_p) / mean(all, entropy);
  }
  return (mean(all, log_p) + mean(all, entropy)) * std::sqrt(n) /
         std::sqrt(mean(all, [](const Place& p) { return p.variance; }));
}
std::vector<Text> texts_of(int count) {
  std::vector<Text> out;
  for (const Pair& p : grammar_pairs(count, 9))
    out.push_back({.id = std::to_string(out.size() + 1),
                   .source = p.source,
                   .target = p.target,
                   .author = out.size() % 2 ? detect::Author::machine : detect::Author::human});
  return out;
}
struct Runs : Scratch {
  std::string translate = path + "/translate", encoder = path + "/encoder", text = path + "/text",
              other_words = path + "/words";
  Runs() {
    write_run(translate, {.seed = 1});
    write_run(encoder, {.model = ModelKind::encoder_decoder, .seed = 2});
    write_run(text, {.kind = CorpusKind::documents, .seed = 3});
    write_run(other_words, {.seed = 4, .vocab = 290});
  }
};
const Runs& runs() {
  static const Runs all;
  return all;
}
void expect_parts_to_add_up(const detect::Detector& d, const Text& t, double score, double tolerance = 1e-9) {
  const detect::Explanation e = d.explain(t);
  double sum = e.constant;
  std::string whole;
  for (const detect::Contribution& c : e.parts) {
    sum += c.adds;
    EXPECT_EQ(c.begin, whole.empty() ? c.begin : whole.size());
    whole.resize(c.begin);
    whole += t.target.substr(c.begin, c.end - c.begin);
    EXPECT_GE(c.rank, 1);
    EXPECT_TRUE(c.probability > 0 && c.probability <= 1) << c.probability;
  }
  EXPECT_NEAR(sum, score, tolerance * (1 + std::abs(score)));
  EXPECT_EQ(whole.size(), t.target.size());
}

TEST(DetectLikelihood, EachStatisticByItsPlainFormula) {
  const std::vector<Text> texts = texts_of(12);
  for (const std::string& path : {runs().translate, runs().encoder, runs().text}) {
    const std::string second = path == runs().encoder ? runs().translate
                               : path == runs().text  ? ""
                                                      : runs().encoder;
    const auto run = load_run(path);
    const auto reference = second.empty() ? nullptr : load_run(second);
    for (const detect::Statistic& s : detect::statistics()) {
      if (s.reference && second.empty()) continue;
      Json::Object options{{"model", path}, {"statistic", s.name}};
      if (s.reference) options.emplace_back("reference", second);
      const auto d = detect::fit("likelihood", texts, options);
      EXPECT_EQ(d->needs_source(), path != runs().text);
      const std::vector<double> got = d->score(texts);
      for (size_t i = 0; i < texts.size(); ++i) {
        const double expected = plain(s.name, places(*run, s.reference ? *reference : *run, texts[i]));
        EXPECT_NEAR(got[i], expected, 1e-4 * (1 + std::abs(expected))) << s.name << " " << path;
      }
      expect_parts_to_add_up(*d, texts[3], got[3]);
    }
  }
}
// If every token is the likeliest and has probability 1, the plain ratios are not finite.
TEST(DetectLikelihood, FiniteWhereEveryRankIsOne) {
  const std::vector<metrics::TokenStats> certain(4), likely(4, metrics::TokenStats{-0.5, 1, 0.4, 0.2});
  for (const detect::Statistic& s : detect::statistics()) {
    EXPECT_TRUE(std::isfinite(detect::sum_of(s, certain))) << s.name;
    EXPECT_TRUE(std::isfinite(detect::sum_of(s, likely))) << s.name;
    EXPECT_TRUE(std::isfinite(detect::sum_of(s, std::span(likely).first(1)))) << s.name;
    if (std::string_view(s.name) == "lrr") {
      EXPECT_EQ(detect::sum_of(s, likely), 1);
    }
  }
}
TEST(DetectLikelihood, Refuses) {
  const std::vector<Text> texts = texts_of(4);
  const auto refused = [&](Json::Object options) {
    return error_of([&] { detect::fit("likelihood", texts, options); });
  };
  EXPECT_NE(refused({}).find("option \"model\""), std::string::npos);
  EXPECT_NE(refused({{"model", runs().text}, {"statistic", "ranks"}})
                .find("did you mean \"rank\"? Known: log_likelihood, rank, log_rank, lrr, entropy, top_10, "
                      "top_100, top_1000, "
                      "curvature, curvature_reference, binoculars, binoculars_published"),
            std::string::npos);
  EXPECT_NE(refused({{"model", runs().translate}, {"statistic", "binoculars"}}).find("second model"),
            std::string::npos);
  const auto with = [&](const std::string& second) {
    return refused({{"model", runs().translate}, {"statistic", "binoculars"}, {"reference", second}});
  };
  EXPECT_NE(with(runs().other_words).find("different tokenizers"), std::string::npos);
  EXPECT_NE(with(runs().text).find("is a translation model and the other is not"), std::string::npos);
  EXPECT_NE(with(runs().translate).find("the same model"), std::string::npos);
  EXPECT_NE(refused({{"model", runs().text}, {"reference", runs().translate}}).find("no use for"),
            std::string::npos);

  const auto d = detect::fit("likelihood", texts, {{"model", runs().translate}});
  std::vector<Text> bad = texts;
  bad[2].source = "";
  EXPECT_NE(error_of([&] { d->score(bad); }).find("text 3 has no source"), std::string::npos);
  bad = texts, bad[1].target = "";
  EXPECT_NE(error_of([&] { d->score(bad); }).find("text 2 is empty"), std::string::npos);
  bad = texts, bad[1].target = bad[3].target = std::string(400, 'x');
  const std::string said = error_of([&] { d->score(bad); });
  EXPECT_NE(said.find("text 2 needs "), std::string::npos);
  EXPECT_NE(said.find("2 of 4 texts are too long"), std::string::npos);

  const std::string letters = runs().path + "/letters";
  write_run(letters, {.kind = CorpusKind::documents, .pattern = "characters"});
  bad = texts;
  for (Text& t : bad) t.target = "the cat";
  bad[1].target += " \u4E2D";
  const std::string unknown = error_of([&] {
    detect::fit("likelihood", texts, {{"model", letters}})->score(bad);
  });
  EXPECT_NE(unknown.find("text 2: the character U+4E2D"), std::string::npos) << unknown;
}
TEST(DetectLikelihood, SavedNamesTheVeryWeights) {
  const std::vector<Text> texts = texts_of(6);
  const Scratch scratch;
  const std::string run = scratch.path + "/run", file = scratch.path + "/d.detector";
  write_run(run, {.seed = 7});
  const auto d = detect::fit("likelihood", texts,
                             {{"model", run}, {"statistic", "binoculars"}, {"reference", runs().encoder}});
  detect::save(*d, file);
  EXPECT_EQ(detect::load(file)->score(texts), d->score(texts));
  write_run(run, {.seed = 8});
  EXPECT_NE(error_of([&] { detect::load(file); }).find("other weights"), std::string::npos);
}

TEST(DetectDensity, DifferenceOfTwoSums) {
  const std::vector<Text> texts = texts_of(8);
  const Json::Object options{{"human", runs().translate}, {"generated", runs().encoder}};
  const auto d = detect::fit("density", texts, options);
  const auto human = load_run(runs().translate), generated = load_run(runs().encoder);
  const std::vector<double> got = d->score(texts);
  for (size_t i = 0; i < texts.size(); ++i) {
    double expected = 0;
    for (const Place& p : places(*generated, *generated, texts[i])) expected += p.log_p;
    for (const Place& p : places(*human, *human, texts[i])) expected -= p.log_p;
    EXPECT_NEAR(got[i], expected, 1e-3);
  }
  expect_parts_to_add_up(*d, texts[2], d->score({&texts[2], 1})[0], 1e-6);  // sums of f32
  const Scratch scratch;
  detect::save(*d, scratch.path + "/d");
  EXPECT_EQ(detect::load(scratch.path + "/d")->score(texts), got);
}
// For every kind, relative to the size of the score, not of its parts.
TEST(DetectExplain, PartsAddUpToTheScoreOfEveryKind) {
  const Scratch scratch;
  const std::vector<Text> texts = texts_of(40);
  const std::vector<std::pair<const char*, Json::Object>> recipes = {
      {"linear", {{"features", 4096}, {"ngrams", "char_wb:2-5,word:1-2,char:3-3,pair"}}},
      {"likelihood", {{"model", runs().encoder}, {"statistic", "lrr"}}},
      {"density", {{"human", runs().translate}, {"generated", runs().encoder}}},
      {"states", {{"model", runs().translate}}},
      {"classifier",
       {{"width", 32}, {"layers", 1}, {"context", 128}, {"vocab", 300}, {"tokens", 512}, {"steps", 2}}}};
  Json::Array files;
  for (const auto& [kind, options] : recipes) {
    const auto d = detect::fit(kind, texts, options);
    files.emplace_back(scratch.path + "/" + kind);
    detect::save(*d, *files.back().text());
  }
  files.emplace_back(scratch.path + "/combine");
  detect::save(*detect::fit("combine", texts, {{"detectors", Json::Array(files.begin(), files.end() - 1)}}),
               *files.back().text());
  for (const Json& path : files) {
    const auto d = detect::load(*path.text());
    const std::vector<double> scores = d->score(texts);
    for (size_t i = 0; i < texts.size(); ++i) {
      const detect::Explained e = detect::explained(*d, texts[i]);
      double parts = e.explanation.constant, shown = e.explanation.constant;
      for (const auto& c : e.explanation.parts) parts += c.adds;
      std::string whole;
      for (const auto& s : detect::stretches(texts[i].target, e.explanation.parts)) {
        shown += s.adds;
        whole += texts[i].target.substr(s.begin, s.end - s.begin);
      }
      EXPECT_NEAR(parts, scores[i], 1e-6 * std::abs(scores[i])) << d->kind << " " << i;
      EXPECT_NEAR(shown, scores[i], 1e-6 * std::abs(scores[i])) << d->kind << " " << i;
      EXPECT_EQ(whole, texts[i].target);
    }
  }
}
TEST(DetectDensity, Refuses) {
  const std::vector<Text> texts = texts_of(4);
  const auto refused = [&](Json::Object options) {
    return error_of([&] { detect::fit("density", texts, options); });
  };
  EXPECT_NE(refused({{"human", runs().translate}}).find("\"generated\""), std::string::npos);
  EXPECT_NE(refused({{"human", runs().translate}, {"generated", runs().other_words}}).find("tokenizers"),
            std::string::npos);
  EXPECT_NE(refused({{"human", runs().translate}, {"generated", runs().translate}}).find("the same model"),
            std::string::npos);
}
}  // namespace
}  // namespace rum::detect_models_test
